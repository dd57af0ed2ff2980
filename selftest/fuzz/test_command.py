"""`harness fuzz` as a command: what it saves, how it continues, and that its cases can fail."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.fuzz import dicom
from harness.fuzz.conversation import Conversation, Step
from harness.fuzz.findings import Finding, Server, load, save
from harness.fuzz.judges import Breach
from harness.fuzz.subject import Evidence

FLAWED = Path(__file__).with_name("flawed.py")
ROOT = FLAWED.parents[2]


def harness(*words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the harness."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, words)],
        cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def fuzz(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Fuzz the flawed server for a few seconds."""
    options = ("--for", "6s", "--workers", "1", "--limit", "0.7", "-o", "kept")
    return harness("fuzz", FLAWED, *options, *words, folder=folder)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run it once for all tests. With this seed the first inputs show a leak, which is quick."""
    folder = tmp_path_factory.mktemp("fuzz")
    return folder, fuzz(folder, "--seed", "1")


def test_each_finding_has_its_folder(
    ran: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """The input, the log, a case and two texts are saved; the tracker text has no secrets."""
    folder, done = ran
    found = sorted((folder / "kept/findings").iterdir())

    assert done.returncode == 1, done.stdout + done.stderr
    for each in found:
        names = {"conversation.json", "details.txt", "finding.json", "messages", "server.log"}
        assert names | {"test_finding.py", "tracker.txt"} <= {path.name for path in each.iterdir()}
        tracker = (each / "tracker.txt").read_text()
        finding = load(each)
        assert "flawed 1: " in tracker
        assert not re.search(r"A-ASSOCIATE|/dicom-web|\\x|127\.0\.0\.1|seed|bytes", tracker)
        assert not finding.breach.where or finding.breach.where not in tracker
    page = (folder / "kept/index.html").read_text()
    assert f"{len(found)} findings" in page
    assert "A-ASSOCIATE-RQ" in page


def test_run_goes_on_where_it_ended(
    ran: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    """A second run with the same seed begins with the next input; another seed is refused."""
    folder, _ = ran
    before = [json.loads(each.read_text()) for each in (folder / "kept").glob("state-*.json")]
    assert fuzz(folder, "--seed", "1").returncode == 1
    after = [json.loads(each.read_text()) for each in (folder / "kept").glob("state-*.json")]

    assert len(after) == len(before) + 1
    most = max(each["coverage"]["next"] for each in before)
    assert max(each["coverage"]["next"] for each in after) > most
    refused = fuzz(folder, "--seed", "2")
    assert refused.returncode == 2
    assert "another server or seed" in refused.stderr


def test_finding_is_played_again_and_fails_as_a_case(tmp_path: Path) -> None:
    """`--replay` repeats a finding, and its case fails."""
    unknown = dicom.ECHO.having("CommandField", content=b"\x99\x99")
    asked = dicom.associate([dicom.ECHO_CONTEXT])
    said = Conversation((Step(0, "dicom", asked), Step(0, "dicom", unknown)), ("by hand",))
    breach = Breach(
        "protocol", "a message was received on a presentation context that was not proposed"
    )
    folder = tmp_path / "finding"
    folder.mkdir()
    save(folder, Finding(breach, said, Server("flawed", "1", str(FLAWED)), 0, 0), Evidence())

    done = harness("fuzz", FLAWED, "--replay", folder, "--limit", "0.7", folder=tmp_path)
    assert done.returncode == 1
    assert f"{breach.kind}: {breach.what}" in done.stdout
    case = harness("run", folder / "test_finding.py", "--remote", FLAWED, folder=tmp_path)
    assert "FAILED FUZZ-001" in case.stdout, case.stdout


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("ROBU-001-sub-item-beyond-its-item", "died of SIGABRT"),
        pytest.param(
            "ROBU-003-second-request",
            "another client is not served on the dicom interface",
            marks=pytest.mark.slow,  # it waits until it is sure
        ),
        (
            "ROBU-003-unknown-command",
            "a message was received on a presentation context that was not proposed",
        ),
        ("ROBU-002-aborted", "< 6291456"),
    ],
)
def test_cases_of_robustness_can_fail(case: str, why: str, tmp_path: Path) -> None:
    """Each kind of check in the cases fails on the server with the corresponding defect."""
    done = harness("run", case, "--remote", FLAWED, "-n", "0", folder=tmp_path)

    assert f"FAILED {case.rpartition('-')[0][:8]}" in done.stdout, done.stdout
    assert why in done.stdout, done.stdout
