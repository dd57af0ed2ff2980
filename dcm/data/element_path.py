"""Paths of elements in a data set, and patterns of paths.

    PatientName   0010,0010   0x0010,0x0010   ReferencedSeriesSequence[0].SeriesInstanceUID
    ReferencedSeriesSequence[*].SeriesInstanceUID      in all items; without [*], too

Items are counted from 0, as in Python.
"""

import re
from typing import Final, NamedTuple, TypeAlias

from dcm.data.dictionary import keyword_of, tag_of
from dcm.errors import DcmError

Where: TypeAlias = tuple[int, ...]
"""The place of an element: the tag of each sequence and the number of the item in it, then its own tag."""

_STEP: Final = re.compile(r"([^\[\]]+)(?:\[(\*|\d+)\])?")


class BadPath(DcmError):  # noqa: N818 - reads as the sentence it is
    """A text that is not the path of an element."""


class ElementPath(NamedTuple):
    """A pattern of paths: tags, with item numbers in between; None means any item."""

    steps: tuple[int | None, ...]

    @classmethod
    def of(cls, text: str) -> "ElementPath":
        """Parse a path. Raises `BadPath`, and `UnknownElement` for an unknown keyword."""
        steps: list[int | None] = []
        parts = text.strip().split(".")
        for part in parts:
            found = _STEP.fullmatch(part)
            if found is None:
                raise BadPath(
                    f"{text!r} is not the path of an element, such as Sequence[0].Keyword"
                )
            steps.append(tag_of(re.sub("0[xX]", "", found[1])))
            steps.append(None if found[2] in (None, "*") else int(found[2]))
        if parts[-1].endswith("]"):
            raise BadPath(f"{text!r} ends with an item: name an element in it")
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
        """Return whether an element matches."""
        return len(where) == len(self.steps) and self.leads_to(where)

    def leads_to(self, where: Where) -> bool:
        """Return whether a path leads to matching elements, or matches itself."""
        return len(where) <= len(self.steps) and all(
            step in (None, one) for step, one in zip(self.steps, where, strict=False)
        )

    def __str__(self) -> str:
        return _text(self.steps)


def where_text(where: Where) -> str:
    """Return a path as text: `ReferencedSeriesSequence[0].SeriesInstanceUID`, `0009,1001`."""
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
