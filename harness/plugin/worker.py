"""A process that runs cases: it starts the servers, monitors them and collects the evidence."""

import json
import re
from collections.abc import Generator
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from harness.case import CaseInfo, Need, info_of
from harness.errors import HarnessError
from harness.evidence.content import Content, ContentReader
from harness.evidence.exchange import write_exchange
from harness.evidence.recording import keep_worklists, write_recording
from harness.evidence.redact import Redactor
from harness.evidence.repro import write_repro
from harness.evidence.tools import write_tools
from harness.fuzz.recorded import conversation_of, file_of
from harness.known import KnownIssue, Verdict, concerning, judge, read_known
from harness.orthanc_plugins import PLUGINS
from harness.plugin.bench import Bench
from harness.plugin.options import Options
from harness.plugin.outcome import (
    RECORD,
    CaseRecord,
    Failure,
    NoServers,
    failure_of,
    outcome_of,
    shown,
)
from harness.plugin.plan import PLAN, make_plan
from harness.plugin.pressure import waited
from harness.plugin.selecting import COLLECTED, Collected, is_whole
from harness.servers.capabilities import CONFIGURE
from harness.servers.party import Party
from harness.suites import known_folder

LOG_LINES_SHOWN = 15
LONG = 10.0
"""Seconds: a case that waits this long is skipped on an attached server, unless it is named."""


