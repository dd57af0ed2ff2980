"""The default pattern of an entry: what all failures have in common, without what varies."""

import re
from collections.abc import Sequence
from functools import partial

LONGEST = 100
"""Most characters of a line that go into a pattern; what follows is left out."""
# What varies between runs, and the pattern that replaces it.
VOLATILE = (
    (r"(?<= )/[^\s:]{20,}", r"\S+"),  # the path of a request
    (r"\b2\.25\.\d+", r"2\.25\.\d+"),  # UIDs, except those that the standard defines
    (r"(?<![\d.])(?!1\.2\.840\.10008\.)\d+(?:\.\d+){5,}", r"[\d.]+"),
    (r"\b[0-9a-f]{8}(?:-[0-9a-f]{8}){4}\b", r"[0-9a-f-]+"),  # Orthanc's ids
    (r"\b\d+\.\d+ s\b", r"[\d.]+ s"),
    (r"(?<=localhost:)\d+|(?<=127\.0\.0\.1:)\d+", r"\d+"),
)
_VOLATILE = re.compile("|".join(f"({each})" for each, _ in VOLATILE))


def pattern_for(texts: Sequence[str]) -> str | None:
    """Return a pattern that matches each text of a failure; None if they have no line in common.

    The received value is preferred, with the expected one if that is also the same; otherwise the message.
    """
    for pattern_of in (partial(_ending, lines=2), partial(_ending, lines=1), _first_line):
        candidates = {pattern_of(text) for text in texts}
        if len(candidates) == 1 and None not in candidates:
            return candidates.pop()
    return None


def _first_line(text: str) -> str:
    return _line(text.partition("\n")[0])


def _ending(text: str, lines: int) -> str | None:
    """Return the pattern of the last line, `received ...`, or also of `expected ...` before it."""
    found = re.search(r"^expected ((?:.|\n)*)\nreceived ((?:.|\n)*)\Z", text, re.MULTILINE)
    if found is None:
        return None
    expected, received = (each.partition("\n")[0] for each in found.groups())
    whole = "\n" not in found.group(1)
    last = _line(f"received {received}")
    if lines == 1:
        return last
    first = f"expected {expected}"
    return rf"{_line(first)[:-1]}\n{last[1:]}" if whole and len(first) < LONGEST else None


def _line(line: str) -> str:
    """Return the pattern of a line from its beginning, up to its end if the line is short."""
    pieces, position, length = [], 0, 0
    for found in _VOLATILE.finditer(line):
        plain = line[position : found.start()]
        length += len(plain)
        if length > LONGEST:
            break
        pieces += [_escaped(plain), VOLATILE[(found.lastindex or 1) - 1][1]]
        position = found.end()
    rest = line[position:]
    length = sum(map(len, pieces))
    cut = rest[: max(0, LONGEST - length)]
    return f"^{''.join(pieces)}{_escaped(cut)}{'$' if cut == rest else ''}"


def _escaped(text: str) -> str:
    """Escape only characters with a meaning in a pattern, to keep it readable."""
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", text)
