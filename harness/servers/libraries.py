"""The shared libraries that a server has loaded, which its version does not reveal.

The kernel lists them in `/proc/PID/maps` by file name, with symbolic links resolved, and such a
name ends with a version. Statically linked libraries are not visible.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from harness.model import Version

# By the name of the capability: `library.gdcm`. One file represents each library, as all its files
# have the same version. Listed are libraries that can read, write or transfer what a case is about.
FILES = {
    "boost": r"libboost_thread",
    "charls": r"libcharls",
    "civetweb": r"libcivetweb",
    "curl": r"libcurl(?:-gnutls)?",
    # The files of dcmtk have the version of its binary interface first: libdcmdata.so.17.3.6.7
    "dcmtk": r"libdcmdata(?=\.so\.\d+\.(\d+\.\d+\.\d+)$)",
    "gdcm": r"libgdcmMSFF",
    "icu": r"libicuuc",
    "jpeg": r"libjpeg",
    "jsoncpp": r"libjsoncpp",
    "openjpeg": r"libopenjp2",
    "openssl": r"libssl",
    "png": r"libpng\d*",
    "pugixml": r"libpugixml",
    "sqlite": r"libsqlite3",
    "zlib": r"libz",
}
_NAMES = {name: re.compile(rf"{file}\.so\.([\d.]+)$") for name, file in FILES.items()}


def libraries_of(pid: int | None) -> dict[str, Version]:
    """Return the libraries that a local process has loaded; none if they cannot be read."""
    if pid is None:
        return {}
    try:
        return libraries_in(Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines())
    except OSError:
        return {}


def libraries_in(maps: Iterable[str]) -> dict[str, Version]:
    """Return the libraries in the lines of a `maps` file, by the names in FILES."""
    files = {line.rpartition("/")[2].removesuffix(" (deleted)") for line in maps if "/" in line}
    return {
        name: Version(match[1])
        for name, pattern in _NAMES.items()
        for file in sorted(files)
        if (match := pattern.match(file)) is not None
    }
