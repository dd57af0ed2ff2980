"""Paths of elements: where an element is in a data set, and patterns of such places.

    PatientName   0010,0010   0x0010,0x0010   ReferencedSeriesSequence[0].SeriesInstanceUID
    ReferencedSeriesSequence[*].SeriesInstanceUID      in all items; without [*], too

Items are counted from 0, as in Python.
"""

import re
from typing import Final, NamedTuple, TypeAlias

from dcm.data.dictionary import keyword_of, tag_of
from dcm.errors import DcmError

Where: TypeAlias = tuple[int, ...]
"""The place of an element: its tag, before it the tag of each sequence and the number of the item in it."""

_STEP: Final = re.compile(r"([^\[\]]+)(?:\[(\*|\d+)\])?")


class BadPath(DcmError):  # noqa: N818 - reads as the sentence it is
    """A text that is not the path of an element."""


class ElementPath(NamedTuple):
    """A pattern of places: tags, and between them the numbers of items; None is any item."""

    steps: tuple[int | None, ...]

    @classmethod
    def of(cls, text: str) -> "ElementPath":
        """Read a path. Raises `BadPath`, and `UnknownElement` for a keyword that does not exist."""
        steps: list[int | None] = []
        parts = text.strip().split(".")
        for part in parts:
            found = _STEP.fullmatch(part)
            if found is None:
                raise BadPath(f"{text!r} is not the path of an element, as Sequence[0].Keyword is")
            steps.append(tag_of(re.sub("0[xX]", "", found[1])))
            steps.append(None if found[2] in (None, "*") else int(found[2]))
        if parts[-1].endswith("]"):
            raise BadPath(f"{text!r} ends with an item: an element in it has to be named")
        return cls(tuple(steps[:-1]))

    @property
    def tag(self) -> int:
        """The tag of the outermost element."""
        tag = self.steps[0]
        assert tag is not None
        return tag

    @property
    def is_nested(self) -> bool:
        """Whether it leads into a sequence."""
        return len(self.steps) > 1

    def matches(self, where: Where) -> bool:
        """Return whether an element is meant."""
        return len(where) == len(self.steps) and self.leads_to(where)

    def leads_to(self, where: Where) -> bool:
        """Return whether a place is on the way to elements that are meant, or is one."""
        return len(where) <= len(self.steps) and all(
            step in (None, one) for step, one in zip(self.steps, where, strict=False)
        )

    def __str__(self) -> str:
        return _text(self.steps)


def where_text(where: Where) -> str:
    """Return a place as text: `ReferencedSeriesSequence[0].SeriesInstanceUID`, `0009,1001`."""
    return _text(where)


def _text(steps: tuple[int | None, ...]) -> str:
    parts = []
    for at in range(0, len(steps), 2):
        tag = steps[at]
        assert tag is not None
        keyword = keyword_of(tag)
        parts.append(keyword if keyword != f"{tag:08X}" else f"{tag >> 16:04X},{tag & 0xFFFF:04X}")
        if at + 1 < len(steps):
            item = steps[at + 1]
            parts.append("[*]." if item is None else f"[{item}].")
    text = "".join(parts)
    return text.removesuffix(".") if len(steps) % 2 == 0 else text
