"""Which elements a data set has, and which of them are empty: all of it that two runs have in common.

Values are left out, as UIDs, dates and times differ from run to run.
"""

import zlib
from collections.abc import Iterator
from typing import Final

from pydicom.uid import DeflatedExplicitVRLittleEndian

from harness.evidence.data_set import (
    ITEM,
    ITEM_END,
    MAX_KEPT,
    SEQUENCE_END,
    UNDEFINED,
    Walk,
    byte_order,
    inflated,
    is_implicit,
)
from harness.evidence.redact import Redactor

ITEM_GROUP: Final = 0xFFFE
MAX_ELEMENTS: Final = 400
"""Of one data set; no identifier and few objects have more."""


def outline(data: bytes, size: int, transfer_syntax: str | None) -> frozenset[str]:
    """Name the elements of a data set of `size` bytes, of which `data` is all or the beginning.

    An element in a sequence stands behind the sequence: `0040A730.00080100`. Raises nothing.
    """
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        try:
            data = inflated(data)
        except zlib.error:
            return frozenset({"cannot be inflated"})
        size = len(data)
    walk = _Outline(data[:MAX_KEPT], size, byte_order(transfer_syntax), Redactor(()), {})
    return frozenset(walk.names(implicit=is_implicit(data, transfer_syntax)))


class _Outline(Walk):
    """Passes over all values."""

    def names(self, *, implicit: bool) -> Iterator[str]:
        """Name element after element, as far as the bytes go."""
        for number, name in enumerate(self.lines(implicit=implicit)):
            if number == MAX_ELEMENTS:
                return
            if not name.startswith("..."):  # bytes that were not kept
                yield name

    def _line(self, tag: int, vr: str, length: int) -> str:
        """Take the element or item behind the header that was read, and name it."""
        above = "".join(f"{level.tag:08X}." for level in self._levels if level.tag)
        if tag in (ITEM, ITEM_END, SEQUENCE_END) or vr == "SQ" or length == UNDEFINED:
            super()._line(tag, vr, length)
            return "" if tag >> 16 == ITEM_GROUP else f"{above}{tag:08X}"
        self._skip(length)
        return f"{above}{tag:08X}{'' if length else ' empty'}"

    def _undecodable(self) -> Iterator[str]:
        if len(self._data) == self._size:
            yield "bytes that are no element"
