"""The server under test: starts, populates and monitors it, and detects what a conversation did."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import requests

from harness.config.settings import LOCAL, REMOTE, Pair
from harness.fuzz import dicom, objects, traces, web
from harness.fuzz.conversation import Conversation, Step
from harness.fuzz.judges import Breach, accepted
from harness.fuzz.memory import MemoryBound, peak, resident
from harness.fuzz.network import Doors
from harness.fuzz.objects import TOKENS, patient
from harness.fuzz.playing import Filled, Patience, Played, Player
from harness.model import Credentials
from harness.servers.container_site import ContainerSite
from harness.servers.deployment import Deployment, deploy
from harness.servers.guard import Guard
from harness.servers.product import Build, Role
from harness.waiting import WaitTimeout, wait_until

TO_DIE: Final = 10.0
"""Seconds for a server to end after SIGABRT, which includes writing its core."""
MOST_LOG: Final = 20_000
LEAP: Final = 4 << 20
"""Memory growth in bytes after one conversation that looks like a leak."""
PEAK: Final = 256 << 20
"""Peak memory in bytes that none of our conversations should need."""
MOST: Final = 1 << 30
"""Memory growth in bytes at which a server is ended."""
FILL: Final = 32 << 20
"""Disk growth in bytes, beyond what was sent, that counts as filling the disk."""
REPEATS: Final = 4
TOO_MUCH: Final = Breach("memory", "far more memory is used than was sent")


@dataclass(frozen=True)
class Evidence:
    """What a server left behind: its log and a backtrace."""

    log: str = ""
    trace: str = ""


class Subject:
    """A server to play conversations on. A context manager; it ends the server if we started it."""

    def __init__(self, start: "Build | Deployment", patience: Patience) -> None:
        """Take a build to start, or a deployment that is already running."""
        self._build = start if isinstance(start, Build) else None
        self._attached = None if isinstance(start, Build) else start
        self.patience = patience
        self.evidence = Evidence()
        self._cores = traces.allow_cores()
        self._ended_by_us = False
        self._bound = MemoryBound(None, 0).start()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            if self._attached is not None:
                self.server = self._attached
            else:
                assert self._build is not None
                # Programs written in Python then log their stack when SIGABRT ends them.
                os.environ["PYTHONFAULTHANDLER"] = "1"
                guard = stack.enter_context(Guard())
                site = None
                if self._build.image_id is not None:
                    site = stack.enter_context(ContainerSite(guard))
                role = Role("remote", Pair(REMOTE, LOCAL), guard, site)
                self.server = deploy(self._build, role)
            stack.callback(self.server.close)
            self._begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._bound.stop()
        self._stack.close()

    @property
    def ours(self) -> bool:
        """Whether we started the server, and can restart it."""
        return self._attached is None

    @property
    def doors(self) -> Doors:
        """The addresses of its interfaces."""
        return self.player.doors

    @property
    def root(self) -> str | None:
        """The path of its DICOMweb service, or None if it has none."""
        able = self.server.capabilities.versions
        return self.server.adapter.dicomweb if any("dicomweb" in each for each in able) else None

    @property
    def is_orthanc(self) -> bool:
        """Whether it offers Orthanc's own API."""
        return "rest" in self.server.capabilities.versions

    def _begin(self) -> None:
        """Record the current positions and sizes, and store the patients."""
        adapter = self.server.adapter
        title = str(self.server.identity.ae_title).encode()
        filled = Filled(title.ljust(16), authorization(adapter.credentials))
        self.player = Player(Doors(adapter.endpoints), filled, self.patience)
        self._log_at = self.server.launcher.log_position()
        if self.ours:
            for conversation in self.population():
                self.player.play(conversation)
        self.memory_at_start = self.memory()
        self._bound.stop()
        if self.ours:
            self._bound = MemoryBound(self.server.pid, self.memory_at_start + MOST).start()
        self._disk = self.disk()

    def population(self) -> Sequence[Conversation]:
        """Return the conversations that store one object for each patient."""
        steps = []
        for each in map(patient, TOKENS):
            if "dicom" in self.doors.names:
                steps.append(dicom.talk([each.context], dicom.store(each)))
            else:
                file = objects.part10(each)
                root = self.root
                if root is None:
                    message = web.request("POST", b"/instances", body=file)
                else:
                    message = web.stow(root, file)
                steps.append((Step(0, "http", message),))
        return [Conversation(each) for each in steps]

    def restart(self) -> None:
        """Restart the server with nothing in it but the patients."""
        if not self.ours:
            return
        self._clear_cores()
        self.server.restart()
        self._begin()

    # What happened

    def play(self, conversation: Conversation) -> Played:
        """Play a conversation."""
        return self.player.play(conversation)

    def state(self, *, doubtful: bool) -> Breach | None:
        """Return whether the server died or hangs; if `doubtful`, check with another client."""
        found = self._fallen()
        if found is None and doubtful:
            found = self._asked() or self._fallen()
        return found

    def _fallen(self) -> Breach | None:
        """Return how the server, or one of its processes, ended."""
        if self._bound.reached:
            self.evidence = Evidence(self.log()[-MOST_LOG:])
            return TOO_MUCH
        died = self.server.died() if self.ours else None
        core = next(self._found_cores(), None)
        if died is None and core is None:
            return None
        log = self.log()
        trace = self._trace(core, log)
        self.evidence = Evidence(log[-MOST_LOG:], trace)
        self._clear_cores()
        signalled = traces.signal_of(trace)
        what = f"died of {signalled}" if signalled else died or "one of its processes died"
        return Breach("death", what, traces.place_in(trace, log))

    def _trace(self, core: Path | None, log: str) -> str:
        """Return the backtrace of a core, or "" if the log has the location: gdb takes seconds."""
        if core is None or traces.tells(log):
            return ""
        return traces.backtrace(self.server.adapter.program, core)

    def _asked(self) -> Breach | None:
        """Query each interface with another client; return a hang if one is not answered.

        Return None also if the server has ended.
        """
        for door in sorted(self.doors.names):
            if self._answers(door, self.patience.stuck) or self._fallen_now():
                continue
            where = self._where_it_hangs()
            if self.ours and not self._ended_by_us:
                return None  # `_fallen` reports it
            return Breach("hang", f"no other client is answered on the {door} interface", where)
        return None

    def _fallen_now(self) -> bool:
        return self.ours and (
            self.server.died() is not None or next(self._found_cores(), None) is not None
        )

    def _answers(self, door: str, within: float) -> bool:
        """Return whether another client gets an answer within that many seconds."""
        deadline = time.monotonic() + within

        def left() -> float:
            return max(0.01, deadline - time.monotonic())

        def came() -> str:
            with contextlib.suppress(OSError), self.doors.connect(door, left()) as client:
                client.settimeout(left())
                client.sendall(self.player.filled(PROBES[door].render()))
                if client.recv(1):
                    return "an answer"
            return "the end of the server" if self._fallen_now() else ""

        try:
            return (
                wait_until(came, what="an answer to another client", within=within) == "an answer"
            )
        except WaitTimeout:
            return False

    def _where_it_hangs(self) -> str:
        """End a hanging server with a signal that makes it report its location; return that."""
        self._ended_by_us = True
        self.evidence = Evidence(self.log()[-MOST_LOG:])
        if not self.ours or self.server.pid is None:
            return ""
        begin = self.server.launcher.log_position()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.server.pid, signal.SIGABRT)
        with contextlib.suppress(WaitTimeout):
            wait_until(self._fallen_now, what="the end", within=TO_DIE)
        died = self.server.died()
        if died is not None and "SIGABRT" not in died:  # already dying; its core took a while
            self._ended_by_us = False
            return ""
        core = next(self._found_cores(), None)
        log = self.server.launcher.log_since(begin)
        trace = self._trace(core, log)
        self._clear_cores()
        self.evidence = Evidence(self.evidence.log + log[-MOST_LOG:], trace)
        return traces.places_in(trace, log)

    # What it leaves

    def _found_cores(self) -> Iterator[Path]:
        folder = self.server.folder
        return iter(()) if folder is None or not self._cores else traces.cores(folder)

    def _clear_cores(self) -> None:
        for each in list(self._found_cores()):
            each.unlink(missing_ok=True)

    def log(self) -> str:
        """Return the log since the server was started."""
        return self.server.launcher.log_since(self._log_at)

    def memory(self) -> int:
        """Return the resident memory in bytes, or 0 if it is unknown."""
        return resident(self.server.pid)

    def peak(self) -> int:
        """Return the peak resident memory in bytes, or 0 if it is unknown."""
        return peak(self.server.pid)

    def disk(self) -> int:
        """Return the disk space in bytes that its folder uses."""
        folder = self.server.folder
        if folder is None:
            return 0
        total = 0
        for here, folders, files in os.walk(folder):  # the server may delete any of them meanwhile
            for name in (*folders, *files):
                with contextlib.suppress(OSError):
                    total += Path(here, name).stat().st_blocks * 512
        return total

    def grown(self) -> int:
        """Return by how many bytes its folder has grown since the last call."""
        before, self._disk = self._disk, self.disk()
        return self._disk - before

    def leaves(self, conversation: Conversation) -> Breach | None:
        """Return whether each repetition of a conversation leaks memory or leaves files behind.

        A program may allocate more while it warms up, so the growth must continue in the second
        round.
        """
        sent = conversation.size[1]
        self.play(conversation)
        spans = []
        for _ in range(2):
            memory, disk = self.memory(), self.disk()
            for _ in range(REPEATS):
                self.play(conversation)
            spans.append((self.memory() - memory, self.disk() - disk))
            if self._bound.reached:
                return TOO_MUCH
            if not memory or self._fallen_now():
                return None
        if self.peak() - self.memory_at_start > max(PEAK, 64 * sent):
            return TOO_MUCH
        if all(grown > REPEATS * max(LEAP * 3 // 4, 2 * sent) for grown, _ in spans):
            return Breach("memory", "memory is leaked")
        if all(filled > REPEATS * max(FILL * 3 // 4, 2 * sent) for _, filled in spans):
            return Breach("disk", "the disk fills up")
        return None

    def unreadable(self, played: Played) -> Breach | None:
        """Return a finding if an object that was accepted cannot be read back."""
        if "http" not in self.doors.names or (self.root is None and not self.is_orthanc):
            return None
        for line in played.lines.values():
            for path in accepted(line, self.root, orthanc=self.is_orthanc):
                wanted = web.request("GET", path.encode(), (b"Accept", AS_STORED))
                answer = self.play(Conversation((Step(0, "http", wanted),))).lines[0]
                if answer.received and not answer.received.startswith(b"HTTP/1.1 200"):
                    return Breach("unreadable", "an object was accepted but cannot be read")
        return None


AS_STORED: Final = b'multipart/related; type="application/dicom"; transfer-syntax=*'
PROBES: Final = {
    "dicom": dicom.associate([dicom.ECHO_CONTEXT]),
    "http": web.request("GET", b"/"),
}
"""The message that another client sends to each interface."""


def authorization(credentials: Credentials | None) -> bytes:
    """Return the Authorization header line, or b"" if the server needs no credentials."""
    if credentials is None:
        return b""
    request = requests.Request(
        "GET", "http://x/", auth=(credentials.username, credentials.password)
    )
    value = request.prepare().headers["Authorization"]
    return f"Authorization: {value}\r\n".encode()
