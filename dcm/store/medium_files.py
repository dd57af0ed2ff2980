r"""The files of a medium with a DICOMDIR, named as its file system shows them (PS3.10 8.2, 8.5).

    files = MediumFiles("/media/cdrom")
    files.find(r"DICOM\ST0\IM0")         # "/media/cdrom/dicom/st0/im0;1"

File systems of optical media show names in upper or lower case, with or without a version number.
"""

import os
import re
from typing import Final

_VERSION: Final = re.compile(r"\.?(?:;[0-9]+)?$")
_DIRECTORY: Final = "DICOMDIR"


class MediumFiles:
    """The files below a folder. Each folder is listed once."""

    def __init__(self, root: str) -> None:
        self._root: Final = root
        self._listed: Final[dict[str, dict[str, str]]] = {}

    def find(self, file_id: str) -> str | None:
        r"""Return the path of a file by its File ID, such as `DICOM\ST0\IM0`, or None.

        Each component is looked up in the listing of its folder, so none leads out of the medium.
        """
        folder = self._root
        components = [
            each for each in re.split(r"[\\/]", file_id) if each.strip(" \0") not in ("", ".")
        ]
        if not components:
            return None
        for component in components:
            name = self._names(folder).get(_plain(component))
            if name is None:
                return None
            folder = os.path.join(folder, name)  # noqa: PTH118 - paths stay text, as everywhere
        return folder if os.path.isfile(folder) else None  # noqa: PTH113

    def _names(self, folder: str) -> dict[str, str]:
        if folder not in self._listed:
            try:
                names = sorted(os.listdir(folder), reverse=True)  # noqa: PTH208
            except OSError:
                names = []
            self._listed[folder] = {_plain(name): name for name in names}
        return self._listed[folder]


def directory_file(path: str) -> str | None:
    """Return the DICOMDIR in a folder, or None if there is none. A file is returned as it is."""
    return MediumFiles(path).find(_DIRECTORY) if os.path.isdir(path) else path  # noqa: PTH112


def _plain(name: str) -> str:
    """Return a name in one case, without the version number and other additions of file systems."""
    return _VERSION.sub("", name.strip(" \0")).casefold()
