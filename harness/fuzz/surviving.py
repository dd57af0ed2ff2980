"""Assertions for cases that send nonsense: the server answers or closes, and serves others."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from harness.fuzz.conversation import Conversation, Step
from harness.fuzz.judges import judge, responses
from harness.fuzz.memory import MemoryBound, forget_peak, peak, resident
from harness.fuzz.network import Doors
from harness.fuzz.parts import Part
from harness.fuzz.playing import Filled, Line, Patience, Played, Player
from harness.fuzz.subject import PROBES, authorization
from harness.fuzz.traces import allow_cores, cores
from harness.servers.party import Party
from harness.waiting import WaitTimeout, wait_until

Record = Callable[..., AbstractContextManager[None]]
"""Records what its block does to the server: `Bench.action`."""

PATIENCE: Final = Patience(answer=0.25, quiet=0.02, end=4.0, stuck=10.0)
CALM: Final = 0.1
"""Seconds in which an idle server uses at most one clock tick of CPU time."""
LEEWAY: Final = 128 << 20
"""Bytes that a server may allocate temporarily for a message of a few bytes."""


class Hostile:
    """A hostile peer for cases; it connects through the relays."""

    def __init__(self, party: Party, action: Record | None = None) -> None:
        """Test this server; with `Bench.action`, a replay knows that its memory is limited."""
        self._party = party
        self._action = action or (lambda _name, **_details: contextlib.nullcontext())
        endpoints = {"dicom": party.dicom}
        if party.rest_relay is not None:
            endpoints["http"] = party.rest_relay.endpoint
        title = str(party.ae_title).encode().ljust(16)
        filled = Filled(title, authorization(party.server.adapter.credentials))
        self._player = Player(Doors(endpoints), filled, PATIENCE)
        self._cores = allow_cores(party.server.pid)

    def survives(self, *messages: Part, door: str = "dicom", closes: bool = True) -> Line:
        """Send messages on one connection, assert that the server survives; return the connection.

        `closes`: the server must have answered the last message, or closed the connection.
        """
        steps = [Step(0, "dicom" if door == "dicom" else "http", each) for each in messages]
        return self.survives_conversation(Conversation(tuple(steps)), closes=closes).lines[0]

    def survives_conversation(self, conversation: Conversation, *, closes: bool = True) -> Played:
        """Play a conversation, and assert that the server survives it."""
        pid = self._party.server.pid
        before = resident(pid)
        forget_peak(pid)
        with self._action("memory limit", megabytes=LEEWAY >> 20):
            with MemoryBound(pid, before + LEEWAY) as bound:
                played = self._player.play(conversation)
                if not all(line.received for line in played.lines.values()):
                    self._settle()
            if bound.reached:  # its answers were cut off, so there is nothing else to judge
                self._party.server.restart()
                self._party.aim_relays()
            grown = (bound.reached or peak(pid)) - before
            assert grown < LEEWAY, _used(grown, conversation)
        died = self._party.server.died()
        assert died is None, f"the server {died}"
        assert not self._found_cores(), "a process of the server died and left a core dump"
        for door in sorted({each.door for each in conversation.steps}):
            assert self._serves(door), f"another client is not served on the {door} interface"
        for line in played.lines.values():
            assert not closes or line.received or line.closed, (
                "the server neither answered nor closed the connection"
            )
        broken = judge(played)
        assert broken is None, f"{broken.kind}: {broken.what}" if broken else ""
        return played

    def repeats(self, conversation: Conversation, times: int) -> int:
        """Play a conversation `times` times; return the growth of the server's memory in bytes."""
        for _ in range(times // 4):
            self._player.play(conversation)
        before = resident(self._party.server.pid)
        for _ in range(times):
            self._player.play(conversation)
        return resident(self._party.server.pid) - before

    def escaped(self, name: str) -> list[Path]:
        """Return the files with this name outside the server's own folder, and remove them."""
        folder = self._party.server.folder
        if folder is None:
            return []
        outside = [Path("/", name), Path(tempfile.gettempdir(), name)]
        outside += [above / name for above in folder.parents]
        found = [each for each in dict.fromkeys(outside) if each.exists()]
        for each in found:
            each.unlink()  # else the next case is blamed for it
        return found

    def _found_cores(self) -> list[Path]:
        """Return the cores of the server's processes, and remove them."""
        folder = self._party.server.folder
        found = list(cores(folder)) if self._cores and folder is not None else []
        for each in found:
            each.unlink()
        return found

    def _serves(self, door: str) -> bool:
        probe = Step(0, "dicom" if door == "dicom" else "http", PROBES[door])
        return bool(self._player.play(Conversation((probe,))).lines[0].received)

    def _settle(self) -> None:
        """Wait until the server is idle: background work may still allocate memory."""

        def rests() -> bool:
            before = self._ticks()
            time.sleep(CALM)
            return self._ticks() - before <= 1

        with contextlib.suppress(WaitTimeout):
            wait_until(rests, what="the server to come to rest", within=20.0)

    def _ticks(self) -> int:
        """Return the CPU time of the process in clock ticks (proc(5), stat)."""
        try:
            stat = Path(f"/proc/{self._party.server.pid}/stat").read_text()
        except OSError:
            return 0
        fields = stat.rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


def _used(grown: int, conversation: Conversation) -> str:
    return f"the server used {grown >> 20} MiB for {conversation.size[1]} bytes"


def assert_survives(party: Party, conversation: str) -> None:
    """Play a conversation that `harness fuzz` kept, and assert that the server survives it."""
    Hostile(party).survives_conversation(Conversation.loads(conversation), closes=False)


def received(line: Line) -> Sequence[str]:
    """Return the kinds of PDUs, or the statuses, received on a connection, without repetitions."""
    return responses(line).split()
