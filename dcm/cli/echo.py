"""`dcm echo`: ask whether a node answers (C-ECHO). Prints Success, or Failed if the status is another.

With --count, it asks several times on one association, and prints how long the answers took. With --contexts,
it finds out which SOP classes and transfer syntaxes the node accepts, and prints their names.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence

from dcm.cli.options import add_network_options, add_remote
from dcm.cli.output import print_text
from dcm.cli.running import run_async
from dcm.cli.session import entity_and_remote, report


def add_arguments(parser: ArgumentParser) -> None:
    """Add the node to ask, and what to find out."""
    add_remote(parser)
    parser.add_argument(
        "--count",
        metavar="N",
        type=_count,
        help="ask N times, and print minimum, median and maximum in ms",
    )
    parser.add_argument(
        "--contexts",
        action="store_true",
        help="print the SOP classes and transfer syntaxes that the node accepts",
    )
    add_network_options(parser, progress=False)


def run(arguments: Namespace) -> int:
    """Ask, and print the answer."""
    return run_async(_echo(arguments))


async def _echo(arguments: Namespace) -> int:
    entity, remote = entity_and_remote(arguments)
    seconds: list[float] = []
    with report(arguments, of="answers") as answers:
        async for status, taken in entity.echoes(remote, arguments.count or 1):
            outcome = "Failed" if status else "Success"
            answers.add(outcome, good=not status, remote=str(remote), ms=round(taken * 1000, 3))
            seconds.append(taken)
        print(answers if arguments.count else outcome)
        if arguments.count:
            print(_times(seconds))
        if arguments.contexts:
            print_text(_contexts(await entity.accepted(remote)))
    return 0 if answers.complete else 1


def _times(seconds: Sequence[float]) -> str:
    import statistics  # noqa: PLC0415 - takes as long to import as an echo

    shown = {"minimum": min(seconds), "median": statistics.median(seconds), "maximum": max(seconds)}
    return ", ".join(f"{name} {taken * 1000:.2f} ms" for name, taken in shown.items())


def _contexts(accepted: Mapping[str, Sequence[str]]) -> str:
    """Return a text: SOP classes that are accepted in the same transfer syntaxes stand together."""
    from dcm.data.uids import name_of  # noqa: PLC0415 - pydicom takes longer than an echo

    together: dict[tuple[str, ...], list[str]] = {}
    for uid, syntaxes in accepted.items():
        together.setdefault(tuple(syntaxes), []).append(uid)
    lines = [f"{len(accepted)} SOP classes are accepted"]
    for syntaxes, uids in together.items():
        lines += ["", "in the transfer syntaxes"]
        lines += [f"  {name_of(uid)} ({uid})" for uid in syntaxes]
        lines += ["the SOP classes"]
        lines += [f"  {name_of(uid)} ({uid})" for uid in uids]
    return "\n".join(lines)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"{text!r} is not a number of times, 1 or more")
    return int(text)
