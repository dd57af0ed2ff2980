"""A journal of what is about to be done to each file, as lines of JSON, written in advance.

    {"dcm sort": 1, "method": "move", "target": ..., "sources": [...], "layout": ...}
    ["folder", PATH]
    ["file", SOURCE, TARGET, SIZE, MTIME_NS]
    ["end"]

Whenever the process is killed, every file that was changed is listed. If the last line is missing,
the same command continues from it.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

from dcm.part_file import PartFile, sync_path
from dcm.sort.outcome import Method, SortError
from dcm.sort.scan import JOURNAL_NAME

_VERSION: Final = 1
_END: Final = ["end"]


class Entry(NamedTuple):
    """A file to be sorted."""

    source: str
    target: str
    size: int
    mtime_ns: int


class Journal:
    """A journal that is open and locked until its block ends.

    Raises `SortError` if another process has locked it.
    """

    def __init__(self, path: str, *, write: bool) -> None:
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_APPEND if write else 0)
        self._descriptor: Final = os.open(path, flags)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise SortError(f"{path} is in use by another process") from None
        if write:
            self._remove_incomplete_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def add(self, folders: Sequence[str], entries: Sequence[Entry]) -> None:
        """Write what is about to be done, and flush it to disk."""
        self._write([["folder", each] for each in folders] + [["file", *each] for each in entries])

    def end(self) -> None:
        """Write that everything was done."""
        self._write([_END])

    def _remove_incomplete_line(self) -> None:
        """Remove the last line if the process was killed while writing it."""
        data = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        os.ftruncate(self._descriptor, data.rfind(b"\n") + 1)

    def _write(self, lines: Sequence[Any]) -> None:
        data = _encoded(lines)
        written = 0
        while written < len(data):
            written += os.write(self._descriptor, data[written:])
        os.fsync(self._descriptor)


class Read(NamedTuple):
    """The contents of a journal. finished: whether it has the last line."""

    head: Mapping[str, Any]
    folders: list[str]
    entries: list[Entry]
    finished: bool

    @property
    def method(self) -> Method:
        """What was done to the files."""
        return Method(self.head["method"])


def read(path: str) -> Read:
    """Read a journal. Raises `SortError` if it is not one, and `OSError`."""
    found = Read({}, [], [], False)
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):  # the process was killed while writing it
                break
            try:
                found = _with(found, json.loads(line))
            except (ValueError, TypeError) as error:
                raise SortError(
                    f"{path} is not a journal of dcm sort: line {number}: {error}"
                ) from None
    if not found.head:
        raise SortError(f"{path} is not a journal of dcm sort: it is empty")
    return found


def _with(found: Read, line: Any) -> Read:
    if not found.head:
        if not isinstance(line, dict) or line.get("dcm sort") != _VERSION:
            raise ValueError(f"it does not begin with the version {_VERSION}")
        Method(line["method"])
        return found._replace(head=line)
    kind, *values = line
    if kind == "folder":
        found.folders.append(*values)
    elif kind == "file":
        found.entries.append(Entry(*values))
    elif line == _END:
        return found._replace(finished=True)
    else:
        raise ValueError(f"unknown entry {kind!r}")
    return found._replace(finished=False)


def head(sources: Sequence[str], target: str, layout: str, method: Method) -> dict[str, Any]:
    """Return the first line: what was requested."""
    return {
        "dcm sort": _VERSION, "method": method.value, "target": target, "sources": [*sources],
        "layout": layout,
    }  # fmt: skip


def unfinished(target: str, asked: Mapping[str, Any]) -> Iterator[str]:
    """Yield the journals in a folder of the same command that were interrupted."""
    try:
        names = sorted(os.listdir(target))
    except OSError:
        return
    before, behind = JOURNAL_NAME
    for name in names:
        if name.startswith(before) and name.endswith(behind):
            path = os.path.join(target, name)
            try:
                found = read(path)
            except (SortError, OSError):
                continue
            if found.head == asked and not found.finished:
                yield path


def create(target: str, asked: Mapping[str, Any]) -> str:
    """Create a journal with its first line, which it never lacks; return its path."""
    before, behind = JOURNAL_NAME
    moment = time.strftime("%Y%m%d-%H%M%S")
    path = os.path.join(target, f"{before}{moment}-{os.getpid()}{behind}")
    with PartFile(target) as part:
        part.write([_encoded([asked])])
        part.sync()
        part.name(path)
    sync_path(target)
    return path


def _encoded(lines: Sequence[Any]) -> bytes:
    return "".join(f"{json.dumps(each)}\n" for each in lines).encode()
