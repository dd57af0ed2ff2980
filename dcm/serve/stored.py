"""The data set of a stored instance, read element by element."""

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

from dcm.data.encoding import DEFLATED, EXPLICIT, NATIVE, Element, Encoding, Reader
from dcm.data.source import FileSource, InflatedSource, Source
from dcm.instances import FileInstance


class DataSet(NamedTuple):
    """An open data set. start: its position in the source; end: the end of the source, if known."""

    source: Source
    start: int
    end: int | None
    encoding: Encoding

    @property
    def reader(self) -> Reader:
        """A reader that starts at its beginning."""
        return Reader(self.source)

    def elements(self) -> Iterator[tuple[Element, str]]:
        """Yield all elements, items and delimiters, each with its place as in `BulkUri`."""
        places: list[str] = []  # of open sequences and items, by depth
        items: list[int] = []
        walk = self.reader.walk(self.start, self.encoding, self.end, into_sequences=True)
        for element in walk:
            del places[element.depth :]
            above = places[-1] if places else ""
            if element.depth % 2 == 0:
                place = f"{above}{element.tag:08X}"
                places.append(f"{place}/")
                del items[element.depth // 2 :]
                items.append(0)
            else:
                items[element.depth // 2] += 1
                place = f"{above}{items[element.depth // 2]}"
                places.append(f"{place}/")
            yield element, place


@contextlib.contextmanager
def opened(instance: FileInstance) -> Iterator[DataSet]:
    """Open the data set of an instance; a deflated one is inflated as needed. Raises `OSError`."""
    syntax = instance.kind[1]
    descriptor = os.open(instance.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        file = FileSource(descriptor)
        if syntax in DEFLATED:
            yield DataSet(InflatedSource(file, instance.offset), 0, None, EXPLICIT)
        else:
            end = os.fstat(descriptor).st_size
            yield DataSet(file, instance.offset, end, NATIVE.get(syntax, EXPLICIT))
    finally:
        os.close(descriptor)
