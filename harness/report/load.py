"""Read a run folder into values, from which all reports are made.

All text of the records is made printable on loading, as it may come from a server: see
`text.printable`.
"""

import contextlib
import fnmatch
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from harness.errors import ConfigError
from harness.known import Failed
from harness.plot import Plot
from harness.report.text import counted, printable

FORMAT = 1
CONTENT = "content.jsonl"
"""The content of servers' messages by digest; the records of cases refer to the digests."""

Outcome = Literal["passed", "failed", "error", "known", "unsupported"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
BAD: tuple[Outcome, ...] = ("failed", "error")


def tally(outcomes: Iterable[Outcome]) -> dict[Outcome, int]:
    """Count outcomes, in their usual order; those that did not occur are left out."""
    found = Counter(outcomes)
    return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}


@dataclass(frozen=True)
class Server:
    """One of the two servers of a run, as it described itself."""

    name: str
    version: str | None = None
    ae_title: str | None = None
    plugins: Mapping[str, str] = field(default_factory=dict)
    executable: str | None = None
    image: str | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name


@dataclass(frozen=True)
class Failure:
    """Why a case failed; `text` is the traceback with the captured sections."""

    message: str
    expected: str | None
    received: str | None
    text: str


@dataclass(frozen=True)
class Ability:
    """What a case observed: what the server declares about a subject, and what it did."""

    subject: str
    declared: str | None
    found: str | None


@dataclass(frozen=True)
class CaseResult:
    """One case that ended; `evidence` is the folder of its evidence, or None if there is none."""

    id: str
    name: str
    title: str
    suite: str
    nodeid: str
    parameters: str | None
    ref: str
    level: str
    needs: tuple[str, ...]
    covers: tuple[str, ...]
    outcome: Outcome
    started: datetime
    duration: float
    worker: str
    reason: str | None
    failure: Failure | None
    evidence: Path | None
    waited: float = 0.0
    """Seconds of the duration during which the computer was too busy to run everything."""
    content: Mapping[str, str] | None = None
    """Digests of what the server sent, by kind of message; see `Run.said`."""
    died: bool = False
    """Whether the server under test died or stopped responding during the case."""
    by_chance: bool = False
    """Whether it is listed as a known issue that passes or fails by chance."""
    figures: Mapping[str, str] = field(default_factory=dict)
    """What the case measured, as text by name."""
    plots: tuple[Plot, ...] = ()
    """What the case measured, as plots."""
    notes: tuple[str, ...] = ()
    """Remarks for the reader, such as that a request was repeated."""
    shows: str = ""
    """The topic under which `harness probe` shows it, or empty."""
    abilities: tuple[Ability, ...] = ()

    @property
    def full_name(self) -> str:
        """The test's name with its parameters."""
        return f"{self.name}[{self.parameters}]" if self.parameters else self.name

    @property
    def full_id(self) -> str:
        """The case's id with its parameters: `CSTORE-003-jpeg-ls`."""
        return f"{self.id}-{self.parameters}" if self.parameters else self.id

    @property
    def failed(self) -> Failed | None:
        """The failure in the form that lists of known issues match; set for known cases too."""
        failure = self.failure
        if failure is None:
            return None
        return Failed(failure.message, failure.expected, failure.received, self.died)

    @property
    def why(self) -> str | None:
        """One line on why the case did not pass."""
        return self.failure.message if self.failure and self.outcome in BAD else self.reason


@dataclass(frozen=True)
class Run:
    """One run with its cases in reading order; `damage` lists what could not be read."""

    folder: Path
    started: datetime
    finished: datetime | None
    stated_duration: float | None
    mode: str
    server: Server
    local: Server | None
    capabilities: Mapping[str, str | None]
    command: tuple[str, ...]
    workers: int
    environment: Mapping[str, str | None]
    notes: tuple[str, ...]
    exit_status: int | None
    selected: bool
    """Whether only a selection of the suites' cases was meant to run."""
    baseline: Path | None
    """The folder of the run to compare this one with."""
    cases: tuple[CaseResult, ...]
    damage: tuple[str, ...]

    @cached_property
    def said(self) -> Mapping[str, tuple[str, ...]]:
        """What the server sent, by digest; empty for a run of an older harness."""
        path = self.folder / CONTENT
        found: dict[str, tuple[str, ...]] = {}
        for line in path.read_bytes().split(b"\n") if path.is_file() else ():
            with contextlib.suppress(KeyError, TypeError, ValueError):  # the last may be partial
                record = _clean(json.loads(line))
                found[record["digest"]] = record["lines"]
        return found

    @cached_property
    def counts(self) -> Mapping[Outcome, int]:
        """How many cases have each outcome; outcomes that did not occur are left out."""
        return tally(case.outcome for case in self.cases)

    @cached_property
    def by_id(self) -> Mapping[str, CaseResult]:
        """The cases by their full id."""
        return {case.full_id: case for case in self.cases}

    @cached_property
    def suites(self) -> Mapping[str, tuple[CaseResult, ...]]:
        """The cases by suite."""
        return {name: tuple(found) for name, found in groupby(self.cases, lambda each: each.suite)}

    @cached_property
    def issues(self) -> Mapping[str, tuple[CaseResult, ...]]:
        """The known cases by issue; the issues with the most cases come first."""
        found: dict[str, list[CaseResult]] = {}
        for case in self.of("known"):
            found.setdefault(case.reason or case.title, []).append(case)
        most = sorted(found.items(), key=lambda each: -len(each[1]))
        return {reason: tuple(cases) for reason, cases in most}

    @property
    def interrupted(self) -> bool:
        """Whether the run did not finish."""
        return self.finished is None

    @property
    def duration(self) -> float:
        """Seconds; for an interrupted run, until its last case ended."""
        if self.stated_duration is not None:
            return self.stated_duration
        ends = (case.started + timedelta(seconds=case.duration) for case in self.cases)
        return max(0.0, (max(ends, default=self.started) - self.started).total_seconds())

    def of(self, *outcomes: Outcome) -> list[CaseResult]:
        """Return the cases with one of these outcomes."""
        return [case for case in self.cases if case.outcome in outcomes]

    def matching(self, pattern: str) -> list[CaseResult]:
        """Return the cases whose full id matches the shell-style `pattern`."""
        return [case for case in self.cases if fnmatch.fnmatchcase(case.full_id, pattern)]

    @property
    def judgement(self) -> Literal["good", "bad", "unsure"]:
        """Good only if the run finished, something passed, and nothing failed or was lost."""
        if self.of(*BAD) or self.exit_status:
            return "bad"
        whole = not self.interrupted and not self.damage
        return "good" if whole and "passed" in self.counts else "unsure"

    @property
    def verdict(self) -> str:
        """The run in one line: `Orthanc 1.10.1: 78 passed, 1 failed, 3 unsupported`."""
        nouns = {"error": counted(self.counts.get("error", 0), "error")}
        parts = [nouns.get(outcome, f"{n} {outcome}") for outcome, n in self.counts.items()]
        ending = "; interrupted" if self.interrupted else ""
        if self.exit_status and not self.of(*BAD):
            ending += f"; exit status {self.exit_status}"
        return f"{self.server}: {', '.join(parts) or 'no case ran'}{ending}"


