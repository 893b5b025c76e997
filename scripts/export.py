from s2s.cli.export import main

main()
