"""The backtrace of a crashed server: from its core, or from the output of a debugger around it."""

import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

MAX_LINES: Final = 300
MOST: Final = 2**30
"""Most bytes of a core; that of a larger server is truncated and unreadable."""
PATIENCE: Final = 60.0
"""Seconds for gdb, which reads the symbols of every library."""

_PATTERN: Final = Path("/proc/sys/kernel/core_pattern")
_BEGINS: Final = re.compile(
    r"received signal SIG(?!INT|TERM|STOP|CONT)"  # gdb
    r"|terminated by signal SIG"
    r"|^==\d+== (?:Invalid (?:read|write)|Process terminating|Conditional jump|Use of uninit)"  # valgrind
    r"|^==\d+==ERROR: \w+Sanitizer|^SUMMARY: \w+Sanitizer|runtime error: "
)
_SIGNAL: Final = re.compile(
    r"(?:received signal|default action of signal \d+|terminated by signal|terminated with signal)"
    r" \(?(SIG[A-Z]+)"
)


def in_log(log: str) -> str:
    """Return what a debugger or sanitizer printed about a crash, from its start; "" for none."""
    lines = log.splitlines()
    begin = next((number for number, line in enumerate(lines) if _BEGINS.search(line)), None)
    return "" if begin is None else "\n".join(lines[begin : begin + MAX_LINES])


def signal_in(log: str) -> str | None:
    """Return the name of the signal that ended the server according to a debugger."""
    found = _SIGNAL.findall(log)
    return found[-1] if found else None


def debugger() -> str | None:
    """Return gdb's path if it is installed and the kernel writes cores to the server's folder."""
    with suppress(OSError):
        pattern = _PATTERN.read_text().strip()
        if pattern and not pattern.startswith(("|", "/")):
            return shutil.which("gdb")
    return None


def want_core(pid: int) -> None:
    """Let a process write a core if it crashes, as far as its hard limit allows."""
    with suppress(OSError, ValueError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_CORE)
        most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
        resource.prlimit(pid, resource.RLIMIT_CORE, (most, hard))


def of_core(program: str, folder: Path) -> str:
    """Return the backtrace of the newest core in a folder, all threads; "" if there is none.

    All cores are deleted: they contain everything that the server had in memory.
    """
    gdb = debugger()
    cores = sorted(folder.glob("core*"), key=lambda path: path.stat().st_mtime)
    if not cores:
        return ""
    command = ["-batch", "-nx", "-iex", "set debuginfod enabled off", "-iex", "set width 0"]
    command += ["-ex", "bt", "-ex", "thread apply all bt 12", program, str(cores[-1])]
    said = ""
    if gdb is not None:
        with suppress(OSError, subprocess.TimeoutExpired):
            said = subprocess.run(
                [gdb, *command], capture_output=True, text=True, errors="replace", check=False,
                timeout=PATIENCE, stdin=subprocess.DEVNULL,
            ).stdout  # fmt: skip
    for core in cores:
        core.unlink(missing_ok=True)
    return "\n".join(list(_telling(said))[:MAX_LINES])


def _telling(said: str) -> Iterator[str]:
    """Leave out gdb's messages about loading the program."""
    noise = ("[New LWP", "warning: ", "[Thread debugging", "Using host libthread_db")
    return (line for line in said.splitlines() if line.strip() and not line.startswith(noise))
