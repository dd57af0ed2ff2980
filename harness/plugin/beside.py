"""Cases that wait run in parallel with the others, in forked processes with their own servers.

A case that waits 30 seconds for a timer uses no CPU meanwhile. It declares this: `@suite.case(...,
waits=30)`. Before the first case, each process that runs cases forks one process for each group of
such cases; the groups are formed so that none takes much longer than the longest case. A group
begins as soon as one of its cases is due. Its reports are logged as they arrive, at the latest when
all other cases have ended.

Processes are forked before any server, relay or thread of ours is started, so that nothing is
shared.
"""

import contextlib
import ctypes
import json
import math
import multiprocessing
import os
import signal
import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any, NoReturn

import pytest
from _pytest.runner import call_and_report

from harness.plugin.options import Options
from harness.plugin.outcome import CaseRecord, Failure
from harness.plugin.selecting import cases_of
from harness.plugin.worker import Worker, log_report
from harness.waiting import WaitTimeout, wait_until

LOOK = 0.2  # seconds between two checks whether the run was interrupted
MOST = 6  # processes at a time, each with servers of its own
FAREWELL = 20.0  # seconds for a process to stop its servers
PR_SET_PDEATHSIG = 1


def register(config: pytest.Config, options: Options, run_folder: Path) -> None:
    """Register the plugin that runs cases in this process."""
    worker = Worker(config, options, run_folder)
    config.pluginmanager.register(worker, "harness-worker")
    config.pluginmanager.register(Beside(config, worker), "harness-beside")


def end_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent, process `parent`, ends (prctl(2)).

    An xdist worker would notice by itself, but gives its case 15 more seconds, which the guard does
    not need.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent ended before the call
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Group:
    """A forked process, and the cases passed to it that are not finished yet."""

    process: ForkProcess
    line: Connection
    pending: list[int] = field(default_factory=list)

    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self.process.exitcode is not None


