"""The process started by the user: it plans the run, writes the run folder, prints the summary."""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from harness.errors import ConfigError, HarnessError
from harness.known import read_known, stale
from harness.plugin.options import Options
from harness.plugin.outcome import Failure
from harness.plugin.plan import PLAN, Plan, make_plan
from harness.plugin.recording import RunFolder, new_folder
from harness.report import terminal
from harness.report.difference import Difference, against_baseline
from harness.report.difference_text import as_text
from harness.report.load import load
from harness.servers.attached import Attachment
from harness.suites import known_folder, suites_folder


class Controller:
    """Registered as a plugin in the process started by the user."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self.config = config
        self.options = options
        self.plan: Plan
        self.folder: RunFolder
        self.wrong_use: str | None = None
        """The usage error that an xdist worker reported, if any."""
        self._ran = False
        self._begun: dict[str, dict[str, Any]] = {}
        self._keys: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Determine what will be tested, and whether that is allowed, before a worker starts."""
        try:
            self.plan = make_plan(self.options)
            self._ask_before_emptying()
            identity = self.plan.identity
            path = new_folder(self.options.runs, identity.product, identity.version)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from error
        self.config.stash[PLAN] = self.plan
        workers = getattr(self.config.option, "numprocesses", None) or 0
        mode = "attached" if self.plan.attached else "managed"
        self.folder = RunFolder(path, mode, max(1, workers))
        if not workers:
            # Imported here because a process that only distributes cases needs no servers.
            from harness.plugin import beside  # noqa: PLC0415

            beside.register(self.config, self.options, path)

    def _ask_before_emptying(self) -> None:
        found = self.plan.remote
        if not isinstance(found, Attachment) or self.options.force:
            return
        if found.is_orthanc and not found.patients:
            return
        host = self.plan.pair.remote.host
        question = (
            f"The server at {host} has {found.patients} patients, which the run would delete."
            if found.is_orthanc
            else f"The server at {host} cannot be emptied: the objects stored by the run will remain there."
        )
        capture = self.config.pluginmanager.getplugin("capturemanager")
        answer = _ask(f"{question} Continue? [y/N] ", capture)
        if answer is None:
            raise ConfigError(f"{question} Confirm with --force.")
        if answer.strip().lower() not in ("y", "yes"):
            raise ConfigError("nothing was deleted, and nothing was run")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the record of a case that has ended or whose worker was lost."""
        facts: dict[str, Any] = json.loads(vars(report).get("harness", "{}"))
        if "begun" in facts:
            self._begin(facts["begun"])
        if "collected" in facts:
            self._keys = facts["collected"]
            self.folder.describe({"selected": facts["selected"]})
        if "servers" in facts:
            self.folder.describe(facts["servers"])
        record = facts.get("record")
        if record is not None:
            self._begun.pop(report.nodeid, None)
            self._ran = self._ran or record["outcome"] != "unsupported"
            self.folder.keep_content(facts.get("content", {}))
            self.folder.add(record)
        elif report.when not in ("setup", "call", "teardown") and report.nodeid in self._begun:
            self._ran = True
            self.folder.add(_of_a_lost_worker(self._begun.pop(report.nodeid), str(report.longrepr)))

    def _begin(self, record: dict[str, Any]) -> None:
        self._begun[record["nodeid"]] = record
        if not self.folder.begun:
            baseline = self.options.baseline
            self.folder.begin(self.plan.identity.as_json(), baseline, self.plan.notes)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Close the run folder and write the reports."""
        if not hasattr(self, "folder"):
            return
        if self.wrong_use is not None:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        if not self.folder.begun:
            with contextlib.suppress(OSError):
                self.folder.path.rmdir()  # no case ran
            return
        if exitstatus == pytest.ExitCode.OK and not self._ran:
            # A run in which every case was unsupported is not a success.
            session.exitstatus = exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        stale = list(self._stale())
        for sentence in stale:
            self.folder.note(sentence)
        if stale and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = exitstatus = pytest.ExitCode.TESTS_FAILED
        for record in self._begun.values():
            self.folder.add(_of_a_lost_worker(record, "the run was interrupted"))
        self.folder.close(int(exitstatus))

    def _stale(self) -> Iterator[str]:
        """Return messages about entries of the list of known issues that should be deleted."""
        known = self.options.known
        if known is None and self.config.rootpath != suites_folder():
            return iter(())  # our lists apply only to our suites
        issues = read_known(known or known_folder(), self.plan.identity.product)
        return stale(issues, self._keys, not self.folder.selected)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the difference from the baseline, if any, and the summary of the run."""
        if self.wrong_use is not None:
            terminalreporter.write_line(f"ERROR: {self.wrong_use}", red=True)
        if not hasattr(self, "folder") or not self.folder.begun:
            return
        run = load(self.folder.path)
        writer = terminalreporter._tw  # noqa: SLF001 - width and colour have no other door
        difference = against_baseline(run)
        told = as_text(difference) if isinstance(difference, Difference) else difference
        if told is not None:
            terminalreporter.write_line(f"difference from the baseline\n{told}\n")
        width = writer.fullwidth if terminalreporter.isatty else None
        for line in terminal.lines(run, width, writer.hasmarkup):
            terminalreporter.write_line(line)


def _ask(question: str, capture: Any) -> str | None:
    """Ask on the terminal, bypassing pytest's capture; return None if there is no terminal."""
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    try:
        if not sys.stdin.isatty():
            return None
        # Not as the prompt of input(): readline truncates it if it assumes a narrow terminal.
        sys.stdout.write(question)
        sys.stdout.flush()
        return input()
    except EOFError:
        return None
    finally:
        if capture is not None:
            capture.resume_global_capture()


def _of_a_lost_worker(record: dict[str, Any], said: str) -> dict[str, Any]:
    failure = asdict(Failure(said.strip().partition("\n")[0], said))
    return {**record, "outcome": "error", "failure": failure}
