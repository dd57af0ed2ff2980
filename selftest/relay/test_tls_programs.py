"""Real programs use TLS through a relay: dcmtk's, and HTTPS with requests."""

import http.server
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests
from net.peers import storescp
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from relay.encrypted import HOST, Parties

from harness.certificates import server_context
from harness.evidence.exchange import write_exchange
from harness.evidence.redact import Redactor
from harness.model import Endpoint
from harness.programs import find_tool
from harness.relay import (
    DicomLie,
    Direction,
    Disturbance,
    HttpLie,
    Relay,
    RelayLoop,
    Tape,
    change_status,
)
from harness.waiting import wait_until


@dataclass(frozen=True)
class Files:
    """All certificates as files for programs."""

    parties: Parties
    folder: Path

    def options(self, shown: str) -> list[str]:
        """Return the options for a dcmtk program: its certificate, and whom to trust."""
        files = self.parties[shown].write(self.folder, shown)
        return ["+tls", str(files.key), str(files.certificate), "+cf", str(self.authority)]

    @property
    def authority(self) -> Path:
        """The authority that everyone trusts."""
        path = self.folder / "authority.pem"
        path.write_bytes(self.parties.authority.certificate)
        return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Write the files for the programs of this module."""
    return Files(Parties(), tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def archive(
    files: Files, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Endpoint, Path]]:
    """Run dcmtk's storescp, which requires client certificates."""
    folder = tmp_path_factory.mktemp("archive")
    with storescp(folder, *files.options("server")) as node:
        yield Endpoint(node.host, node.port), folder


