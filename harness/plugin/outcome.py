"""What became of a case, as the record that goes into the run folder."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, Self

import pytest

from harness.case import info_of
from harness.errors import HarnessError
from harness.known import Failed
from harness.plugin.selecting import parameters_of


class Observe(Protocol):
    """Notes an ability of a server: what it declares of a subject, and what it did, a few words each."""

    def __call__(self, subject: str, declared: str | None = None, found: str | None = None) -> None:
        """Note it."""


Outcome = Literal["passed", "failed", "known", "unsupported", "error"]


@dataclass
class Failure:
    """A failure as a person reads it."""

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
    """How much of it the computer was too busy to run everything, in seconds."""
    reason: str | None = None
    failure: Failure | None = None
    died: bool = False
    """The server under test died during the case, or stopped answering."""
    by_chance: bool = False
    """A list of known issues says that chance decides whether it passes."""
    notes: list[str] = field(default_factory=list)
    """What a reader should know besides: a request that was repeated, for one."""
    evidence: str | None = None
    content: dict[str, str] | None = None
    """What the server said, by kind of message: digests of the lines that stand in `content.jsonl`."""
    figures: dict[str, str] = field(default_factory=dict)
    """What the case measured, by pytest's `record_property`."""
    shows: str = ""
    """The topic under which `harness probe` shows the case."""
    abilities: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """What the case has observed: a subject, what the server declares of it, and what it did."""

    @property
    def key(self) -> str:
        """The id, with the parameters where there are some."""
        return self.id if self.parameters is None else f"{self.id}-{self.parameters}"

    @property
    def failed(self) -> Failed | None:
        """The failure as a list of known issues looks at it."""
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
        """Return the line's JSON, free of secrets."""
        if self.failure is not None:
            for name, value in asdict(self.failure).items():
                setattr(self.failure, name, value and redact(value))
        self.reason = self.reason and redact(self.reason)
        return asdict(self)

    def observe(self, subject: str, declared: str | None = None, found: str | None = None) -> None:
        """Note an ability of the server."""
        self.abilities.append((subject, declared, found))

    def fail(self, outcome: Outcome, failure: Failure) -> None:
        """Note a failure; the first one stays, as what comes later mostly follows from it."""
        if self.failure is None:
            self.outcome, self.failure = outcome, failure


RECORD = pytest.StashKey[CaseRecord]()
"""Where an item keeps the record of its case."""


def suite_of(item: pytest.Item) -> str:
    """Return the suite of a case: `tests/dicom/test_find.py` is dicom/find."""
    path = item.path.with_suffix("")
    if path.is_relative_to(item.config.rootpath):
        path = path.relative_to(item.config.rootpath)
    folders = [part for part in path.parts[:-1] if part != "tests"]
    return "/".join([*folders, path.name.removeprefix("test_")])


def outcome_of(error: BaseException) -> Outcome:
    """Return `failed` for what is attributed to the server, and `error` for the harness's own trouble.

    A server fails a case by an assertion that does not hold; an answer that was not expected, none at all and
    a broken protocol are subclasses of AssertionError. Any other exception is a defect of ours.
    """
    return "failed" if isinstance(error, (AssertionError, pytest.fail.Exception)) else "error"


def failure_of(
    error: pytest.ExceptionInfo[BaseException],
    report: pytest.TestReport,
    compared: Mapping[str, str],
) -> Failure:
    """Make the failure that a person reads from what pytest caught, and the last comparison."""
    message = error.exconly()
    if outcome_of(error.value) == "failed" or error.errisinstance(HarnessError):
        message = re.sub(r"^[\w.]+: ", "", message)  # the type says no more than the sentence does
    first = message.strip().partition("\n")[0] or error.typename
    printed = [f"--- {title} ---\n{text}" for title, text in report.sections if text.strip()]
    text = "\n".join([str(report.longrepr), *printed])
    return Failure(first, text, **(compared if error.errisinstance(AssertionError) else {}))


def shown(value: object) -> str:
    """Write one side of a comparison as a person would: names in order, without quotes."""
    if isinstance(value, (set, frozenset, list, tuple)) and all(isinstance(v, str) for v in value):
        in_order = isinstance(value, (list, tuple))
        return ", ".join(value if in_order else sorted(value)) or "nothing"
    return value or "''" if isinstance(value, str) else repr(value)
