"""A server with ten deliberate defects for the fuzzer to find: a script, and its own adapter.

It speaks just enough DICOM and HTTP. Each defect is marked by its number.

    python flawed.py DICOM_PORT HTTP_PORT
"""

import contextlib
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

LOCK = threading.Lock()
"""Every client needs it briefly: one that holds it blocks all others."""
LEAKED: list[bytes] = []
PATIENTS: dict[str, str] = {}
FILES: dict[str, bytes] = {}
LEAK = 6 << 20
FAST = 160
"""Number of transfer syntaxes processed in a second; twice as many take four."""
MOST = 1 << 20
LONG = b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split()


class Gone(Exception):  # noqa: N818 - no error
    """The peer closed the connection."""


def receive(peer: socket.socket, size: int) -> bytes:
    """Read exactly this number of bytes."""
    data = b""
    while len(data) < size:
        more = peer.recv(min(1 << 16, size - len(data)))
        if not more:
            raise Gone
        data += more
    return data


# DICOM


def pdu(kind: int, body: bytes) -> bytes:
    """Build a PDU."""
    return struct.pack(">BBI", kind, 0, len(body)) + body


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each item."""
    at = 0
    while at + 4 <= len(data):
        kind, length = data[at], int.from_bytes(data[at + 2 : at + 4], "big")
        yield kind, data[at + 4 : at + 4 + length]
        at += 4 + length


def read_user_information(data: bytes) -> None:
    """Parse the sub-items."""
    at = 0
    while at + 4 <= len(data):
        at += 4 + int.from_bytes(data[at + 2 : at + 4], "big")
    if at > len(data):
        os.abort()  # defect 1: a length beyond the end


def look_at_transfer_syntaxes(count: int) -> None:
    """Compare each one with each other."""
    end = time.monotonic() + (count / FAST) ** 2  # defect 6: quadratic
    if count > 20:
        while time.monotonic() < end:
            pass


def spin_on_second_request() -> None:
    """Never return."""
    while True:  # defect 2: two requests on one connection
        pass


def elements(data: bytes) -> dict[int, bytes]:
    """Read a data set in implicit VR."""
    found = {}
    at = 0
    while at + 8 <= len(data):
        group, number, length = struct.unpack_from("<HHI", data, at)
        found[group << 16 | number] = data[at + 8 : at + 8 + length]
        at += 8 + length
    return found


class Association:
    """One connection of DICOM."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.open = False
        self.command: dict[int, bytes] = {}
        self.parts = b""
        self.queries = 0
        self.contexts: set[int] = set()

    def run(self) -> None:
        """Serve the connection until its end."""
        while True:
            kind, _, length = struct.unpack(">BBI", receive(self.peer, 6))
            if length > MOST:
                break
            body = receive(self.peer, length)
            if kind == 1:
                self.request(body)
            elif kind == 4 and self.open:
                self.data(body)
            elif kind == 5 and self.open:
                self.peer.sendall(pdu(6, bytes(4)))
                return
            elif kind == 7:
                if self.open:
                    LEAKED.append(b"\1" * LEAK)  # defect 3: memory leaked by an abort
                return
            else:
                break
        self.peer.sendall(pdu(7, bytes(4)))

    def request(self, body: bytes) -> None:
        """Accept an association."""
        with LOCK:
            if self.open:
                spin_on_second_request()
            answers, syntaxes = b"", 0
            for kind, value in items(body[68:]):
                if kind == 0x20:
                    offered = [uid for sub, uid in items(value[4:]) if sub == 0x40]
                    syntaxes += len(offered)
                    chosen = (offered or [b""])[0]
                    inside = (
                        value[:1] + bytes(3) + struct.pack(">BBH", 0x40, 0, len(chosen)) + chosen
                    )
                    self.contexts.add(value[0] if value else 0)
                    answers += struct.pack(">BBH", 0x21, 0, len(inside)) + inside
                if kind == 0x50:
                    read_user_information(value)
            look_at_transfer_syntaxes(syntaxes)
        self.open = True
        head = b"\0\1\0\0" + body[4:36].ljust(32) + bytes(32)
        name = b"\x10\0\0\x151.2.840.10008.3.1.1.1"
        user = b"\x50\0\0\x11\x51\0\0\4\0\0\x40\0\x52\0\0\5" + b"1.2.3"
        self.peer.sendall(pdu(2, head + name + answers + user))

    def data(self, body: bytes) -> None:
        """Process the fragments of a P-DATA-TF."""
        at = 0
        while at + 6 <= len(body):
            length = max(2, int.from_bytes(body[at : at + 4], "big"))
            context, control = body[at + 4], body[at + 5]
            if context not in self.contexts:
                raise Gone
            self.parts += body[at + 6 : at + 4 + length]
            at += 4 + length
            if control & 2:
                whole, self.parts = self.parts, b""
                if control & 1:
                    self.command = elements(whole)
                if not control & 1 or self.command.get(0x0800) == b"\1\1":
                    self.message(context, b"" if control & 1 else whole)

    def message(self, context: int, data: bytes) -> None:
        """Answer a message."""
        kind = int.from_bytes(self.command.get(0x0100, b""), "little")
        if kind == 0x0020:
            wanted = elements(data).get(0x00100020, b"").decode("latin-1").strip()
            if (
                self.queries and wanted in PATIENTS
            ):  # defect 4: the second query gets the next patient
                known = sorted(PATIENTS)
                wanted = known[(known.index(wanted) + 1) % len(known)]
            self.queries += 1
            if wanted in PATIENTS:
                self.answer(context, kind, 0xFF00, wanted)
            self.answer(context, kind, 0)
        elif kind == 0x0001:
            found = elements(data)
            for each in re.findall(rb"FZ\w{8}", data):
                PATIENTS[each.decode()] = str(found.get(0x00100010, b""))
            self.answer(context, kind, 0)
        elif kind in (0x0030, 0x0010, 0x0021, 0x0130, 0x0140):
            self.answer(context, kind, 0)
        elif kind != 0x0FFF:
            self.answer(255, kind, 0x0211)  # defect 5: on a context that does not exist

    def answer(self, context: int, kind: int, status: int, patient: str = "") -> None:
        """Send a response, with an identifier if it is about a patient."""
        fields = {
            0x0100: kind | 0x8000,
            0x0120: 1,
            0x0800: 0 if patient else 0x0101,
            0x0900: status,
        }
        command = b"".join(
            struct.pack("<HHIH", 0, tag, 2, value & 0xFFFF) for tag, value in fields.items()
        )
        command = struct.pack("<HHII", 0, 0, 4, len(command)) + command
        said = struct.pack(">IBB", len(command) + 2, context, 3) + command
        self.peer.sendall(pdu(4, said))
        if patient:
            value = patient.encode()
            data = struct.pack("<HHI", 0x10, 0x20, len(value)) + value
            self.peer.sendall(pdu(4, struct.pack(">IBB", len(data) + 2, context, 2) + data))


