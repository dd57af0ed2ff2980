"""The location of a crash or hang in a server: from cores, sanitizer reports, Python tracebacks."""

import linecache
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PATTERN: Final = Path("/proc/sys/kernel/core_pattern")
DEEP: Final = 3
"""Most frames in the name of a location."""
GDB_LIMIT: Final = 60.0  # seconds
_FRAME: Final = re.compile(r"^#\d+\s+(?:0x[0-9a-f]+ in )?(.+?) \(", re.MULTILINE)
_SANITIZER: Final = re.compile(r"ERROR: (\w+Sanitizer): ([\w-]+)|runtime error: (.+)")
_SANITIZER_FRAME: Final = re.compile(r"^\s*#\d+ 0x[0-9a-f]+ in ([^\s(]+)", re.MULTILINE)
_PYTHON: Final = re.compile(r'File "([^"]+)", line (\d+),? in (\S+)')
EACH: Final = "-- each thread --"
_WAITS: Final = re.compile(
    r"poll|select|accept|recv|futex|cond_\w*wait|lll_lock|mutex_lock|nanosleep|sigwait|sem_\w*wait|__read|join"
)
_WAITS_IN_PYTHON: Final = re.compile(
    r"recv|accept|acquire|with \w*lock|select|wait\(|join|poll|sleep", re.IGNORECASE
)
_NOISE: Final = re.compile(
    r"\?\?|_*(raise|abort|kill|pthread_kill|libc_|GI_|cxa_|gnu_cxx|Unwind|assert|malloc|free|mem\w+|str\w+)"
    r"|std::|operator|__|clone|start_thread|_start|main$|tc_|int_"
)


def allow_cores(pid: int | None = 0) -> bool:
    """Let a process and its children write cores to their folders; return whether they can.

    `pid`: 0 for this process, None for one that is out of reach.
    """
    if pid is None:
        return False
    try:
        _, most = resource.prlimit(pid, resource.RLIMIT_CORE)
        resource.prlimit(pid, resource.RLIMIT_CORE, (most, most))
    except (OSError, ValueError):
        return False
    pattern = PATTERN.read_text().strip() if PATTERN.exists() else "|"
    return most != 0 and not pattern.startswith(("|", "/"))


def cores(folder: Path) -> Iterator[Path]:
    """Yield the cores in a folder."""
    return folder.glob("core*")


def backtrace(program: str, core: Path) -> str:
    """Return the backtrace of a core from gdb, or "" without gdb."""
    gdb = shutil.which("gdb")
    if gdb is None:
        return ""
    asked = ("-ex", "bt 30", "-ex", "echo \\n" + EACH + "\\n", "-ex", "thread apply all bt 12")
    command = [gdb, "-batch", "-nx", *asked, program, str(core)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=GDB_LIMIT, check=False,
            env={"DEBUGINFOD_URLS": "", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def signal_of(trace: str) -> str:
    """Return the signal named in a backtrace, or ""."""
    found = re.search(r"terminated with signal (SIG\w+)", trace)
    return found[1] if found else ""


def place_in(trace: str, log: str) -> str:
    """Return where the server ended: the top frames in its own code, or "" if unknown."""
    report = _SANITIZER.search(log)
    if report is not None:
        frames = _SANITIZER_FRAME.findall(log[report.start() :])
        return " < ".join([report[2] or report[3], *_own(frames)])
    threads = _python_threads(log)
    current = [frames for title, frames in threads if title.startswith("Current")]
    if current:
        return _spelt(current[-1][0])
    frames = _own(_FRAME.findall(trace.partition(EACH)[0]))
    if frames:
        return " < ".join(frames)
    at = log.rfind("Traceback (most recent call last)")
    raised = _PYTHON.findall(log[at:]) if at >= 0 else []
    return _spelt(raised[-1]) if raised else ""


def places_in(trace: str, log: str) -> str:
    """Return where a hanging server was when it was ended; threads that wait are left out."""
    found = set()
    threads = _python_threads(log)
    for _, python in threads:
        file, line, _ = python[0]
        if not _WAITS_IN_PYTHON.search(linecache.getline(file, int(line))):
            found.add(_spelt(python[0]))
    for thread in [] if threads else trace.partition(EACH)[2].split("\nThread ")[1:]:
        frames = _FRAME.findall(thread)
        if frames and not any(_WAITS.search(each) for each in frames[:4]):
            found.add(" < ".join(_own(frames)))
    return "; ".join(sorted(found - {""}))


def tells(log: str) -> bool:
    """Return whether the log itself contains the location."""
    return bool(_SANITIZER.search(log) or _python_threads(log))


def _python_threads(log: str) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return title and frames of each thread that faulthandler reported."""
    found = []
    for block in re.split(r"\n(?=\S)", log):
        title, _, frames = block.partition("\n")
        if title.endswith("(most recent call first):"):
            found.append((title, _PYTHON.findall(frames)))
    return [each for each in found if each[1]]


def _spelt(frame: tuple[str, str, str]) -> str:
    file, _, function = frame
    return f"{Path(file).name} {function}"


def _own(frames: list[str]) -> list[str]:
    names = [re.sub(r"<.*>|\[abi:\w+\]|\(.*", "", each) for each in frames]
    return [each for each in dict.fromkeys(names) if not _NOISE.match(each)][:DEEP]
