"""Rules for what counts as a difference between two data sets."""

import fnmatch
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from dcm.data.content import Entry
from dcm.data.dictionary import tag_of
from dcm.data.element_path import ElementPath, Where
from dcm.frozen import Frozen

_GROUP: Final = re.compile(r"\(?(?:0x)?([0-9a-f]{4})(?:,x{4}\)?)?", re.IGNORECASE)
_CHARACTER_SET: Final = 0x00080005
_TRANSFER_SYNTAX: Final = 0x00020010


class Ignored(NamedTuple):
    """A pattern of elements that may differ. text: as it was written."""

    text: str
    holds: Callable[[Entry, Where], bool]

    @classmethod
    def of(cls, text: str) -> "Ignored":
        """Parse a pattern. Raises `BadPath`, and `UnknownElement` for an unknown keyword.

        `private`; a group such as 0010, 0x0010 or 0010,xxxx; a path such as Sequence[*].Keyword; or a keyword
        or tag, which also applies to items, and may have the wildcards * and ?.
        """
        if text == "private":
            return cls(text, lambda entry, _where: entry.is_private)
        if group := _GROUP.fullmatch(text):
            number = int(group[1], 16)
            return cls(text, lambda entry, _where: entry.tag >> 16 == number)
        if "[" in text or "." in text:
            path = ElementPath.of(text)
            return cls(text, lambda _entry, where: path.matches(where))
        if "*" in text or "?" in text:
            return cls(text, lambda entry, _where: fnmatch.fnmatchcase(entry.keyword, text))
        tag = tag_of(re.sub("0[xX]", "", text))
        return cls(text, lambda entry, _where: entry.tag == tag)


class DifferenceRules(Frozen):
    """What to compare, and how exactly.

    ignore: these elements may differ, including their contents.
    tolerance: numbers may differ by this much.
    any_order: ignore the order of sequence items and of multiple values.
    any_encoding: compare only the meaning of values; not transfer syntax, VR, character set, group lengths,
    the notation of numbers, and insignificant spaces.
    meta: also compare the file meta information.
    pixels: compare decoded pixels.
    """

    ignore: tuple[Ignored, ...] = ()
    tolerance: float | None = None
    any_order: bool = False
    any_encoding: bool = False
    meta: bool = False
    pixels: bool = False

    def ignores(self, entry: Entry, where: Where) -> bool:
        """Return whether an element may differ, or be on one side only."""
        if self.any_encoding and (
            entry.tag in (_CHARACTER_SET, _TRANSFER_SYNTAX) or not entry.tag & 0xFFFF
        ):
            return True
        return any(each.holds(entry, where) for each in self.ignore)
