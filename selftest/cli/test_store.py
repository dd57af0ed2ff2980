"""`dcm store`: sends files and folders to a node, with an outcome for each."""

import json
import os
import socket
import threading
import time
from pathlib import Path

import pytest
from cli.conftest import Start
from net.files import data_sets, make
from net.peers import free_port, liar, storescp
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage
from support.archive import Archive
from support.scripted import Incoming, ScriptedServer, Talk

from dcm.cli import main
from dcm.cli.report import Reporter
from dcm.net import DcmNode
from dcm.outcome import InstanceResult, Outcome
from dcm.wire import AssociateRJ, CStoreRQ, CStoreRSP, build

US = ("--local", "127.0.0.1:US:0")
Shown = pytest.CaptureFixture[str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with three instances."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(3):
        make(folder, number)
    return folder


def test_a_folder_arrives(source: Path, tmp_path: Path, capsys: Shown) -> None:
    """Subfolders are included; other files are skipped with a note; the report has everything."""
    below = source / "below"
    below.mkdir()
    (below / "README").write_text("This is not DICOM.\n")
    (source / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (source / "00000.dcm").rename(below / "00000.dcm")
    report = tmp_path / "report.json"
    with storescp(tmp_path / "target") as node:
        assert main(["store", str(node), str(source), "--report", str(report)]) == 0
    shown = capsys.readouterr()
    assert shown.out == "1 passed over | 3 stored\n"
    assert "below/README: passed over: it is not a DICOM file" in shown.err
    assert data_sets(tmp_path / "target").keys() == {"1.2.3.0", "1.2.3.1", "1.2.3.2"}
    found = json.loads(report.read_text())
    assert found["counts"] == {"stored": 3, "passed over": 1}
    assert found["complete"] is True
    assert found["asked"] == {"remote": str(node), "paths": [str(source)]}


def test_an_ending_chooses(source: Path, storescp_node: DcmNode, capsys: Shown) -> None:
    """It applies in folders; a named file is sent whatever its name is."""
    other = make(source, 7).rename(source / "other")
    make(source, 8).rename(source / "further")
    make(source, 9).rename(source / "EXPORTED.DCM")  # in any case
    arguments = ["store", str(storescp_node), str(source), str(other), "--in-file-ext", "dcm"]
    assert main([*arguments, "-v"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "5 stored\n"
    assert "source/other: stored" in shown.err
    assert "source/EXPORTED.DCM: stored" in shown.err


class Grumbling(Archive):
    """Refuses every instance, with a comment in Latin-1."""

    def store(self, talk: Talk, heard: Incoming, request: CStoreRQ) -> None:
        """Respond with the failure and the comment."""
        comment = "Zugriff ungültig".encode("latin-1").decode("ascii", "surrogateescape")
        self.respond(
            talk,
            heard,
            CStoreRSP(
                message_id_being_responded_to=request.message_id,
                status=0xC001,
                error_comment=comment,
            ),
        )


def test_what_is_not_utf_8_changes_nothing_of_what_is_sent(
    source: Path, tmp_path: Path, capsys: Shown
) -> None:
    """A file name and a peer's comment in Latin-1: all files are sent, the report is complete."""
    named = source / os.fsdecode(b"M\xfcller.dcm")
    make(source, 8).rename(named)

    report = tmp_path / "report.json"
    with ScriptedServer(Grumbling()) as peer:
        node = f"127.0.0.1:PEER:{peer.endpoint.port}"
        assert main(["store", node, str(source), "--report", str(report)]) == 1
    assert capsys.readouterr().out == "4 failed\n"
    found = json.loads(report.read_text(encoding="utf-8"))
    assert found["counts"] == {"failed": 4}
    assert os.fsencode(named) in {os.fsencode(each["path"]) for each in found["instances"]}
    assert {each["words"] for each in found["instances"]} == {
        "cannot understand: Zugriff ung\ufffdltig"
    }


@pytest.mark.parametrize("broken", [b"", bytes(128) + b"DICM\x02\x00"])
def test_what_should_be_an_instance_is_missed(
    broken: bytes, source: Path, storescp_node: DcmNode, tmp_path: Path, capsys: Shown
) -> None:
    """An empty or broken file in a folder gives exit status 1, and the rest is sent."""
    (source / "broken.dcm").write_bytes(broken)
    report = tmp_path / "report.json"
    assert main(["store", str(storescp_node), str(source), "--report", str(report)]) == 1
    shown = capsys.readouterr()
    assert shown.out == "1 not tried | 3 stored\n"
    assert "broken.dcm: not tried: " in shown.err
    assert json.loads(report.read_text())["complete"] is False


def test_what_was_named_is_missed(
    source: Path, storescp_node: DcmNode, tmp_path: Path, capsys: Shown
) -> None:
    """A file that is not DICOM, and one that does not exist."""
    text = source / "text"
    text.write_text("This is not DICOM.\n")
    assert main(["store", str(storescp_node), str(text), str(tmp_path / "missing")]) == 1
    said = capsys.readouterr().err
    assert f"{text}: not tried: " in said
    assert f"{tmp_path}/missing: not tried: " in said
    assert "No such file or directory" in said


def test_there_is_nothing(storescp_node: DcmNode, tmp_path: Path, capsys: Shown) -> None:
    """An empty folder is probably a mistake."""
    (tmp_path / "empty").mkdir()
    assert main(["store", str(storescp_node), str(tmp_path / "empty")]) == 1
    assert "nothing to send in" in capsys.readouterr().err


def test_nobody_is_there(source: Path, capsys: Shown) -> None:
    """Nothing is sent, each file has the reason, and the exit status is 1."""
    assert main(["store", f"127.0.0.1:NOBODY:{free_port()}", str(source)]) == 1
    shown = capsys.readouterr()
    assert shown.out == "3 not tried\n"
    assert shown.err.count("Connection refused") == 3


def test_a_refusal_does_not_fill_the_screen(tmp_path: Path, capsys: Shown) -> None:
    """Twenty failures are shown, then the number of the others."""

    def refuse(taken: socket.socket) -> None:
        taken.recv(65536)
        taken.sendall(build(AssociateRJ(1, 1, 3)))
        taken.recv(1)

    source = tmp_path / "many"
    source.mkdir()
    one = make(source, 0)
    for number in range(1, 25):
        os.link(one, source / f"{number}.dcm")
    with liar(refuse) as node:
        assert main(["store", str(node), str(source)]) == 1
    shown = capsys.readouterr()
    assert shown.err.count("calling AE title not recognized") == 20
    assert shown.err.endswith("dcm store: and 5 more; use --report FILE to list all\n")


def test_what_is_there_is_not_sent(source: Path, dcmqrscp_node: DcmNode, capsys: Shown) -> None:
    """With --skip-existing; they count as done."""
    arguments = ["store", str(dcmqrscp_node), str(source)]
    assert main(arguments) == 0
    assert main([*arguments, "--skip-existing"]) == 0
    assert capsys.readouterr().out == "3 stored\n3 already there\n"


def test_a_node_answers_for_what_it_has(
    source: Path, start: Start, tmp_path: Path, capsys: Shown
) -> None:
    """With --commit; the report counts them."""
    process = start("listen", "-o", tmp_path / "target", "--local", "127.0.0.1:ME:0")
    assert process.stderr is not None
    node = process.stderr.readline().split()[-1]
    arguments = ["store", node, str(source), "--commit", *US]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "3 stored | 3 committed\n"


def test_a_node_that_does_not_answer_for_anything(
    source: Path, storescp_node: DcmNode, capsys: Shown
) -> None:
    """The report has what was stored, and why commitment failed."""
    assert main(["store", str(storescp_node), str(source), "--commit", *US]) == 1
    shown = capsys.readouterr()
    assert shown.out == "3 stored\n"
    assert "no presentation context was accepted" in shown.err


def test_what_a_node_does_not_answer_for_is_missed(caplog: pytest.LogCaptureFixture) -> None:
    """It is a failure, although the instance was stored."""
    with Reporter("store", {}) as report:
        report.tell(InstanceResult("a.dcm", "1.2", Outcome.NOT_COMMITTED, "no such object"))
    assert (report.complete, str(report)) == (False, "1 not committed")
    assert "a.dcm: not committed: no such object" in caplog.text


def test_what_is_not_taken_as_it_is(tmp_path: Path, storescp_node: DcmNode, capsys: Shown) -> None:
    """The instance is converted, with a note; if conversion is disabled, it fails."""
    path = make(tmp_path, 1, DeflatedExplicitVRLittleEndian)
    assert main(["store", str(storescp_node), str(path), "-v"]) == 0
    assert "converted from" in capsys.readouterr().err
    assert main(["store", str(storescp_node), str(path), "--no-convert"]) == 1
    assert "no presentation context was accepted" in capsys.readouterr().err


def _peak(tmp_path: Path, *options: str) -> int:
    """Send twenty instances to a slow peer; return the peak number of associations."""
    source = tmp_path / "twenty"
    source.mkdir(exist_ok=True)
    for number in range(20):
        make(source, number)
    counts = [0]
    lock = threading.Lock()

    def count(by: int) -> None:
        with lock:
            counts.append(counts[-1] + by)

    def store(_event: evt.Event) -> int:
        time.sleep(0.02)
        return 0

    peer = AE("SLOW")
    peer.add_supported_context(CTImageStorage)
    handlers = [
        (evt.EVT_C_STORE, store),
        (evt.EVT_ACCEPTED, lambda _event: count(1)),
        (evt.EVT_RELEASED, lambda _event: count(-1)),
    ]
    running = peer.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        node = f"127.0.0.1:SLOW:{running.server_address[1]}"
        assert main(["store", node, str(source), *options]) == 0
    finally:
        running.shutdown()
    return max(counts)


def test_option_limits_associations(tmp_path: Path) -> None:
    """Without it, several associations are used."""
    assert _peak(tmp_path, "--max-associations", "1") == 1
    assert _peak(tmp_path) > 1


@pytest.mark.parametrize("number", ["0", "101", "x"])
def test_number_of_associations_has_bounds(number: str, capsys: Shown) -> None:
    """Others are usage errors."""
    with pytest.raises(SystemExit):
        main(["echo", "127.0.0.1:NOBODY:1", "--max-associations", number])
    assert f"{number!r} is not a number from 1 to 100" in capsys.readouterr().err
