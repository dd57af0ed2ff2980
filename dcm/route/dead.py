"""Dead letters: objects that a destination rejects permanently, with the reason in a JSON file.

They are in the folder `dead` of a spool, with a subfolder for each destination. An administrator
can inspect them, correct the problem at the destination and retry them, or remove both files of
each.
"""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from zlib import crc32

from dcm.part_file import PartFile, sync_path
from dcm.route.queue import Entry, Queue

_UNSAFE: Final = re.compile(r"[^0-9A-Za-z.@-]+")


def dead_folder(spool: str) -> str:
    """Return the folder of the dead letters of a spool."""
    return os.path.join(spool, "dead")


def bury(
    spool: str, file: str, entry: Entry, destination: str, reason: str, *, sync: bool = False
) -> str:
    """Keep an object as a dead letter; return its file. Raises `OSError`."""
    folder = os.path.join(dead_folder(spool), _folder_name(destination))
    os.makedirs(folder, exist_ok=True)
    kept = os.path.join(folder, entry.file)
    _linked(file, kept)
    words = {
        "destination": destination,
        "reason": reason,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "received": datetime.fromtimestamp(entry.received, UTC).isoformat(timespec="seconds"),
        **entry._asdict(),
    }
    with PartFile(folder) as part:
        part.write([json.dumps(words, indent=1).encode() + b"\n"])
        if sync:
            part.sync()
        part.replace(_beside(kept))
    if sync:
        sync_path(folder)
    return kept


def _folder_name(destination: str) -> str:
    """Return a name of its own for the folder of a destination, such as a path or a URL."""
    name = _UNSAFE.sub("_", destination).strip(".")
    return name if name == destination else f"{name}-{crc32(destination.encode()):08x}"


def dead_letters(spool: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the files of complete dead letters, with their data."""
    with contextlib.suppress(FileNotFoundError):
        for folder in sorted(os.scandir(dead_folder(spool)), key=lambda each: each.name):
            for each in sorted(os.listdir(folder)) if folder.is_dir() else ():
                path = os.path.join(folder.path, each)
                if each.endswith(".dcm") and os.path.exists(_beside(path)):
                    with open(_beside(path), encoding="utf-8") as file:
                        yield path, json.load(file)


def count_dead(spool: str) -> dict[str, int]:
    """Return how many dead letters there are, by destination."""
    counts: dict[str, int] = {}
    for _, known in dead_letters(spool):
        counts[known["destination"]] = counts.get(known["destination"], 0) + 1
    return counts


def retry_dead(spool: str, queue: Queue, only: frozenset[str] | None = None) -> dict[str, int]:
    """Put dead letters back into the queue; return their number by destination.

    only: limits this to some destinations. Raises `OSError` and `sqlite3.Error`.
    """
    counts: dict[str, int] = {}
    for path, known in [*dead_letters(spool)]:
        destination = str(known["destination"])
        if only is not None and destination not in only:
            continue
        name = f"{time.time_ns():x}-{os.getpid()}.dcm"
        _linked(path, os.path.join(spool, "objects", name))
        values = {**known, "id": 0, "file": name, "received": os.stat(path).st_mtime}
        queue.add(Entry(*(values[each] for each in Entry._fields)), [destination])
        _linked(
            path, os.path.join(spool, "objects", name)
        )  # a forwarder that has just started removes files without a row
        os.unlink(path)
        os.unlink(_beside(path))
        counts[destination] = counts.get(destination, 0) + 1
    return counts


def _beside(path: str) -> str:
    return os.path.splitext(path)[0] + ".json"


def _linked(source: str, target: str) -> None:
    """Hard-link a file, or copy it if that is not possible."""
    try:
        os.link(source, target)
    except (FileExistsError, FileNotFoundError):
        if not os.path.exists(target):
            raise
    except OSError:
        shutil.copyfile(source, target)
