from s2s.cli.align import main

main()
