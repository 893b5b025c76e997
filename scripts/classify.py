from s2s.cli.app import main

main("classify")
