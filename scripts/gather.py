from s2s.cli.gather import main

main()
