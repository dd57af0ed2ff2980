"""Nothing is sent to an address that the user did not name."""

import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.fuzz.network import Doors, Forbidden
from harness.fuzz.starting import Where, consented
from harness.model import Endpoint
from harness.servers.process import free_port

FLAWED = Path(__file__).with_name("flawed.py")


def test_unknown_door_is_refused() -> None:
    """A conversation names doors, not addresses, and only existing ones can be used."""
    doors = Doors({"dicom": Endpoint("127.0.0.1", 1)})

    with pytest.raises(Forbidden, match="'http' is not an allowed interface"):
        doors.connect("http", 1.0)


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('192.0.2.1', 80), timeout=5)",
        "socket.create_connection(('127.0.0.1', 2), timeout=5)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "socket.getaddrinfo('example.org', 80)",
        "socket.socket().connect_ex(('192.0.2.1', 80))",
        "urllib.request.urlopen('http://192.0.2.1/')",
    ],
)
def test_confined_process_reaches_no_other_address(attempt: str) -> None:
    """Python itself refuses every address except the named ones."""
    script = f"""
        import socket, urllib.request
        from harness.fuzz.network import Forbidden, confine
        confine([("127.0.0.1", 1)])
        try:
            socket.create_connection(("127.0.0.1", 1))
        except ConnectionRefusedError:
            pass  # allowed, and nobody is there
        try:
            {attempt}
        except Forbidden as error:
            print("refused:", error)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.startswith("refused:"), done.stderr


@pytest.fixture
def running() -> Iterator[tuple[int, int]]:
    """Run the flawed server outside of the harness."""
    dicom, http = free_port(), free_port()
    with subprocess.Popen([sys.executable, str(FLAWED), str(dicom), str(http)]) as process:
        while True:
            try:
                socket.create_connection(("127.0.0.1", dicom), timeout=10).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None
        yield dicom, http
        process.kill()


def test_server_that_runs_already_needs_consent() -> None:
    """The user must repeat the address of the server that may be broken."""
    where = Where("192.0.2.7", "192.0.2.7")

    for word in (None, "yes", "192.0.2.8"):
        with pytest.raises(ConfigError, match=r"--consent 192\.0\.2\.7"):
            consented(where, word)
    consented(where, "192.0.2.7")


def test_only_the_named_doors_are_reached(running: tuple[int, int], tmp_path: Path) -> None:
    """A run on a running server connects to the named port only."""
    said = tmp_path / "connected.txt"
    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent(f"""
            import sys
            def hook(event, arguments):
                if event in ("socket.connect", "socket.sendto") and isinstance(arguments[-1], tuple):
                    with open({str(said)!r}, "a") as file:
                        print(*arguments[-1][:2], file=file)
            sys.addaudithook(hook)
        """)
    )
    root = FLAWED.parents[2]
    command = [
        sys.executable, "-m", "harness", "fuzz", "--server", "127.0.0.1", "--dicom", str(running[0]),
        "--consent", "127.0.0.1", "--for", "3s", "--seed", "5", "--workers", "1", "-o", str(tmp_path / "run"),
    ]  # fmt: skip
    subprocess.run(
        command, env={"PYTHONPATH": f"{tmp_path}:{root}", "PATH": "/usr/bin:/bin"}, cwd=tmp_path,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip

    assert set(said.read_text().splitlines()) == {f"127.0.0.1 {running[0]}"}
