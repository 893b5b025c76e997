from s2s.cli.score import main

main()
