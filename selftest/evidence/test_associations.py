"""Associations of real clients with a real Orthanc, as shown for a failed case."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import requests
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE, build_role
from pynetdicom.sop_class import (
    MRImageStorage,
    SecondaryCaptureImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
)

from dcm import wire
from harness.clients.checkpoint import ReactorCheckpoint
from harness.evidence.exchange import write_exchange
from harness.evidence.redact import Redactor
from harness.model import Endpoint

FIND = StudyRootQueryRetrieveInformationModelFind
Record = Callable[[], str]


def tool(name: str, *argv: str) -> int:
    """Run a program of dcmtk."""
    program = shutil.which(name, path="/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip(f"{name} of dcmtk is not installed")
    return subprocess.run([program, *argv], capture_output=True, timeout=20, check=False).returncode


@pytest.fixture
def record(stand, tmp_path: Path) -> Record:  # noqa: ANN001
    """Begin a case; return a function that ends it and returns its `exchange.txt`."""
    tape = stand.loop.start_tape("EV-003")

    def write() -> str:
        folder = tmp_path / "evidence"
        folder.mkdir()
        write_exchange(tape, folder, Redactor(["hidden"]))
        return (folder / "exchange.txt").read_text()

    return write


@pytest.fixture
def peer(stand) -> tuple[str, str]:  # noqa: ANN001
    """Host and port of the relay, as arguments for dcmtk's programs."""
    return stand.dicom.endpoint.host, str(stand.dicom.endpoint.port)


def steps(text: str) -> list[str]:
    """Return the DICOM lines of the timeline without the times."""
    said = (line.partition("remote.dicom ")[2] for line in text.partition("\n====")[0].splitlines())
    return [each for each in said if each.startswith(("->", "<-"))]


def assert_follow(parts: list[str], text: str) -> None:
    """Check that all parts are in the text, in this order."""
    at = 0
    for part in parts:
        assert part in text[at:], f"{part!r} is not in, or not in its place:\n{text}"
        at = text.index(part, at) + len(part)


def test_findscu_and_storescu(stand, record, peer, image: bytes, tmp_path: Path) -> None:  # noqa: ANN001
    """One line for each message; below, the negotiation, the command sets and the identifiers."""
    file = tmp_path / "a.dcm"
    file.write_bytes(image)
    assert tool("storescu", "-R", "-aec", "ORTHANC", *peer, str(file)) == 0
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=Evi*", "-k", "PatientID=hidden*"]
    assert tool("findscu", "-S", "-aec", "ORTHANC", *keys[:4], *peer) == 0
    assert tool("findscu", "-S", "-aec", "ORTHANC", *keys, *peer) == 0

    text = record()
    size = len(image) - image.index(b"\x08\x00\x16\x00UI")
    assert [line.partition(" at byte ")[0] for line in steps(text)[:12]] == [
        "-> A-ASSOCIATE-RQ (STORESCU calls ORTHANC), 2 contexts proposed",
        "<- A-ASSOCIATE-AC (STORESCU calls ORTHANC), 2 of 2 contexts accepted",
        (
            f"-> C-STORE-RQ #1 Secondary Capture Image Storage 2.25.77, context 1,"
            f" data set of {size} bytes"
        ),
        "<- C-STORE-RSP #1 0000H success, context 1",
        "-> A-RELEASE-RQ",
        "<- A-RELEASE-RP",
        "-> A-ASSOCIATE-RQ (FINDSCU calls ORTHANC), 1 context proposed",
        "<- A-ASSOCIATE-AC (FINDSCU calls ORTHANC), 1 of 1 context accepted",
        "-> C-FIND-RQ #1 Study Root FIND, context 1, data set of 26 bytes",
        steps(text)[9],
        "<- C-FIND-RSP #1 0000H success, context 1",
        "-> A-RELEASE-RQ",
    ]
    assert steps(text)[9].startswith("<- C-FIND-RSP #1 FF00H pending: a match, more to come;")
    assert_follow(
        [
            "dicom-1-to-server.bin has all ",
            "context 1: 1.2.840.10008.5.1.4.1.1.7 (Secondary Capture Image Storage), proposed with",
            "1.2.840.10008.1.2.1 (Explicit VR Little Endian)",
            "maximum length 16384",
            "implementation version name OFFIS_DCMTK_",
            "context 1: 1.2.840.10008.5.1.4.1.1.7 (Secondary Capture Image Storage): result 0, accepted",
            "(0000,0100) US CommandField = 0001H C-STORE-RQ",
            "(0000,1000) UI AffectedSOPInstanceUID = 2.25.77",
            "data set in 1.2.840.10008.1.2.1 (Explicit VR Little Endian)",
            "(0010,0010) PN PatientName = Evidence^Eva",
            "(0000,0900) US Status = 0000H success",
            "(0000,0100) US CommandField = 0020H C-FIND-RQ",
            "(0008,0052) CS QueryRetrieveLevel = STUDY",
            "(0010,0010) PN PatientName = Evi*",
            "(0000,0100) US CommandField = 8020H C-FIND-RSP",
            "(0010,0010) PN PatientName = Evidence^Eva",
            "(0010,0020) LO PatientID = [redacted]*",
        ],
        text,
    )


