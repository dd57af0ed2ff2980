"""How long objects take through `dcm forward`, compared with sending them directly.

python benchmarks/forward.py                    # from dcmtk's storescu to its storescp, by turns
python benchmarks/forward.py --waiting 100000   # memory with so many objects in the spool
python benchmarks/forward.py --kills 50         # selftest/route/test_kills.py with more kills
"""

import argparse
import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "selftest")]

from net.files import make  # noqa: E402
from net.peers import free_port  # noqa: E402

from harness.waiting import wait_until  # noqa: E402

SIZES = {"CT of 0.5 MB": (524_288, 400), "objects of 10 kB": (9_000, 3000)}


def listens(port: int) -> bool:
    """Return whether a process listens on a port, without connecting to it."""
    wanted = f":{port:04X} "
    lines = Path("/proc/net/tcp").read_text().splitlines()
    return any(wanted in line[:30] and line.split()[3] == "0A" for line in lines)


@contextlib.contextmanager
def running(port: int, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends."""
    with subprocess.Popen(
        [str(each) for each in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TCP_NODELAY": "1"},
    ) as process:  # fmt: skip
        wait_until(lambda: listens(port), what=f"{command[0]} listens", within=30)
        yield process
        process.send_signal(signal.SIGTERM)


def count(folder: Path) -> int:
    """Count the files of a folder."""
    with os.scandir(folder) as found:
        return sum(1 for _ in found)


def timed(sender: str, source: Path, number: int, port: int, there: Path) -> float:
    """Send all files; return the seconds until all have arrived."""
    command = ["storescu", "127.0.0.1", str(port), "+sd", str(source)]
    if sender == "dcm":
        node = f"127.0.0.1:ANY:{port}"
        command = [
            sys.executable,
            "-m",
            "dcm",
            "store",
            node,
            str(source),
            "--max-associations",
            "1",
        ]
    begun = time.monotonic()
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TCP_NODELAY": "1"},
    )  # fmt: skip
    while count(there) < number:
        time.sleep(0.002)
    return time.monotonic() - begun


def compare(folder: Path, rounds: int, sender: str, *options: str) -> None:
    """Print how long both ways take, in alternation."""
    for name, (size, number) in SIZES.items():
        source, there = folder / "source", folder / "there"
        source.mkdir()
        for each in range(number):
            make(source, each, size=size)
        took: dict[str, list[float]] = {"directly": [], "through dcm forward": []}
        # Each way has its own storescp, which serves one association: the forwarder keeps one open
        # for a while.
        storescp, behind, forward = free_port(), free_port(), free_port()
        there.mkdir()
        program = shutil.which("storescp") or "storescp"
        with (
            running(storescp, program, "+B", "-od", there, str(storescp)),
            running(behind, program, "+B", "-od", there, str(behind)),
            running(
                forward, sys.executable, "-m", "dcm", "forward", f"127.0.0.1:SCP:{behind}", "--quiet",
                "--spool", folder / "spool", "--local", f"127.0.0.1:FWD:{forward}", *options,
            ),
        ):  # fmt: skip
            for _ in range(rounds):
                for way, port in zip(took, (storescp, forward), strict=True):
                    took[way].append(timed(sender, source, number, port, there))
                    for path in there.iterdir():
                        path.unlink()
        for path in (source, there, folder / "spool"):
            shutil.rmtree(path)
        middle = {way: statistics.median(seconds) for way, seconds in took.items()}
        ratio = middle["through dcm forward"] / middle["directly"]
        print(
            f"{number} {name}: " + ", ".join(f"{s:.2f} s {way}" for way, s in middle.items()),
            end="",
        )
        print(f": {ratio:.2f} times as long")


def fill(folder: Path, number: int) -> None:
    """Print the memory of a forwarder with `number` objects in its spool."""
    source = folder / "source"
    source.mkdir()
    some = 10_000
    forward, there = free_port(), free_port()
    with running(
        forward, sys.executable, "-m", "dcm", "forward", f"127.0.0.1:SCP:{there}", "--quiet",
        "--spool", folder / "spool", "--local", f"127.0.0.1:FWD:{forward}", "--retry-pause", "1",
    ) as process:  # fmt: skip
        status = Path(f"/proc/{process.pid}/status")
        for first in range(0, number, some):
            for each in range(first, first + some):
                make(source, each, size=500)
            subprocess.run(
                [sys.executable, "-m", "dcm", "store", f"127.0.0.1:FWD:{forward}", source, "--quiet"],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            for path in source.iterdir():
                path.unlink()
            print(
                f"{first + some} wait: {resident(status)} MB, at most {resident(status, 'VmHWM')} MB"
            )
        arrived = folder / "there"
        arrived.mkdir()
        with running(there, shutil.which("storescp") or "storescp", "--ignore", str(there)):
            begun = time.monotonic()
            while count(folder / "spool" / "objects"):
                time.sleep(0.1)
            print(f"all delivered in {time.monotonic() - begun:.0f} s")
        print(f"none wait: {resident(status)} MB, at most {resident(status, 'VmHWM')} MB")


def resident(status: Path, key: str = "VmRSS") -> int:
    """Return the resident memory of a process in MB."""
    line = next(line for line in status.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) // 1000


def main() -> None:
    """Run the requested benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sender", choices=("storescu", "dcm"), default="storescu")
    parser.add_argument("--waiting", type=int, metavar="N")
    parser.add_argument("--kills", type=int, metavar="N")
    parser.add_argument("--sync", action="store_true", help="with dcm forward --sync")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.waiting:
            fill(folder, arguments.waiting)
        elif arguments.kills:
            from route.test_kills import killed_while_forwarding  # noqa: PLC0415

            begun = time.monotonic()
            killed_while_forwarding(folder, arguments.kills, 75 * arguments.kills, int(begun))
            print(f"{arguments.kills} kills in {time.monotonic() - begun:.0f} s: nothing is lost")
        else:
            compare(
                folder, arguments.rounds, arguments.sender, *(["--sync"] if arguments.sync else [])
            )


if __name__ == "__main__":
    main()
