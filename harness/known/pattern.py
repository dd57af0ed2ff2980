"""The pattern that an entry gets by default: what all failures have in common, without what varies by run."""

import re
from collections.abc import Sequence
from functools import partial

LONGEST = 100
"""Characters of a line that are worth a pattern; what follows is left out."""
# What another run has otherwise, and what stands for it.
VOLATILE = (
    (r"(?<= )/[^\s:]{20,}", r"\S+"),  # the path of a request
    (r"\b2\.25\.\d+", r"2\.25\.\d+"),  # UIDs, but for those that the standard gives a meaning
    (r"(?<![\d.])(?!1\.2\.840\.10008\.)\d+(?:\.\d+){5,}", r"[\d.]+"),
    (r"\b[0-9a-f]{8}(?:-[0-9a-f]{8}){4}\b", r"[0-9a-f-]+"),  # Orthanc's ids
    (r"\b\d+\.\d+ s\b", r"[\d.]+ s"),
    (r"(?<=localhost:)\d+|(?<=127\.0\.0\.1:)\d+", r"\d+"),
)
_VOLATILE = re.compile("|".join(f"({each})" for each, _ in VOLATILE))


def pattern_for(texts: Sequence[str]) -> str | None:
    """Return a pattern that each text of a failure fits; None where they have no line in common.

    What was received is preferred, with what was expected if that is the same as well; else the message.
    """
    for pattern_of in (partial(_ending, lines=2), partial(_ending, lines=1), _first_line):
        candidates = {pattern_of(text) for text in texts}
        if len(candidates) == 1 and None not in candidates:
            return candidates.pop()
    return None


def _first_line(text: str) -> str:
    return _line(text.partition("\n")[0])


def _ending(text: str, lines: int) -> str | None:
    """Return the pattern of the last line, `received ...`, or of two, `expected ...` before it."""
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
    """Return the pattern of a line from its beginning, to its end if that is not far."""
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
    """Quote what means something in a pattern, and nothing else: people read it."""
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", text)
