"""Compare an instance with an existing file of its name: the same, an incomplete copy, or another object.

The contents of a file count, not its name. After a power failure or a failed copy it may be empty or
truncated, and two different objects may have the same SOP Instance UID, although they must not (PS3.5 9).
"""

import os
import struct
import threading
from collections.abc import Iterator
from enum import Enum, auto
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from dcm.data.header import Header, NotDicom, scan
from dcm.data.source import FileSource
from dcm.data.whole import NotWhole, checked

_BLOCK: Final = 1 << 18
_META_HEAD: Final = struct.Struct("<128x4sHH2sHI")
_SETTLING: Final = threading.Lock()


class Settled(Enum):
    """How an instance was stored although its name was taken."""

    SAME = auto()
    """The existing file has the same data set, and is kept."""
    REPLACED = auto()
    """The existing file was the beginning of it, and is replaced."""
    BESIDE = auto()
    """The existing file is another object, and both are kept."""


def holds(path: str, sop_instance_uid: str) -> bool:
    """Return whether a file contains this instance completely, as far as its encoding shows. Never raises."""
    try:
        header = scan(path, ())
        return header.sop_instance_uid == sop_instance_uid and is_whole(path, header)
    except (OSError, NotDicom):
        return False


def is_whole(path: str, header: Header) -> bool:
    """Return whether the data set in a file does not end in the middle of an element. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = os.fstat(descriptor).st_size
        source = FileSource(descriptor)
        checked(source, header.data_set_offset, end, header.transfer_syntax_uid)
    except NotWhole:
        return False
    finally:
        os.close(descriptor)
    return True


class Unnamed(Protocol):
    """A complete file without its final name, such as a `dcm.part_file.PartFile`."""

    @property
    def path(self) -> str:
        """The path from which its contents can be read."""

    def name(self, name: str) -> bool:
        """Give it its final name unless that is taken; return whether it was free."""

    def replace(self, name: str) -> None:
        """Give it its final name, replacing the file that has it."""


def settle(part: Unnamed, name: str) -> tuple[str, Settled]:
    """Store a file whose name is taken; return its path. Raises `OSError`.

    Existing files are never replaced, unless they are only the beginning of the new one. Files are compared,
    so this may take a while; only one thread does so at a time.
    """
    with _SETTLING:
        found = relation(name, part.path)
        if found is Settled.REPLACED:
            part.replace(name)
        elif found is Settled.BESIDE:
            name = beside(name, part.path)
            if not part.name(name):
                found = relation(name, part.path)
                if found is not Settled.SAME:
                    part.replace(name)
    return name, found


def variants(name: str) -> list[str]:
    """Return the files of all objects that were received with the UID to which `name` belongs."""
    path = Path(name)
    return [name, *map(str, sorted(path.parent.glob(f"{path.stem}-*{path.suffix}")))]


def beside(name: str, path: str) -> str:
    """Return a name, made from its data set, for a file whose name is taken; no UID contains a hyphen."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return f"{stem}-{_digest(path)}{suffix}"


def relation(there: str, here: str) -> Settled:
    """Compare the data set of an existing file with that of a new one."""
    offset = _data_set_offset(there)
    if offset is None:
        return Settled.REPLACED
    with open(there, "rb") as old, open(here, "rb") as new:  # noqa: PTH123
        old.seek(offset)
        new.seek(_data_set_offset(here) or 0)
        for before, now in zip_longest(_blocks(old), _blocks(new), fillvalue=b""):
            if before != now:
                return Settled.REPLACED if now.startswith(before) else Settled.BESIDE
    return Settled.SAME


def _data_set_offset(path: str) -> int | None:
    """Return the offset of the data set in a file; None if it has none, as after a power failure."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(_META_HEAD.size)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:  # a dangling symbolic link
        return None
    if len(head) == _META_HEAD.size:
        prefix, group, element, vr, _, length = _META_HEAD.unpack(head)
        offset: int = _META_HEAD.size + length
        if (prefix, group, element, vr) == (b"DICM", 2, 0, b"UL") and offset <= size:
            return offset
    try:
        return scan(path, ()).data_set_offset
    except NotDicom:
        return None


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")


def _digest(path: str) -> str:
    import hashlib  # noqa: PLC0415 - loads OpenSSL, and is rarely needed

    with open(path, "rb") as file:  # noqa: PTH123
        file.seek(_data_set_offset(path) or 0)
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
