"""Runs of a case's command-line tools, and their record in `tools.txt`."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.evidence.redact import Redactor
from harness.relay.tape import Track


@dataclass(frozen=True)
class ToolRun:
    """One run of a command-line tool, created when it has just ended.

    `returncode` is None if it timed out. `duration` is in seconds; `ended` is a time of
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
        """When it began, on the same clock as `ended`."""
        return self.ended - self.duration

    def opened(self, track: Track) -> bool:
        """Return whether it was running when a connection was opened, and may have opened it."""
        return self.began <= track.opened <= self.ended

    @property
    def outcome(self) -> str:
        """How it ended, in two words."""
        return "timed out" if self.returncode is None else f"exit {self.returncode}"


def write_tools(tools: Sequence[ToolRun], path: Path, redactor: Redactor) -> None:
    """Write `tools.txt`: each command, how it ended, and what it printed."""
    path.write_text(redactor.text("\n".join(map(_describe, tools))), encoding="utf-8")


def _describe(tool: ToolRun) -> str:
    lines = [f"$ {shlex.join(tool.argv)}", f"# {tool.outcome} after {tool.duration:.3f} s"]
    for name, text in (("stdout", tool.stdout), ("stderr", tool.stderr)):
        if text:
            lines += [f"--- {name}", text.rstrip("\n")]
    return "\n".join(lines) + "\n"
