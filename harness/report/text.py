"""Make text from servers and tools fit for display: no control characters, bounded, readable."""

import os
import re
from pathlib import Path
from urllib.parse import quote

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# Controls except tab and line feed, direction marks, and what UTF-8 or XML cannot contain.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufeff\ufffe\uffff]"
)


def printable(text: str) -> str:
    r"""Remove colour codes from `text` and escape every other invisible character: `\x00`."""
    text = _ANSI.sub("", text.replace("\r\n", "\n"))
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """Return the words of `text` on one line."""
    return " ".join(text.split())


def excerpt(text: str, limit: int) -> str:
    """Keep the beginning and end of `text`, `limit` characters in all; note how much is left out."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}{_gap(len(text) - 2 * half)}{text[-half:]}"


def read_excerpt(path: Path, limit: int) -> str:
    """Read the beginning and end of a file, `limit` bytes in all; escape what is not UTF-8."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= limit:
            return _decode(file.read(limit))
        half = limit // 2
        head = file.read(half)
        file.seek(size - half)
        return f"{_decode(head)}{_gap(size - 2 * half)}{_decode(file.read(half))}"


def seconds(duration: float) -> str:
    """Format a duration: `4 ms`, `1.25 s`, `2 min 5 s`."""
    if duration < 0.9995:
        return f"{duration * 1000:.0f} ms"
    if duration < 59.995:
        return f"{duration:.2f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest} s"


def size(count: int) -> str:
    """Format a number of bytes: `812 B`, `1.4 kB`, `3.0 MB`."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def counted(number: int, noun: str) -> str:
    """Format a number with its noun: `1 case`, `3 cases`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def link(path: Path, beside: Path) -> str:
    """Return `path` as a link from a page in the folder `beside`."""
    relative = os.path.relpath(path.resolve(), beside.resolve())
    return quote(relative.encode("utf-8", "surrogateescape"))


def _decode(raw: bytes) -> str:
    return printable(raw.decode("utf-8", "backslashreplace"))


def _gap(left_out: int) -> str:
    return f"\n\n[... {size(left_out)} left out ...]\n\n"
