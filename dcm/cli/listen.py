"""`dcm listen`: receive instances into a folder (C-STORE SCP), and answer C-ECHO.

Each file is named after its SOP Instance UID, and is complete before success is returned to the sender.
Prints the path of each file. Stops on Ctrl-C, on SIGTERM, or after --inactive-timeout.
"""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final, Protocol

from dcm.cli.logs import LOG
from dcm.cli.options import add_network_options, number, seconds, size
from dcm.cli.report import Reporter
from dcm.cli.running import run_async
from dcm.cli.session import local_entity, reporter
from dcm.frozen import replace
from dcm.net.admission import Admission
from dcm.net.entity import LocalEntity
from dcm.net.listener import Listener
from dcm.outcome import InstanceResult, Outcome
from dcm.sinks import OUT_OF_RESOURCES, NotKept, ReceivedInstance, Refused
from dcm.wire.values import check_ae_title

MIN_FREE: Final = 100 * 10**6


class MayBeBusy(Protocol):
    """Something that may have associations."""

    @property
    def busy(self) -> bool:
        """Whether there are any associations."""
        ...


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: where to listen, which senders to accept, and where to store instances."""
    parser.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        type=Path,
        required=True,
        help="created if it does not exist",
    )
    add_listening(parser)
    add_network_options(parser, progress=False)


def add_listening(parser: ArgumentParser) -> None:
    """Add the options of commands that receive: where to listen, and what to accept from which senders."""
    parser.add_argument("--ae-title", help="our AE title; by default that of --local")
    parser.add_argument("--host", help="the address to listen on; 0.0.0.0 for all")
    parser.add_argument(
        "--port", type=number(0, 65535), help="the port to listen on; 0 for any free port"
    )
    parser.add_argument(
        "--sync", action="store_true",
        help="flush each file to disk (fsync) before responding: slower but safer",
    )  # fmt: skip
    parser.add_argument(
        "--from", metavar="AE_TITLE", dest="senders", action="append",
        help="accept only senders with this AE title; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--by-our-name",
        action="store_true",
        help="accept only senders that address us by our AE title",
    )
    parser.add_argument(
        "--inactive-timeout", metavar="SECONDS", type=seconds,
        help="stop if nothing is received for this long",
    )  # fmt: skip
    parser.add_argument(
        "--stop-timeout", metavar="SECONDS", type=seconds, default=8.0,
        help="when stopping, give senders this long to finish; 8 by default",
    )  # fmt: skip
    add_space_limits(parser)


def add_space_limits(parser: ArgumentParser) -> None:
    """Add the options that limit the disk space for received instances."""
    parser.add_argument(
        "--max-instance", metavar="SIZE", type=size, default=0,
        help="reject larger instances; in bytes, or with K, M, G or T",
    )  # fmt: skip
    parser.add_argument(
        "--min-free", metavar="SIZE", type=size, default=MIN_FREE,
        help="reject instances that would leave less free disk space; 100M by default, 0 for no limit",
    )  # fmt: skip


def run(arguments: Namespace) -> int:
    """Listen until stopped."""
    stop = asyncio.Event()
    return run_async(_listen(arguments, stop), stop.set)


async def _listen(arguments: Namespace, stop: asyncio.Event) -> int:
    entity = listening_entity(arguments)
    arguments.output.mkdir(parents=True, exist_ok=True)
    came = asyncio.Event()
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    with reporter(arguments, folder=str(arguments.output)) as summary:

        async def handle(received: ReceivedInstance) -> None:
            came.set()
            try:
                _tell(received, summary)
            except OSError as error:  # stdout is closed, or the report cannot be written
                if not broken.done():
                    broken.set_exception(error)
                raise Refused(OUT_OF_RESOURCES, "the receiver is shutting down") from error

        def on_failure(failed: NotKept) -> None:  # already logged by the listener
            uid, words = failed.sop_instance_uid, failed.words
            try:
                summary.add("failed", good=False, sop_instance_uid=uid, words=words)
            except OSError as error:
                if not broken.done():
                    broken.set_exception(error)

        async with entity.listen(
            arguments.output, handle,
            sync=arguments.sync, max_instance=arguments.max_instance, min_free=arguments.min_free,
            admission=admission(arguments), on_failure=on_failure,
        ) as listener:  # fmt: skip
            if not arguments.quiet:
                where = f"dcm listen: listening at {listener.node}"
                print(where, file=sys.stderr, flush=True)
            inactive = asyncio.create_task(inactivity(listener, came, arguments.inactive_timeout))
            stopped = asyncio.create_task(stop.wait())
            ends = (inactive, stopped, broken)
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                inactive.cancel()
                stopped.cancel()
            if broken.done():
                broken.result()
            await drain(listener, arguments.stop_timeout)
    return summary.status


async def inactivity(listener: MayBeBusy, came: asyncio.Event, seconds: float | None) -> None:
    """Wait until nothing was received for `seconds` and no association is open; None: forever."""
    if seconds is None:
        await asyncio.get_running_loop().create_future()
    while True:
        came.clear()
        try:
            async with asyncio.timeout(seconds):
                await came.wait()
        except TimeoutError:
            if not listener.busy:
                return


async def drain(listener: Listener, seconds: float) -> None:
    """Let senders finish; another signal stops immediately."""
    if listener.busy:
        LOG.warning("stopping when senders have finished, within %g s at most", seconds)
    if not await listener.drain(seconds):
        LOG.warning("aborting associations that did not finish within %g s", seconds)


def _tell(received: ReceivedInstance, summary: Reporter) -> None:
    LOG.info("received %s from %s", received.sop_instance_uid, received.remote)
    outcome = Outcome.ALREADY_THERE if received.already_there else Outcome.STORED
    uid = received.sop_instance_uid
    summary.tell(
        InstanceResult(received.file, uid, outcome, received.remark), remote=received.remote
    )
    print(received.file, flush=True)


def listening_entity(arguments: Namespace) -> LocalEntity:
    """Return the local entity from the configuration and the options."""
    entity = local_entity(arguments)
    given = {name: getattr(arguments, name) for name in ("host", "ae_title", "port")}
    node = replace(entity.local, **{name: each for name, each in given.items() if each is not None})
    return LocalEntity(node, entity.limits)


def admission(arguments: Namespace) -> Admission:
    """Return which associations are accepted. Raises `DcmError` for an invalid AE title."""
    senders = arguments.senders
    for title in senders or ():
        check_ae_title("--from", title)
    return Admission(
        calling_ae_titles=frozenset(senders) if senders else None,
        by_our_name=arguments.by_our_name,
    )
