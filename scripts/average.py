from s2s.cli.average import main

main()
