"""python -m gde.cli, where the command is not installed."""

import sys

from gde.cli import main

if __name__ == "__main__":
    sys.exit(main())
