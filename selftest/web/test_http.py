"""HTTP/1.1 without I/O: responses in chunks of any size, and invalid ones."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcm.errors import LocalProtocolError
from dcm.web.http import BadHttp, Decoder, ResponseReader, request_head


def read(data: bytes, *, chunk: int = 1 << 20, method: str = "GET", end: bool = False) -> bytes:
    """Return the body of a response; end: whether the connection is closed after it."""
    reader, body = ResponseReader(method), b""
    for at in range(0, len(data), chunk):
        body += b"".join(bytes(each) for each in reader.feed(memoryview(data)[at : at + chunk]))
    if end:
        reader.feed(memoryview(b""))
    assert reader.head is not None
    assert reader.ended
    return body


def response(*lines: str, body: bytes = b"") -> bytes:
    """Write a response."""
    return "\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode() + body


CHUNKED = b"3\r\nabc\r\nA;x=y\r\n\r\n34567890\r\n0\r\nTrailer: 1\r\n\r\n"


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("data", "body"),
    [
        (response("Content-Length: 3", body=b"abc"), b"abc"),
        (response("Content-Length: 0"), b""),
        (response("content-length: 3, 3", body=b"abc"), b"abc"),
        (response("Transfer-Encoding: chunked", body=CHUNKED), b"abc\r\n34567890"),
        (response("Transfer-Encoding: chunked", body=b"0\r\n\r\n"), b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + response("Content-Length: 1", body=b"x"), b"x"),
        (b"HTTP/1.0 204\r\n\r\n", b""),
    ],
)
def test_bodies_are_read_in_pieces_of_any_size(data: bytes, body: bytes, chunk: int) -> None:
    """By length, in chunks, after interim responses."""
    assert read(data, chunk=chunk) == body


def test_body_may_end_with_the_connection() -> None:
    """If its length is not declared."""
    assert read(response(body=b"abc"), end=True) == b"abc"


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5), st.integers(1, 30))
def test_chunks_are_read_back(chunks: list[bytes], size: int) -> None:
    """With any content."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks) + b"0\r\n\r\n"

    assert read(response("Transfer-Encoding: chunked", body=body), chunk=size) == b"".join(chunks)


@pytest.mark.parametrize(
    ("data", "stays"),
    [
        (response("Content-Length: 1", body=b"x"), True),
        (response("Content-Length: 1", body=b"xy"), False),
        (response("Content-Length: 1", "Connection: close", body=b"x"), False),
        (response("Transfer-Encoding: chunked", body=CHUNKED + b"x"), False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
    ],
)
def test_connection_is_used_again_only_if_nothing_else_came(data: bytes, stays: bool) -> None:
    """An unexpected response would be taken for the next one."""
    reader = ResponseReader("GET")
    reader.feed(memoryview(data))

    assert reader.can_stay is stays


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        response("no colon"),
        response("Bad name: 1"),
        response("Content-Length: -1"),
        response("Content-Length: 1, 2", body=b"xx"),
        response("Content-Length: 5", body=b"cut"),
        response("Transfer-Encoding: gzip"),
        response("Transfer-Encoding: chunked", body=b"z\r\n"),
        response("Transfer-Encoding: chunked", body=b"-1\r\n"),
        response("Transfer-Encoding: chunked", body=b"1\r\nxx\r\n"),
        response("Transfer-Encoding: chunked", body=b"5\r\ncut"),
        response("Transfer-Encoding: chunked", body=b"0\r\n"),
        response("Transfer-Encoding: chunked", body=b"1" * 5000),
        response("X: " + "x" * 70_000),
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    ],
)
@pytest.mark.parametrize("chunk", [1 << 20, 100])
def test_what_is_no_response_is_an_error(data: bytes, chunk: int) -> None:
    """Truncated, malformed, or too long."""
    reader = ResponseReader("GET")

    with pytest.raises(BadHttp):  # noqa: PT012 - either call may raise
        for at in range(0, len(data), chunk):
            reader.feed(memoryview(data)[at : at + chunk])
        reader.feed(memoryview(b""))


def test_compressed_bodies_are_decoded() -> None:
    """In chunks of bounded size; a truncated one is an error."""
    text = b"DICOM" * 1_000_000
    for packed in (gzip.compress(text), zlib.compress(text)):
        decoder = Decoder("gzip")
        pieces = [bytes(each) for each in decoder.decode(memoryview(packed))]
        decoder.close()
        assert b"".join(pieces) == text
        assert max(map(len, pieces)) == 1 << 20

    decoder = Decoder("gzip")
    assert [*decoder.decode(memoryview(gzip.compress(text)[:-9]))]
    with pytest.raises(BadHttp, match="truncated"):
        decoder.close()


@pytest.mark.parametrize(
    ("target", "headers"),
    [("/a b", {}), ("/ä", {}), ("/", {"X": "a\r\nY: b"}), ("/\r\nX: y", {}), ("/", {"X": "\0"})],
)
def test_request_cannot_be_split(target: str, headers: dict[str, str]) -> None:
    """Neither by the URL nor by a header."""
    with pytest.raises(LocalProtocolError):
        request_head("GET", target, headers)
