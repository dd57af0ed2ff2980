"""All files in folders, with nothing left out in silence."""

import os
from collections.abc import Iterable, Iterator


def files_in(paths: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """Yield the files, and all files in the folders and theirs, hidden ones too, in order of their names.

    A folder that cannot be read is given itself: who opens it then learns why. One that was seen before, by
    way of a symbolic link, is not entered again.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(path) for path in paths][::-1]
    while waiting:
        path = waiting.pop()
        if not os.path.isdir(path):  # noqa: PTH112 - paths stay text: there may be a million
            yield path
            continue
        try:
            status = os.stat(path)  # noqa: PTH116
            place = status.st_dev, status.st_ino
            names = os.listdir(path) if place not in seen else []  # noqa: PTH208
        except OSError:
            yield path
            continue
        seen.add(place)
        waiting += [os.path.join(path, name) for name in sorted(names, reverse=True)]  # noqa: PTH118
