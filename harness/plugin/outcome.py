"""The outcome of a case, as the record that goes into the run folder."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, Self

import pytest

from harness.case import info_of
from harness.errors import HarnessError
from harness.known import Failed
from harness.plot import Plot
from harness.plugin.selecting import parameters_of


class Observe(Protocol):
    """Records an ability of a server: what it declares on a subject, and what it did."""

    def __call__(self, subject: str, declared: str | None = None, found: str | None = None) -> None:
        """Record it."""


Outcome = Literal["passed", "failed", "known", "unsupported", "error"]


@dataclass
class Failure:
    """A failure as shown to the reader."""

    message: str
    text: str
    expected: str | None = None
    received: str | None = None


@dataclass
class CaseRecord:
    """One line of `cases-<worker>.jsonl`; it grows while the case runs."""

    id: str
    name: str
    title: str
    suite: str
    nodeid: str
    parameters: str | None
    ref: str
    level: str
    needs: list[str]
    covers: list[str]
    worker: str
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    outcome: Outcome = "passed"
    duration: float = 0.0
    waited: float = 0.0
    """For how many seconds of this time the computer was too busy to run everything."""
    reason: str | None = None
    failure: Failure | None = None
    died: bool = False
    """Whether the server under test died or stopped answering during the case."""
    by_chance: bool = False
    """Whether a list of known issues declares that the case passes only sometimes."""
    notes: list[str] = field(default_factory=list)
    """Remarks for the reader, such as a request that was repeated."""
    evidence: str | None = None
    content: dict[str, str] | None = None
    """The server's messages by kind, as digests of lines in `content.jsonl`."""
    figures: dict[str, str] = field(default_factory=dict)
    """The measurements of the case, from pytest's `record_property`."""
    plots: list[dict[str, Any]] = field(default_factory=list)
    """The measurements of the case, as plots."""
    shows: str = ""
    """The topic under which `harness probe` shows the case."""
    abilities: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """The observed abilities: a subject, what the server declares about it, and what it did."""

    @property
    def key(self) -> str:
        """The id, with the parameters if there are any."""
        return self.id if self.parameters is None else f"{self.id}-{self.parameters}"

    @property
    def failed(self) -> Failed | None:
        """The failure in the form that lists of known issues are matched against."""
        if self.failure is None:
            return None
        failure = self.failure
        return Failed(failure.message, failure.expected, failure.received, self.died)

    @classmethod
    def of(cls, item: pytest.Item, worker: str) -> Self:
        """Begin the record of a case."""
        info = info_of(item)
        assert info is not None
        function = getattr(item, "function", None)
        return cls(
            id=info.id,
            name=getattr(item, "originalname", None) or item.name,
            title=(getattr(function, "__doc__", None) or "").strip().partition("\n")[0],
            suite=suite_of(item),
            nodeid=item.nodeid,
            parameters=parameters_of(item),
            ref=info.ref,
            level=info.level,
            needs=[str(need) for need in info.needs],
            covers=list(info.covers),
            worker=worker,
            shows=info.shows,
        )

    def as_json(self, redact: Callable[[str], str]) -> dict[str, Any]:
        """Return the line as JSON, with secrets removed."""
        if self.failure is not None:
            for name, value in asdict(self.failure).items():
                setattr(self.failure, name, value and redact(value))
        self.reason = self.reason and redact(self.reason)
        return asdict(self)

    def observe(self, subject: str, declared: str | None = None, found: str | None = None) -> None:
        """Record an ability of the server."""
        self.abilities.append((subject, declared, found))

    def plot(self, plot: Plot) -> None:
        """Record a plot of the measurements of the case."""
        self.plots.append(plot.as_json())

    def fail(self, outcome: Outcome, failure: Failure) -> None:
        """Record a failure; only the first is kept, because later ones usually follow from it."""
        if self.failure is None:
            self.outcome, self.failure = outcome, failure


RECORD = pytest.StashKey[CaseRecord]()
"""The key of an item's record."""


def suite_of(item: pytest.Item) -> str:
    """Return the suite of a case: `dicom/find` for `tests/dicom/test_find.py`."""
    path = item.path.with_suffix("")
    if path.is_relative_to(item.config.rootpath):
        path = path.relative_to(item.config.rootpath)
    folders = [part for part in path.parts[:-1] if part != "tests"]
    return "/".join([*folders, path.name.removeprefix("test_")])


class NoServers(pytest.fail.Exception):  # type: ignore[name-defined,misc]
    """The servers cannot be started; no case has found a fault."""


def outcome_of(error: BaseException) -> Outcome:
    """Return `failed` for a fault of the server, and `error` for a fault of the harness.

    A server fails a case when an assertion fails; an unexpected answer, a missing answer and a
    protocol error are subclasses of AssertionError. Any other exception is a bug of the harness.
    """
    found = isinstance(error, (AssertionError, pytest.fail.Exception))
    return "failed" if found and not isinstance(error, NoServers) else "error"


def failure_of(
    error: pytest.ExceptionInfo[BaseException],
    report: pytest.TestReport,
    compared: Mapping[str, str],
) -> Failure:
    """Return the failure shown to the reader, from the exception and the last failed comparison."""
    message = error.exconly()
    if outcome_of(error.value) == "failed" or error.errisinstance((HarnessError, NoServers)):
        message = re.sub(r"^[\w.]+: ", "", message)  # the type adds nothing to the message
    first = message.strip().partition("\n")[0] or error.typename
    printed = [f"--- {title} ---\n{text}" for title, text in report.sections if text.strip()]
    text = "\n".join([str(report.longrepr), *printed])
    return Failure(first, text, **(compared if error.errisinstance(AssertionError) else {}))


def shown(value: object) -> str:
    """Format one side of a comparison for the reader: names in order, without quotes."""
    if isinstance(value, (set, frozenset, list, tuple)) and all(isinstance(v, str) for v in value):
        in_order = isinstance(value, (list, tuple))
        return ", ".join(value if in_order else sorted(value)) or "nothing"
    return value or "''" if isinstance(value, str) else repr(value)
