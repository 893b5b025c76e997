from s2s.cli.app import main

main("train")