# HTTP


def read_body(reader: "Reader", length: int) -> bytes:
    """Receive a body of the given length."""
    if length < 0 or length > 1 << 31:
        os.abort()  # defect 7: a length that nobody can have
    return reader.take(min(length, 1 << 26))


def read_chunks(reader: "Reader") -> bytes:
    """Receive a body in chunks."""
    body = b""
    while True:
        try:
            size = int(reader.line() or b"0", 16)
        except ValueError:
            with LOCK:
                while True:  # defect 8: waits for a size that never comes
                    pass
        if size <= 0:
            return body
        body += reader.take(min(size, MOST))
        reader.take(2)


class Reader:
    """Reads lines and bodies of a connection."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer, self.data = peer, b""

    def line(self) -> bytes:
        """Receive a line."""
        while b"\r\n" not in self.data:
            more = self.peer.recv(1 << 16)
            if not more or len(self.data) > MOST:
                raise Gone
            self.data += more
        line, _, self.data = self.data.partition(b"\r\n")
        return line

    def take(self, size: int) -> bytes:
        """Receive exactly this number of bytes."""
        if len(self.data) < size:
            self.data += receive(self.peer, size - len(self.data))
        taken, self.data = self.data[:size], self.data[size:]
        return taken


def uid_in(data: bytes, tag: bytes) -> str:
    """Return the UID of an element in explicit VR, as a careless reader finds it."""
    at = data.find(tag + b"UI")
    if at < 0:
        return ""
    length = int.from_bytes(data[at + 6 : at + 8], "little")
    return data[at + 8 : at + 8 + length].rstrip(b"\0 ").decode("latin-1")


def is_whole(data: bytes) -> bool:
    """Return whether the elements fill the object exactly; only explicit VR is parsed."""
    at = data.find(b"\x08\0\x16\0UI")
    while 0 <= at < len(data):
        if data[at + 4 : at + 6] in LONG:
            length = int.from_bytes(data[at + 8 : at + 12], "little")
            if length == 0xFFFFFFFF:
                return True
            at += 12 + length
        else:
            at += 8 + int.from_bytes(data[at + 6 : at + 8], "little")
    return at == len(data)


def stored(body: bytes) -> list[str]:
    """Store the parts of a body; return the paths of what was accepted."""
    paths = []
    for part in body.split(b"--B\r\n")[1:]:
        data = part.partition(b"\r\n\r\n")[2]
        data = (
            data[: data.rfind(b"\r\n--B--")] if b"\r\n--B--" in data else data.removesuffix(b"\r\n")
        )
        study, series = uid_in(data, b"\x20\0\x0d\0"), uid_in(data, b"\x20\0\x0e\0")
        instance = uid_in(data, b"\x08\0\x18\0")
        if not all(re.fullmatch(r"[0-9.]{5,64}", each) for each in (study, series, instance)):
            continue
        for each in re.findall(rb"FZ\w{8}", data):
            PATIENTS[each.decode()] = ""
        path = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"
        if is_whole(data):
            FILES[path] = data
        else:
            FILES.pop(path, None)  # defect 9: accepted, but not kept
        paths.append(path)
    return paths


def respond(method: bytes, target: bytes, body: bytes) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    path, _, search = target.decode("latin-1").partition("?")
    if method == b"POST" and path == "/dicom-web/studies":
        found = stored(body)
        urls = [{"00081190": {"vr": "UR", "Value": [f"http://server{each}"]}} for each in found]
        return (200 if found else 400), json.dumps(urls).encode()
    if method == b"GET" and path in FILES:
        return 200, json.dumps({"bytes": len(FILES[path])}).encode()
    if method == b"GET" and path == "/dicom-web/studies":
        wanted = re.findall(r"PatientID=(\w+)", search)
        names = [f'{{"00100020": {{"Value": ["{each}"]}}}}' for each in wanted if each in PATIENTS]
        # defect 10: the request is echoed, within quotes and unescaped
        return 200, f'[{{"query": "{search}"}}{"".join(f", {each}" for each in names)}]'.encode(
            "latin-1"
        )
    return (200, b"{}") if path == "/" else (404, b"{}")


def web(peer: socket.socket) -> None:
    """Serve an HTTP connection."""
    reader = Reader(peer)
    while True:
        first = reader.line().split(b" ")
        headers = {}
        while line := reader.line():
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        with LOCK:
            pass
        if len(first) != 3:
            peer.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        body = b""
        if headers.get(b"transfer-encoding") == b"chunked":
            body = read_chunks(reader)
        elif b"content-length" in headers:
            with contextlib.suppress(ValueError):
                body = read_body(reader, int(headers[b"content-length"]))
        status, said = respond(first[0], first[1], body)
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
        peer.sendall(f"{head}Content-Length: {len(said)}\r\n\r\n".encode() + said)


def dicom(peer: socket.socket) -> None:
    """Serve a DICOM connection."""
    Association(peer).run()


def listen(port: int, serve: object) -> None:
    """Accept connections forever."""

    def one(peer: socket.socket) -> None:
        with peer, contextlib.suppress(Gone, OSError):
            serve(peer)  # type: ignore[operator]

    with socket.create_server(("127.0.0.1", port), backlog=128) as door:
        while True:
            peer, _ = door.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=one, args=(peer,), daemon=True).start()


if __name__ == "__main__":
    threading.Thread(target=listen, args=(int(sys.argv[2]), web), daemon=True).start()
    listen(int(sys.argv[1]), dicom)
else:
    from harness.model import Version
    from harness.servers.adapter import Adapter
    from harness.servers.capabilities import DICOMWEB
    from harness.servers.launcher import Launch, Seat
    from harness.servers.product import Build, Product, Spec

    class Flawed(Adapter):
        """This file as a server."""

        doors = ("dicom", "http")
        dicomweb = "/dicom-web"
        can = ("dimse.echo", "dimse.store", *DICOMWEB)

        def launch(self, seat: Seat) -> Launch:
            """Return the command."""
            ports = (str(seat.ports["dicom"]), str(seat.ports["http"]))
            return Launch((sys.executable, str(Path(__file__)), *ports))

    def find(asked: Spec) -> Build:
        """Return the one program."""
        return Build("flawed", Version("1"), Flawed, executable=Path(sys.executable))

    PRODUCT = Product("a server with ten defects", find)
