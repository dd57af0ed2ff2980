"""`dcm forward`: receive instances as `dcm listen` does, and send them on, without losing any.

A received object is acknowledged when it is safely stored in a spool folder. It stays there until every DEST
has it, even while a DEST cannot be reached or after the forwarder is stopped or killed. A DICOM node gets the
objects in the order in which they were received. Objects that a DEST rejects for good, the dead letters, are
kept in the folder `dead` of the spool.
"""

import asyncio
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from dcm.cli.edits import add_edits
from dcm.cli.listen import add_listening, admission, drain, inactivity, listening_entity
from dcm.cli.logs import LOG, log_json
from dcm.cli.options import add_connection, add_network_options, number, seconds
from dcm.cli.report import Reporter
from dcm.cli.running import run_async
from dcm.cli.session import reporter
from dcm.cli.usage import UsageError
from dcm.errors import DcmError
from dcm.outcome import InstanceResult, Outcome
from dcm.sinks import NotKept, ReceivedInstance

if TYPE_CHECKING:
    from dcm.cli.forward_plan import Planner
    from dcm.net.listener import Listener
    from dcm.route.delivery import Delivered, Patience
    from dcm.route.forwarder import Forwarder
    from dcm.route.metrics import Metrics

_LONGEST: Final = 60.0


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: the destinations, where to listen, and how to edit objects."""
    parser.add_argument(
        "destinations", metavar="DEST", nargs="*",
        help="the name of a route, node, web service or folder in the configuration; or HOST:AE_TITLE:PORT,"
        " a URL, or the path of a folder",
    )  # fmt: skip
    parser.add_argument(
        "--spool",
        metavar="FOLDER",
        help="the folder where objects wait; by default, one in the user's home directory",
    )
    parser.add_argument(
        "--status", action="store_true",
        help="only print what is waiting in the spool for each DEST; works while a forwarder is running, too",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print --status as JSON")
    parser.add_argument(
        "--retry-dead", action="store_true",
        help="put dead letters back into the spool, or only those for DEST; a running forwarder tries them at"
        " once",
    )  # fmt: skip
    parser.add_argument(
        "--retry-pause", metavar="SECONDS", type=seconds, default=_LONGEST,
        help="the longest pause before another attempt to reach a DEST; 60 by default",
    )  # fmt: skip
    parser.add_argument(
        "--give-up-after", metavar="SECONDS", type=seconds,
        help="make an object a dead letter if it could not be delivered for this long; never by default",
    )  # fmt: skip
    parser.add_argument(
        "--associations", metavar="N", type=number(1, 100), default=1,
        help="the number of associations to use in parallel for each node; with more than 1, objects of a"
        " series may arrive in a different order",
    )  # fmt: skip
    parser.add_argument(
        "--dir-format",
        metavar="LAYOUT",
        help="the layout of destination folders: see docs/layouts.md",
    )
    parser.add_argument(
        "--metrics-port", metavar="PORT", type=number(0, 65535),
        help="serve metrics for Prometheus on this port of 127.0.0.1",
    )  # fmt: skip
    parser.add_argument("--log-json", action="store_true", help="write log lines as JSON")
    add_listening(parser)
    add_edits(parser, on_the_way=True)
    add_connection(parser, "a node")
    add_network_options(parser, progress=False)


def run(arguments: Namespace) -> int:
    """Forward until stopped."""
    if arguments.status:
        from dcm.cli.forward_status import show  # noqa: PLC0415 - only then

        return show(spool_folder(arguments), as_json=arguments.json)
    if arguments.retry_dead:
        from dcm.cli.forward_status import retry  # noqa: PLC0415

        return retry(spool_folder(arguments), frozenset(arguments.destinations))
    if not arguments.destinations:
        raise UsageError("no destination: give a DEST")
    stop = asyncio.Event()
    return run_async(_forward(arguments, stop), stop.set)


def spool_folder(arguments: Namespace) -> str:
    """Return the folder of the spool."""
    if arguments.spool:
        return str(arguments.spool)
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    if state.startswith("~"):  # there is no home directory
        raise UsageError("there is no home directory for the spool: use --spool FOLDER")
    return os.path.join(state, "dcm", "spool")


async def _forward(arguments: Namespace, stop: asyncio.Event) -> int:
    from dcm.cli.forward_plan import Planner  # noqa: PLC0415 - not for --help
    from dcm.route.forwarder import Forwarder  # noqa: PLC0415
    from dcm.route.spool import Spool  # noqa: PLC0415

    if arguments.log_json:
        log_json()
    spool = Spool(
        spool_folder(arguments), sync=arguments.sync,
        max_instance=arguments.max_instance, min_free=arguments.min_free,
    )  # fmt: skip
    with ExitStack() as stack:
        again = stack.enter_context(_hangup())
        summary = stack.enter_context(reporter(arguments, destinations=arguments.destinations))
        stack.enter_context(spool)
        teller = Teller(summary, _metrics(arguments, spool.path, stack))
        planner = Planner(arguments, spool, stack, teller.passed_over)
        forwarder = Forwarder(spool, planner.plan(), teller.delivered, _patience(arguments))
        async with forwarder:
            reloading = asyncio.create_task(_reload(again, forwarder, planner))
            try:
                await _receive(arguments, stop, forwarder, teller)
            finally:
                reloading.cancel()
                await asyncio.gather(reloading, return_exceptions=True)
            if not await forwarder.finish(arguments.stop_timeout):
                LOG.warning("some deliveries are not finished; they stay in the spool")
        for name, waiting in spool.queue.waiting().items():
            summary.remark(f"{waiting.objects} objects for {name} stay in the spool {spool}")
    print(summary)
    return summary.status


def _metrics(arguments: Namespace, spool: str, stack: ExitStack) -> "Metrics | None":
    if arguments.metrics_port is None:
        return None
    try:
        from dcm.route.metrics import Metrics  # noqa: PLC0415 - few want them
    except ModuleNotFoundError as error:
        words = "--metrics-port needs prometheus-client: pip install 'dicom-harness[metrics]'"
        raise UsageError(words) from error
    metrics = Metrics(spool)
    port = stack.enter_context(metrics.served(arguments.metrics_port))
    LOG.info("metrics are at http://127.0.0.1:%d/metrics", port)
    return metrics


def _patience(arguments: Namespace) -> "Patience":
    from dcm.route.delivery import Patience  # noqa: PLC0415 - as above

    longest = arguments.retry_pause
    return Patience(
        min(Patience.pause, longest), longest, arguments.give_up_after, arguments.associations
    )


async def _receive(
    arguments: Namespace, stop: asyncio.Event, forwarder: "Forwarder", teller: "Teller"
) -> None:
    """Receive until stopped."""
    from dcm.net.listener import Listener  # noqa: PLC0415 - as above

    entity = listening_entity(arguments)
    listener = Listener(
        entity.local, forwarder.sink, entity.limits, teller.received,
        admission=admission(arguments), on_failure=teller.refused,
    )  # fmt: skip
    async with listener:
        if arguments.log_json:
            LOG.warning("listening at %s", listener.node)
        elif not arguments.quiet:
            where = f"dcm forward: listening at {listener.node}"
            print(where, file=sys.stderr, flush=True)
        await _until(stop, listener, teller, arguments.inactive_timeout)
        await drain(listener, arguments.stop_timeout)


async def _until(
    stop: asyncio.Event, listener: "Listener", teller: "Teller", inactive: float | None
) -> None:
    """Wait for a reason to stop: a signal, inactivity, or a failure to report."""
    stopped = asyncio.create_task(stop.wait())
    idle = asyncio.create_task(inactivity(listener, teller.came, inactive))
    try:
        ends = (stopped, idle, teller.broken)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        idle.cancel()
    if teller.broken.done():
        teller.broken.result()


@contextmanager
def _hangup() -> Iterator[asyncio.Event]:
    """Yield an event that SIGHUP sets."""
    loop, again = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_signal_handler(signal.SIGHUP, again.set)
    except (ValueError, RuntimeError):  # not the main thread
        yield again
        return
    try:
        yield again
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def _reload(again: asyncio.Event, forwarder: "Forwarder", planner: "Planner") -> None:
    """Read the configuration again whenever requested; associations continue."""
    while True:
        await again.wait()
        again.clear()
        try:
            plan = planner.plan()
        except (DcmError, OSError) as error:
            LOG.error("the new configuration is invalid, so the old one is kept: %s", error)
            forwarder.retry()
        else:
            await forwarder.replace(plan)
            LOG.warning("the configuration was read again")


class Teller:
    """Reports received objects and their outcomes.

    came: set whenever an object is received or delivered. broken: done when reporting has failed.
    """

    def __init__(self, summary: Reporter, metrics: "Metrics | None" = None) -> None:
        self.came: Final = asyncio.Event()
        self.broken: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()
        self._summary: Final = summary
        self._metrics: Final = metrics

    async def received(self, instance: ReceivedInstance) -> None:
        """Record that an object was received and safely stored."""
        self.came.set()
        self._count("stored" if instance.file else "passed over")
        LOG.info("received %s from %s", instance.sop_instance_uid, instance.remote)

    def refused(self, failed: NotKept) -> None:
        """Report an object that was rejected; the sender was informed."""
        self._count("refused")
        uid, words = failed.sop_instance_uid, failed.words
        with self._reporting():
            self._summary.add("refused", good=False, sop_instance_uid=uid, words=words)

    def passed_over(self, uid: str, words: str) -> None:
        """Report an object that no route matches."""
        with self._reporting():
            self._summary.tell(InstanceResult("", uid, Outcome.PASSED_OVER, words))

    def delivered(self, each: "Delivered") -> None:
        """Report an outcome."""
        self.came.set()
        if self._metrics is not None:
            self._metrics.delivered(each.destination, each.result.outcome.value)
        entry = each.entry
        with self._reporting():
            self._summary.tell(
                each.result._replace(sop_instance_uid=entry.uid),
                destination=each.destination, calling_ae_title=entry.calling, remote=entry.remote,
            )  # fmt: skip

    def _count(self, outcome: str) -> None:
        if self._metrics is not None:
            self._metrics.received(outcome)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self.broken.done():
                self.broken.set_exception(error)
