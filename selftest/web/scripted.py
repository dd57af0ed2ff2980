"""A small web service whose answers a test defines, including invalid ones."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from dcm.data.json_model import write_object
from dcm.data.match import Attributes
from dcm.net import Tls
from dcm.web.multipart import MultipartWriter, Parser, PartBegun, PartData

DICOM_JSON = "application/dicom+json"


class Asked(NamedTuple):
    """A request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path without the query."""
        return unquote(urlsplit(self.target).path)

    def get(self, name: str, otherwise: str = "") -> str:
        """A parameter of the query."""
        return dict(parse_qsl(urlsplit(self.target).query)).get(name, otherwise)

    @property
    def page(self) -> tuple[int, int]:
        """Limit and offset."""
        return int(self.get("limit", "1000000")), int(self.get("offset", "0"))

    @property
    def parts(self) -> list[bytes]:
        """The content of each part of a multipart body."""
        parser, found = Parser.of(self.headers["content-type"]), list[bytearray]()
        for event in parser.feed(self.body):
            if isinstance(event, PartBegun):
                found.append(bytearray())
            elif isinstance(event, PartData):
                found[-1] += event.data
        parser.close()
        return [bytes(each) for each in found]


Answer = Callable[[Asked], bytes]


def reply(
    status: int,
    body: bytes = b"",
    content_type: str = "",
    *,
    length: int | None = None,
    **headers: str,
) -> bytes:
    """Write a response, then close the connection; length: the declared length of its body."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"Content-Type: {content_type}"] if content_type else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def found(answers: list[Attributes], **headers: str) -> bytes:
    """Answer a query."""
    body = json.dumps([write_object(each) for each in answers]).encode()
    return reply(200, body, DICOM_JSON, **headers)


def given(
    parts: list[bytes], *, cut: int | None = None, headers: dict[str, str] | None = None
) -> bytes:
    """Answer a retrieval; cut: send only this number of bytes, then close the connection."""
    writer = MultipartWriter("application/dicom")
    body = b"".join(bytes(each) for part in parts for each in writer.part([part], headers))
    body += writer.end()
    return reply(200, body[:cut], writer.content_type, length=len(body))


def stored(uids: list[str], failed: dict[str, int] | None = None, status: int = 200) -> bytes:
    """Answer a Store request."""
    said: dict[str, Any] = {
        "ReferencedSOPSequence": [{"ReferencedSOPInstanceUID": uid} for uid in uids],
        "FailedSOPSequence": [
            {"ReferencedSOPInstanceUID": uid, "FailureReason": str(reason)}
            for uid, reason in (failed or {}).items()
        ],
    }
    return reply(status, json.dumps(write_object(said)).encode(), DICOM_JSON)


@contextlib.contextmanager
def service(answer: Answer, tls: Tls | None = None) -> Iterator[tuple[str, list[Asked]]]:
    """Serve until the block ends; return the URL, and the list of requests."""
    requests: list[Asked] = []
    context = None if tls is None else tls.to_listen()

    def serve(taken: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(taken)
            taken.settimeout(10)
            if context is not None:
                taken = stack.enter_context(context.wrap_socket(taken, server_side=True))
            asked = _read(taken)
            if asked is None:
                return
            requests.append(asked)
            taken.sendall(answer(asked))
            taken.shutdown(socket.SHUT_WR)
            while taken.recv(1 << 16):
                pass

    def accept(server: socket.socket) -> None:
        while True:
            try:
                taken, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(taken,), daemon=True))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threads = [threading.Thread(target=accept, args=(server,), daemon=True)]
        threads[0].start()
        yield (
            f"{'http' if tls is None else 'https'}://127.0.0.1:{server.getsockname()[1]}/dicomweb",
            requests,
        )
        server.shutdown(socket.SHUT_RDWR)
    for each in threads:
        each.join(15)


def _read(taken: socket.socket) -> Asked | None:
    with taken.makefile("rb") as file:
        first = file.readline().decode("latin-1").split()
        if len(first) != 3:
            return None
        headers: dict[str, str] = {}
        while (line := file.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = b""
        if "chunked" in headers.get("transfer-encoding", ""):
            while line := file.readline():
                size = int(line, 16)
                body += file.read(size)
                file.readline()
                if not size:
                    break
            else:
                return None  # it was aborted
        return Asked(first[0], first[1], headers, body)
