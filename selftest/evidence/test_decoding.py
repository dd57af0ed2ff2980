"""Recorded bytes are decoded into exchanges, and no bytes are lost."""

import gzip
import json

from harness.evidence.bodies import describe
from harness.evidence.http import Exchange, exchanges
from harness.evidence.pdus import pdus
from harness.evidence.redact import Redactor
from harness.relay import Direction, Tape

ASK, ANSWER = Direction.TO_SERVER, Direction.TO_CLIENT
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def decode(*pieces: tuple[Direction, bytes], closed: bool = False, old: bool = False):  # noqa: ANN201
    """Put pieces on a tape and decode them."""
    tape = Tape("T-001")
    track = tape.add_track("r", "http", "peer", "target", tape.started - (1 if old else 0))
    for direction, data in pieces:
        tape.add(track, direction, data)
    if closed:
        track.closed, track.ended = tape.started + 1, "closed by the server"
    return exchanges(tape, track)


def get(target: str, method: str = "GET") -> tuple[Direction, bytes]:
    """Make a GET request."""
    return ASK, f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def seen(exchange: Exchange) -> tuple[str | None, int | None, bytes | None]:
    """Shorten an exchange for a comparison."""
    request, response = exchange.request, exchange.response
    return (
        request and request.target,
        response and response.status,
        response and response.body,
    )


def test_kept_alive_connection_is_a_row_of_exchanges() -> None:
    """Requests and responses are paired, also for a HEAD without a body."""
    head = OK.removesuffix(b"ok")
    found = decode(
        get("/1"), (ANSWER, OK), get("/2", "HEAD"), (ANSWER, head), get("/3"), (ANSWER, OK)
    )

    assert [seen(each) for each in found] == [
        ("/1", 200, b"ok"),
        ("/2", 200, b""),
        ("/3", 200, b"ok"),
    ]
    assert [each.troubles for each in found] == [(), (), ()]


