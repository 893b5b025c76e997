from s2s.cli.bench import main

main()
