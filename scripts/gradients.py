from s2s.cli.gradients import main

main()