def load(folder: Path) -> Run:
    """Read a run folder; raise `ConfigError` if it is not one or was written by a newer harness."""
    record = _run_record(folder)
    by_case: dict[tuple[str, str | None, str], CaseResult] = {}
    damage: list[str] = []
    for path in sorted(folder.glob("cases-*.jsonl")):
        lines = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                found = _case(_clean(json.loads(line)), folder) if line.strip() else None
            except (KeyError, TypeError, ValueError) as trouble:
                damage.append(
                    f"Line {number} of {path.name} cannot be read: {_said(trouble)}."
                    if number < len(lines)
                    else f"{path.name} ends in the middle of line {number}: the worker was killed,"
                    " and that case is missing here."
                )
            else:
                # A later record of the same case says that the server was found dead after it.
                if found is not None:
                    by_case[found.id, found.parameters, found.nodeid] = found
    cases = sorted(
        by_case.values(),
        key=lambda case: (case.suite, case.id, case.parameters or "", case.started),
    )
    try:
        return _run(folder, record, cases=tuple(cases), damage=tuple(damage))
    except (KeyError, TypeError, ValueError) as trouble:
        raise ConfigError(f"{folder / 'run.json'} is incomplete: {_said(trouble)}") from trouble


def _run_record(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ConfigError(f"{folder} does not exist; give a run folder, such as runs/latest")
    path = folder / "run.json"
    try:
        record = _clean(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise ConfigError(f"{folder} is not a run folder: it has no run.json") from None
    except (OSError, ValueError) as trouble:
        raise ConfigError(f"{path} cannot be read: {trouble}") from trouble
    version = record.get("format") if isinstance(record, dict) else None
    if not isinstance(version, int):
        raise ConfigError(f"{path} is not the description of a run: it has no format")
    if version > FORMAT:
        raise ConfigError(
            f"{folder} was written by a newer harness (format {version}, supported up to {FORMAT}):"
            " use that version for its report"
        )
    return dict(record)


def _run(folder: Path, record: dict[str, Any], **found: Any) -> Run:
    finished, local, baseline = record["finished"], record.get("local"), record.get("baseline")
    return _made(
        Run,
        record,
        folder=folder,
        started=datetime.fromisoformat(record["started"]),
        finished=datetime.fromisoformat(finished) if finished else None,
        stated_duration=record["duration"],
        server=_made(Server, record["server"]),
        local=_made(Server, local) if local else None,
        selected=bool(record.get("selected")),
        baseline=Path(baseline) if baseline else None,
        **found,
    )


def _case(record: dict[str, Any], folder: Path) -> CaseResult:
    if record["outcome"] not in OUTCOMES:
        raise ValueError(f"{record['outcome']!r} is not an outcome")
    failure = record["failure"]
    return _made(
        CaseResult,
        record,
        started=datetime.fromisoformat(record["started"]),
        duration=float(record["duration"]),
        failure=_made(Failure, failure) if failure else None,
        evidence=_evidence(folder, record["evidence"]),
        abilities=tuple(Ability(*each) for each in record.get("abilities") or ()),
        plots=tuple(map(Plot.from_json, record.get("plots") or ())),
    )


T = TypeVar("T", Run, Server, CaseResult, Failure)


def _made(kind: type[T], record: dict[str, Any], **values: Any) -> T:
    """Make a `kind` from `values` and the record; an older record may lack optional fields."""
    for each in fields(kind):
        optional = each.default is not MISSING or each.default_factory is not MISSING
        if each.name not in values and not (optional and record.get(each.name) is None):
            values[each.name] = record[each.name]
    return kind(**values)


def _evidence(folder: Path, named: str | None) -> Path | None:
    """Return the folder of a case's evidence if it exists and is inside the run folder."""
    if not named or Path(named).is_absolute():
        return None
    path = folder / named
    return path if path.is_dir() and folder.resolve() in path.resolve().parents else None


def _clean(value: Any) -> Any:
    """Make all text in a JSON value printable, and turn lists into tuples."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return tuple(map(_clean, value))
    if isinstance(value, dict):
        return {printable(key): _clean(each) for key, each in value.items()}
    return value


def _said(trouble: Exception) -> str:
    return f"{trouble} is missing" if isinstance(trouble, KeyError) else str(trouble)