class Worker:
    """Registered as a plugin in each process that runs cases."""

    def __init__(self, config: pytest.Config, options: Options, run_folder: Path) -> None:
        self.config = config
        self.options = options
        self.run_folder = run_folder
        self.name = getattr(config, "workerinput", {}).get("workerid", "main")
        self._bench: Bench | None = None
        self._broken: HarnessError | None = None
        self._compared: dict[str, str] = {}
        """The two sides of the last failed comparison, as fields of a failure."""
        self._told = False
        self._last: tuple[pytest.Item, CaseRecord] | None = None
        """The case that has just ended; it is blamed if a server is lost before the next one."""
        self._known: tuple[KnownIssue, ...] = ()
        self._waited = 0.0
        self._collected: dict[str, object] = {}
        self._content: Content | None = None
        self.redactor = Redactor(())
        self._contents = ContentReader(self.redactor.text)

    @property
    def bench(self) -> Bench:
        """The servers, started on first use. Raises HarnessError if they do not start."""
        if self._broken is not None:
            raise self._broken
        if self._bench is None:
            try:
                plan = self.config.stash.get(PLAN, None) or make_plan(self.options)
                self._bench = Bench(plan, self.options.time_limit).__enter__()
            except HarnessError as error:
                self._broken = error
                raise
            folder = self.options.known or known_folder()
            self._known = read_known(folder, plan.identity.product)
            pair = plan.pair
            known = (pair.remote.credentials, pair.local.credentials)
            self.redactor = Redactor(each.password for each in known if each is not None)
            self._contents = ContentReader(self.redactor.text)
        return self._bench

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember the collected cases; the first record passes them to the controller."""
        found = self.config.stash.get(COLLECTED, None) or Collected.of(session.items)
        chosen = bool(self.options.suites) or len(session.items) < found.offered
        selected = chosen or not is_whole(self.config)
        keys = Collected.of(session.items).keys if selected else found.keys
        self._collected = {"collected": keys, "selected": selected}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Provide the case with empty servers, or report why it cannot run."""
        info = info_of(item)
        if info is None:
            return
        self._compared = {}
        self._waited = waited()
        record = item.stash[RECORD] = CaseRecord.of(item, self.name)
        self._start_or_end(item.session)
        unmet = self._unmet(info)
        if unmet is not None:
            record.reason = unmet
            pytest.skip(unmet)
        self._blame_last_case()
        try:
            self.bench.begin_case(record.key, info.variant)
        except HarnessError as error:
            pytest.fail(f"the remote {', '.join(info.variant.words)}: {error}", pytrace=False)

    def _start_or_end(self, session: pytest.Session) -> None:
        """Start the servers; if they do not start, end the run: every other case would fail alike."""
        trouble = None
        try:
            self.bench  # noqa: B018 - it is started on first use
        except HarnessError as error:
            trouble = str(error)
        if trouble is not None:
            session.shouldstop = f"no case can run: {trouble.splitlines()[0]}"
            raise NoServers(trouble, pytrace=False)

    def _unmet(self, info: CaseInfo) -> str | None:
        if self.options.attached and info.waits >= LONG and not self.options.cases:
            return (
                f"it waits {info.waits:g} s on the only server, which would block all others; "
                "run it by name"
            )
        able = self.bench.capabilities_with(info.variant)
        if info.variant.settings and self.bench.can_change(info.variant):
            able = able.having(CONFIGURE)
        for need in info.needs:
            reason = able.unmet(need)
            if reason is not None:
                return reason if need.name in able.versions else reason + self._where_to_get(need)
        return None

    def _where_to_get(self, need: Need) -> str:
        """Return advice on getting a plugin that this Orthanc does not have."""
        known = PLUGINS.get(need.name.removeprefix("plugin."))
        is_orthanc = self.bench.remote.identity.product == "Orthanc"
        return f" ({known.advice})" if known is not None and is_orthanc else ""

    def _blame_last_case(self) -> None:
        """Fail the case that has just ended if a server has died since, and restart the server."""
        if self._last is None:
            return
        item, record = self._last
        report = pytest.TestReport(item.nodeid, item.location, {}, "passed", None, "teardown")
        if not self._blame_for_lost(record, report, ", after the case had ended"):
            return
        report.harness = json.dumps({"record": record.as_json(self.redactor.text)})  # type: ignore[attr-defined]
        log_report(item, item.session.items.index(item), report)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Make the record of the case from the reports of its phases."""
        report = yield
        record = item.stash.get(RECORD, None)
        if record is None:
            return report
        record.duration += call.duration
        record.figures = {name: str(value) for name, value in report.user_properties}
        if report.skipped and record.reason is not None:
            record.outcome = "unsupported"
        elif report.skipped:
            message = "the case skipped itself; use @needs for what it needs"
            record.fail("error", Failure(message, f"{message}\n{report.longrepr}"))
            report.outcome, report.longrepr = "failed", message
        elif call.excinfo is not None:
            outcome = outcome_of(call.excinfo.value) if call.when != "teardown" else "error"
            record.fail(outcome, failure_of(call.excinfo, report, self._compared))
        if self._bench is not None and record.outcome != "unsupported":
            self._blame_for_lost(record, report, thorough=report.failed)
            if call.when == "call" or (call.when == "setup" and record.failure is not None):
                self._compare_with_known(record, report)
            if call.when == "teardown":
                before = record.failure
                self._end_case(record, report)
                if record.failure is not before:
                    self._compare_with_known(record, report)
                    record.evidence = None  # the evidence ends before the failure
                self._last = (item, record)
            kept = self.options.keep_exchanges and call.when == "call"
            if record.evidence is None and (kept or record.failure is not None):
                record.evidence = self._gather(record)
        self._send(record, report)
        return report

    def _end_case(self, record: CaseRecord, report: pytest.TestReport) -> None:
        """Empty the servers; if one no longer runs, this case is to blame."""
        if self.bench.tape.name == record.key:
            self._content = self._contents.read(self.bench.tape)
            self._keep_conversation(record)
        error = self._emptied(passed=record.outcome == "passed")
        if error is None:
            return
        if self._blame_for_lost(record, report, " when the case had ended", thorough=True):
            # The first attempt may not have reached the other server.
            error = self._emptied(passed=False)
        else:
            message = f"the servers could not be emptied after the case: {error}"
            record.fail("error", Failure(message, message))
            report.outcome, report.longrepr = "failed", message
        if error is not None:
            self._revive(*self.bench.parties)

    def _keep_conversation(self, record: CaseRecord) -> None:
        """Keep what the case sent to the remote, if requested."""
        folder, server = self.options.conversations, self.bench.remote.server
        if folder is None:
            return
        found = conversation_of(self.bench.tape, frozenset((str(server.dicom), str(server.rest))))
        if found is not None:
            folder.mkdir(parents=True, exist_ok=True)
            file_of(folder, record.key).write_text(found.dumps())

    def _emptied(self, *, passed: bool) -> AssertionError | OSError | None:
        """Empty the servers; return the error if one no longer responds."""
        try:
            self.bench.end_case(passed=passed)
        except (AssertionError, OSError) as error:
            return error
        except HarnessError as error:
            self._broken = error
        return None

    def _blame_for_lost(
        self,
        record: CaseRecord,
        report: pytest.TestReport,
        when: str = "",
        *,
        thorough: bool = False,
    ) -> bool:
        """Fail the case if a server is lost, and restart the server; return whether one was lost.

        A server is lost if it has died or, if the check is `thorough`, no longer answers.
        """
        looks = [
            (party, party.server.trouble() if thorough else party.server.died())
            for party in self.bench.parties
        ]
        for party, trouble in looks:
            if trouble is not None:
                self._blame(record, report, party, trouble + when)
        return any(trouble is not None for _, trouble in looks)

    def _blame(
        self,
        record: CaseRecord,
        report: pytest.TestReport,
        party: Party,
        trouble: str,
    ) -> None:
        """Record the loss of a server as a failure of the case, with evidence, and restart it."""
        pending = party.pending()
        under_way = f", in progress: {'; '.join(pending)}" if pending else ""
        before = "" if record.failure is None else f"\n\n{record.failure.text}"
        log = self.bench.log_of(party).splitlines()[-LOG_LINES_SHOWN:]
        message = f"the {party.role} server {trouble}{under_way}"
        text = "\n".join([message, "the last lines of its log:", *(f"    {line}" for line in log)])
        record.outcome, record.died = "failed", record.died or party.role == "remote"
        record.failure = Failure(message, text)
        # gdb takes seconds, and the backtrace of a known issue is not needed.
        wanted = self.options.keep_exchanges or self._verdict(record).outcome != "known"
        trace = self.redactor.text(party.server.launcher.backtrace()) if wanted else ""
        if trace:
            text += f"\nits backtrace:\n{indent(trace, '    ')}"
        record.failure = Failure(message, text + before)
        report.outcome = "failed"
        report.longrepr = text + before
        record.evidence = self._gather(record)
        if trace:
            folder = self.run_folder / record.evidence
            (folder / f"backtrace-{party.role}.txt").write_text(f"{trace}\n", encoding="utf-8")
        self._revive(party)

    def _verdict(self, record: CaseRecord) -> Verdict:
        """Return the verdict of the lists of known issues on a case."""
        remote = self.bench.remote
        listed = concerning(self._known, record.key, remote.identity.version, remote.capabilities)
        return judge(listed, record.outcome, record.failed)

    def _compare_with_known(self, record: CaseRecord, report: pytest.TestReport) -> None:
        """Report a failure as known if it is as listed; fail a case that is listed but passes."""
        failure, verdict = record.failure, self._verdict(record)
        record.by_chance = verdict.by_chance
        if verdict.outcome == "known":
            record.outcome, record.reason = "known", verdict.reason
            report.outcome, report.wasxfail = "skipped", verdict.reason
        elif verdict.outcome == "failed" and failure is not None:
            record.reason = verdict.reason
            failure.text += f"\n\n{verdict.reason}"
        elif verdict.outcome == "failed":
            record.fail("failed", Failure(verdict.reason, verdict.reason))
            report.outcome, report.longrepr = "failed", verdict.reason

    def _revive(self, *parties: Party) -> None:
        try:
            for party in parties:
                self.bench.revive(party)
        except HarnessError as error:
            self._broken = error

    def _gather(self, record: CaseRecord) -> str:
        """Write the recorded traffic, the servers' logs of this case, tools.txt and repro.sh."""
        name = f"cases/{re.sub(r'[^A-Za-z0-9._-]+', '-', record.key)[:90]}"
        bench, folder = self.bench, self.run_folder / name
        folder.mkdir(parents=True, exist_ok=True)
        write_exchange(bench.tape, folder, self.redactor)
        for party, log in ((bench.remote, "server.log"), (bench.local, "local.log")):
            text = bench.log_of(party)
            if text:
                (folder / log).write_text(self.redactor.text(text), encoding="utf-8")
        if bench.tools:
            write_tools(bench.tools, folder / "tools.txt", self.redactor)
        write_recording(
            bench.tape,
            folder,
            self.redactor,
            variant=bench.variant,
            trouble=bench.trouble,
            handshakes=bench.handshakes,
            actions=bench.actions,
            servers=bench.doors,
            users=[each.server.adapter.credentials for each in bench.parties],
            by_tool=lambda track: any(each.opened(track) for each in bench.tools),
        )
        keep_worklists(bench.remote.server.worklists, folder)
        write_repro(bench.tape, bench.tools, folder, self.redactor)
        return name

    def _send(self, record: CaseRecord, report: pytest.TestReport) -> None:
        """Attach facts for the controller to the report, as JSON: it may be another process."""
        facts: dict[str, object] = {}
        if report.when == "setup":
            facts["begun"] = record.as_json(self.redactor.text)
            facts |= self._collected
            self._collected = {}
        elif report.when == "teardown":
            record.waited = min(record.duration, waited() - self._waited)
            if self._content is not None:
                record.content, facts["content"] = self._content.digests, self._content.lines
                self._content = None
            if self._bench is not None:
                record.notes = list(self.bench.notes)
                if not self._told:
                    facts["servers"] = self.bench.facts
                    self._told = True
            facts["record"] = record.as_json(self.redactor.text)
        if facts:
            report.harness = json.dumps(facts)  # type: ignore[attr-defined]

    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> None:
        """Keep both sides of a failed comparison; pytest's own explanation is not changed."""
        equal = op == "=="
        self._compared = {"received": shown(left), "expected": shown(right)} if equal else {}

    def pytest_sessionfinish(self) -> None:
        """Stop the servers."""
        if self._bench is not None:
            self._bench.__exit__(None, None, None)
            self._bench = None


def log_report(item: pytest.Item, place: int, report: pytest.TestReport) -> None:
    """Log `report` of `item`, at index `place` of the collection, which pytest has already passed.

    An xdist worker sends a report with the index of the current case, and checks that both agree.
    """
    plugins = item.config.pluginmanager.get_plugins()
    # Its module is loaded under another name in a worker.
    runner: Any = next(
        (each for each in plugins if type(each).__name__ == "WorkerInteractor"), None
    )
    running = getattr(runner, "item_index", None)
    if runner is not None:
        runner.item_index = place
    try:
        item.ihook.pytest_runtest_logreport(report=report)
    finally:
        if running is not None:
            runner.item_index = running
