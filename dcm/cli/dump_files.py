"""Find DICOM files in the given folders, for the commands that read them."""

import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from dcm.data.header import NotDicom
from dcm.net.folders import files_in


def listed(paths: Sequence[str], extension: str | None = None) -> Iterator[str]:
    """Yield the given files, and those in the given folders, limited to `extension` if given.

    A DICOMDIR in a folder only repeats what the other files contain, and is left out.
    """
    named = frozenset(paths)
    ending = f".{extension.lstrip('.')}".casefold() if extension else ""
    for path in files_in(paths):
        directory = os.path.basename(path) == "DICOMDIR"
        if path in named or (path.casefold().endswith(ending) and not directory):
            yield path


def is_other(path: str, named: AbstractSet[str], error: Exception) -> bool:
    """Return whether an unreadable file is not DICOM and was not named on the command line."""
    if path in named or not isinstance(error, NotDicom):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(132)
    except OSError:
        return False
    return bool(head) and head[128:] != b"DICM"


def in_words(error: Exception, path: str) -> str:
    """Describe what is wrong with a file, including its name."""
    if isinstance(error, OSError):
        return f"{error.filename or path}: {error.strerror or error}"
    words = str(error)
    if isinstance(error, NotDicom) and error.path:
        return words
    return words if words.startswith(path) else f"{path}: {words}"
