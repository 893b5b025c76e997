from s2s.cli.gates import main

main()
