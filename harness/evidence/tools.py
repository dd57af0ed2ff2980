"""The command-line tools of a case, as they were run and as they are written down."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.evidence.redact import Redactor


@dataclass(frozen=True)
class ToolRun:
    """One run of a command-line tool, described when it has just ended.

    `returncode` is None when its time was up. `duration` is in seconds, `ended` in those of
    `time.monotonic`.
    """

    argv: tuple[str, ...]
    returncode: int | None
    stdout: str
    stderr: str
    duration: float
    ended: float = field(default_factory=time.monotonic)

    @property
    def began(self) -> float:
        """When it began, in the seconds of `ended`."""
        return self.ended - self.duration

    @property
    def outcome(self) -> str:
        """How it ended, in two words."""
        return "time was up" if self.returncode is None else f"exit {self.returncode}"


def write_tools(tools: Sequence[ToolRun], path: Path, redactor: Redactor) -> None:
    """Write `tools.txt`: each command, how it ended, and what it printed."""
    path.write_text(redactor.text("\n".join(map(_describe, tools))), encoding="utf-8")


def _describe(tool: ToolRun) -> str:
    lines = [f"$ {shlex.join(tool.argv)}", f"# {tool.outcome} after {tool.duration:.3f} s"]
    for name, text in (("stdout", tool.stdout), ("stderr", tool.stderr)):
        if text:
            lines += [f"--- {name}", text.rstrip("\n")]
    return "\n".join(lines) + "\n"
