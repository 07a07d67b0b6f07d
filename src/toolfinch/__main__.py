"""`python -m toolfinch`."""

from toolfinch.cli.main import main

main()