def run(
    tool: str, relay: Relay, *options: str, file: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a dcmtk program that connects to a relay, and optionally sends a file."""
    program = find_tool(tool)
    if program is None:
        pytest.skip(f"{tool} of dcmtk is not installed")
    peer = [relay.endpoint.host, str(relay.endpoint.port)]
    command = [str(program), "-v", *options, *peer, *([] if file is None else [str(file)])]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def ended(tape: Tape) -> str:
    """Wait for the end of the last connection, and return how it ended."""
    wait_until(lambda: tape.tracks and tape.tracks[-1].closed, what="the end of the connection")
    return tape.tracks[-1].ended


def test_dcmtk_verifies(files: Files, archive: tuple[Endpoint, Path], loop: RelayLoop) -> None:
    """An association over TLS is recorded in plain, from the request to the release."""
    relay = files.parties.relay(loop, archive[0], "dicom")
    tape = loop.start_tape("T-001")
    done = run("echoscu", relay, *files.options("client"))
    assert done.returncode == 0, done.stderr
    # After a release it is chance who closes first, and whether the other has unread bytes.
    assert ended(tape) in ("closed by the client", "closed by the server", "reset by the server")
    sent = tape.content(tape.tracks[0], Direction.TO_SERVER)
    answered = tape.content(tape.tracks[0], Direction.TO_CLIENT)
    assert (sent[0], answered[0]) == (1, 2), "A-ASSOCIATE-RQ and -AC"
    assert (sent[-10], answered[-10]) == (5, 6), "A-RELEASE-RQ and -RP"


def test_dcmtk_stores(
    files: Files, archive: tuple[Endpoint, Path], loop: RelayLoop, tmp_path: Path
) -> None:
    """An object of 8 MB arrives as it was sent."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, "2.25.1"
    made.PatientID, made.StudyInstanceUID, made.SeriesInstanceUID = "TLS", "2.25.2", "2.25.3"
    made.Rows = made.Columns = 2048
    made.BitsAllocated, made.SamplesPerPixel = 16, 1
    made.PixelData = bytes(range(256)) * (2048 * 2048 * 2 // 256)
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)

    relay = files.parties.relay(loop, archive[0], "dicom")
    tape = loop.start_tape("T-001")
    done = run("storescu", relay, *files.options("client"), file=tmp_path / "a.dcm")
    assert done.returncode == 0, done.stderr
    (stored,) = (path for path in archive[1].iterdir() if "2.25.1" in path.name)
    assert made.PixelData in stored.read_bytes()
    assert made.PixelData[:1000] in tape.content(tape.tracks[0], Direction.TO_SERVER)


@pytest.mark.parametrize("shown", [None, "expired", "foreign"])
def test_dcmtk_is_rejected(
    shown: str | None, files: Files, archive: tuple[Endpoint, Path], loop: RelayLoop
) -> None:
    """A program whose certificate the server rejects fails, and the tape has the reason."""
    relay = files.parties.relay(loop, archive[0], "dicom")
    tape = loop.start_tape("T-001")
    options = ["+tla", "+cf", str(files.authority)] if shown is None else files.options(shown)
    done = run("echoscu", relay, *options)
    assert done.returncode != 0
    assert ended(tape).startswith("TLS with the server failed: ")
    assert ended(tape).endswith("(its alert)")
    assert tape.content(tape.tracks[0], Direction.TO_CLIENT) == b""


def test_plain_client_is_rejected(
    files: Files, archive: tuple[Endpoint, Path], loop: RelayLoop
) -> None:
    """An echoscu without TLS gets no association."""
    relay = files.parties.relay(loop, archive[0], "dicom")
    tape = loop.start_tape("T-001")
    assert run("echoscu", relay, "-to", "5").returncode != 0
    assert ended(tape) == "TLS with the client failed: it does not speak TLS"


def test_lie_is_told_to_dcmtk(
    files: Files, archive: tuple[Endpoint, Path], loop: RelayLoop
) -> None:
    """A status is changed inside TLS."""
    relay = files.parties.relay(loop, archive[0], "dicom")
    relay.lie = DicomLie(change_status(0x0000, 0x0122))
    done = run("echoscu", relay, *files.options("client"), "-d")
    assert "Status: 0x122" in done.stdout + done.stderr


def test_cut_is_felt_by_dcmtk(
    files: Files, archive: tuple[Endpoint, Path], loop: RelayLoop
) -> None:
    """A connection that is cut inside the answer fails the program."""
    relay = files.parties.relay(loop, archive[0], "dicom")
    relay.disturb = Disturbance(cut_after=20)
    tape = loop.start_tape("T-001")
    assert run("echoscu", relay, *files.options("client")).returncode != 0
    assert ended(tape) == "cut on purpose after 20 bytes of the server's"


def test_evidence_tells_what_was_agreed(
    files: Files, archive: tuple[Endpoint, Path], loop: RelayLoop, tmp_path: Path
) -> None:
    """exchange.txt decodes the association, with one line about TLS."""
    relay = files.parties.relay(loop, archive[0], "dicom")
    tape = loop.start_tape("T-001")
    assert run("echoscu", relay, *files.options("client")).returncode == 0
    assert run("echoscu", relay, "+tla", "+cf", str(files.authority)).returncode != 0
    assert ended(tape)
    write_exchange(tape, tmp_path, Redactor([]))
    lines = (tmp_path / "exchange.txt").read_text().partition("====")[0].splitlines()
    said = [line for line in lines if " TLSv1." in line]
    assert ["(certificate of 'client')" in line for line in said] == [True, False]
    assert said[0].endswith(" with the server")
    assert any("C-ECHO-RQ" in line for line in lines)
    assert any("TLS with the server failed: " in line for line in lines)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the number of bytes that it received."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = b"%d bytes" % len(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(2**24))
        self.end_headers()
        self.wfile.write(bytes(2**24))

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def https(files: Files) -> Iterator[Endpoint]:
    """Run an HTTPS server that requires client certificates."""
    context = server_context(files.parties["server"], clients=files.parties.authority.certificate)

    class Server(http.server.ThreadingHTTPServer):
        def finish_request(self, request, client_address) -> None:  # noqa: ANN001
            with context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)

        def handle_error(self, *_: object) -> None:
            """Log nothing."""

    with Server((HOST, 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield Endpoint(HOST, server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture
def session(files: Files) -> Iterator[requests.Session]:
    """A client with a certificate."""
    shown = files.parties["client"].write(files.folder, "client")
    with requests.Session() as client:
        client.trust_env = False  # or REQUESTS_CA_BUNDLE would take precedence
        client.verify = str(files.authority)
        client.cert = (str(shown.certificate), str(shown.key))
        yield client


def test_https_is_read_lied_about_and_kept_alive(
    files: Files, https: Endpoint, loop: RelayLoop, session: requests.Session
) -> None:
    """Requests over one connection are recorded in plain; a lie changes one of them."""
    relay = files.parties.relay(loop, https)
    relay.lie = HttpLie(
        lambda request: request.target == "/lie", lambda answer: replace(answer, body=b"lied")
    )
    tape = loop.start_tape("T-001")
    url = f"https://{relay.endpoint}"
    assert session.post(f"{url}/lie", data=b"x", timeout=10).content == b"lied"
    assert session.post(url, data=bytes(2**24), timeout=10).content == b"%d bytes" % 2**24
    assert session.get(url, timeout=10).content == bytes(2**24)
    assert len(tape.tracks) == 1
    sent = tape.content(tape.tracks[0], Direction.TO_SERVER)
    assert sent.startswith(b"POST /lie HTTP/1.1\r\n")
    assert sent.count(b" HTTP/1.1\r\n") == 3


def test_https_without_a_certificate_fails(files: Files, https: Endpoint, loop: RelayLoop) -> None:
    """A client without a certificate sees its connection end, and no answer."""
    relay = files.parties.relay(loop, https)
    tape = loop.start_tape("T-001")
    with pytest.raises(requests.ConnectionError):
        requests.get(f"https://{relay.endpoint}", verify=str(files.authority), timeout=10)
    assert ended(tape) == "TLS with the server failed: certificate required (its alert)"


def test_stalled_https_answer(
    files: Files, https: Endpoint, loop: RelayLoop, session: requests.Session
) -> None:
    """A client's time limit ends a stalled request, which is pending."""
    relay = files.parties.relay(loop, https)
    relay.disturb = Disturbance(stall_after=0)
    with pytest.raises(requests.Timeout):
        session.get(f"https://{relay.endpoint}/slow", timeout=0.3)
