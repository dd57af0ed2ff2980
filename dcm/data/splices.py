"""Replace some bytes of a source, without copying the rest."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from dcm.data.source import Source
from dcm.data.whole import Edit


def spliced_bytes(data: bytes, splices: Iterable[Edit]) -> bytes:
    """Return the bytes with all splices applied; they must be in order of their positions."""
    parts: list[bytes | memoryview] = []
    at, view = 0, memoryview(data)
    for splice in splices:
        parts += [view[at : splice.position], splice.put]
        at = splice.position + splice.dropped
    return b"".join([*parts, view[at:]])


def grown(splices: Iterable[Edit]) -> int:
    """Return the number of bytes by which splices make a source longer."""
    return sum(len(each.put) - each.dropped for each in splices)


def merged(splices: Sequence[Edit], mends: Sequence[Edit]) -> list[Edit]:
    """Merge splices with the mends of the same data set (`dcm.data.whole.check`).

    Mends of an element that a splice replaces are omitted: the length of a value, and the padding byte at its
    end.
    """
    left, ends = [], {each.position + each.dropped for each in splices if each.dropped}
    skipped = False
    for mend in mends:
        inside = any(
            each.position < mend.position < each.position + each.dropped for each in splices
        )
        padding = skipped and not mend.dropped and mend.position in ends
        if not (inside or padding):
            left.append(mend)
        skipped = inside
    return sorted([*left, *splices], key=lambda each: (each.position, each.dropped > 0))


class SplicedSource:
    """A source with splices applied, read by the resulting positions."""

    def __init__(self, source: Source, start: int, end: int, splices: Sequence[Edit]) -> None:
        self._source: Final = source
        self._parts: Final[list[tuple[int, int] | bytes]] = []
        at = start
        for splice in splices:
            self._add(at, splice.position)
            if splice.put:
                self._parts.append(splice.put)
            at = splice.position + splice.dropped
        self._add(at, end)
        lengths = (
            len(each) if isinstance(each, bytes) else each[1] - each[0] for each in self._parts
        )
        self._ends: Final = [*accumulate(lengths)]
        self.length: Final = self._ends[-1] if self._ends else 0

    def read(self, offset: int, size: int) -> bytes:
        """Read up to `size` bytes."""
        end = min(offset + size, self.length)
        found = []
        place = bisect_right(self._ends, offset)
        while offset < end:
            part = self._parts[place]
            begin = self._ends[place - 1] if place else 0
            first, last = offset - begin, min(end, self._ends[place]) - begin
            if isinstance(part, bytes):
                data = part[first:last]
            else:
                data = self._source.read(part[0] + first, last - first)
                if not data:  # the source became shorter
                    break
            found.append(data)
            offset += len(data)
            if offset == self._ends[place]:
                place += 1
        return found[0] if len(found) == 1 else b"".join(found)

    def _add(self, start: int, end: int) -> None:
        if start < end:
            self._parts.append((start, end))
