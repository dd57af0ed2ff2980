"""Files that are to be sent: what their headers say, and their data sets in slices."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import Final, NamedTuple

from dcm.data.elements import DEFLATED, EXPLICIT, NATIVE
from dcm.data.scan import NotDicom, scan
from dcm.data.source import FileSource
from dcm.data.whole import AS_IT_IS, Check, Edit, NotWhole, checked, ends_with_pixels
from dcm.errors import DcmError, LocalProtocolError
from dcm.net.outcome import InstanceResult, Outcome
from dcm.wire import PresentationContextRQ

MOST_CONTEXTS: Final = 128  # odd numbers from 1 to 255 (PS3.8 9.3.2.2)
SLICE: Final = 1 << 20
LOOKED_AT: Final = 2000
"""Files whose headers are read before the first of them is sent."""

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
        """Return the outcome of this file."""
        return InstanceResult(self.path, self.sop_instance_uid, outcome, words, status)

    def slices(self, memory: bytearray, remarks: list[str]) -> Iterator[tuple[memoryview, bool]]:
        """Yield the data set in slices that lie in `memory`, each with whether it is the last one.

        Before the first one the data set is checked: what has to be changed is, and `remarks` say so.
        The file is read, not mapped: a mapped file that somebody cuts off would kill the process.
        Raises `OSError`, and `UnreadableFile` for a data set that is not whole.
        """
        view = memoryview(memory)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            at, end = self.offset, os.fstat(descriptor).st_size
            count = _read(descriptor, view[: max(0, end - at)], at)
            changes = self._check(descriptor, memory, count, end)
            remarks += changes.remarks
            if changes.edits:
                yield from _edited(descriptor, view, at, end, changes.edits)
                return
            at += count
            yield view[:count], at == end
            while at < end:
                count = _read(descriptor, view[: end - at], at)
                at += count
                yield view[:count], at == end
        finally:
            os.close(descriptor)

    def data_set(self) -> bytes:
        """Return the whole data set as it would be sent; raises what `slices` does."""
        return b"".join(bytes(part) for part, _ in self.slices(bytearray(SLICE), []))

    def _check(self, descriptor: int, memory: bytearray, count: int, end: int) -> Check:
        """Find what has to be changed, from the first `count` bytes if they show that nothing has."""
        length = end - self.offset
        if length <= 0:
            raise UnreadableFile("it has no data set")
        source = FileSource(descriptor)
        try:
            tail = source.read(end - 8, 8) if count < length else bytes(memory[count - 8 : count])
            encoding = NATIVE.get(self.kind[1], EXPLICIT)
            if self.kind[1] not in DEFLATED and ends_with_pixels(
                memory, count, tail, encoding, length
            ):
                return AS_IT_IS
            return checked(source, self.offset, end, self.kind[1])
        except NotWhole as error:
            raise UnreadableFile(str(error)) from None


def _edited(
    descriptor: int, view: memoryview, at: int, end: int, edits: Sequence[Edit]
) -> Iterator[tuple[memoryview, bool]]:
    """Yield what is between `at` and `end` with all edits done: full slices, and a last one."""
    left = end - at + sum(len(edit.put) - edit.dropped for edit in edits)
    filled = 0
    for edit in (*edits, Edit(end, 0, b"")):
        while at < edit.position:
            count = _read(descriptor, view[filled : filled + edit.position - at], at)
            at, filled, left = at + count, filled + count, left - count
            if filled == len(view):
                yield view, not left
                filled = 0
        for byte in edit.put:
            view[filled] = byte
            filled, left = filled + 1, left - 1
            if filled == len(view):
                yield view, not left
                filled = 0
        at += edit.dropped
    if filled:
        yield view[:filled], True


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
        self.remarks: list[str] = []
        """What `OutgoingFile.slices` says of the file that was begun last."""
        self._memory: Final = bytearray(SLICE)
        self._file: OutgoingFile | None = None
        self._slices: Iterator[tuple[memoryview, bool]] = iter(())
        self._first: tuple[memoryview, bool] | OSError | UnreadableFile = UnreadableFile()

    def begin(self, file: OutgoingFile) -> None:
        """Read the first slice now; what that raises, `read` does."""
        self.remarks = []
        self._file, self._slices = file, file.slices(self._memory, self.remarks)
        try:
            self._first = next(self._slices)
        except (OSError, UnreadableFile) as error:
            self._first = error

    def read(self, file: OutgoingFile) -> Iterator[tuple[memoryview, bool]]:
        """Yield the slices of a file, as `OutgoingFile.slices` does; what it raises first, this does."""
        if self._file is not file:
            self.begin(file)
        self._file = None
        if isinstance(self._first, Exception):
            raise self._first
        return chain([self._first], self._slices)


async def looked_at(
    paths: Iterable[str | os.PathLike[str]],
) -> AsyncGenerator[tuple[list[OutgoingFile], dict[int, InstanceResult]], None]:
    """Read the headers of many files at a time, in a thread: folders on a network are slow.

    Yields the files that can be sent, and the outcome of the others by their number.
    """
    numbered = enumerate(paths)
    while some := await asyncio.to_thread(lambda: list(islice(numbered, LOOKED_AT))):
        yield await asyncio.to_thread(_look_at, some)


def _look_at(
    numbered: Iterable[tuple[int, str | os.PathLike[str]]],
) -> tuple[list[OutgoingFile], dict[int, InstanceResult]]:
    found: list[OutgoingFile] = []
    others: dict[int, InstanceResult] = {}
    for number, given in numbered:
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


def same_object(one: OutgoingFile, other: OutgoingFile) -> bool:
    """Return whether two files hold the same object, byte for byte; False if one cannot be read."""
    if one.kind != other.kind:
        return False
    try:
        return one.data_set() == other.data_set()
    except (OSError, UnreadableFile):
        return False


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
