"""The files and folders given to a command, and other files in those folders."""

import asyncio
import itertools
import os
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from dcm.net.folders import files_in

_LISTED: Final = 1000
"""The number of paths found between checks for Ctrl-C."""


def add_paths(parser: ArgumentParser) -> None:
    """Add the arguments for files and folders."""
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a file, or a folder with everything below it"
    )
    parser.add_argument(
        "--in-file-ext", metavar="EXT", help="in folders, take only files with this extension: dcm"
    )


async def listed(found: Iterator[str]) -> Sequence[str]:
    """Return all paths without duplicates. A thread finds them, as a network folder may be slow."""
    paths: dict[str, None] = {}
    while some := await asyncio.to_thread(lambda: [*itertools.islice(found, _LISTED)]):
        paths.update(dict.fromkeys(some))
    return [*paths]


def chosen(paths: Sequence[str], named: AbstractSet[str], extension: str | None) -> Iterator[str]:
    """Yield the given files, and files in the given folders that may be DICOM."""
    ending = f".{extension.lstrip('.')}".casefold() if extension else ""
    for path in files_in(paths):
        directory = os.path.basename(path) == "DICOMDIR"
        if path in named or (path.casefold().endswith(ending) and not directory):
            yield path


def is_missed(path: str, named: AbstractSet[str]) -> bool:
    """Return whether an unreadable file should have been read, unlike unrelated files in a folder."""
    if path in named:
        return True
    try:
        with open(path, "rb") as file:
            head = file.read(132)
    except OSError:
        return True
    return not head or head[128:] == b"DICM"  # an empty or broken DICOM file