def test_movescu(stand, record, peer, image: bytes, tmp_path: Path) -> None:  # noqa: ANN001
    """The move and, on a separate connection, what the server sends for it."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    local = stand.loop.open("local.dicom", target=Endpoint("127.0.0.1", port), protocol="dicom")
    with requests.Session() as session:
        session.auth = stand.auth
        modality = ["WITNESS", local.endpoint.host, local.endpoint.port]
        for answer in (
            session.put(f"{stand.url}/modalities/witness", json=modality, timeout=10),
            session.put(f"{stand.url}/modalities/mover", json=["MOVER", "127.0.0.1", 1], timeout=9),
            session.post(f"{stand.url}/instances", data=image, timeout=10),
        ):
            assert answer.ok
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.79"]
    options = ["-S", "-aet", "MOVER", "-aec", "ORTHANC", "+P", str(port), "-od", str(tmp_path)]
    assert tool("movescu", *options, "-aem", "WITNESS", *keys, *peer) == 0
    tool("movescu", *options, "-aem", "NOBODY", *keys, *peer)

    text = record()
    timeline = text.partition("\n====")[0]
    assert_follow(
        [
            "-> C-MOVE-RQ #1 Study Root MOVE to WITNESS, context 3",
            "local.dicom  -> A-ASSOCIATE-RQ (ORTHANC calls WITNESS)",
            "-> C-STORE-RQ #",
            "<- C-STORE-RSP #",
            "<- C-MOVE-RSP #1 0000H success, 1 completed, 0 failed, 0 warning, context 3",
            "-> C-MOVE-RQ #1 Study Root MOVE to NOBODY, context 3",
            "<- C-MOVE-RSP #1 C000H failure: unable to process",
        ],
        timeline,
    )
    assert "(0020,000D) UI StudyInstanceUID = 2.25.79" in text
    assert "(0000,1030) AE MoveOriginatorApplicationEntityTitle = MOVER" in text


def test_pynetdicom(stand, record, image: bytes) -> None:  # noqa: ANN001
    """Roles, refused contexts and compressed lengths, from a client other than dcmtk."""
    ae = AE("WITNESS")
    ae.add_requested_context(FIND, ImplicitVRLittleEndian)
    ae.add_requested_context(SecondaryCaptureImageStorage)
    ae.add_requested_context("1.2.3.4")
    endpoint = stand.dicom.endpoint
    association = ae.associate(
        endpoint.host,
        endpoint.port,
        ae_title="ORTHANC",
        ext_neg=[build_role(MRImageStorage, scu_role=True, scp_role=True)],
        max_pdu=4096,
    )
    association._reactor_checkpoint = ReactorCheckpoint()  # type: ignore[assignment]
    made = dcmread(BytesIO(image))
    made.add_new(0x7FE00010, "OW", bytes(20000))
    made.Rows = 100
    assert association.send_c_store(made).Status == 0
    query = Dataset()
    query.SpecificCharacterSet = "ISO_IR 192"
    query.QueryRetrieveLevel, query.PatientName = "STUDY", "Zoë^Ünal\N{SNOWMAN}"
    list(association.send_c_find(query, FIND))
    association.release()

    text = record()
    assert_follow(
        [
            "-> A-ASSOCIATE-RQ (WITNESS calls ORTHANC), 3 contexts proposed",
            "<- A-ASSOCIATE-AC (WITNESS calls ORTHANC), 2 of 3 contexts accepted",
            "-> C-STORE-RQ #1 Secondary Capture Image Storage 2.25.77, context 3, data set of ",
            " fragments",
            "<- C-STORE-RSP #1 0000H success, context 3",
            "-> C-FIND-RQ #1 Study Root FIND, context 1",
            "<- C-FIND-RSP #1 0000H success, context 1",
            "maximum length 4096",
            f"requestor's role for {MRImageStorage} (MR Image Storage): SCU and SCP",
            "context 5: 1.2.3.4: result 3, abstract syntax not supported",
            "(7FE0,0010) OW PixelData = (20000 bytes)",
            "(0010,0010) PN PatientName = Zoë^Ünal☃",
        ],
        text,
    )


def test_rejection_is_told_in_words(stand, record, peer) -> None:  # noqa: ANN001
    """Result, source and reason."""
    assert tool("echoscu", "-aec", "SOMEONE", *peer) != 0
    assert steps(record()) == [
        "-> A-ASSOCIATE-RQ (ECHOSCU calls SOMEONE), 1 context proposed",
        "<- A-ASSOCIATE-RJ rejected permanently by the service user: called AE title not recognized",
    ]


def open_association(stand) -> socket.socket:  # noqa: ANN001
    """Open an association for C-FIND with our own wire layer."""
    request = wire.AssociateRQ(
        called_ae_title="ORTHANC",
        calling_ae_title="RAW",
        presentation_contexts=(wire.PresentationContextRQ(1, FIND, (ImplicitVRLittleEndian,)),),
        user_information=(wire.MaximumLength(16384), wire.ImplementationClassUID("1.2.3")),
    )
    endpoint = stand.dicom.endpoint
    connection = socket.create_connection((endpoint.host, endpoint.port), 10)
    connection.sendall(wire.build(request))
    head = connection.recv(6, socket.MSG_WAITALL)
    assert head[0] == wire.AssociateAC.TYPE
    connection.recv(int.from_bytes(head[2:], "big"), socket.MSG_WAITALL)
    return connection


COMMAND = wire.build_message(wire.CFindRQ(message_id=7, affected_sop_class_uid=FIND))
LEVEL = b"\x08\x00\x52\x00\x06\x00\x00\x00STUDY "
NAME = b"\x10\x00\x10\x00\x08\x00\x00\x00Evidence"


def drain(connection: socket.socket) -> None:
    """Wait until the server has closed its end, too."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(4096):
            pass