def test_bytes_may_be_cut_anywhere() -> None:
    """Network chunks are not the boundaries of messages, nor of HTTP chunks."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    data = [(ASK, get("/")[1])] + [(ANSWER, answer[at : at + 1]) for at in range(len(answer))]
    assert [seen(each) for each in decode(*data)] == [("/", 200, b"ok")]


def test_100_continue_is_not_the_answer() -> None:
    """The body follows it, then the answer."""
    (found,) = decode(
        (ASK, b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
        (ANSWER, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (ASK, b"hi"),
        (ANSWER, OK),
    )
    assert seen(found) == ("/", 200, b"ok")
    assert found.request is not None
    assert found.request.body == b"hi"


def test_body_without_a_length_ends_with_the_connection() -> None:
    """Old servers end a body by closing; on an open connection it has not ended."""
    pieces = (get("/"), (ANSWER, b"HTTP/1.1 200 OK\r\n\r\nok"))
    assert decode(*pieces, closed=True)[0].troubles == ()
    assert decode(*pieces)[0].troubles == ("the answer did not end; the connection: still open",)


def test_answer_that_was_cut_is_told() -> None:
    """A connection that ends within a body leaves the beginning and a remark."""
    (found,) = decode(
        get("/"), (ANSWER, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), closed=True
    )
    assert seen(found) == ("/", 200, b"ok")
    assert "peer closed connection" in found.troubles[0]


def test_request_without_an_answer_is_told() -> None:
    """An unanswered request is listed with the end of the connection."""
    (found,) = decode(get("/slow"), closed=True)
    assert found.troubles == ("no answer; the connection: closed by the server",)


def test_bytes_that_are_no_http_are_kept_and_explained() -> None:
    """In both directions: what went wrong, and the bytes."""
    (found,) = decode(
        (ASK, b"\x01\x00 what\r\n"), (ASK, b"\r\n"), (ANSWER, b"no such thing\r\n\r\n")
    )
    assert found.request is None
    assert found.response is None
    assert [trouble.split(":")[0] for trouble in found.troubles] == [
        "the request is no HTTP",
        "the answer is no HTTP",
    ]
    assert found.undecoded == b"\x01\x00 what\r\n\r\nno such thing\r\n\r\n"


def test_late_answer_of_the_case_before_is_not_taken_for_ours() -> None:
    """A continued connection may begin with an answer; the next request gets its own."""
    found = decode((ANSWER, OK), get("/mine"), (ANSWER, OK.replace(b"ok", b"me")), old=True)
    assert [seen(each) for each in found] == [(None, 200, b"ok"), ("/mine", 200, b"me")]


def test_long_body_is_counted_and_cut() -> None:
    """Only the first four kilobytes of a gigabyte are kept."""
    tape = Tape("T-001")
    track = tape.add_track("r", "http", "peer", "target", tape.started)
    tape.add(track, *get("/"))
    tape.add(track, ANSWER, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + bytes(500))
    (found,) = exchanges(tape, track, keep=10)
    assert found.response is not None
    assert (found.response.body, found.response.size) == (bytes(10), 500)


def test_bodies_are_shown_as_what_they_are(image: bytes) -> None:
    """JSON is formatted, text is text, DICOM and images are named, the rest is a short dump."""
    none = Redactor([])

    def show(kind: str, body: bytes) -> str:
        return describe(kind, body, len(body), none)

    assert show("application/json", b'{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert show("", "grün".encode()) == "grün"
    assert show("image/png", b"\x89PNG\r\n") == "(image/png, 6 bytes)"
    assert show("application/zip", b"PK\x03\x04") == (
        "(application/zip, 4 bytes)\n000000  50 4b 03 04                                      PK.."
    )
    assert show("", image) == (
        f"(DICOM file, SOP Class 1.2.840.10008.5.1.4.1.1.7, SOP Instance 2.25.77, "
        f"Transfer Syntax 1.2.840.10008.1.2.1, {len(image)} bytes)"
    )
    long = show("application/json", json.dumps([7] * 9000).encode())
    assert len(long) < 4200
    assert long.endswith("... cut; 27000 bytes in all")
    assert show("text/plain", b"") == ""


def test_multipart_is_shown_part_by_part(image: bytes) -> None:
    """Each part has its headers, and its body shown by its own type."""
    body = (
        b"--b\r\nContent-Type: application/dicom\r\n\r\n" + image + b"\r\n"
        b'--b\r\nContent-Type: application/json\r\n\r\n{"a":1}\r\n--b--\r\n'
    )
    lines = describe("multipart/related; boundary=b", body, len(body), Redactor([])).split("\n")
    assert lines[:2] == ["-- part 1", "Content-Type: application/dicom"]
    assert lines[2].startswith("(DICOM file, SOP Class")
    assert lines[3:] == ["-- part 2", "Content-Type: application/json", "{", '  "a": 1', "}"]
    cut = describe("multipart/related; boundary=b", body[:-9], len(body), Redactor([]))
    assert cut.endswith("-- (the multipart body does not end here)")


def test_compressed_answer_is_shown_in_plain_text() -> None:
    """Compressed text is shown decompressed."""
    body = gzip.compress(b'{"a": 1}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    (found,) = decode(get("/"), (ANSWER, head.encode() + body))
    assert found.response is not None
    assert found.response.uncompressed().body == b'{"a": 1}'


def test_pdus_are_named_whatever_the_chunks() -> None:
    """Types, lengths and offsets are those of the stream; missing bytes are noted."""
    request = b"\0\1\0\0" + b"ORTHANC".ljust(16) + b"FINDSCU".ljust(16) + bytes(32)
    data = b"\x01\0" + len(request).to_bytes(4, "big") + request + b"\x05\0\0\0\0\4\0\0\0\0"
    data += b"\x08\0\0\0\0\1x" + b"\x05\0\0\0\0\4\0\0\0\0"
    for step in (1, 5, 79, 1000):
        tape = Tape("T-001")
        track = tape.add_track("r", "dicom", "peer", "target", tape.started)
        for at in range(0, len(data), step):
            tape.add(track, ASK, data[at : at + step])
        tape.add(track, ANSWER, b"\x03\0\0\0\0\4\0\1\2\7" + b"\x07\0\0\0\0\4\0\0")
        tape.add(track, ASK, b"GET / HTTP/1.1")

        found = list(pdus(tape, track))
        assert [(each.name, each.at, each.received, each.missing) for each in found] == [
            ("A-ASSOCIATE-RQ", 0, 74, 0),
            ("A-RELEASE-RQ", 74, 10, 0),
            ("no PDU (type 0x08)", 84, 7, 0),
            ("A-RELEASE-RQ", 91, 10, 0),
            ("A-ASSOCIATE-RJ", 0, 10, 0),
            ("A-ABORT", 10, 8, 2),
            ("no PDU (type 0x47)", 101, 14, 0),
        ]
        assert bytes(found[0].body) == request
        assert found[-1].start + found[-1].body == b"GET / HTTP/1.1"
