"""`dcm echo`: ask whether a node answers (C-ECHO). Prints Success, or Failed where the answer is another."""

from argparse import ArgumentParser, Namespace

from dcm.cli.options import add_network_options, add_remote
from dcm.cli.running import run_async
from dcm.cli.session import entity_and_remote, report


def add_arguments(parser: ArgumentParser) -> None:
    """Say whom to ask."""
    add_remote(parser)
    add_network_options(parser, progress=False)


def run(arguments: Namespace) -> int:
    """Ask, and print the answer."""
    return run_async(_echo(arguments))


async def _echo(arguments: Namespace) -> int:
    entity, remote = entity_and_remote(arguments)
    with report(arguments, of="answers") as answers:
        answered = await entity.echo(remote)
        outcome = "Success" if answered else "Failed"
        answers.add(outcome, good=answered, remote=str(remote))
    print(outcome)
    return 0 if answered else 1
