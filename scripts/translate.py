from s2s.cli.translate import main

main()
