"""`python tests [NAME ...]` runs the suites, or the cases of these names."""

import sys

from harness.cli import main

sys.exit(main(["run", *sys.argv[1:]]))
