"""What a probe found: values that go into JSON and come back the same.

The JSON has this schema (format 1); two probes of the same server differ only in what stands under `run`:

    format          1
    server          name, version, AE title, implementation class UID ...: text by name
    findings        in a fixed order, each {id, topic, subject, declared, probed, note}
    contradictions  where the server says one thing and does another: {id, clause, says, does}
    troubles        what went wrong in between, a sentence each
    left_behind     what the probe stored and could not delete, a line each
    ended           null, or why the probe did not come to its end
    read_only       whether storing was left out
    run             when, how long, and at which address

`declared` and `probed` are a text, a number, true or false, a list of texts, or null. Null means that the
server says nothing of it, or that it was not tried. An `id` is permanent: comparisons go by it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from harness.errors import ConfigError

FORMAT = 1

Value = str | int | bool | tuple[str, ...] | None


@dataclass(frozen=True)
class Finding:
    """One ability: what the server declares of it, and what came of trying."""

    id: str
    topic: str
    subject: str
    declared: Value = None
    probed: Value = None
    note: str = ""

    @property
    def value(self) -> Value:
        """What is known best: what was tried, else what was said."""
        return self.declared if self.probed is None else self.probed


@dataclass(frozen=True)
class Contradiction:
    """The server says one thing and does another; `id` is that of the finding that shows it."""

    id: str
    clause: str
    says: str
    does: str

    def __str__(self) -> str:
        return f"It {self.says}, but {self.does} ({self.clause})."


@dataclass(frozen=True)
class Run:
    """What is another with each probe."""

    started: str
    duration: float
    address: str


@dataclass(frozen=True)
class ProbeResult:
    """A whole probe."""

    server: Mapping[str, str]
    findings: tuple[Finding, ...]
    contradictions: tuple[Contradiction, ...]
    troubles: tuple[str, ...]
    left_behind: tuple[str, ...]
    ended: str | None
    read_only: bool
    run: Run
    format: int = field(default=FORMAT)

    @property
    def name(self) -> str:
        """The product and its version, as a heading has it."""
        words = (self.server.get("product", ""), self.server.get("version", ""))
        return " ".join(filter(None, words)) or self.server["ae_title"]

    def by_id(self) -> dict[str, Finding]:
        """Return the findings by id."""
        return {each.id: each for each in self.findings}

    def by_topic(self) -> dict[str, list[Finding]]:
        """Return the findings by topic, both in order."""
        topics: dict[str, list[Finding]] = {}
        for each in self.findings:
            topics.setdefault(each.topic, []).append(each)
        return topics

    def as_json(self) -> dict[str, Any]:
        """Return what stands in a file."""
        return {"format": self.format, **asdict(self), "server": dict(self.server)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Read what stands in a file. Raises ConfigError for another format."""
        if record.get("format") != FORMAT:
            raise ConfigError(
                f"this is no probe of format {FORMAT}, but {record.get('format')!r}: probe again"
            )
        try:
            return cls(
                server=dict(record["server"]),
                findings=tuple(_finding(each) for each in record["findings"]),
                contradictions=tuple(Contradiction(**each) for each in record["contradictions"]),
                troubles=tuple(record["troubles"]),
                left_behind=tuple(record["left_behind"]),
                ended=record["ended"],
                read_only=record["read_only"],
                run=Run(**record["run"]),
            )
        except (KeyError, TypeError) as error:
            raise ConfigError(f"this probe cannot be read ({error}): probe again") from error

    def comparable(self) -> dict[str, Any]:
        """Return the JSON without what is another with each probe."""
        return {key: value for key, value in self.as_json().items() if key != "run"}


def _finding(record: Mapping[str, Any]) -> Finding:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in record.items()
    }
    return Finding(**values)


def shown(value: Value) -> str:
    """Return a value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value)
