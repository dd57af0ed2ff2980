"""`dcm version`: show the version."""

from argparse import ArgumentParser, Namespace

from dcm import __version__


def add_arguments(_parser: ArgumentParser) -> None:
    """Add nothing."""


def run(_arguments: Namespace) -> int:
    """Print the version."""
    print(f"dcm {__version__}")
    return 0
