"""Multipart messages are read in chunks of any size, and written without copying content."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcm.web.media import MediaType, accepted
from dcm.web.multipart import (
    MalformedMultipart,
    MultipartWriter,
    Parser,
    PartBegun,
    PartData,
    PartEnded,
)

RELATED = "multipart/related; type=application/dicom; boundary=b"


def read(body: bytes, *, chunk: int = 1 << 20, content_type: str = RELATED) -> list[bytes]:
    """Return the content of all parts."""
    return [content for _, content in read_parts(body, chunk, content_type)]


def read_parts(body: bytes, chunk: int, content_type: str) -> list[tuple[Any, bytes]]:
    """Return headers and content of all parts."""
    parser, found = Parser.of(content_type), list[tuple[Any, bytearray]]()
    for at in range(0, len(body), chunk):
        for event in parser.feed(body[at : at + chunk]):
            if isinstance(event, PartBegun):
                found.append((event.headers, bytearray()))
            elif isinstance(event, PartData):
                found[-1][1].extend(event.data)
            else:
                assert event.length == len(found[-1][1])
    parser.close()
    return [(headers, bytes(content)) for headers, content in found]


def body(*lines: str) -> bytes:
    """Join lines, without an end after the last one."""
    return "\r\n".join(lines).encode()


ONE = ("--b", "Content-Type: application/dicom", "", "content")

# Likely to be taken for boundaries, or for parts of them.
CONTENT = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"b", b"\r\n--", b"\r\n--bb", b"x"])
).map(b"".join).filter(
    lambda content: not any(
        mark in b"\r\n" + content + b"\r\n"
        for mark in (b"\r\n--b\r", b"\r\n--b--", b"\r\n--b ", b"\r\n--b\t")
    )
)  # fmt: skip


@given(st.lists(CONTENT, min_size=1, max_size=4), st.integers(1, 12))
def test_parts_are_read_in_chunks_of_any_size(contents: list[bytes], chunk: int) -> None:
    """Each part has its content byte for byte."""
    writer = MultipartWriter("application/dicom", "b")
    message = b"".join(b"".join(map(bytes, writer.part([each]))) for each in contents)

    assert read(message + writer.end(), chunk=chunk, content_type=writer.content_type) == contents


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("message", "contents"),
    [
        (body(*ONE, "--b--"), [b"content"]),
        (body(*ONE, *ONE, "--b--", ""), [b"content", b"content"]),
        (body("to be left out", "--not the boundary", *ONE, "--b--", "too"), [b"content"]),
        (body("--b  \t", "", "no header", "--b--"), [b"no header"]),
        (body("--b", "A: 1", "", "--b", "A: 2", "", "", "--b--"), [b"", b""]),
        (body("--b", "", "", "--bc", "--b--"), [b"\r\n--bc"]),
        (body("--b", "", "", "", "", "--b--"), [b"\r\n\r\n"]),
    ],
    ids=["one", "two", "preamble", "padding", "empty", "longer", "lines"],
)
def test_what_the_grammar_allows_is_read(message: bytes, contents: list[bytes], chunk: int) -> None:
    """Preamble, epilogue, padding, parts without header or content (RFC 2046 5.1.1)."""
    assert read(message, chunk=chunk) == contents


@pytest.mark.parametrize("end", range(len(body(*ONE, *ONE, "--b--"))))
def test_message_that_is_cut_off_is_an_error(end: int) -> None:
    """At any position before the end of the closing boundary."""
    with pytest.raises(MalformedMultipart):
        read(body(*ONE, *ONE, "--b--")[:end])


def test_parts_before_the_cut_are_complete() -> None:
    """Complete parts are returned before the error is raised."""
    parser = Parser.of(RELATED)

    events = parser.feed(body(*ONE, *ONE[:-1], "con"))

    assert [each for each in events if isinstance(each, PartEnded)] == [PartEnded(7, None)]
    with pytest.raises(MalformedMultipart, match="ends in the middle of part 2"):
        parser.close()


def test_stated_length_of_a_part_is_told() -> None:
    """A part shorter than its Content-Length can be detected."""
    message = body("--b", "Content-Length: 9", "", "content", "--b--")

    assert PartEnded(7, 9) in Parser.of(RELATED).feed(message)


@pytest.mark.parametrize("chunk", [1, 64, 100_000])
@pytest.mark.parametrize("start", [b"--b\r\nA: ", b"--b "])
def test_header_without_end_is_not_collected(start: bytes, chunk: int) -> None:
    """A header, or the padding of a boundary, has a limit."""
    filler = b" " if start.endswith(b"b ") else b"x"

    with pytest.raises(MalformedMultipart, match="longer than 16384 bytes"):
        read(start + filler * 40_000, chunk=chunk)


def test_content_is_not_copied() -> None:
    """The data of a part are views of the chunk."""
    parser = Parser.of(RELATED)
    parser.feed(b"--b\r\n\r\n.")
    chunk = bytes(100)

    assert [each.data.obj is chunk for each in parser.feed(chunk) if isinstance(each, PartData)]


@pytest.mark.parametrize(
    ("content_type", "words"),
    [
        ("multipart/related; type=application/dicom", "boundary"),
        ("multipart/related; boundary=" + "x" * 300, "boundary"),
        ("application/json", "application/json is not multipart"),
        ("nonsense", "not a media type"),
        ('multipart/related; boundary="unfinished', "not a media type"),
    ],
)
def test_content_type_without_usable_boundary_is_an_error(content_type: str, words: str) -> None:
    """The error has the Content-Type."""
    with pytest.raises(MalformedMultipart, match=words):
        Parser.of(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        'Multipart/Related; type="application/dicom"; boundary="a b;=,\\"c"',
        'multipart/related;boundary="a b;=,\\"c";type=application/dicom;',
    ],
)
def test_boundary_may_be_quoted(content_type: str) -> None:
    """With characters that only a quoted value can have (RFC 9110 5.6.4)."""
    message = b'--a b;=,"c\r\n\r\nx\r\n--a b;=,"c--'

    assert read(message, content_type=content_type) == [b"x"]


def test_header_of_a_part_is_read() -> None:
    """Names are in lower case, continued lines are joined, a line without a name is an error."""
    message = body("--b", "Content-Type: a/b;", "  c=d", "X:y", "x: later", "", "", "--b--")

    assert read_parts(message, 5, RELATED)[0][0] == {"content-type": "a/b; c=d", "x": "y"}
    with pytest.raises(MalformedMultipart, match="without a name"):
        read(body("--b", "nonsense", "", "", "--b--"))


def test_media_types_of_accept_are_read() -> None:
    """Commas within quotes do not separate; invalid media types are left out."""
    text = 'multipart/related; type="application/dicom, or so"; transfer-syntax=*, bad, */*;q=0.5'

    found = list(accepted(text))

    assert [each.name for each in found] == ["multipart/related", "*/*"]
    assert found[0].parameters == {"type": "application/dicom, or so", "transfer-syntax": "*"}
    assert [each.quality for each in found] == [1.0, 0.5]
    assert found[1].covers("application/dicom+json")
    assert not found[0].covers("application/dicom+json")
    assert MediaType.parse(str(found[0])) == found[0]
