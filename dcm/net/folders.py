"""List all files in folders, without silently leaving any out."""

import os
from collections.abc import Iterable, Iterator


def files_in(paths: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """Yield the files, and all files in the folders and their subfolders, even hidden ones, sorted by name.

    A folder that cannot be read is yielded itself: opening it then fails with the reason. A folder that is
    reached again through a symbolic link is not entered again.
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
