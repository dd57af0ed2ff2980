"""`python tests [NAME ...]` runs all cases, or those with these names."""

import sys

from harness.cli import main

sys.exit(main(["run", *sys.argv[1:]]))
