"""`python -m shared.client.cli`: the command from a working copy."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
