"""`dcm listen`: store what others send in a folder (C-STORE as SCP), and answer C-ECHO.

Each file is named by its SOP Instance UID and is complete before the sender gets a success. Prints the path
of each. Ends with Ctrl-C or SIGTERM, or after a time without anything.
"""

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Final, Protocol

from dcm.cli.logs import LOG
from dcm.cli.options import add_network_options
from dcm.cli.running import run_async
from dcm.cli.session import local_entity, report
from dcm.frozen import replace
from dcm.net.admission import Admission
from dcm.net.entity import LocalEntity
from dcm.net.get import NotKept
from dcm.net.incoming import OUT_OF_RESOURCES, ReceivedInstance
from dcm.net.listener import Listener, Refused
from dcm.net.node import DcmNode
from dcm.report import Report
from dcm.wire.values import check_ae_title

_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_MIN_FREE: Final = 100 * 10**6


class MayBeBusy(Protocol):
    """What has associations, or has none."""

    @property
    def busy(self) -> bool:
        """Whether there are any."""
        ...


def add_arguments(parser: ArgumentParser) -> None:
    """Say where to listen, and where to put what comes."""
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", type=Path, required=True, help="it is made if missing"
    )
    parser.add_argument("--ae-title", help="our AE title, instead of that of --local")
    parser.add_argument("--host", help="the address to listen at; 0.0.0.0: all")
    parser.add_argument("--port", type=_port, help="the port to listen at; 0: a free one")
    parser.add_argument(
        "--sync",
        action="store_true",
        help="answer only once it is on the disk itself: slower, safer",
    )
    parser.add_argument(
        "--from", metavar="AE_TITLE", dest="senders", action="append",
        help="take only what those send who call themselves so; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--by-our-name", action="store_true", help="take only what is sent to our AE title"
    )
    parser.add_argument(
        "--inactive-timeout",
        metavar="SECONDS",
        type=_seconds,
        help="end when nothing came for so long",
    )
    parser.add_argument(
        "--stop-timeout", metavar="SECONDS", type=_seconds, default=8.0,
        help="once told to end, how long to let senders finish; 8 by default",
    )  # fmt: skip
    parser.add_argument(
        "--max-instance", metavar="SIZE", type=_size, default=0,
        help="refuse longer instances: in bytes, or with K, M, G or T",
    )  # fmt: skip
    parser.add_argument(
        "--min-free", metavar="SIZE", type=_size, default=_MIN_FREE,
        help="refuse what would leave less free space on the disk; 100M by default, 0: none",
    )  # fmt: skip
    add_network_options(parser, progress=False)


def run(arguments: Namespace) -> int:
    """Listen until the end."""
    stop = asyncio.Event()
    return run_async(_listen(arguments, stop), stop.set)


async def _listen(arguments: Namespace, stop: asyncio.Event) -> int:
    entity = _entity(arguments)
    arguments.output.mkdir(parents=True, exist_ok=True)
    came = asyncio.Event()
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    with report(arguments, folder=str(arguments.output)) as told:

        async def handle(received: ReceivedInstance) -> None:
            came.set()
            try:
                _tell(received, told)
            except OSError as error:  # nobody reads what we say, or the report cannot be written
                if not broken.done():
                    broken.set_exception(error)
                raise Refused(OUT_OF_RESOURCES, "the receiver is about to end") from error

        def on_failure(kept_not: NotKept) -> None:
            uid, words = kept_not.sop_instance_uid, kept_not.words
            try:
                told.add("failed", good=False, sop_instance_uid=uid, words=words)
            except OSError as error:
                if not broken.done():
                    broken.set_exception(error)

        async with entity.listen(
            arguments.output,
            handle,
            sync=arguments.sync,
            max_instance=arguments.max_instance,
            min_free=arguments.min_free,
            admission=_admission(arguments),
            on_failure=on_failure,
        ) as listener:
            _say_where(listener.node, quiet=arguments.quiet)
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
            await _drain(listener, arguments.stop_timeout)
    return 0 if told.complete else 1


async def inactivity(listener: MayBeBusy, came: asyncio.Event, seconds: float | None) -> None:
    """Wait until nothing came for so long, and nobody is there who may still send."""
    while True:
        came.clear()
        try:
            async with asyncio.timeout(seconds):
                await came.wait()
        except TimeoutError:
            if not listener.busy:
                return


async def _drain(listener: Listener, seconds: float) -> None:
    """Let senders finish; the signal that comes next ends this at once."""
    if listener.busy:
        LOG.warning("ends once senders have finished, in %g s at most", seconds)
    if not await listener.drain(seconds):
        LOG.warning("some associations did not finish within %g s and are aborted", seconds)


def _tell(received: ReceivedInstance, told: Report) -> None:
    LOG.info("%s came from %s", received.sop_instance_uid, received.remote)
    remark = {"words": received.remark} if received.remark else {}
    told.add(
        "already there" if received.already_there else "stored",
        good=True,
        sop_instance_uid=received.sop_instance_uid,
        path=received.file,
        remote=received.remote,
        **remark,
    )
    print(received.file, flush=True)


def _say_where(node: DcmNode, *, quiet: bool) -> None:
    if not quiet:
        print(f"dcm listen: listening at {node}", file=sys.stderr, flush=True)


def _entity(arguments: Namespace) -> LocalEntity:
    """Return us, as the configuration and the options say."""
    entity = local_entity(arguments)
    given = {name: getattr(arguments, name) for name in ("host", "ae_title", "port")}
    node = replace(entity.local, **{name: each for name, each in given.items() if each is not None})
    return LocalEntity(node, entity.limits)


def _admission(arguments: Namespace) -> Admission:
    senders = arguments.senders
    for title in senders or ():
        check_ae_title("--from", title)
    return Admission(
        calling_ae_titles=frozenset(senders) if senders else None,
        by_our_name=arguments.by_our_name,
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535")
    return int(text)


def _size(text: str) -> int:
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    if not (number.isascii() and number.isdecimal()) or unit not in _UNITS:
        raise ArgumentTypeError(f"{text!r} is not a size: a number of bytes, or with K, M, G or T")
    return int(number) * _UNITS[unit]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no number of seconds, more than 0")
    return seconds
