"""Apply filters to files, writing new files that are complete before they get their names.

    done = FileEditor(filter).into("image.dcm", "edited/image.dcm")

The file meta information is not changed, except for an edited SOP Class or Instance UID.
"""

import contextlib
import os
import stat
from collections.abc import Callable
from errno import EEXIST
from typing import Final, NamedTuple

from dcm.data.edit import edit
from dcm.data.encoding import EXPLICIT, recognise
from dcm.data.plan import CannotEdit, Change, Plan
from dcm.data.source import MemorySource
from dcm.data.splices import spliced_bytes
from dcm.data.target import Target
from dcm.filt.base import Filter
from dcm.instances import SLICE, FileInstance, Instance, MemoryInstance, instance_of
from dcm.part_file import PartFile, sync_path

_CLASS: Final = Target.of("MediaStorageSOPClassUID")
_INSTANCE: Final = Target.of("MediaStorageSOPInstanceUID")
_COMPARED: Final = 1 << 20


class EditedFile(NamedTuple):
    """The result for a file.

    file: the new file. sop_instance_uid: the new one; before: the old one.
    changed: whether anything is different. already_there: whether the same file already existed.
    remarks: oddities of the file.
    """

    file: str
    sop_instance_uid: str
    before: str
    changed: bool
    already_there: bool = False
    remarks: tuple[str, ...] = ()


class FileEditor:
    """Applies a filter to files, one after the other."""

    def __init__(self, through: Filter) -> None:
        self._filter: Final = through
        self._memory: Final = bytearray(SLICE)
        self._made: Final[set[str]] = set()

    def in_place(self, path: str) -> EditedFile:
        """Replace a file by the filtered one, atomically.

        Permissions are kept, and the new file is flushed to disk first. Symbolic links are followed; other
        hard links keep the old file. Raises `NotDicom`, `OSError` and the errors of `Filter.apply`.
        """
        path = os.path.realpath(path)  # noqa: PTH118, RUF100 - paths stay text
        done, instance, changed, remarks = self._filtered(path)
        if not done.changed:
            return done
        folder = os.path.dirname(path)  # noqa: PTH120
        with PartFile(folder) as part:
            self._write(part, path, instance, changed, remarks)
            os.chmod(part.path, stat.S_IMODE(os.stat(path).st_mode))  # noqa: PTH101, PTH116
            part.sync()
            part.replace(path)
        sync_path(folder)
        return done._replace(file=path, remarks=tuple(remarks))

    def into(self, path: str, target: "str | Callable[[EditedFile], str]") -> EditedFile:
        """Write the filtered file to `target`, creating its folder; raises the same errors as `in_place`.

        An existing file is kept: if it differs, raises `FileExistsError`.
        """
        done, instance, changed, remarks = self._filtered(path)
        file = target if isinstance(target, str) else target(done)
        folder = os.path.dirname(file) or "."  # noqa: PTH120
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            self._made.add(folder)
        with PartFile(folder) as part:
            if done.changed:
                self._write(part, path, instance, changed, remarks)
            else:
                _copy(part, path)
            if not part.name(file):
                if not _same(part.path, file):
                    raise FileExistsError(EEXIST, "another file already exists", file)
                done = done._replace(already_there=True)
        return done._replace(file=file, remarks=tuple(remarks))

    def _filtered(self, path: str) -> tuple[EditedFile, Instance, Instance, list[str]]:
        remarks: list[str] = []
        instance = instance_of(path)
        changed = self._filter.apply(instance, remarks)
        before, after = instance.sop_instance_uid, changed.sop_instance_uid
        done = EditedFile(path, after, before, changed is not instance, remarks=tuple(remarks))
        return done, instance, changed, remarks

    def _write(
        self, part: PartFile, path: str, instance: Instance, changed: Instance, remarks: list[str]
    ) -> None:
        head = _head(path, instance)
        part.write([_consistent(head, instance, changed)])
        for data, _ in changed.slices(self._memory, remarks):
            part.write([data])


def _head(path: str, instance: Instance) -> bytes:
    """Read everything before the data set."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if isinstance(instance, FileInstance):
            return os.pread(descriptor, instance.offset, 0)
        assert isinstance(instance, MemoryInstance)
        return os.pread(descriptor, os.fstat(descriptor).st_size - len(instance.data), 0)
    finally:
        os.close(descriptor)


def _consistent(head: bytes, before: Instance, after: Instance) -> bytes:
    """Return the file meta information with the identity of the data set (PS3.10 7.1)."""
    changes = []
    if before.kind[0] != after.kind[0]:
        changes.append(Change(_CLASS, after.kind[0]))
    if before.sop_instance_uid != after.sop_instance_uid:
        changes.append(Change(_INSTANCE, after.sop_instance_uid))
    start = 132 if head[128:132] == b"DICM" else 4 if head[:4] == b"DICM" else 0
    if not changes or start == len(head):
        return head
    encoding = recognise(head[start : start + 8]) or EXPLICIT
    try:
        done = edit(MemorySource(head), start, len(head), encoding, Plan(changes))
    except CannotEdit as error:
        raise CannotEdit(f"in the file meta information, {error}") from error
    return spliced_bytes(head, done.splices)


def _copy(part: PartFile, path: str) -> None:
    with open(path, "rb") as file:  # noqa: PTH123
        while data := file.read(_COMPARED):
            part.write([data])


def _same(one: str, other: str) -> bool:
    with contextlib.suppress(OSError), open(one, "rb") as first, open(other, "rb") as second:  # noqa: PTH123
        while (data := first.read(_COMPARED)) == second.read(_COMPARED):
            if not data:
                return True
    return False
