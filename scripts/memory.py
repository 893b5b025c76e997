from s2s.cli.memory import main

main()
