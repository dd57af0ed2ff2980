"""Clean descriptions (PS3.15 E.3.5): keep only the words of a text that are known not to identify anyone.

These are the words of `words.txt` (anatomy, technique and equipment), and those that the user adds. Short
numbers are kept, with or without a unit. A name that is also one of these words is kept, too: Dr. Hand.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:[.,][0-9]+[^\W_]*)?|[+/&-]")
_NUMBER: Final = re.compile(
    r"[0-9]{1,3}([.,][0-9]{1,2})?(mm|cm|m|s|ms|sec|min|h|kv|kvp|ma|mas|t|hz|ml|mg|mgy|gy|cgy|mci|mbq|bpm|x|d)?",
    re.IGNORECASE | re.ASCII,
)


def cleaned(text: str, words: frozenset[str], longest: int = 0) -> str:
    """Return the part of a text to keep; empty if no word is known. longest: maximum length, or 0."""
    kept = [
        word
        for word in _WORD.findall(text)
        if word in "+/&-" or word.casefold() in words or _NUMBER.fullmatch(word)
    ]
    if not any(word.casefold() in words for word in kept):
        return ""
    clean = " ".join(kept).strip("+/&- ")
    return clean[:longest].strip() if longest else clean


@cache
def own_words() -> frozenset[str]:
    """Return the words of `words.txt`."""
    return words_of((Path(__file__).parent / "words.txt").read_text("utf-8").splitlines())


def words_of(lines: Iterable[str]) -> frozenset[str]:
    """Return the words in lines of text; lines that begin with # are comments."""
    return frozenset(
        word.casefold() for line in lines if not line.startswith("#") for word in line.split()
    )