def test_abort_in_mid_message(stand, record) -> None:  # noqa: ANN001
    """The received part of the message is shown, and marked as incomplete."""
    with open_association(stand) as connection:
        connection.sendall(wire.build(wire.PDataTF((wire.PDV(1, True, True, COMMAND),))))
        connection.sendall(
            wire.build(wire.PDataTF((wire.PDV(1, False, False, LEVEL + NAME[:10]),)))
        )
        connection.sendall(wire.build(wire.Abort(2, 1)))
        drain(connection)
    text = record()
    (message,) = [line for line in steps(text) if "C-FIND-RQ" in line]
    assert message.startswith(
        "-> C-FIND-RQ #7 Study Root FIND, context 1, data set of 24 bytes, at byte"
    )
    assert message.endswith(": its data set does not end")
    assert steps(text)[3] == "-> A-ABORT aborted by the service provider: unrecognized PDU"
    assert "(0008,0052) CS QueryRetrieveLevel = STUDY" in text
    assert "(0010,0010) PN PatientName = (8 bytes, of which 2 are there)" in text


def test_connection_cut_in_mid_pdu(stand, record) -> None:  # noqa: ANN001
    """The received bytes of the PDU are decoded, and the missing ones are counted."""
    pdus = wire.build(wire.PDataTF((wire.PDV(1, True, True, COMMAND),)))
    pdus += wire.build(wire.PDataTF((wire.PDV(1, False, True, LEVEL + NAME),)))
    with open_association(stand) as connection:
        connection.sendall(pdus[:-5])
        connection.shutdown(socket.SHUT_WR)
        drain(connection)
    text = record()
    assert_follow(
        [
            "-> C-FIND-RQ #7 Study Root FIND, context 1, data set of 25 bytes, at byte ",
            ": its data set does not end",
            "-> P-DATA-TF, 36 bytes at byte ",
            ": at byte 0 of its body: a PDV announces 32 bytes, 27 are there, 5 bytes are missing",
            "(0008,0052) CS QueryRetrieveLevel = STUDY",
            "(0010,0010) PN PatientName = (8 bytes, of which 3 are there)",
        ],
        text,
    )


def test_garbage(stand, record) -> None:  # noqa: ANN001
    """Bytes that are not DICOM are shown as they are, and the server's answer is decoded."""
    endpoint = stand.dicom.endpoint
    with socket.create_connection((endpoint.host, endpoint.port), 10) as connection:
        connection.sendall(b"GET /hidden HTTP/1.0\r\n\r\n")
        drain(connection)
    text = record()
    assert steps(text)[0] == "-> no PDU (type 0x47), 24 bytes at byte 0"
    assert "000000  47 45 54 20 2f 2a 2a 2a 2a 2a 2a 20 48 54 54 50  GET /****** HTTP" in text
