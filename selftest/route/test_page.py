"""The examples in `docs/forward.md` work."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from net.files import make
from net.peers import answers, free_port
from route.peer import ROOT, Destination, send
from route.test_forward import uids

from dcm.conf import Configuration
from harness.waiting import wait_until

PAGE = (ROOT / "docs" / "forward.md").read_text()


def block(language: str) -> str:
    """Return the only block of the page in a language."""
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_program_forwards(tmp_path: Path) -> None:
    """By the AE title of the sender, to one destination or the other."""
    port = free_port()
    source = tmp_path / "source"
    source.mkdir()
    paths = [make(source, number, size=500) for number in range(4)]
    with Destination() as mine, Destination() as backup:
        program = block("python").replace("mypacs.org:MYPACS:104", mine.address)
        program = program.replace("backup.org:BACKUP:11112", backup.address)
        program = program.replace('"0.0.0.0", "ROUTER", 11112', f'"127.0.0.1", "ROUTER", {port}')
        (tmp_path / "program.py").write_text(program)
        with subprocess.Popen(
            [sys.executable, "program.py"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            try:
                wait_until(lambda: answers(port), what="the program listens", within=30)
                assert set(send(port, paths[:2], "CT1").values()) == {0}
                assert set(send(port, paths[2:], "MR1").values()) == {0}
                mine.wait(uids(paths[:2]))
                backup.wait(uids(paths[2:]))
            finally:
                process.kill()
    assert (mine.uids, backup.uids) == (uids(paths[:2]), uids(paths[2:]))


def test_routes_of_the_page_can_be_used() -> None:
    """Unchanged, with the selector that they name."""
    selector = '[selectors.thin_slices]\nattr = "SliceThickness"\nop = "<"\nrvalue = 1.5\n'
    known = Configuration.parse(block("toml") + selector, "page.toml")
    assert known.dynamic_routes["by_modality"].names == {"mrpacs", "archive", "mypacs"}


def test_unit_is_one_of_systemd(tmp_path: Path) -> None:
    """The unit verifies, and the command accepts its options."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")
    unit = block("ini")
    words = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    unit = unit.replace("/opt/dcm/bin/dcm", f"{sys.executable} -m dcm")
    (tmp_path / "dcm-forward.service").write_text(unit)
    done = subprocess.run(
        [program, "verify", tmp_path / "dcm-forward.service"],
        capture_output=True, check=False, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    options = words.partition("forward ")[2].split()
    (tmp_path / "dcm.toml").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "dcm", "forward", *options, "--status"],
        capture_output=True, check=False, text=True, timeout=60, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "unrecognized" not in done.stderr
