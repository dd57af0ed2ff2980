"""Repeats what a case did to the remote server: starts, ends, a disk that becomes full."""

import contextlib
from dataclasses import replace
from typing import Self

from harness.evidence.recording import Action
from harness.fuzz.memory import MemoryBound, forget_peak, resident
from harness.plugin.bench import Bench
from harness.plugin.story import FAREWELL, Story
from harness.replay.compare import Pair, Said
from harness.servers.disk import Disk
from harness.waiting import wait_until


class Actions:
    """The repeated actions of a case. A context manager; it restores the disk of the server."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._story = Story(bench)
        self._stack = contextlib.ExitStack()
        self._disk: Disk
        self._limit: tuple[Action, MemoryBound] | None = None
        self.pairs: list[Pair] = []
        """The recorded results and the new ones."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_limit()
        self._stack.close()

    def repeat(self, action: Action) -> None:
        """Do it again, and keep the result; a failure is a result."""
        trouble = ""
        try:
            if action.name == "memory limit":
                self._begin_limit(action)
                return  # its result comes later
            self._do(action)
        except Exception as error:  # noqa: BLE001 - whatever it is, the recorded one may be the same
            trouble = str(error)
        self._compare(action, trouble)

    def _compare(self, action: Action, trouble: str) -> None:
        now = replace(action, trouble=trouble)
        self.pairs.append(Pair(*(Said(asked=False, line=str(each)) for each in (action, now))))

    def _begin_limit(self, action: Action) -> None:
        """Limit how much the server's memory may grow until the next such action, or the end."""
        self._end_limit()
        pid = self._bench.remote.server.pid
        forget_peak(pid)
        bound = MemoryBound(pid, resident(pid) + (action.details["megabytes"] << 20))
        self._limit = (action, bound.start())

    def _end_limit(self) -> None:
        if self._limit is not None:
            (action, bound), self._limit = self._limit, None
            bound.stop()
            trouble = action.trouble or "the limit was reached"
            self._compare(action, trouble if bound.is_reached() else "")

    def _do(self, action: Action) -> None:
        if self._bench.plan.attached:
            raise RuntimeError("not repeated, because the harness did not start the server")
        story, details = self._story, action.details
        match action.name:
            case "start":
                story.start(previous=details["previous"], **details["settings"])
            case "end" if details["ending"] == "shutdown":
                # The request for it is one of the recorded messages.
                ended = self._bench.remote.server.died
                wait_until(ended, what="the end of the server", within=FAREWELL)
            case "end":
                story.end(details["ending"])
            case "crash":
                self._bench.crash(self._bench.remote)
            case "upgrade":
                self._bench.upgrade(self._bench.remote)
            case "small disk":
                self._disk = self._stack.enter_context(story.small_disk(details["megabytes"]))
            case "larger disk":
                self._disk.grow(details["megabytes"])
            case "usual disk":
                self._stack.close()
            case _:
                raise RuntimeError(f"this version cannot repeat {action.name!r}")
