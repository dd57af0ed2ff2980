"""A process that runs cases: has the servers, watches over them, gathers the evidence."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from harness.case import CaseInfo, info_of
from harness.errors import HarnessError, ServerError
from harness.evidence.content import ContentReader
from harness.evidence.redact import Redactor
from harness.known import KnownIssue, concerning, judge, read_known
from harness.plugin.bench import Bench
from harness.plugin.gathering import gather, safe_name
from harness.plugin.options import Options
from harness.plugin.outcome import CaseRecord, Comparison, Failure, failure_of, outcome_of, shown
from harness.plugin.plan import PLAN, make_plan
from harness.plugin.pressure import waited
from harness.plugin.selecting import COLLECTED, case_key, cases_of, is_whole, parameters_of
from harness.servers.party import Party
from harness.suites import known_folder

RECORD = pytest.StashKey[CaseRecord]()
LOG_LINES_SHOWN = 15


class ServerLost(AssertionError):  # noqa: N818 - the server's failure, not ours
    """A server that died or hung between two cases."""


class Worker:
    """Registered as a plugin in each process that runs cases."""

    def __init__(self, config: pytest.Config, options: Options, run_folder: Path) -> None:
        self.config = config
        self.options = options
        self.run_folder = run_folder
        self.name = getattr(config, "workerinput", {}).get("workerid", "main")
        self._bench: Bench | None = None
        self._broken: HarnessError | None = None
        self._compared: Comparison | None = None
        self._told = False
        self._last_case = "none"
        self._known: tuple[KnownIssue, ...] = ()
        self._waited = 0.0
        self._collected: dict[str, object] = {}
        self.redactor = Redactor(())
        self._contents = ContentReader(self.redactor.text)

    @property
    def bench(self) -> Bench:
        """The servers, started when the first case asks. Raises HarnessError when they do not start."""
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
            pair = plan.setup.pair
            known = (pair.remote.credentials, pair.local.credentials)
            self.redactor = Redactor(each.password for each in known if each is not None)
            self._contents = ContentReader(self.redactor.text)
        return self._bench

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which cases are to run; the first record takes it to the controller."""
        keys = [case_key(item, info) for item, info in cases_of(session.items)]
        selected = len(session.items) < self.config.stash.get(COLLECTED, 0) or not is_whole(
            self.config
        )
        self._collected = {"collected": keys, "selected": selected}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Give the case empty servers, or say why it cannot run."""
        info = info_of(item)
        if info is None:
            return
        self._compared = None
        self._waited = waited()
        item.stash[RECORD] = CaseRecord.of(item, info, parameters_of(item), self.name)
        unmet = self._unmet(info)
        if unmet is not None:
            item.stash[RECORD].reason = unmet
            pytest.skip(unmet)
        self._begin(case_key(item, info))

    def _unmet(self, info: CaseInfo) -> str | None:
        reasons = (self.bench.capabilities.unmet(need) for need in info.needs)
        return next((reason for reason in reasons if reason is not None), None)

    def _begin(self, name: str) -> None:
        try:
            self.bench.begin_case(name)
        except (AssertionError, OSError) as error:
            lost = self._trouble(thorough=True)
            if lost is None:
                raise ServerError(f"the servers could not be emptied: {error}") from error
            party, trouble = lost
            message = f"the {party.role} server {trouble}, after {self._last_case} had ended"
            self._revive(party)
            self.bench.begin_case(name)
            raise ServerLost(message) from error
        finally:
            self._last_case = name

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
            message = "the case skipped itself; what a case needs it names with @needs"
            record.fail("error", Failure(message, f"{message}\n{report.longrepr}"))
            report.outcome, report.longrepr = "failed", message
        elif call.excinfo is not None:
            outcome = outcome_of(call.excinfo.value) if call.when != "teardown" else "error"
            record.fail(outcome, failure_of(call.excinfo, report, self._compared))
        if self._bench is not None and record.outcome != "unsupported":
            self._look_after_servers(record, report)
            if call.when == "call":
                self._compare_with_known(record.key, record, report)
            if record.failure is not None and record.evidence is None:
                record.evidence = self._gather(record)
        self._send(record, report)
        return report

    def _look_after_servers(self, record: CaseRecord, report: pytest.TestReport) -> None:
        """Fail the case during which a server died or stopped answering, and start the server again."""
        lost = self._trouble(thorough=report.failed)
        if lost is None:
            return
        party, trouble = lost
        pending = party.pending()
        under_way = f", while under way: {'; '.join(pending)}" if pending else ""
        before = "" if record.failure is None else f"\n\n{record.failure.text}"
        log = self.bench.log_of(party).splitlines()[-LOG_LINES_SHOWN:]
        message = f"the {party.role} server {trouble}{under_way}"
        text = "\n".join([message, "the last lines of its log:", *(f"    {line}" for line in log)])
        record.outcome, record.died = "failed", party.role == "remote"
        record.failure = Failure(message, text + before)
        report.outcome = "failed"
        report.longrepr = text + before
        record.evidence = self._gather(record)
        self._revive(party)

    def _compare_with_known(self, key: str, record: CaseRecord, report: pytest.TestReport) -> None:
        """Report a failure as known if it is as listed; fail a case that passes though it is listed."""
        remote, failure = self.bench.remote, record.failure
        listed = concerning(self._known, key, remote.identity.version, remote.capabilities)
        verdict = judge(listed, record.outcome, record.failed)
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

    def _trouble(self, *, thorough: bool) -> tuple[Party, str] | None:
        """Find a server that died; with `thorough` also one that does not answer any more."""
        for party in self.bench.parties:
            trouble = party.server.trouble() if thorough else party.server.died()
            if trouble is not None:
                return party, trouble
        return None

    def _revive(self, party: Party) -> None:
        try:
            self.bench.revive(party)
        except HarnessError as error:
            self._broken = error

    def _gather(self, record: CaseRecord) -> str:
        name = safe_name(record.id, record.parameters)
        gather(self.bench, self.run_folder / "cases" / name, self.redactor)
        return f"cases/{name}"

    def _send(self, record: CaseRecord, report: pytest.TestReport) -> None:
        """Attach to the report what the controller writes down, as JSON: it may cross to another process."""
        facts: dict[str, object] = {}
        if report.when == "setup":
            facts["begun"] = record.as_json(self.redactor.text)
            facts |= self._collected
            self._collected = {}
        elif report.when == "teardown":
            record.waited = min(record.duration, waited() - self._waited)
            if self._bench is not None and self._bench.tape.name == record.key:
                content = self._contents.read(self._bench.tape)
                record.content, facts["content"] = content.digests, content.lines
            facts["record"] = record.as_json(self.redactor.text)
            if self._bench is not None:
                self.bench.end_case(passed=record.outcome == "passed")
                if not self._told:
                    facts["servers"] = self.bench.as_json()
                    self._told = True
        if facts:
            report.harness = json.dumps(facts)  # type: ignore[attr-defined]

    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> None:
        """Keep both sides of a comparison that failed; pytest's own explanation stays."""
        equal = op == "=="
        self._compared = Comparison(shown(left), shown(right)) if equal else None

    def pytest_sessionfinish(self) -> None:
        """Stop the servers."""
        if self._bench is not None:
            self._bench.__exit__(None, None, None)
            self._bench = None
