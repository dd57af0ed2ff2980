"""`dcm listen`: stores what peers send in a folder."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from cli.conftest import Process, Start
from net.files import CT, data_sets, make
from net.peers import QUICK, US

from dcm.cli import main
from dcm.cli.listen import inactivity
from dcm.net import DcmNode, Remote
from dcm.net.association import Association
from dcm.wire import Command, CStoreRQ, DataFragment, PresentationContextRQ

OPTIONS = ("--local", "127.0.0.1:ME:0")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with three instances."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(3):
        make(folder, number)
    return folder


def where(process: Process) -> str:
    """Wait until it listens; return its port."""
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.fullmatch(r"dcm listen: listening at 127\.0\.0\.1:ME:(\d+)\n", line)
    assert found is not None, line + process.stderr.read()
    return found[1]


def send(port: str, source: Path, *options: str) -> int:
    """Send everything with dcmtk's program."""
    program = shutil.which("storescu")
    if program is None:
        pytest.skip("storescu is not installed")
    command = [program, *options, "127.0.0.1", port, "+sd", str(source)]
    return subprocess.run(command, check=False, timeout=60).returncode


def test_what_comes_is_kept_and_named(start: Start, source: Path, tmp_path: Path) -> None:
    """The report lists what was received, also if a service manager ends the command."""
    target, report = tmp_path / "new" / "target", tmp_path / "report.json"
    process = start("listen", "-o", target, *OPTIONS, "--report", report)
    assert send(where(process), source) == 0
    process.terminate()
    shown = process.communicate(timeout=60)
    assert shown[1] == ""
    assert process.returncode == 0
    assert data_sets(target) == data_sets(source)
    assert {Path(line) for line in shown[0].splitlines()} == set(target.iterdir())
    assert json.loads(report.read_text())["counts"] == {"stored": 3}


def test_it_ends_after_a_time_without_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status is 0."""
    arguments = ["listen", "-o", str(tmp_path), *OPTIONS, "--inactive-timeout", "0.05"]
    assert main([*arguments, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_an_association_is_no_inactivity() -> None:
    """A connected peer may still send, however long it waits."""
    states = [True, True, False]

    class Busy:
        @property
        def busy(self) -> bool:
            return states.pop(0)

    asyncio.run(inactivity(Busy(), asyncio.Event(), 0.01))
    assert states == []


def test_it_ends_when_it_is_told(start: Start, tmp_path: Path) -> None:
    """Ctrl-C is the normal way to end it; there is no message."""
    process = start("listen", "-o", tmp_path / "target", *OPTIONS)
    where(process)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


def test_who_does_not_read_ends_it(start: Start, source: Path, tmp_path: Path) -> None:
    """A closed pipe ends the command, and the sender gets no success for an unprinted instance."""
    process = start("listen", "-o", tmp_path / "target", *OPTIONS)
    port = where(process)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert send(port, source) != 0
    assert process.wait(60) == 128 + signal.SIGPIPE
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


def test_what_cannot_be_kept_is_told(start: Start, source: Path, tmp_path: Path) -> None:
    """To the sender, in the report, and on stderr."""
    target, report = tmp_path / "target", tmp_path / "report.json"
    process = start("listen", "-o", target, *OPTIONS, "--report", report)
    port = where(process)
    target.rmdir()
    assert send(port, source) != 0
    process.terminate()
    assert " is not stored: No such file or directory\n" in process.communicate(timeout=60)[1]
    entry = json.loads(report.read_text())["instances"][0]
    assert (entry["outcome"], entry["words"]) == ("failed", "No such file or directory")


def test_whom_it_takes(start: Start, source: Path, tmp_path: Path) -> None:
    """Only peers that have the right AE title and call us by ours."""
    process = start("listen", "-o", tmp_path, *OPTIONS, "--from", "OTHER", "--by-our-name")
    port = where(process)
    assert send(port, source, "-aec", "ME") != 0
    assert send(port, source, "-aet", "OTHER") != 0
    assert send(port, source, "-aet", "OTHER", "-aec", "ME") == 0


def test_options_name_who_we_are(start: Start, tmp_path: Path) -> None:
    """They take precedence over the configuration."""
    options = ("--host", "127.0.0.1", "--port", "0", "--ae-title", "ME")
    where(start("listen", "-o", tmp_path, *options))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "1", "--host", "192.0.2.1"], "Cannot assign requested address"),
        (["--ae-title", "A" * 17], "an AE title has 1 to 16"),
    ],
)
def test_where_it_cannot_listen(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is one sentence."""
    assert main(["listen", "-o", str(tmp_path / "target"), *arguments]) in (1, 2)
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names it."""
    (tmp_path / "file").touch()
    assert main(["listen", "-o", str(tmp_path / "file" / "target")]) == 1
    assert capsys.readouterr().err == f"dcm listen: {tmp_path}/file/target: Not a directory\n"


def half(port: str) -> Association:
    """Begin to send an instance, and stop halfway."""

    async def begin() -> Association:
        contexts = [PresentationContextRQ(1, CT, ("1.2.840.10008.1.2.1",))]
        node = DcmNode("127.0.0.1", "ME", int(port))
        association = await Association.request(US, Remote(node, QUICK), contexts)
        request = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2")
        await association.send(Command(1, request), DataFragment(1, bytes(1000), last=False))
        return association

    return asyncio.run(begin())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_ends_at_once(number: int, start: Start, tmp_path: Path) -> None:
    """The first one waits for the sender, the second does not."""
    process = start("listen", "-o", tmp_path / "target", *OPTIONS, "--stop-timeout", "50")
    association = half(where(process))
    try:
        process.send_signal(number)
        assert process.stderr is not None
        assert "stopping when senders have finished" in process.stderr.readline()
        process.send_signal(number)
        assert process.wait(20) == 128 + number
    finally:
        association.close()
    assert list((tmp_path / "target").iterdir()) == []


def test_stopping_has_a_limit(start: Start, tmp_path: Path) -> None:
    """A stalled sender is aborted, with a message; the exit status is 0."""
    process = start("listen", "-o", tmp_path / "target", *OPTIONS, "--stop-timeout", "0.2")
    association = half(where(process))
    try:
        process.terminate()
        shown = process.communicate(timeout=20)
    finally:
        association.close()
    assert "aborting associations that did not finish within 0.2 s" in shown[1]
    assert process.returncode == 0


def test_limits_of_what_is_stored(start: Start, source: Path, tmp_path: Path) -> None:
    """One sender cannot fill the disk."""
    process = start("listen", "-o", tmp_path / "target", *OPTIONS, "--max-instance", "1K")
    assert send(where(process), source) != 0
    process.terminate()
    assert "larger than the limit of 1000 bytes" in process.communicate(timeout=60)[1]
    assert process.returncode == 1
    process = start("listen", "-o", tmp_path / "target", *OPTIONS, "--min-free", "1000T")
    assert send(where(process), source) != 0
    process.terminate()
    assert "bytes of disk space would be left" in process.communicate(timeout=60)[1]


@pytest.mark.parametrize("size", ["", "K", "-1", "1X", "1.5G", "many"])
def test_what_is_not_a_size(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The value is refused."""
    with pytest.raises(SystemExit):
        main(["listen", "-o", "nowhere", f"--min-free={size}"])
    assert "is not a size" in capsys.readouterr().err