class Beside:
    """Registered as a plugin in each process that runs cases."""

    def __init__(self, config: pytest.Config, worker: Worker) -> None:
        self.config = config
        self._worker = worker
        self._groups: list[Group] = []
        self._group_of: dict[int, Group] = {}
        """The group of each case that waits, by its index in the collection."""
        self._places: dict[pytest.Item, int] = {}
        self._line: Connection | None = None
        """In a forked process, the connection to which reports are sent."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Fork before the first case, and wait for the last one."""
        waiting = [] if session.config.option.collectonly else self._waiting(session)
        self._places = {item: place for place, item in enumerate(session.items)}
        try:
            for group in packed(waiting):
                self._fork(session, [self._places[item] for item in group])
            result = yield
            while self._pending() and not session.shouldfail:
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
                self._forward(session, LOOK)
            return result
        finally:
            self._end()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Pass a case that waits to its process; in that process, run it and send its reports."""
        place = self._places.get(item, -1)
        if self._line is not None:
            written = self.config.hook.pytest_report_to_serializable
            for report in _reports(item):
                self._line.send((place, written(config=self.config, report=report)))
            self._line.send((place, None))
            return True
        self._forward(item.session, 0)
        group = self._group_of.get(place)
        if group is None:
            return None
        item.session._setupstate.teardown_exact(nextitem)  # noqa: SLF001 - what pytest does after a case
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        with contextlib.suppress(OSError):  # the process has ended: `_forward` will notice
            group.line.send(place)
        group.pending.append(place)
        return True

    def _waiting(self, session: pytest.Session) -> list[pytest.Item]:
        """Return the cases to run in parallel with others; none if there is only one server."""
        alone = len(session.items) == 1 or self._worker.options.attached
        if alone or session.config.getoption("usepdb", default=False):
            return []
        return [item for item, info in cases_of(session.items) if info.waits]

    def _fork(self, session: pytest.Session, places: Sequence[int]) -> None:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=self._serve, args=(session, ours, theirs, os.getpid())
        )
        with warnings.catch_warnings():
            # Python 3.12 warns if there is another thread: xdist's, which always waits for orders.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        self._groups.append(Group(process, ours))
        self._group_of |= dict.fromkeys(places, self._groups[-1])
        with contextlib.suppress(EOFError):  # if it has ended, its first case reports that
            ours.recv()

    def _serve(
        self, session: pytest.Session, asking: Connection, line: Connection, parent: int
    ) -> NoReturn:
        """Run the requested cases until the parent has closed the connection."""
        try:
            end_with_parent(parent)
            for each in [asking, *(group.line for group in self._groups)]:
                each.close()
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
            self._silence()
            self._line = line
            line.send(None)
            with contextlib.suppress(EOFError):
                while True:
                    item = session.items[line.recv()]
                    self.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            self._worker.pytest_sessionfinish()
        finally:
            os._exit(0)  # skip pytest's own shutdown, which is the parent's job

    def _silence(self) -> None:
        """Detach from the output and capture files of the parent process."""
        capture = self.config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.stop_global_capturing()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        if capture is not None:
            capture.start_global_capturing()

    def _pending(self) -> dict[Any, Group]:
        return {group.line: group for group in self._groups if group.pending}

    def _forward(self, session: pytest.Session, within: float) -> None:
        """Log the reports that have arrived, waiting up to `within` seconds for the first."""
        lines = self._pending()
        for line in wait(list(lines), within) if lines else ():
            group = lines[line]
            try:
                place, written = group.line.recv()
            except (EOFError, OSError):
                wait_until(group.has_ended, what="the end of a process that closed its pipe")
                for lost in group.pending:
                    self._lost(session.items[lost], lost, group)
                group.pending.clear()
                continue
            item = session.items[place]
            if written is None:
                group.pending.remove(place)
                item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
                continue
            report = self.config.hook.pytest_report_from_serializable(
                config=self.config, data=written
            )
            log_report(item, place, report)

    def _lost(self, item: pytest.Item, place: int, group: Group) -> None:
        """Report a case whose process ended before it did, as an error of the harness."""
        message = (
            f"the process that ran the case ended ({group.process.exitcode}) before the case did"
        )
        record = CaseRecord.of(item, self._worker.name)
        record.fail("error", Failure(message, message))
        report = pytest.TestReport(
            item.nodeid, item.location, {}, "failed", message, "setup", start=0, stop=0
        )
        report.harness = json.dumps({"record": record.as_json(str)})  # type: ignore[attr-defined]
        log_report(item, place, report)

    def _end(self) -> None:
        """End every process; those with pending cases are killed."""
        for group in self._groups:
            group.line.close()  # an idle process then stops its servers and ends
            if group.pending:
                group.process.kill()
        with contextlib.suppress(WaitTimeout):
            wait_until(
                lambda: all(group.has_ended() for group in self._groups),
                what="the end of the processes of waiting cases",
                within=FAREWELL,
            )
        for group in self._groups:
            group.process.kill()
            group.process.join()
        self._groups, self._group_of = [], {}


def packed(items: Sequence[pytest.Item]) -> list[list[pytest.Item]]:
    """Distribute cases over groups of similar duration, none longer than necessary.

    That is the duration of the longest case, or more if there would be more than MOST groups.
    """
    seconds = {item: info.waits for item, info in cases_of(items)}
    if not seconds:
        return []
    longest, total = max(seconds.values()), sum(seconds.values())
    count = min(MOST, len(seconds), math.ceil(total / longest))
    groups: list[list[pytest.Item]] = [[] for _ in range(count)]
    for item in sorted(seconds, key=lambda each: -seconds[each]):
        min(groups, key=lambda group: sum(seconds[each] for each in group)).append(item)
    return groups


def _reports(item: pytest.Item) -> Iterator[pytest.TestReport]:
    """Run a case as pytest's own loop does, and yield each report when its phase has ended."""
    request = getattr(item, "_request", None)
    if request is not None and not request:
        item._initrequest()  # type: ignore[attr-defined]  # noqa: SLF001
    report = call_and_report(item, "setup", log=False)
    yield report
    if report.passed:
        yield call_and_report(item, "call", log=False)
    yield call_and_report(item, "teardown", log=False, nextitem=None)
