from s2s.cli.lengths import main

main()
