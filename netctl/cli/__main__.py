from netctl.cli.main import main

main()
