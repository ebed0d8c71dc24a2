"""``python -m medlib.cli``."""

from medlib.cli import main

main()
