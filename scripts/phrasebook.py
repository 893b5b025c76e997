from s2s.cli.phrasebook import main

main()
