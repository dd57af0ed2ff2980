"""Proves that `harness fuzz` finds ten defects that we made, as ten findings, each nearly as short as can be.

    python benchmarks/fuzz_flawed.py [--for 5m] [SEED ...]

The server is selftest/fuzz/flawed.py. A seed takes five minutes; the exit code is 1 if anything falls short.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "selftest")]

from fuzz.smallest import SMALLEST, shortfalls  # noqa: E402 - from the folder of the selftests

LIMIT = 0.7


def main() -> int:
    """Run each seed, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--for", dest="time", default="5m", metavar="TIME")
    parser.add_argument("seeds", nargs="*", type=int, default=[1, 2, 3], metavar="SEED")
    given = parser.parse_args()
    short = 0
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                "-m",
                "harness",
                "fuzz",
                str(ROOT / "selftest/fuzz/flawed.py"),
            ]
            options = [
                "--for",
                given.time,
                "--seed",
                str(seed),
                "--limit",
                str(LIMIT),
                "-o",
                folder,
            ]
            subprocess.run([*command, *options], cwd=ROOT, check=False)
            missing = shortfalls(Path(folder) / "findings")
        print(
            f"seed {seed}: {len(SMALLEST) - len(missing)} of {len(SMALLEST)} defects as they should be"
        )
        for each in missing:
            print(f"    {each}")
        short += len(missing)
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main())
