"""`python -m dcm`: the same as the command `dcm`."""

import sys

from dcm.cli import main

if __name__ == "__main__":
    sys.exit(main())
