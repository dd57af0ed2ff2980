"""The run folder, written while the run goes on, by the process that the user started.

Workers send each case's record with pytest's report of it; the evidence of a failure they write
themselves, into the same folder. Nothing but an empty folder exists before the first case has begun.
"""

import itertools
import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dcm
from harness.errors import ConfigError
from harness.programs import dcmtk_version
from harness.report import write_reports
from harness.report.load import CONTENT

FORMAT = 1


def new_folder(runs: Path, product: str, version: object) -> Path:
    """Make an empty folder `<time>-<server>-<version>`, with a number where another run was as quick.

    Raises ConfigError where it cannot be made.
    """
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{product.lower()}-{version}"
    for number in itertools.count(1):
        path = runs / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not path.is_dir():
                raise
        except OSError as error:
            raise ConfigError(f"no run folder can be made in {runs}: {error.strerror}") from error
        else:
            break
    return path


class RunFolder:
    """`runs/<time>-<server>-<version>/`: append-only while the run goes on, then closed with its reports."""

    def __init__(self, path: Path, mode: str, workers: int) -> None:
        self.path = path
        self._begin = time.monotonic()
        self._content: set[str] = set()
        dcmtk = dcmtk_version()
        self._run: dict[str, Any] = {
            "format": FORMAT,
            "started": datetime.now(UTC).isoformat(),
            "finished": None,
            "duration": None,
            "mode": mode,
            "server": None,
            "local": None,
            "capabilities": {},
            "command": _command(sys.argv),
            "workers": workers,
            "environment": {
                "python": platform.python_version(),
                "platform": platform.platform(),
                "dcmtk": None if dcmtk is None else str(dcmtk),
                "harness": dcm.__version__,
            },
            "notes": [],
            "exit_status": None,
            "selected": False,
            "baseline": None,
        }

    def begin(self, server: dict[str, object], baseline: Path | None, notes: Iterable[str]) -> None:
        """Say what is under test, as far as that is known before it runs."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.describe({"server": server, "local": server, "baseline": baseline and str(baseline)})
        for each in notes:
            self.note(each)
        link = self.path.with_name(f"latest.{os.getpid()}")
        link.symlink_to(self.path.name)
        link.replace(self.path.with_name("latest"))

    @property
    def begun(self) -> bool:
        """True once the folder says what is under test."""
        return (self.path / "run.json").is_file()

    @property
    def selected(self) -> bool:
        """True where only some of the cases of the suites were to run."""
        return bool(self._run["selected"])

    def describe(self, facts: dict[str, Any]) -> None:
        """Take note of facts about the run: what a worker found out about the servers, for one."""
        self._run |= facts
        self._write()

    def note(self, sentence: str) -> None:
        """Add a sentence that every reader of the run should see, once."""
        if sentence not in self._run["notes"]:
            self._run["notes"].append(sentence)
            self._write()

    def add(self, record: dict[str, Any]) -> None:
        """Append the record of a case that has ended."""
        with (self.path / f"cases-{record['worker']}.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")

    def keep_content(self, lines: dict[str, list[str]]) -> None:
        """Append what servers said, by digest: records of cases name the digests."""
        new = {digest: said for digest, said in lines.items() if digest not in self._content}
        self._content.update(new)
        if new:
            with (self.path / CONTENT).open("a", encoding="utf-8") as file:
                file.writelines(
                    json.dumps({"digest": digest, "lines": said}, ensure_ascii=False) + "\n"
                    for digest, said in new.items()
                )

    def close(self, exit_status: int) -> None:
        """Say that the run is over, and write its reports."""
        self._run |= {
            "finished": datetime.now(UTC).isoformat(),
            "duration": time.monotonic() - self._begin,
            "exit_status": exit_status,
        }
        self._write()
        write_reports(self.path)

    def _write(self) -> None:
        draft = self.path / "run.json.new"
        draft.write_text(json.dumps(self._run, indent=2, ensure_ascii=False), encoding="utf-8")
        draft.replace(self.path / "run.json")


def _command(argv: list[str]) -> list[str]:
    """Return the command without the password that it may hold."""
    shown = re.sub(r"(--password(?:=|\0))[^\0]*", r"\1***", "\0".join(argv)).split("\0")
    return [Path(shown[0]).name, *shown[1:]]
