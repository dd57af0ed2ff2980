"""Real associations, recorded by a relay."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pynetdicom import AE, evt
from pynetdicom.ae import ApplicationEntity

from dcm.wire import (
    Command,
    DataFragments,
    Limits,
    build,
    build_message,
    parse_body,
    parse_message,
    raw,
    split_pdvs,
)
from dcm.wire.codec import HEADER
from dcm.wire.message_reader import MessageReader
from dcm.wire.pdu import AssociateRQ, PDataTF
from harness.model import Endpoint
from harness.relay import Direction, RelayLoop, Tape, Track
from harness.servers.process import free_port
from harness.waiting import wait_until

LIMIT = 20.0
AE_TITLE = "SERVER"


@dataclass(frozen=True)
class Passed:
    """A recorded PDU: its direction, type and body."""

    direction: Direction
    kind: int
    body: bytes

    @property
    def whole(self) -> bytes:
        """All its bytes, as recorded."""
        return raw.pdu(self.kind, self.body)

    @property
    def tidy(self) -> bytes:
        """All its bytes, with reserved fields as they should be sent.

        dcmtk puts FFH into the result field of a proposed context (dcmtk 3.6.7).
        """
        if self.kind != AssociateRQ.TYPE:
            return self.whole
        proposed = re.compile(rb"(\x20\x00..[\x01-\xff]\x00)\xff(?=\x00\x30\x00)", re.DOTALL)
        return proposed.sub(lambda found: found[1] + b"\0", self.whole)


def passed(tape: Tape, track: Track) -> Iterator[Passed]:
    """Return the PDUs of a connection in the order in which they passed."""
    heard = dict.fromkeys(Direction, b"")
    for chunk in track.chunks:
        data = heard[chunk.direction] + tape.read(chunk)
        while len(data) >= HEADER.size:
            kind, length = HEADER.unpack_from(data)
            end = HEADER.size + length
            if end > len(data):
                break
            yield Passed(chunk.direction, kind, data[HEADER.size : end])
            data = data[end:]
        heard[chunk.direction] = data


def rebuilt(pdu: Passed) -> bytes:
    """Return the PDU after reading and building it."""
    return build(parse_body(pdu.kind, memoryview(pdu.body), Limits()))


def command_sets(pdus: list[Passed], direction: Direction) -> Iterator[bytes]:
    """Return the command sets of one direction, as recorded."""
    command = b""
    for pdu in pdus:
        if pdu.direction is direction and pdu.kind == PDataTF.TYPE:
            for _, control, data in split_pdvs(memoryview(pdu.body)):
                if control & 1:
                    command += data
                if control & 3 == 3:
                    yield command
                    command = b""


def events(pdus: list[Passed], direction: Direction) -> Iterator[Command | DataFragments]:
    """Return the messages of one direction."""
    reader = MessageReader(range(256), Limits())
    for pdu in pdus:
        if pdu.direction is direction and pdu.kind == PDataTF.TYPE:
            found: list[Command | DataFragments] = []
            reader.take([*split_pdvs(memoryview(pdu.body))], found)
            yield from found


def story(pdus: list[Passed]) -> list[str]:
    """Describe an association by the names of its PDUs, or of the messages that begin in them."""
    names = []
    for pdu in pdus:
        if pdu.kind != PDataTF.TYPE:
            names.append(type(parse_body(pdu.kind, memoryview(pdu.body), Limits())).__name__)
            continue
        names += [parse_message(each).NAME for each in command_sets([pdu], pdu.direction)]
    return names


def command_set_is_rebuilt(command: bytes) -> bool:
    """Return whether a command set is the same after reading and building it."""
    return build_message(parse_message(command)) == command


class Recorder:
    """A relay in front of a server, and a tape for each client."""

    def __init__(self, loop: RelayLoop, server: Endpoint) -> None:
        self._loop = loop
        self._relay = loop.open("server", target=server, protocol="dicom")
        self.port = str(self._relay.endpoint.port)

    def __call__(self, *command: str) -> list[list[Passed]]:
        """Run a program against the server; return its associations."""
        tape = self._loop.start_tape(command[0])
        done = subprocess.run(command, capture_output=True, timeout=LIMIT, check=False)
        assert done.returncode >= 0, done.stderr
        return self.associations(tape)

    def tape(self) -> Tape:
        """Start recording."""
        return self._loop.start_tape("python")

    def associations(self, tape: Tape) -> list[list[Passed]]:
        """Return all associations once they have ended."""
        wait_until(
            lambda: tape.tracks and all(track.closed for track in tape.tracks),
            what="the end of the associations",
            within=LIMIT,
        )
        return [list(passed(tape, track)) for track in tape.tracks]


def image(folder: Path, number: int) -> Path:
    """Write a small object; one with an odd number is larger than one PDU."""
    ds = Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = f"1.2.3.{number}"
    ds.StudyInstanceUID = "1.2.3.1000"
    ds.SeriesInstanceUID = "1.2.3.1001"
    ds.PatientID, ds.PatientName = "WIRE", "Wire^Test"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = "20240101", "120000", "A", "S"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "CT", "1", str(number)
    ds.add_new(0x00091001, "OB", bytes(40_000 if number % 2 else 100))
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    path = folder / f"{number}.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


def start_dcmqrscp(folder: Path) -> tuple[subprocess.Popen[bytes], Endpoint, int]:
    """Start dcmtk's archive; return its process, its endpoint, and the port for its C-MOVE."""
    port, destination = free_port(), free_port()
    storage = folder / "storage"
    storage.mkdir()
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nmover = (MOVER, 127.0.0.1, {destination})\nHostTable END\n"
        f"AETable BEGIN\n{AE_TITLE} {storage} RW (20, 1024mb) ANY\nAETable END\n"
    )
    process = subprocess.Popen(
        ["dcmqrscp", "-c", str(config)],
        env={"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin:/usr/local/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return process, Endpoint("127.0.0.1", port), destination


N_SERVICES = (
    evt.EVT_N_CREATE,
    evt.EVT_N_SET,
    evt.EVT_N_GET,
    evt.EVT_N_ACTION,
    evt.EVT_N_EVENT_REPORT,
)


def start_pynetdicom() -> tuple[Any, Endpoint]:
    """Start a server that supports all DIMSE-N services and accepts every user."""
    ae: ApplicationEntity = AE(ae_title=AE_TITLE)
    for uid in ("1.2.840.10008.1.1", "1.2.840.10008.5.1.1.1", "1.2.840.10008.5.1.1.16"):
        ae.add_supported_context(uid)
    ae.add_supported_context("1.2.840.10008.5.1.4.1.1.2", scu_role=True, scp_role=True)
    answered = Dataset()
    answered.PrinterStatus = "NORMAL"
    handlers: list[Any] = [(event, lambda _: (0x0000, answered)) for event in N_SERVICES]
    handlers += [
        (evt.EVT_N_DELETE, lambda _: 0x0112),
        (evt.EVT_C_STORE, lambda _: 0xB000),
        (evt.EVT_USER_ID, lambda _: (True, b"welcome")),
        (evt.EVT_SOP_EXTENDED, lambda event: event.app_info),
        (evt.EVT_SOP_COMMON, lambda event: event.items),
        (evt.EVT_ASYNC_OPS, lambda event: event.nr_invoked and (1, 1)),
    ]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    return server, Endpoint("127.0.0.1", server.socket.getsockname()[1])
