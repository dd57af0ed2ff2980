"""`dcm store`: send files and folders to a node (C-STORE), each as it lies on the disk.

Exit status 0 only if the node has all of them then. In a folder there may be other files than those of DICOM:
they are passed over with a word.
"""

import asyncio
import itertools
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from dcm.cli.options import add_network_options, add_remote
from dcm.cli.outcomes import Outcomes
from dcm.cli.progress import Progress, wanted
from dcm.cli.running import run_async
from dcm.cli.session import entity_and_remote, report
from dcm.errors import RemoteProtocolError
from dcm.net.errors import NetworkError
from dcm.net.folders import files_in
from dcm.net.outcome import InstanceResult, Outcome

_LISTED = 1000
"""Paths that are found before a Ctrl-C is heard."""


def add_arguments(parser: ArgumentParser) -> None:
    """Say what to send, and to whom."""
    add_remote(parser)
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a file, or a folder with all below"
    )
    parser.add_argument(
        "--in-file-ext", metavar="EXT", help="in folders take only files that end so: dcm"
    )
    parser.add_argument(
        "--skip-existing", action="store_true", help="ask first, and send only what is not there"
    )
    parser.add_argument(
        "--no-convert",
        action="store_true",
        help="let fail what REMOTE does not take as it is, rather than decompress it",
    )
    parser.add_argument(
        "--commit",
        action="store_true",
        help="then ask REMOTE to answer for all of them (storage commitment)",
    )
    add_network_options(parser)


def run(arguments: Namespace) -> int:
    """Send, and print how many had which outcome."""
    return run_async(_store(arguments))


async def _store(arguments: Namespace) -> int:
    entity, remote = entity_and_remote(arguments)
    named = frozenset(arguments.paths)
    paths = await _listed(_chosen(arguments.paths, named, arguments.in_file_ext))
    with report(arguments, paths=arguments.paths) as told:
        outcomes = Outcomes(told)
        async with Progress("sending", len(paths), shown=wanted(arguments)) as progress:

            def on_result(result: InstanceResult) -> None:
                progress.advance()
                if _is_missed(result, named):
                    outcomes.tell(result)
                else:
                    outcomes.pass_over(result, "it is no DICOM file")

            sent = await entity.store(
                remote,
                paths,
                on_result=on_result,
                skip_existing=arguments.skip_existing,
                convert=not arguments.no_convert,
            )
        if arguments.commit:
            stored = [result for result in sent.results if result.stored]
            try:
                from dcm.cli.commitment import require_commitment  # noqa: PLC0415 - rarely asked

                await require_commitment(entity, remote, stored, outcomes)
            except (
                NetworkError,
                RemoteProtocolError,
            ) as error:  # what was stored is still to be told
                outcomes.trouble(str(error))
        outcomes.end()
        if not told.counts:
            outcomes.trouble(f"there is nothing to send in {', '.join(arguments.paths)}")
    print(told)
    return 0 if told.complete else 1


async def _listed(found: Iterator[str]) -> Sequence[str]:
    """Return all paths once each. A folder on a network may take long: others have their turn meanwhile."""
    paths: dict[str, None] = {}
    while some := await asyncio.to_thread(lambda: [*itertools.islice(found, _LISTED)]):
        paths.update(dict.fromkeys(some))
    return [*paths]


def _chosen(paths: Sequence[str], named: AbstractSet[str], extension: str | None) -> Iterator[str]:
    """Yield the files that were named, and those in folders that may be DICOM."""
    ending = f".{extension.lstrip('.')}".casefold() if extension else ""
    for path in files_in(paths):
        directory = os.path.basename(path) == "DICOMDIR"  # noqa: PTH119 - there may be a million
        if path in named or (path.casefold().endswith(ending) and not directory):
            yield path


def _is_missed(result: InstanceResult, named: AbstractSet[str]) -> bool:
    """Return whether it belongs among what was to be sent, unlike what else lies in folders."""
    if result.outcome is not Outcome.NOT_TRIED or result.path in named:
        return True
    try:
        with Path(result.path).open("rb") as file:
            head = file.read(132)
    except OSError:
        return True
    return not head or head[128:] == b"DICM"  # an empty or a broken file was meant to be one
