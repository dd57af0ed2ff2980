"""Properties of stdout: whether to use colours, and how wide a line may be."""

import os
import sys


def has_colours() -> bool:
    """Return whether output may have colours: on a terminal, unless NO_COLOR is set."""
    return (
        sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") not in (None, "", "dumb")
    )


def width() -> int | None:
    """Return the width of the terminal, or None if stdout is not a terminal."""
    if not sys.stdout.isatty():
        return None
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
