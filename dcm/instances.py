"""Instances to be sent: their identity, and their data sets in slices.

    instance = instance_of("image.dcm")        # or a pydicom data set

The header of a file is read once, here; its data set is copied byte for byte from the disk to the socket.
Only what would be invalid on the wire is changed (`dcm.data.whole`), with a remark.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from dcm.data.encoding import DEFLATED, EXPLICIT, NATIVE
from dcm.data.header import Header, NotDicom, scan, scan_bytes
from dcm.data.source import FileSource, MemorySource, Source
from dcm.data.whole import Check, Edit, NotWhole, checked, ends_with_pixels
from dcm.errors import DcmError, LocalProtocolError
from dcm.wire import PresentationContextRQ

if TYPE_CHECKING:
    from pydicom import Dataset

SLICE: Final = 1 << 20
SMALL: Final = 1 << 15
"""Files up to this size are read completely along with their header, which is cheaper than reopening them."""

_SHORTER: Final = "it was truncated while it was sent"

Kind: TypeAlias = tuple[str, str]
"""SOP class and transfer syntax."""
Slices: TypeAlias = Iterator[tuple[memoryview, bool]]
"""The parts of a data set, each with a flag that is true for the last one."""


class UnusableInstance(DcmError):  # noqa: N818 - reads as the sentence it is
    """An instance that cannot be sent; the message says why."""


class Instance(Protocol):
    """Something that can be sent.

    kind: its SOP class and transfer syntax. path: its file; empty if it is not in a file.
    """

    @property
    def kind(self) -> Kind:
        """SOP class and transfer syntax."""

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID."""

    @property
    def path(self) -> str:
        """The file that contains it; empty if it is not in a file."""

    def slices(self, memory: bytearray, remarks: list[str]) -> Slices:
        """Iterate over the data set. Parts may be stored in `memory`, and are valid until the next one.

        The data set is checked before the first part: necessary changes are made, and noted in `remarks`.
        Raises `OSError`, and `UnusableInstance` for a truncated data set.
        """


Sendable: TypeAlias = "str | os.PathLike[str] | Dataset | Instance"
"""A file, a pydicom data set, or another instance."""


class MemoryInstance(NamedTuple):
    """An instance whose encoded data set is in memory.

    edited: whether it differs from the data set in the file `path`.
    """

    kind: Kind
    sop_instance_uid: str
    data: bytes
    path: str = ""
    edited: bool = False

    def slices(self, memory: bytearray, remarks: list[str]) -> Slices:
        """Iterate over the data set; see `Instance.slices`."""
        data, length = self.data, len(self.data)
        if not _is_plain(data, length, data[-8:], length, self.kind[1]):
            source = MemorySource(data)
            changes = check_whole(source, 0, length, self.kind[1])
            remarks += changes.remarks
            if changes.edits:
                return edited_slices(source, memoryview(memory), 0, length, changes.edits)
        return iter(((memoryview(data), True),))


class FileInstance(NamedTuple):
    """An instance in a file, whose data set begins at `offset`."""

    kind: Kind
    sop_instance_uid: str
    path: str
    offset: int

    def slices(self, memory: bytearray, remarks: list[str]) -> Slices:
        """Iterate over the data set; see `Instance.slices`.

        The file is read, not mapped: truncating a mapped file would kill the process.
        """
        view = memoryview(memory)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            at, end = self.offset, os.fstat(descriptor).st_size
            count, source = _read(descriptor, view[: max(0, end - at)], at), FileSource(descriptor)
            tail = memory[count - 8 : count] if at + count == end else source.read(end - 8, 8)
            if not _is_plain(memory, count, bytes(tail), end - at, self.kind[1]):
                changes = check_whole(source, at, end, self.kind[1])
                remarks += changes.remarks
                if changes.edits:
                    yield from edited_slices(source, view, at, end, changes.edits)
                    return
            at += count
            yield view[:count], at == end
            while at < end:
                count = _read(descriptor, view[: end - at], at)
                at += count
                yield view[:count], at == end
        finally:
            os.close(descriptor)


def instance_of(what: Sendable) -> Instance:
    """Return the instance for a file or a pydicom data set; an `Instance` is returned as it is.

    Raises `OSError`, `NotDicom` and `UnusableInstance`.
    """
    if isinstance(what, str | os.PathLike):
        return _of_file(os.fspath(what))
    if hasattr(what, "slices"):
        return what
    return _of_data_set(what)


def data_of(instance: Instance) -> bytes:
    """Return the whole data set as it would be sent; raises the same errors as `slices`."""
    return b"".join(bytes(part) for part, _ in instance.slices(bytearray(SLICE), []))


def sliced(
    source: Source,
    at: int,
    end: int,
    transfer_syntax: str,
    *,
    memory: bytearray,
    remarks: list[str],
) -> Slices:
    """Iterate over a data set from `at` to `end`, the end of its source; see `Instance.slices`."""
    changes = check_whole(source, at, end, transfer_syntax)
    remarks += changes.remarks
    yield from edited_slices(source, memoryview(memory), at, end, changes.edits)


