"""A tiny process that cleans up when the harness is gone, however it ended.

The harness tells it, in JSON lines, which processes, folders and containers are its own. When the
harness ends, its end of the pipe closes, even on SIGKILL; the guard then ends what is left. It runs
as a script, with the standard library only, so that it starts in a few milliseconds.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

PATIENCE = 5.0
"""Seconds for a killed process to end; it may have to wait for the disk."""


class Guard:
    """Holds the pipe to the guard process; a context manager around everything that is started."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin

    def watch_process(self, pid: int, *, with_sessions: bool = False) -> None:
        """End the process group `pid` if we cannot do it ourselves.

        `with_sessions`: also end the processes it has started in their own sessions. A run of the
        harness is not ended this way, since that would include its guard.
        """
        self._tell({"watch": pid, "born": birth(pid), "sessions": with_sessions})

    def forget_process(self, pid: int) -> None:
        """Note that `pid` has ended, so the number may now belong to another process."""
        self._tell({"forget": pid})

    def watch_folder(self, folder: Path) -> None:
        """Remove `folder` when we are gone."""
        self._tell({"folder": str(folder)})

    def watch_engine(self, socket: str, label: str) -> None:
        """Remove the containers and networks with `label` of this engine when we are gone."""
        self._tell({"engine": socket, "label": label})

    def close(self) -> None:
        """Close the pipe: whatever is still watched is cleaned up now."""
        self._pipe.close()
        self._process.wait(timeout=30)

    def _tell(self, message: dict[str, object]) -> None:
        self._pipe.write(json.dumps(message).encode() + b"\n")
        self._pipe.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def birth(pid: int) -> str | None:
    """Return the start time of `pid` in clock ticks since boot (proc(5)), or None if it is gone.

    Process ids are reused: only id and start time together identify a process.
    """
    fields = _stat(pid)
    return fields[19] if fields else None


def _stat(pid: int) -> list[str]:
    """Return the kernel's fields for `pid` (proc(5)): state, parent, ...; [] if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def _clean_up(lines: Iterable[bytes]) -> None:
    processes: dict[int, tuple[str | None, bool]] = {}
    folders: list[str] = []
    engines: list[tuple[str, str]] = []
    for line in lines:
        message = json.loads(line)
        if "watch" in message:
            processes[message["watch"]] = message["born"], message["sessions"]
        elif "forget" in message:
            processes.pop(message["forget"], None)
        elif "engine" in message:
            engines.append((message["engine"], message["label"]))
        else:
            folders.append(message["folder"])
    for pid, (born, with_sessions) in processes.items():
        if born is not None and birth(pid) == born:
            _end(pid, with_sessions=with_sessions)
    for folder in folders:
        _unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)
    for socket, label in engines:
        # If the engine itself is gone, a later run finds what is left by its labels.
        with contextlib.suppress(OSError, ValueError):
            _remove_labelled(socket, label)


def _end(leader: int, *, with_sessions: bool) -> None:
    """Kill the process group `leader`; `with_sessions` also its descendants in other sessions."""
    below = []
    if with_sessions:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGSTOP)  # so that it starts no more of them
        below = _descendants(leader)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    for pid in below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # A process that has not ended yet may still write into a folder that is about to be removed.
    deadline = time.monotonic() + PATIENCE
    while any(map(_lives, (leader, *below))) and time.monotonic() < deadline:
        time.sleep(0.01)


def _unmount_below(folder: str) -> None:
    """Unmount the small disks in a folder, if there are any."""
    with contextlib.suppress(OSError):
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for place in mounts:
            if place.startswith(f"{folder}/"):
                subprocess.run(["umount", "--lazy", place], check=False, timeout=PATIENCE)


def _descendants(pid: int) -> list[int]:
    """Return all descendants of `pid`."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        parent = _stat(int(folder.name))[1:2]
        if parent:
            children.setdefault(int(parent[0]), []).append(int(folder.name))
    found: list[int] = []
    left = [pid]
    while left:
        more = children.get(left.pop(), [])
        found += more
        left += more
    return found


def _lives(pid: int) -> bool:
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def _remove_labelled(address: str, label: str) -> None:
    """Remove containers, their volumes and networks by the engine's HTTP interface."""
    import http.client  # noqa: PLC0415 - 20 ms that nobody is to wait for at the start
    import socket  # noqa: PLC0415
    import urllib.parse  # noqa: PLC0415

    def ask(method: str, path: str) -> bytes:
        with contextlib.closing(http.client.HTTPConnection("localhost", timeout=30)) as connection:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(address)
            connection.request(method, path)
            return connection.getresponse().read()

    chosen = urllib.parse.urlencode({"filters": json.dumps({"label": [label]}), "all": 1})
    for each in json.loads(ask("GET", f"/containers/json?{chosen}")):
        ask("DELETE", f"/containers/{each['Id']}?force=1&v=1")
    for each in json.loads(ask("GET", f"/networks?{chosen}")):
        ask("DELETE", f"/networks/{each['Id']}")


if __name__ == "__main__":
    # Only the end of the pipe may end the guard.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _clean_up(sys.stdin.buffer)
