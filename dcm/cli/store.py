"""`dcm store`: send files and folders to a node (C-STORE), as they are on disk.

Files in a folder that are not DICOM are skipped with a warning. Exit status 0 only if the node has all
instances at the end.
"""

from argparse import ArgumentParser, Namespace

from dcm.cli.options import add_network_options, add_remote
from dcm.cli.paths import add_paths, chosen, is_missed, listed
from dcm.cli.progress import Progress, wanted
from dcm.cli.running import run_async
from dcm.cli.session import node, place, reporter
from dcm.errors import RemoteProtocolError
from dcm.net.errors import NetworkError
from dcm.net.store import store
from dcm.outcome import InstanceResult, Outcome


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: what to send, where, and how."""
    add_remote(parser)
    add_paths(parser)
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="query REMOTE first, and send only what it does not have",
    )
    parser.add_argument(
        "--no-convert", action="store_true",
        help="never decompress: what REMOTE does not accept in its transfer syntax fails",
    )  # fmt: skip
    parser.add_argument(
        "--commit", action="store_true",
        help="request storage commitment for all instances from REMOTE afterwards",
    )  # fmt: skip
    add_network_options(parser)


def run(arguments: Namespace) -> int:
    """Send, and print the number of instances for each outcome."""
    return run_async(_store(arguments))


async def _store(arguments: Namespace) -> int:
    to = place(arguments, to_write=True)
    committing = node(to, "--commit") if arguments.commit else None
    named = frozenset(arguments.paths)
    paths = await listed(chosen(arguments.paths, named, arguments.in_file_ext))
    with reporter(arguments, paths=arguments.paths) as summary:
        async with Progress("sending", len(paths), shown=wanted(arguments)) as progress:

            def on_result(result: InstanceResult) -> None:
                progress.done += 1
                if result.outcome is Outcome.NOT_TRIED and not is_missed(result.path, named):
                    words = "it is not a DICOM file"
                    result = result._replace(outcome=Outcome.PASSED_OVER, words=words)
                summary.tell(result)

            async with (
                to,
                to.writer(on_result, convert=not arguments.no_convert) as writer,
            ):
                sent = await store(writer, paths, to.holds if arguments.skip_existing else None)
        if committing is not None:
            from dcm.cli.commitment import require_commitment  # noqa: PLC0415 - rarely asked

            stored = [result for result in sent.results if result.stored]
            try:
                await require_commitment(committing, stored, summary)
            except (NetworkError, RemoteProtocolError) as error:  # still print the outcomes
                summary.trouble(str(error))
        if not summary.counts:
            summary.trouble(f"nothing to send in {', '.join(arguments.paths)}")
    print(summary)
    return summary.status
