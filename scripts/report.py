from s2s.cli.report import main

main()
