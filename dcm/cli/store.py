"""`dcm store`: send files and folders to a node (C-STORE), each file as it is on disk.

Exit status 0 only if the node has all of them afterwards. Other files than those of DICOM that are in a
folder are passed over with a warning.
"""

import asyncio
import itertools
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from dcm.cli.options import add_network_options, add_remote
from dcm.cli.progress import Progress, wanted
from dcm.cli.running import run_async
from dcm.cli.session import node, place, reporter
from dcm.errors import RemoteProtocolError
from dcm.net.errors import NetworkError
from dcm.net.folders import files_in
from dcm.net.store import store
from dcm.outcome import InstanceResult, Outcome

_LISTED: Final = 1000
"""Paths that are found before a Ctrl-C is heard."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: what to send, where to and how."""
    add_remote(parser)
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a file, or a folder with everything below it"
    )
    parser.add_argument(
        "--in-file-ext", metavar="EXT", help="in folders, take only files with this extension: dcm"
    )
    parser.add_argument(
        "--skip-existing", action="store_true", help="ask first, and send only what is not there"
    )
    parser.add_argument(
        "--no-convert", action="store_true",
        help="do not decompress what REMOTE does not accept as it is: it fails instead",
    )  # fmt: skip
    parser.add_argument(
        "--commit", action="store_true",
        help="afterwards ask REMOTE to take responsibility for all of them (storage commitment)",
    )  # fmt: skip
    add_network_options(parser)


def run(arguments: Namespace) -> int:
    """Send, and print how many had which outcome."""
    return run_async(_store(arguments))


async def _store(arguments: Namespace) -> int:
    to = place(arguments)
    committing = node(to, "--commit") if arguments.commit else None
    named = frozenset(arguments.paths)
    paths = await _listed(_chosen(arguments.paths, named, arguments.in_file_ext))
    with reporter(arguments, paths=arguments.paths) as told:
        async with Progress("sending", len(paths), shown=wanted(arguments)) as progress:

            def on_result(result: InstanceResult) -> None:
                progress.done += 1
                if result.outcome is Outcome.NOT_TRIED and not _is_missed(result.path, named):
                    words = "it is not a DICOM file"
                    result = result._replace(outcome=Outcome.PASSED_OVER, words=words)
                told.tell(result)

            async with (
                to,
                to.writer(on_result, convert=not arguments.no_convert) as writer,
            ):
                sent = await store(writer, paths, to.holds if arguments.skip_existing else None)
        if committing is not None:
            from dcm.cli.commitment import require_commitment  # noqa: PLC0415 - rarely asked

            stored = [result for result in sent.results if result.stored]
            try:
                await require_commitment(committing, stored, told)
            except (NetworkError, RemoteProtocolError) as error:  # the outcomes are still printed
                told.trouble(str(error))
        if not told.counts:
            told.trouble(f"there is nothing to send in {', '.join(arguments.paths)}")
    print(told)
    return told.status


async def _listed(found: Iterator[str]) -> Sequence[str]:
    """Return all paths once each, found in a thread, since a folder on a network may take long."""
    paths: dict[str, None] = {}
    while some := await asyncio.to_thread(lambda: [*itertools.islice(found, _LISTED)]):
        paths.update(dict.fromkeys(some))
    return [*paths]


def _chosen(paths: Sequence[str], named: AbstractSet[str], extension: str | None) -> Iterator[str]:
    """Yield the files that were named, and those in folders that may be DICOM."""
    ending = f".{extension.lstrip('.')}".casefold() if extension else ""
    for path in files_in(paths):
        directory = os.path.basename(path) == "DICOMDIR"
        if path in named or (path.casefold().endswith(ending) and not directory):
            yield path


def _is_missed(path: str, named: AbstractSet[str]) -> bool:
    """Return whether a file that was not sent was meant to be, unlike what else is in a folder."""
    if path in named:
        return True
    try:
        with open(path, "rb") as file:
            head = file.read(132)
    except OSError:
        return True
    return not head or head[128:] == b"DICM"  # an empty or a broken file was meant to be one
