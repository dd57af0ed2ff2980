"""Expected and received values side by side, with the differing words marked."""

import re
from difflib import SequenceMatcher

from markupsafe import Markup, escape

WORDS = 2_000
"""Longer values are shown unmarked: the cost of comparing grows with the square of the length."""


def marked(expected: str, received: str) -> tuple[Markup, Markup]:
    """Return both texts as HTML, with the words that only one of them has inside `<mark>`."""
    left, right = _words(expected), _words(received)
    if max(len(left), len(right)) > WORDS:
        return escape(expected), escape(received)
    steps = SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    return (
        Markup().join(_piece(left[a:b], kind) for kind, a, b, _, _ in steps),
        Markup().join(_piece(right[c:d], kind) for kind, _, _, c, d in steps),
    )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|.", text)


def _piece(words: list[str], kind: str) -> Markup:
    text = escape("".join(words))
    return text if kind == "equal" or not text else Markup("<mark>{}</mark>").format(text)
