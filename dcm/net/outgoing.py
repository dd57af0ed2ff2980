"""Files that are to be sent: what their headers say, and their data sets in slices."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

from dcm.data.scan import NotDicom, scan
from dcm.errors import DcmError, LocalProtocolError
from dcm.net.outcome import InstanceResult, Outcome
from dcm.wire import PresentationContextRQ

MOST_CONTEXTS: Final = 128  # odd numbers from 1 to 255 (PS3.8 9.3.2.2)
SLICE: Final = 1 << 20
_DEFLATED: Final = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.8.1")

Kind = tuple[str, str]
"""SOP class and transfer syntax: what a presentation context is for."""


class UnreadableFile(DcmError):  # noqa: N818 - reads as the sentence it is
    """A file that changed or broke since its header was read."""


class OutgoingFile(NamedTuple):
    """A file that can be sent; `number` is its place among all that were given."""

    number: int
    path: str
    kind: Kind
    sop_instance_uid: str
    offset: int

    def result(
        self, outcome: Outcome, words: str = "", status: int | None = None
    ) -> InstanceResult:
        """Say what became of it."""
        return InstanceResult(self.path, self.sop_instance_uid, outcome, words, status)

    def slices(self, memory: bytearray) -> Iterator[tuple[memoryview, bool]]:
        """Give the data set in slices that lie in `memory`, and whether each is the last one.

        It is read, not mapped: a mapped file that somebody cuts off would kill the process.
        Raises `OSError`, and `UnreadableFile` for a data set of odd length.
        """
        view = memoryview(memory)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            at, end = self.offset, os.fstat(descriptor).st_size
            padded = (end - at) % 2 and self.kind[1] in _DEFLATED  # PS3.5 A.5
            if end <= at or ((end - at) % 2 and not padded):
                raise UnreadableFile(f"its data set has {end - at} bytes: it is cut or broken")
            while at < end:
                wanted = min(len(memory) - 2, end - at)
                count = _read(descriptor, view[:wanted], at)
                at += count
                if at == end and padded:
                    view[count] = 0
                    count += 1
                yield view[:count], at == end
        finally:
            os.close(descriptor)


def _read(descriptor: int, into: memoryview, at: int) -> int:
    done = 0
    while done < len(into):
        count = os.preadv(descriptor, [into[done:]], at + done)
        if not count:
            raise UnreadableFile("it became shorter while it was sent")
        done += count
    return done


class ReadAhead:
    """Reads the data sets of files, the next one while the peer is still busy with the last one.

    One buffer is enough for that: what is sent is with the system.
    """

    def __init__(self) -> None:
        self._memory: Final = bytearray(SLICE)
        self._file: OutgoingFile | None = None
        self._slices: Iterator[tuple[memoryview, bool]] = iter(())
        self._first: tuple[memoryview, bool] | OSError | UnreadableFile = UnreadableFile()

    def begin(self, file: OutgoingFile) -> None:
        """Read the first slice now; what that raises, `read` does."""
        self._file, self._slices = file, file.slices(self._memory)
        try:
            self._first = next(self._slices)
        except (OSError, UnreadableFile) as error:
            self._first = error

    def read(self, file: OutgoingFile) -> Iterator[tuple[memoryview, bool]]:
        """Give the slices of a file, as `OutgoingFile.slices` does; what it raises first, this does."""
        if self._file is not file:
            self.begin(file)
        self._file = None
        if isinstance(self._first, Exception):
            raise self._first
        return chain([self._first], self._slices)


def look_at(
    paths: Iterable[str | os.PathLike[str]],
) -> tuple[list[OutgoingFile], dict[int, InstanceResult]]:
    """Read the headers; give the files that can be sent, and the outcome of the others by number."""
    found: list[OutgoingFile] = []
    others: dict[int, InstanceResult] = {}
    for number, given in enumerate(paths):
        path = os.fspath(given)
        try:
            header = scan(path, ())
        except NotDicom as error:
            others[number] = InstanceResult(path, "", Outcome.NOT_TRIED, error.reason)
            continue
        except OSError as error:
            words = os.strerror(error.errno or 0)
            others[number] = InstanceResult(path, "", Outcome.NOT_TRIED, words)
            continue
        kind = (header.sop_class_uid, header.transfer_syntax_uid)
        uid = header.sop_instance_uid
        words = "" if uid else "it has no SOP Instance UID"
        words = words or _unusable(kind)
        if words:
            others[number] = InstanceResult(path, uid, Outcome.NOT_TRIED, words)
        else:
            found.append(OutgoingFile(number, path, kind, uid, header.data_set_offset))
    return found, others


@lru_cache(maxsize=1024)
def _unusable(kind: Kind) -> str:
    """Say why no presentation context can be made for it; empty: one can."""
    try:
        PresentationContextRQ(1, kind[0], (kind[1],))
    except LocalProtocolError as error:
        return str(error)
    return ""


def by_association(files: Sequence[OutgoingFile]) -> Iterator[list[OutgoingFile]]:
    """Group files so that the contexts of each group fit into one association."""
    kinds = list(dict.fromkeys(file.kind for file in files))
    for first in range(0, len(kinds), MOST_CONTEXTS):
        group = frozenset(kinds[first : first + MOST_CONTEXTS])
        yield [file for file in files if file.kind in group]


def contexts_for(files: Sequence[OutgoingFile]) -> list[PresentationContextRQ]:
    """Propose one context for each SOP class and transfer syntax: so none takes another's place."""
    kinds = dict.fromkeys(file.kind for file in files)
    return [
        PresentationContextRQ(2 * place + 1, sop_class, (syntax,))
        for place, (sop_class, syntax) in enumerate(kinds)
    ]
