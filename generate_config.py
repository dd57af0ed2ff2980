#!/usr/bin/env python3
"""Write the configuration of the remote Orthanc; `--help` says what can be chosen.

Needs nothing but Python itself, so that it runs straight from a checkout.
"""

import sys

from harness.config.generate import main

if __name__ == "__main__":
    sys.exit(main())
