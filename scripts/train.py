from s2s.cli.train import main

main()
