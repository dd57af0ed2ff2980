"""Instances with a plan of edits applied: a new header, followed by slices of the file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from dcm.data.edit import Edited, edit
from dcm.data.encoding import DEFLATED, EXPLICIT, NATIVE
from dcm.data.plan import CannotEdit, Plan
from dcm.data.source import FileSource, MemorySource, Source, deflated, inflated
from dcm.data.splices import SplicedSource, merged, spliced_bytes
from dcm.data.whole import Edit, ends_with_pixels
from dcm.instances import (
    FileInstance,
    Instance,
    Kind,
    MemoryInstance,
    Slices,
    check_whole,
    data_of,
    edited_slices,
)

_HEAD: Final = 1 << 16
"""The number of bytes read first, which usually contain everything that an edit needs."""
_DIRECTORY: Final = "1.2.840.10008.1.3.10"
"""Media Storage Directory Storage (PS3.4 B.5)."""
_INFLATED: Final = 1 << 30
"""The maximum length of a deflated data set to edit, in bytes after inflating."""


class EditedInstance(NamedTuple):
    """An instance with some of its bytes replaced.

    path: the file from which it comes, which contains the original instance.
    """

    kind: Kind
    sop_instance_uid: str
    path: str
    base: Instance
    splices: tuple[Edit, ...]

    def slices(self, memory: bytearray, remarks: list[str]) -> Slices:
        """Iterate over the data set; see `Instance.slices`."""
        with opened(self.base) as (source, at, end):
            syntax = self.kind[1]
            encoding = NATIVE.get(syntax, EXPLICIT)
            head, tail = source.read(at, _HEAD), source.read(end - 8, 8)
            splices = [*self.splices]
            if not ends_with_pixels(head, len(head), tail, encoding, end - at):
                mends = check_whole(source, at, end, syntax)
                remarks += mends.remarks
                splices = merged(splices, mends.edits)
            yield from edited_slices(source, memoryview(memory), at, end, splices)


def edited(instance: Instance, plan: Plan, remarks: list[str] | None = None) -> Instance:
    """Return an instance with the plan applied, or the same if nothing changes.

    Oddities are added to `remarks`. Only the part of a file that the edit needs is read. Raises `OSError`,
    `UnusableInstance` and `CannotEdit`.
    """
    if instance.kind[0] == _DIRECTORY:
        raise CannotEdit(
            "a DICOMDIR cannot be edited: it contains positions of its records; create a new one"
        )
    if isinstance(instance, FileInstance | EditedInstance) and instance.kind[1] not in DEFLATED:
        with opened(instance) as (source, at, end):
            encoding = NATIVE.get(instance.kind[1], EXPLICIT)
            done = edit(_Head(source, at), at, end, encoding, plan)
        if not done.splices:
            return instance
        found = _identity(instance, done)
        _note(remarks, done)
        return EditedInstance(*found, instance.path, instance, done.splices)
    return _edited_in_memory(instance, plan, remarks)


@contextmanager
def opened(instance: Instance) -> Iterator[tuple[Source, int, int]]:
    """Open the data set of an instance as it is stored: return its source, start and end.

    Raises `OSError` and `UnusableInstance`.
    """
    if isinstance(instance, FileInstance):
        descriptor = os.open(instance.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield FileSource(descriptor), instance.offset, os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
    elif isinstance(instance, EditedInstance):
        with opened(instance.base) as (source, at, end):
            spliced = SplicedSource(source, at, end, instance.splices)
            yield spliced, 0, spliced.length
    else:
        data = instance.data if isinstance(instance, MemoryInstance) else data_of(instance)
        yield MemorySource(data), 0, len(data)


class _Head:
    """A source whose beginning is in memory."""

    def __init__(self, source: Source, position: int) -> None:
        self._source: Final = source
        self._position: Final = position
        self._data: Final = source.read(position, _HEAD)

    def read(self, offset: int, size: int) -> bytes:
        """Read up to `size` bytes."""
        at = offset - self._position
        if at >= 0 and at + size <= len(self._data):
            return self._data[at : at + size]
        return self._source.read(offset, size)


def _edited_in_memory(instance: Instance, plan: Plan, remarks: list[str] | None) -> Instance:
    data = instance.data if isinstance(instance, MemoryInstance) else data_of(instance)
    syntax = instance.kind[1]
    packed = syntax in DEFLATED
    if packed:
        try:
            data = inflated(data, _INFLATED)
        except ValueError as error:
            raise CannotEdit(str(error)) from None
    encoding = NATIVE.get(syntax, EXPLICIT)
    done = edit(MemorySource(data), 0, len(data), encoding, plan)
    if not done.splices:
        return instance
    data = spliced_bytes(data, done.splices)
    if packed:
        data = deflated(data)
    _note(remarks, done)
    return MemoryInstance(*_identity(instance, done), data, instance.path, edited=True)


def _identity(instance: Instance, done: Edited) -> tuple[Kind, str]:
    """Return kind and SOP Instance UID after an edit."""
    kind = (done.sop_class_uid or instance.kind[0], instance.kind[1])
    return kind, done.sop_instance_uid or instance.sop_instance_uid


def _note(remarks: list[str] | None, done: Edited) -> None:
    if remarks is not None:
        remarks += done.remarks
