#!/usr/bin/env python3
"""Write the configuration of the remote Orthanc; see `--help` for the options.

Needs only Python itself, so it can be run directly from a checkout.
"""

import sys

from harness.config.generate import main

if __name__ == "__main__":
    sys.exit(main())
