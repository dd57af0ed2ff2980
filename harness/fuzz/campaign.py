"""A run of several workers: its state, so that it can continue, its coverage, and its page."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import ConfigError, HarnessError
from harness.fuzz.conversation import Conversation
from harness.fuzz.findings import Ledger, Server
from harness.fuzz.hunt import Coverage, Hunt
from harness.fuzz.network import confine
from harness.fuzz.page import render
from harness.fuzz.playing import Patience
from harness.fuzz.source import Source, valid
from harness.fuzz.starting import Where, begin

SAID: Final = "campaign.json"
FAREWELL: Final = 150.0
"""Seconds after the end in which a worker may finish shrinking."""


@dataclass(frozen=True)
class Campaign:
    """The parameters of a run."""

    where: Where
    folder: Path
    seed: int
    seconds: float
    workers: int = 1
    stuck: float = 3.0
    recorded: Path | None = None
    """A folder of conversations to start from, in addition to our own."""

    def run(self) -> Coverage:
        """Play until the time is over; return the coverage of this and earlier runs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        asked = {"spec": self.where.spec, "seed": self.seed}
        file = self.folder / SAID
        if file.exists() and json.loads(file.read_text()) != asked:
            raise ConfigError(
                f"{self.folder} belongs to a run with another server or seed: {file.read_text()}"
            )
        file.write_text(json.dumps(asked))
        first = self.covered().next
        context = multiprocessing.get_context("spawn")
        started = int(time.time())
        processes = [
            context.Process(target=work, args=(self, number, first, started))
            for number in range(self.workers)
        ]
        for each in processes:
            each.start()
        failed = False
        try:
            for each in processes:
                each.join(self.seconds + FAREWELL)
            failed = any(each.exitcode for each in processes)
        except KeyboardInterrupt:
            for each in processes:
                each.join(20)
        finally:
            for each in processes:
                if each.is_alive():
                    each.terminate()
                    each.join()
        covered = self.covered()
        (self.folder / "index.html").write_text(render(self.folder, covered, self._counts()))
        if covered.inputs == 0 or failed:
            raise HarnessError(f"a worker failed; {self.folder} has the findings until then")
        return covered

    def _states(self) -> list[dict[str, Any]]:
        return [json.loads(each.read_text()) for each in sorted(self.folder.glob("state-*.json"))]

    def covered(self) -> Coverage:
        """Return the total coverage of all workers, in this and earlier runs."""
        total = Coverage()
        spans: dict[str, float] = {}
        for each in self._states():
            total.add(each["coverage"])
            spans[each["started"]] = max(
                spans.get(each["started"], 0.0), each["coverage"]["seconds"]
            )
        total.seconds = sum(spans.values())
        return total

    def _counts(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for each in self._states():
            for slug, count in each["counts"].items():
                total[slug] = total.get(slug, 0) + count
        return total


def work(campaign: Campaign, worker: int, first: int, started: int) -> None:
    """Run one worker, in its own process."""
    signal.signal(signal.SIGINT, lambda *_: _stop())
    confine(campaign.where.addresses(), loopback=campaign.where.ours)
    begun = time.monotonic()
    patience = Patience(stuck=campaign.stuck)
    try:
        with begin(campaign.where, patience) as subject:
            conversations = valid(
                subject.doors.names,
                root=subject.root,
                is_orthanc=subject.is_orthanc,
                moves=subject.ours,
            )
            conversations += _recorded(campaign.recorded, subject.doors.names)
            identity = subject.server.identity
            server = Server(identity.product, str(identity.version), campaign.where.spec)
            ledger = Ledger(campaign.folder, server, campaign.seed)
            source = Source(campaign.seed, conversations)
            hunt = Hunt(subject, source, ledger, _tell, begun + campaign.seconds)
            file = campaign.folder / f"state-{started}-{worker}.json"

            def keep_state() -> None:
                state = {
                    "started": str(started), "coverage": hunt.coverage.as_json(), "counts": ledger.counts,
                    "once": ledger.once,
                }  # fmt: skip
                new = file.with_suffix(".new")
                new.write_text(json.dumps(state))
                new.replace(file)

            try:
                hunt.run(range(first + worker, 1 << 62, campaign.workers), keep_state)
            except _Stopped:
                keep_state()
    except HarnessError as error:
        _tell(str(error))
        os._exit(1)


class _Stopped(Exception):  # noqa: N818 - no error
    """The user interrupted the run."""


def _stop() -> None:
    raise _Stopped


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what a command says


def _recorded(folder: Path | None, doors: frozenset[str]) -> Sequence[Conversation]:
    """Return the conversations in a folder that use only these interfaces."""
    if folder is None:
        return []
    found = [Conversation.loads(each.read_text()) for each in sorted(folder.rglob("*.json"))]
    return [each for each in found if {step.door for step in each.steps} <= doors]
