"""Archives and web services as destinations."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from net.files import data_sets, make
from net.peers import answers, free_port
from route.peer import ROOT, Forwarding, send
from route.test_forward import uids, wait_until_empty

from dcm.cli import main
from dcm.net import DcmNode
from dcm.route.queue import Queue, queue_path
from harness.waiting import wait_until


@pytest.fixture
def source(tmp_path: Path) -> list[Path]:
    """Six objects of a series."""
    folder = tmp_path / "source"
    folder.mkdir()
    return [make(folder, number, size=2000, study="1.2.88.1") for number in range(6)]


def test_archive_is_asked_for_what_may_be_there(
    source: list[Path], tmp_path: Path, orthanc_node: DcmNode
) -> None:
    """Objects sent before a kill are sent again only if the archive does not list them."""
    address, report = str(orthanc_node), tmp_path / "report.json"
    forwarding = Forwarding(
        tmp_path / "spool", tmp_path / "log", f"127.0.0.1:ORTHANC:{free_port()}"
    )
    with forwarding:
        send(forwarding.port, source)
        forwarding.kill()
    with Queue(queue_path(str(tmp_path / "spool"))) as queue:  # as if these were for Orthanc
        queue._db.execute("UPDATE deliveries SET destination = ?", (address,))
        queue.handed_over(address, [1, 2])
    assert main(["store", address, str(source[0]), "--quiet"]) == 0

    again = Forwarding(
        tmp_path / "spool", tmp_path / "log", address, "--report", report, port=forwarding.port
    )
    with again:
        wait_until_empty(again)
        assert again.end() == 0
    entries = {
        each["sop_instance_uid"]: each for each in json.loads(report.read_text())["instances"]
    }
    outcomes = [entries[uid]["outcome"] for uid in uids(source)]
    assert outcomes == ["already there", "stored, with a warning", *["stored"] * 4]
    assert "may be there twice" in entries[uids(source)[1]]["words"]


def test_web_service_as_a_destination(source: list[Path], tmp_path: Path) -> None:
    """It gets objects received by C-STORE, also those that waited while it was down."""
    port, folder = free_port(), tmp_path / "served"
    folder.mkdir()
    url = f"http://127.0.0.1:{port}/dicom-web"
    command = [
        *(sys.executable, "-m", "dcm", "serve", str(folder), "--writable", "--no-dicom", "--quiet"),
        *("--port", str(port)),
    ]
    with Forwarding(tmp_path / "spool", tmp_path / "log", url) as forwarding:
        assert set(send(forwarding.port, source).values()) == {0}
        wait_until(lambda: forwarding.status()[url]["trouble"], what="it is tried", within=30)
        with subprocess.Popen(command, env={"PYTHONPATH": str(ROOT)}) as process:
            try:
                wait_until(lambda: answers(port), what="dcm serve listens", within=60)
                wait_until_empty(forwarding)
                assert forwarding.end() == 0
            finally:
                process.terminate()
                process.wait(30)
    assert not [*(tmp_path / "spool").rglob("dead/*/*.dcm")]
    assert "twice" not in forwarding.log.read_text()
    kept = tmp_path / "kept"
    kept.mkdir()
    for path in folder.rglob("*.dcm"):
        path.rename(kept / path.name)
    assert data_sets(kept) == data_sets(tmp_path / "source")