class _WithoutData(NamedTuple):
    """An instance whose data set was dropped from memory: its file or a digest of the data set remains."""

    kind: Kind
    sop_instance_uid: str
    path: str
    digest: int | None

    def slices(self, memory: bytearray, remarks: list[str]) -> Slices:  # noqa: ARG002 - as all do
        """Raise `UnusableInstance`: the data set is no longer in memory."""
        raise UnusableInstance("its data set is no longer in memory")


def without_data(instance: Instance) -> Instance:
    """Return an instance without a data set in memory, which can still be compared by `same_object`."""
    if not isinstance(instance, MemoryInstance):
        return instance
    kind, uid, path = instance.kind, instance.sop_instance_uid, instance.path
    in_file = path and not instance.edited
    return _WithoutData(kind, uid, path, None if in_file else _digest(instance))


def _digest(instance: Instance) -> int:
    if isinstance(instance, _WithoutData):
        if instance.digest is not None:
            return instance.digest
        instance = _of_file(instance.path)
    if isinstance(instance, MemoryInstance):
        return hash(instance.data)  # even if it cannot be sent
    return hash(data_of(instance))


def same_object(one: Instance, other: Instance) -> bool:
    """Return whether two instances are the same object; False if one of them cannot be read."""
    if one.kind != other.kind:
        return False
    try:
        return _digest(one) == _digest(other)
    except (OSError, NotDicom, UnusableInstance):
        return False


def _of_file(path: str) -> Instance:
    # O_NONBLOCK: opening a named pipe among the files would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        data = b""
        if status.st_size <= SMALL and stat.S_ISREG(status.st_mode):
            data = os.read(descriptor, SMALL + 1)
    finally:
        os.close(descriptor)
    if not data or len(data) > SMALL:
        header = scan(path, ())
        return FileInstance(*identity_of(header), path, header.data_set_offset)
    header = scan_bytes(data, ())
    return MemoryInstance(*identity_of(header), data[header.data_set_offset :], path)


def _of_data_set(data_set: "Dataset") -> Instance:
    from io import BytesIO  # noqa: PLC0415 - as below

    from pydicom import dcmwrite  # noqa: PLC0415 - slow, and already imported if there are data sets

    written = BytesIO()
    try:
        dcmwrite(written, data_set, enforce_file_format=True)
    except (AttributeError, ValueError, TypeError) as error:
        raise UnusableInstance(f"the data set cannot be encoded: {error}") from error
    data = written.getvalue()
    header = scan_bytes(data, ())
    return MemoryInstance(*identity_of(header), data[header.data_set_offset :])


def identity_of(header: Header) -> tuple[Kind, str]:
    """Return the kind and the SOP Instance UID for sending. Raises `UnusableInstance`."""
    kind = header.sop_class_uid, header.transfer_syntax_uid
    words = _unusable(kind) if header.sop_instance_uid else "it has no SOP Instance UID"
    if words:
        raise UnusableInstance(words)
    return kind, header.sop_instance_uid


@lru_cache(maxsize=1024)
def _unusable(kind: Kind) -> str:
    """Return why no presentation context can be proposed for it; empty if one can."""
    try:
        PresentationContextRQ(1, kind[0], (kind[1],))
    except LocalProtocolError as error:
        return str(error)
    return ""


def _is_plain(
    head: bytes | bytearray, count: int, tail: bytes, length: int, transfer_syntax: str
) -> bool:
    """Return whether the first `count` and the last bytes of a data set show that it is complete."""
    encoding = NATIVE.get(transfer_syntax, EXPLICIT)
    return transfer_syntax not in DEFLATED and ends_with_pixels(head, count, tail, encoding, length)


def check_whole(source: Source, at: int, end: int, transfer_syntax: str) -> Check:
    """Return the changes needed before a data set can be sent. Raises `UnusableInstance`."""
    if end <= at:
        raise UnusableInstance("it has no data set")
    try:
        return checked(source, at, end, transfer_syntax)
    except NotWhole as error:
        raise UnusableInstance(str(error)) from None


def _read(descriptor: int, into: memoryview, at: int) -> int:
    done = 0
    while done < len(into):
        count = os.preadv(descriptor, [into[done:]], at + done)
        if not count:
            raise UnusableInstance(_SHORTER)
        done += count
    return done


def edited_slices(
    source: Source, view: memoryview, at: int, end: int, edits: Sequence[Edit]
) -> Slices:
    """Iterate over the bytes from `at` to `end` with all edits applied: full slices, and a last one."""
    left = end - at + sum(len(edit.put) - edit.dropped for edit in edits)
    filled = 0
    for edit in (*edits, Edit(end, 0, b"")):
        put = edit.put
        while at < edit.position or put:
            room = len(view) - filled
            if at < edit.position:
                data = source.read(at, min(edit.position - at, room))
                at += len(data)
                if not data:
                    raise UnusableInstance(_SHORTER)
            else:
                data, put = put[:room], put[room:]
            count = len(data)
            view[filled : filled + count] = data
            filled, left = filled + count, left - count
            if filled == len(view):
                yield view, not left
                filled = 0
        at += edit.dropped
    if filled:
        yield view[:filled], True
