"""What became of all that was asked, for programs: a JSON file, written while the work goes on.

    with Report("store", {"remote": "mypacs"}, Path("report.json")) as report:
        report.add("stored", good=True, sop_instance_uid="1.2.3")

It has its name once it is complete, whether the work succeeded, failed or was interrupted, and holds nothing
in memory but the counts. Without a path it only counts.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

from dcm import __version__


class Report:
    """A list of entries, each with an outcome in words, and what is to be said of the whole."""

    def __init__(
        self,
        command: str,
        asked: Mapping[str, Any],
        path: Path | None = None,
        of: str = "instances",
    ) -> None:
        self.counts: Final[Counter[str]] = Counter()
        self.complete = True
        self._head = {"dcm": __version__, "command": command, "asked": asked}
        self._path: Final = path
        self._of: Final = of
        self._problems: Final[list[str]] = []
        self._remarks: Final[list[str]] = []
        self._file: TextIO | None = None
        self._part: Path | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            # What is no file, as /dev/stderr, must not be replaced by one.
            replaced = self._path.is_file() or not self._path.exists()
            self._part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
            # A file name that is not UTF-8 holds lone surrogates: as \\udcXX they are valid JSON, and what
            # reads it can tell the name again.
            self._file = (self._part if replaced else self._path).open(
                "w", encoding="utf-8", errors="backslashreplace"
            )
            self._part = self._part if replaced else None
            head = {**self._head, "began": _now()}
            self._file.write(_json(head, indent=1)[:-2])
            self._file.write(f',\n "{self._of}": [')
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.problem(str(error) if isinstance(error, Exception) else "interrupted")
        if self._file is None:
            return
        try:
            with self._file:
                tail = {
                    "counts": self.counts,
                    "problems": self._problems,
                    "remarks": self._remarks,
                    "complete": self.complete,
                    "ended": _now(),
                }
                self._file.write("\n ],\n" + _json(tail, indent=1)[2:] + "\n")
            if self._part is not None and self._path is not None:
                self._part.replace(self._path)
        except OSError:
            if self._part is not None:
                with contextlib.suppress(OSError):
                    self._part.unlink()
            raise

    def add(self, outcome: str, *, good: bool, **what: Any) -> None:
        """Add an entry; what is not `good` makes the whole incomplete."""
        if self._file is not None:
            separator = "," if self.counts else ""
            entry = _json({**what, "outcome": outcome})
            self._file.write(f"{separator}\n  {entry}")
        self.counts[outcome] += 1
        self.complete = self.complete and good

    def problem(self, words: str) -> None:
        """Say what went wrong with the whole, or with something that is no entry."""
        self._problems.append(words)
        self.complete = False

    def remark(self, words: str) -> None:
        """Add what was odd, though nothing is missing for it."""
        self._remarks.append(words)

    def __str__(self) -> str:
        """Say how many there are of each outcome."""
        counted = [f"{count} {outcome}" for outcome, count in self.counts.items()]
        return " | ".join(counted) or f"no {self._of}"


def _json(content: Mapping[str, Any], indent: int | None = None) -> str:
    import json  # noqa: PLC0415 - only who wants a file needs it

    return json.dumps(content, ensure_ascii=False, indent=indent)


def _now() -> str:
    from datetime import datetime  # noqa: PLC0415 - as above

    return datetime.now().astimezone().isoformat(timespec="seconds")
