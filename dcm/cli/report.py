"""The report of a command: failures on stderr, the number of each outcome, and everything in a JSON file.

    with Reporter("store", {"remote": "mypacs"}, "report.json") as summary:
        summary.tell(result)
    print(summary)
    return summary.status

The file is written during the work. It gets its name when it is complete, even if the work failed or was
interrupted. Only the counts are kept in memory.
"""

import contextlib
import functools
import os
from collections import defaultdict
from collections.abc import Mapping
from logging import INFO, WARNING
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

from dcm import __version__
from dcm.cli.logs import LOG
from dcm.outcome import InstanceResult, Outcome, counted_words
from dcm.wire.status import readable

if TYPE_CHECKING:
    import json

_MOST: Final = 20
"""The most failures that are logged; the file has all of them."""


class Reporter:
    """Collects the entries of a report, each with an outcome, and remarks about the whole.

    problems: failures that do not belong to an entry. remarks: oddities, although nothing is
    missing.
    more: additional data for the file.
    """

    def __init__(
        self,
        command: str,
        asked: Mapping[str, Any],
        path: str | None = None,
        of: str = "instances",
    ) -> None:
        self.counts: Final[defaultdict[str, int]] = defaultdict(int)
        self.problems: Final[list[str]] = []
        self.remarks: Final[list[str]] = []
        self.more: Final[dict[str, Any]] = {}
        self._failed = False
        self._logged = 0
        self._head: Final = {"dcm": __version__, "command": command, "asked": asked}
        self._of: Final = of
        self._path: Final = path
        self._part = ""
        self._file: TextIO | None = None
        self._terse = path is None and not LOG.isEnabledFor(INFO)

    @property
    def complete(self) -> bool:
        """Whether nothing failed."""
        return not (self._failed or self.problems)

    @property
    def status(self) -> int:
        """The exit status of the command."""
        return 0 if self.complete else 1

    def __str__(self) -> str:
        return counted_words(self.counts, self._of)

    def __enter__(self) -> Self:
        if self._path is not None:
            if os.path.isfile(self._path) or not os.path.exists(self._path):  # unlike /dev/stderr
                folder, name = os.path.split(self._path)
                self._part = os.path.join(folder, f".{name}.{os.getpid()}.part")
            # A file name that is not UTF-8 contains lone surrogates. Written as \\udcXX they are valid JSON,
            # from which the name can be restored.
            self._file = open(
                self._part or self._path, "w", encoding="utf-8", errors="backslashreplace"
            )
            head = _json({**self._head, "began": _now()}, indent=1)
            self._file.write(f'{head[:-2]},\n "{self._of}": [')
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._logged > _MOST:
            LOG.error("and %d more; use --report FILE to list all", self._logged - _MOST)
        if error is not None:
            self.problems.append(str(error) if isinstance(error, Exception) else "interrupted")
        if self._file is None:
            return
        tail = {
            "counts": self.counts,
            "problems": self.problems,
            "remarks": self.remarks,
            "complete": self.complete,
            "ended": _now(),
            **self.more,
        }
        try:
            with self._file:
                self._file.write("\n ],\n" + _json(tail, indent=1)[2:] + "\n")
            if self._part and self._path is not None:
                os.replace(self._part, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(self._part)  # a device is written directly
            raise

    def tell(self, result: InstanceResult, **more: Any) -> None:
        """Add the outcome of an instance, and log it if it is a failure; `more` is only for the file."""
        outcome = result.outcome
        if outcome is Outcome.STORED and self._terse:  # nearly always the case
            self.counts["stored"] += 1
            return
        level = WARNING if outcome in (Outcome.WARNING, Outcome.PASSED_OVER) else INFO
        if not result.stored or LOG.isEnabledFor(level):
            what = readable(result.path) or result.sop_instance_uid
            line = f"{what}: {outcome.value}" + (f": {result.words}" if result.words else "")
            if result.stored:
                LOG.log(level, "%s", line)
            else:
                self._log_failure(line)
        self.add(
            outcome.value, good=result.stored, sop_instance_uid=result.sop_instance_uid,
            path=result.path, words=result.words, status=result.status, **more,
        )  # fmt: skip

    def entry(
        self,
        outcome: str,
        path: str,
        words: str,
        *,
        good: bool,
        level: int = WARNING,
        **more: Any,
    ) -> None:
        """Add the outcome of a file, and log it; at `level` if it has words and is not a failure."""
        line = f"{readable(path)}: {outcome}" + (f": {words}" if words else "")
        if good:
            LOG.log(level if words else INFO, "%s", line)
        else:
            self._log_failure(line)
        self.add(outcome, good=good, path=path, words=words, **more)

    def _log_failure(self, line: str) -> None:
        self._logged += 1
        if self._logged <= _MOST:
            LOG.error("%s", line)

    def add(self, outcome: str, *, good: bool, **what: Any) -> None:
        """Add an entry; one that is not `good` is a failure."""
        if self._file is not None:
            separator = "," if self.counts else ""
            self._file.write(f"{separator}\n  {_json({**what, 'outcome': outcome})}")
        self.counts[outcome] += 1
        self._failed = self._failed or not good

    def trouble(self, words: str) -> None:
        """Log a problem with the whole, and add it."""
        LOG.error("%s", words)
        self.problems.append(words)

    def remark(self, words: str) -> None:
        """Log an oddity, and add it."""
        LOG.warning("%s", words)
        self.remarks.append(words)


@functools.cache
def _encoder(indent: int | None) -> "json.JSONEncoder":
    import json  # noqa: PLC0415 - only for a file

    return json.JSONEncoder(ensure_ascii=False, indent=indent)


def _json(content: Mapping[str, Any], indent: int | None = None) -> str:
    return _encoder(indent).encode(content)


def _now() -> str:
    from datetime import datetime  # noqa: PLC0415 - only for a file

    return datetime.now().astimezone().isoformat(timespec="seconds")
