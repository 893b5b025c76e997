from s2s.cli.attention import main

main()
