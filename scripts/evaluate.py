from s2s.cli.evaluate import main

main()
