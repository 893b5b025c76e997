from s2s.cli.classify import main

main()
