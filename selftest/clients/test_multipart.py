"""The reader of multipart/related accepts what the grammar allows, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clients.answers import Malformed
from harness.clients.multipart import Part, build, media_type, parse

RELATED = 'multipart/related; type="application/dicom"; boundary=b'
HEADERS = {"content-type": "application/dicom"}


def body(*lines: str, end: str = "\r\n") -> bytes:
    """Join lines; there is no line end after the last one."""
    return end.join(lines).encode()


ONE = ("--b", "Content-Type: application/dicom", "", "content")


def test_two_parts_are_read() -> None:
    """Each part has its headers and its content, without the line end before the delimiter."""
    found = parse(RELATED, body(*ONE, *ONE[:3], "", "second", "", "--b--", ""))

    assert found == [Part(HEADERS, b"content"), Part(HEADERS, b"\r\nsecond\r\n")]


@given(
    st.lists(st.binary(max_size=64).filter(lambda content: b"--harness" not in content), min_size=1)
)
def test_what_was_built_is_read_back(contents: list[bytes]) -> None:
    """Any content comes back byte for byte."""
    written = build(contents, "application/dicom")

    found = parse(RELATED.replace("=b", "=harness-boundary"), written)

    assert [part.content for part in found] == contents


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(body("preamble", "", *ONE, "--b--"), id="preamble"),
        pytest.param(body("", *ONE, "--b--"), id="empty preamble"),
        pytest.param(body(*ONE, "--b--", "epilogue"), id="epilogue"),
        pytest.param(body("--b \t", *ONE[1:], "--b-- ", ""), id="padding after delimiters"),
        pytest.param(
            body("--b", "Content-Type:", "  application/dicom", "", "content", "--b--"), id="folded"
        ),
        pytest.param(body("--b", "CONTENT-TYPE:application/dicom", *ONE[2:], "--b--"), id="case"),
    ],
)
def test_what_a_reader_has_to_tolerate_is_tolerated(written: bytes) -> None:
    """Preamble, epilogue, padding and folding change nothing (RFC 2046 5.1.1)."""
    assert parse(RELATED, written) == [Part(HEADERS, b"content")]


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        pytest.param(body(*ONE), "does not end", id="no final delimiter"),
        pytest.param(body(*ONE, "--b"), "does not end", id="final delimiter without dashes"),
        pytest.param(body(*ONE, "--b--more"), "does not end", id="final delimiter goes on"),
        pytest.param(b"", "does not end", id="empty body"),
        pytest.param(body("--b--", ""), "no part", id="no part"),
        pytest.param(body(*ONE, "--b--", *ONE, "--b--"), "goes on with", id="closed, then goes on"),
        pytest.param(body("--bb", *ONE[1:], "--b--"), "goes on with", id="longer delimiter"),
        pytest.param(body(*ONE, "--b--", end="\n"), "does not end", id="bare LF everywhere"),
        pytest.param(
            b"--b\nContent-Type: application/dicom\n\ncontent\r\n--b--",
            "goes on with",
            id="bare LF in the headers",
        ),
        pytest.param(
            b"--b\r\nContent-Type: application/dicom\nX: y\r\n\r\ncontent\r\n--b--",
            "header line",
            id="bare LF between headers",
        ),
        pytest.param(body("--b", "no colon", "", "content", "--b--"), "header line", id="no colon"),
        pytest.param(
            body("--b", "X : y", "", "content", "--b--"), "header line", id="space in name"
        ),
        pytest.param(body("--b", *2 * [ONE[1]], *ONE[2:], "--b--"), "twice", id="header twice"),
        pytest.param(
            body("--b", ONE[1], "content", "--b--"), "no empty line", id="headers not ended"
        ),
        pytest.param(body("--b", ONE[1], "--b--"), "no empty line", id="part without empty line"),
        pytest.param(
            body(*ONE[:2], "Content-Length: 6", *ONE[2:], "--b--"),
            "Content-Length",
            id="wrong Content-Length",
        ),
        pytest.param(
            body("--b", "Content-Type: image/png", *ONE[2:], "--b--"), "first part", id="other type"
        ),
        pytest.param(body("--b", "", "content", "--b--"), "media type", id="part without type"),
    ],
)
def test_what_the_grammar_forbids_is_refused(written: bytes, complaint: str) -> None:
    """A broken body fails the case, with a message about what is broken."""
    with pytest.raises(Malformed, match=complaint):
        parse(RELATED, written)


@pytest.mark.parametrize(
    ("content_type", "complaint"),
    [
        ("", "no media type"),
        ("application/dicom", "not multipart/related"),
        ("multipart/mixed; boundary=b", "not multipart/related"),
        ('multipart/related; type="application/dicom"', "no valid boundary"),
        ('multipart/related; type="application/dicom"; boundary=""', "no valid boundary"),
        ('multipart/related; type="application/dicom"; boundary="b "', "no valid boundary"),
        (f'multipart/related; type="application/dicom"; boundary={71 * "b"}', "no valid boundary"),
        ('multipart/related; type="application/dicom"; boundary=b/c', "goes on with"),
        ("multipart/related; type=application/dicom; boundary=b", "goes on with"),
        ("multipart/related; boundary=b", "no parameter `type`"),
        ('multipart/related; boundary=b; type="application/dicom"; boundary=c', "twice"),
    ],
)
def test_a_wrong_content_type_is_refused(content_type: str, complaint: str) -> None:
    """Type and boundary are required, quoted if their characters need it (RFC 2045 5.1)."""
    with pytest.raises(Malformed, match=complaint):
        parse(content_type, body(*ONE, "--b--"))


def test_a_quoted_boundary_may_have_special_characters() -> None:
    """A boundary with characters that are only valid in a quoted string is used as it is."""
    content_type = 'multipart/related; boundary="a (b)=?"; type="application/dicom"'

    found = parse(content_type, body("--a (b)=?", *ONE[1:], "--a (b)=?--"))

    assert found == [Part(HEADERS, b"content")]


def test_parameters_are_unquoted() -> None:
    """Parameter names are in lower case, quotes and backslashes of values are removed."""
    assert media_type(r'Image/JLS; Transfer-Syntax=1.2.3; note="a \"b\""') == (
        "image/jls",
        {"transfer-syntax": "1.2.3", "note": 'a "b"'},
    )


def test_part_tells_its_transfer_syntax() -> None:
    """The transfer syntax of a part is a parameter of its Content-Type; it is optional."""
    with_one = Part({"content-type": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"}, b"")

    assert (with_one.media_type, with_one.transfer_syntax) == (
        "application/dicom",
        "1.2.840.10008.1.2.1",
    )
    assert Part(HEADERS, b"").transfer_syntax is None
