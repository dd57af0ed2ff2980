"""Files of DICOM objects in the folders that were named, for the commands that read them."""

import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from dcm.data.header import NotDicom
from dcm.net.folders import files_in


def listed(paths: Sequence[str], extension: str | None = None) -> Iterator[str]:
    """Yield the files that were named, and those in folders: with an extension, if one is asked for.

    A DICOMDIR in a folder says what the other files do, and is left out.
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
    """Return what is wrong with a file, with its name."""
    if isinstance(error, OSError):
        return f"{error.filename or path}: {error.strerror or error}"
    words = str(error)
    if isinstance(error, NotDicom) and error.path:
        return words
    return words if words.startswith(path) else f"{path}: {words}"
