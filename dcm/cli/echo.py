"""`dcm echo`: check that a node responds (C-ECHO). Prints Success, or Failed for any other status.

With --count, sends several requests on one association, and prints the response times. With --contexts, finds
out which SOP classes and transfer syntaxes the node accepts, and prints their names.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dcm.cli.logs import LOG
from dcm.cli.options import add_network_options, add_remote, number
from dcm.cli.output import print_text
from dcm.cli.running import run_async
from dcm.cli.session import node, place, reporter
from dcm.net.errors import OperationFailed

if TYPE_CHECKING:
    from dcm.store.place import Place


def add_arguments(parser: ArgumentParser) -> None:
    """Add the node to ask, and what to find out."""
    add_remote(parser)
    parser.add_argument(
        "--count", metavar="N", type=number(1, 10**9),
        help="send N requests, and print minimum, median and maximum response time in ms",
    )  # fmt: skip
    parser.add_argument(
        "--contexts", action="store_true",
        help="print the SOP classes and transfer syntaxes that the node accepts",
    )  # fmt: skip
    add_network_options(parser, progress=False)


def run(arguments: Namespace) -> int:
    """Send the request, and print the answer."""
    return run_async(_echo(arguments))


async def _echo(arguments: Namespace) -> int:
    asked = place(arguments)
    contexts_of = node(asked, "--contexts") if arguments.contexts else None
    times: list[float] = []
    with reporter(arguments, of="answers") as summary:
        async with asked:  # all on one association
            for _ in range(arguments.count or 1):
                outcome, more = await _answer(asked)
                summary.add(outcome, good=outcome == "Success", remote=asked.name, **more)
                times += more.values()
            print(summary if arguments.count else outcome)
            if arguments.count and times:
                print(_times(times))
            if contexts_of is not None:
                accepted = await contexts_of.entity.accepted(contexts_of.remote)
                print_text(_contexts(accepted))
    return summary.status


async def _answer(asked: "Place") -> tuple[str, dict[str, float]]:
    """Send one request; return the outcome, and the response time in ms if it was successful."""
    try:
        return "Success", {"ms": round(await asked.echo() * 1000, 3)}
    except OperationFailed as error:
        LOG.info("%s", error)
        return "Failed", {}


def _times(ms: Sequence[float]) -> str:
    import statistics  # noqa: PLC0415 - takes as long to import as an echo

    shown = {"minimum": min(ms), "median": statistics.median(ms), "maximum": max(ms)}
    return ", ".join(f"{name} {taken:.2f} ms" for name, taken in shown.items())


def _contexts(accepted: Mapping[str, Sequence[str]]) -> str:
    """Return a text that groups SOP classes accepted with the same transfer syntaxes."""
    from dcm.data.uids import name_of  # noqa: PLC0415 - pydicom takes longer than an echo

    together: dict[tuple[str, ...], list[str]] = {}
    for uid, syntaxes in accepted.items():
        together.setdefault(tuple(syntaxes), []).append(uid)
    lines = [f"{len(accepted)} SOP classes are accepted"]
    for syntaxes, uids in together.items():
        lines += [
            "",
            "in the transfer syntaxes",
            *(f"  {name_of(uid)} ({uid})" for uid in syntaxes),
        ]
        lines += ["the SOP classes", *(f"  {name_of(uid)} ({uid})" for uid in uids)]
    return "\n".join(lines)
