"""The run folder, written during the run by the process that the user started.

Workers send each case's record with pytest's report of it; they write the evidence of a failure
themselves, into the same folder. The folder stays empty until the first case has begun.
"""

import itertools
import json
import os
import platform
import re
import sys
import time
from collections import Counter
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
    """Make an empty folder `<time>-<server>-<version>`, with a number if the name is taken.

    Raises ConfigError if it cannot be made.
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
            raise ConfigError(f"cannot create a run folder in {runs}: {error.strerror}") from error
        else:
            break
    return path


class RunFolder:
    """`runs/<time>-<server>-<version>/`: append-only during the run, then closed with its reports."""

    def __init__(self, path: Path, mode: str, workers: int) -> None:
        self.path = path
        self._begin = time.monotonic()
        self._content: set[str] = set()
        self._outcomes: dict[str, str] = {}
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
        """Record what is under test, as far as that is known before the servers start."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.describe({"server": server, "local": server, "baseline": baseline and str(baseline)})
        for each in notes:
            self.note(each)
        link = self.path.with_name(f"latest.{os.getpid()}")
        link.symlink_to(self.path.name)
        link.replace(self.path.with_name("latest"))

    @property
    def begun(self) -> bool:
        """Whether the folder states what is under test."""
        return (self.path / "run.json").is_file()

    @property
    def selected(self) -> bool:
        """Whether only some of the cases of the suites were selected."""
        return bool(self._run["selected"])

    def describe(self, facts: dict[str, Any]) -> None:
        """Record facts about the run, such as a worker's findings about the servers."""
        self._run |= facts
        self._write()

    def note(self, sentence: str) -> None:
        """Add a sentence that every reader of the run should see, once."""
        if sentence not in self._run["notes"]:
            self._run["notes"].append(sentence)
            self._write()

    def add(self, record: dict[str, Any]) -> None:
        """Append the record of a case that has ended; a later record of the same case replaces it."""
        self._outcomes[record["nodeid"]] = record["outcome"]
        with (self.path / f"cases-{record['worker']}.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")

    def keep_content(self, lines: dict[str, list[str]]) -> None:
        """Append what servers sent, by digest; records of cases refer to the digests."""
        new = {digest: said for digest, said in lines.items() if digest not in self._content}
        self._content.update(new)
        if new:
            with (self.path / CONTENT).open("a", encoding="utf-8") as file:
                file.writelines(
                    json.dumps({"digest": digest, "lines": said}, ensure_ascii=False) + "\n"
                    for digest, said in new.items()
                )

    def close(self, exit_status: int) -> None:
        """Record that the run is over, and write its reports."""
        self._run |= {
            "finished": datetime.now(UTC).isoformat(),
            "duration": time.monotonic() - self._begin,
            "exit_status": exit_status,
            "counts": Counter(self._outcomes.values()),
        }
        self._write()
        write_reports(self.path)

    def _write(self) -> None:
        draft = self.path / "run.json.new"
        draft.write_text(json.dumps(self._run, indent=2, ensure_ascii=False), encoding="utf-8")
        draft.replace(self.path / "run.json")


def _command(argv: list[str]) -> list[str]:
    """Return the command without the password that it may contain."""
    shown = re.sub(r"(--password(?:=|\0))[^\0]*", r"\1***", "\0".join(argv)).split("\0")
    return [Path(shown[0]).name, *shown[1:]]
