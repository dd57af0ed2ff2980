"""The exchanges of a run's cases become conversations, byte for byte except for titles."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.fuzz import dicom, objects, web
from harness.fuzz.conversation import Conversation
from harness.fuzz.parts import Part
from harness.fuzz.playing import AUTHORIZATION, CALLED, Filled
from harness.fuzz.recorded import pdu, request

FILLED = Filled(b"ARCHIVE".ljust(16), b"Authorization: Basic YTpi\r\n")


@pytest.mark.parametrize(
    "message",
    [
        dicom.associate([dicom.ECHO_CONTEXT], *dicom.NEGOTIATIONS),
        dicom.ECHO,
        dicom.RELEASE,
        dicom.ABORT,
        dicom.query(objects.TOKENS[0]),
    ],
    ids=lambda each: each.name,
)
def test_pdu_becomes_a_tree(message: Part) -> None:
    """A recorded PDU renders the same bytes, and has several parts."""
    said = FILLED.into(message.render())
    found = pdu(said)

    assert FILLED.into(found.render()) == said
    assert sum(1 for _ in found.walk()) > 1


def test_nonsense_is_kept_as_it_is() -> None:
    """A PDU with false lengths is a leaf, and so loses nothing."""
    said = dicom.ECHO.having("command", lie=7).render()

    assert pdu(said).render() == said


def test_request_keeps_no_credentials() -> None:
    """A request and its file become a tree without the user's name and password."""
    file = objects.part10(objects.tiny())
    said = FILLED.into(web.request("POST", b"/instances?a=b", (b"X-A", b"c"), body=file).render())
    found = request(said)

    assert AUTHORIZATION in found.render()
    assert b"YTpi" not in found.render()
    assert FILLED.into(found.render()) == said
    assert any(part.name == "PixelData" for _, part in found.walk())


def test_run_keeps_conversations(tmp_path: Path) -> None:
    """`--keep-conversations` writes what each case sends; the server's titles are left open."""
    kept = tmp_path / "said"
    command = [
        sys.executable,
        "-m",
        "harness",
        "run",
        "ASSOC-052",
        "CECHO-003",
        "--remote",
        "qrscp",
    ]
    options = ["--orthanc", "none", "-n", "0", "--keep-conversations", str(kept)]
    subprocess.run([*command, *options], cwd=tmp_path, timeout=200, check=True, capture_output=True)

    found = [Conversation.loads(each.read_text()) for each in kept.glob("*.json")]
    assert len(found) >= 2
    for each in found:
        assert each.steps[0].message.name == "A-ASSOCIATE-RQ"
        assert CALLED in each.steps[0].message.render()
