"""Attacks by HTTP: wrong lengths, expanding bodies, malformed multipart and JSON.

Each case represents a published class of defects. The server may answer anything, or close the connection,
but it must keep serving others, and use no more memory than is appropriate for the request.
"""

import gzip
import io
import struct
import zipfile

import pytest

from harness.cases import (
    Hostile,
    Maker,
    MessagePart,
    Rest,
    Stored,
    Suite,
    bomb,
    part10,
    web_parts,
)

suite = Suite(level="quality", needs="rest")

GROWN = 160
"""Megabytes to which a small body expands."""
BINARY = (b"Content-Type", b"application/dicom")
JSON = (b"Content-Type", b"application/json")
ROOT = "/dicom-web"


def tiny(make: Maker) -> MessagePart:
    """Return a small file."""
    return part10(make.instance(rows=2, columns=2))


@suite.case("ROBU-020", ref="CVE-2026-5440")
@pytest.mark.parametrize("length", [(1 << 32) - 1, (1 << 32) + 10, (1 << 63) - 1, -1], ids=str)
def test_content_length_beyond_all_bounds(hostile: Hostile, length: int) -> None:
    """A body declared with gigabytes, or a negative length, takes no memory before it arrives."""
    request = web_parts.request("POST", b"/instances", BINARY, body=b"DICM")
    hostile.survives(request.having("counted", lie=length), door="http", closes=False)


@suite.case("ROBU-021", ref="CVE-2026-5438")
@pytest.mark.parametrize("what", ["grows", "size-that-lies", "cut"])
def test_compressed_body(hostile: Hostile, what: str) -> None:
    """The server survives gzip bodies that expand a thousandfold, have a wrong size or are truncated."""
    packed = gzip.compress(b"DICM" * 100, mtime=0)
    body = {
        "grows": packed[:10] + bomb(GROWN) + struct.pack("<II", 0, GROWN << 20),
        "size-that-lies": packed[:-4] + b"\xff\xff\xff\x7f",
        "cut": packed[: len(packed) // 2] + bytes(4),
    }[what]
    encoded = (b"Content-Encoding", b"gzip")
    request = web_parts.request("POST", b"/instances", BINARY, encoded, body=body)
    hostile.survives(request, door="http", closes=False)


@suite.case("ROBU-022", ref="CVE-2026-5439")
def test_zip_whose_sizes_lie(hostile: Hostile) -> None:
    """An archive that declares gigabytes for a member of a few bytes takes no memory for them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("object.dcm", b"DICM")
    data = bytearray(buffer.getvalue())
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        begin = data.find(signature) + at
        data[begin : begin + 4] = struct.pack("<I", 0x60000000)
    zipped = (b"Content-Type", b"application/zip")
    request = web_parts.request("POST", b"/instances", zipped, body=bytes(data))
    hostile.survives(request, door="http", closes=False)


CHUNKS = {
    "size-that-is-none": b"xyz\r\nabc\r\n0\r\n\r\n",
    "size-beyond-all-bounds": b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "negative-size": b"-5\r\nabc\r\n0\r\n\r\n",
    "no-last-chunk": b"3\r\nabc\r\n",
}


@suite.case("ROBU-023", ref="RFC 9112 7.1")
@pytest.mark.parametrize("name", CHUNKS)
def test_chunks_whose_sizes_lie(hostile: Hostile, name: str) -> None:
    """The server survives chunks whose sizes are not numbers, or are far too large."""
    request = web_parts.request("POST", b"/instances", BINARY, body=b"", chunked=True)
    chunks = MessagePart("last chunk", CHUNKS[name])
    hostile.survives(
        request.having("last chunk", content=chunks.content), door="http", closes=False
    )


HEADERS = {
    "many": MessagePart("header", b"X-A: b\r\n", times=20000),
    "long": MessagePart("header", b"X-A: ", tail=b"b" * 500_000 + b"\r\n"),
    "none": MessagePart("header", b"\0\xff\r\n"),
    "twice": MessagePart("header", b"Content-Length: 5\r\nContent-Length: 7\r\n"),
}


@suite.case("ROBU-024", ref="RFC 9110 5.4")
@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_none(hostile: Hostile, name: str) -> None:
    """The server survives twenty thousand header fields, one of half a megabyte, or a malformed one."""
    request = web_parts.request("GET", b"/system")
    children = request.children()
    hostile.survives(
        MessagePart("GET", (*children[:-1], HEADERS[name], children[-1])), door="http", closes=False
    )


FILES = {
    "group-length-beyond-the-end": {"name": "file meta information", "lie": 0xFFFFFFFF},
    "group-length-of-0": {"name": "file meta information", "lie": 0},
    "uid-beyond-the-end": {"name": "TransferSyntaxUID", "lie": 0xFFFF},
    "no-meta-information": {"name": "file meta information", "content": b""},
    "only-a-prefix": {"name": "data set", "content": b""},
    "unknown-vr": {"name": "MediaStorageSOPClassUID", "head": b"\2\0\2\0ZZ"},
}


@suite.case("ROBU-025", ref="CVE-2026-5437, CVE-2026-3650")
@pytest.mark.parametrize("name", FILES)
def test_file_whose_meta_information_lies(hostile: Hostile, make: Maker, name: str) -> None:
    """The server survives files whose meta information is missing, or extends beyond the end."""
    change = dict(FILES[name])
    file = tiny(make).having(str(change.pop("name")), **change)
    hostile.survives(web_parts.request("POST", b"/instances", BINARY, body=file), door="http")


@suite.case("ROBU-026", ref="CVE-2023-33466")
def test_export_writes_no_file(hostile: Hostile, rest: Rest, stored: Stored) -> None:
    """A client cannot make the server write an instance to a path of its choice."""
    stored.instance()
    instance = rest.json("/instances")[0]
    rest.post(f"/instances/{instance}/export", "/tmp/robu-exported", expect=None)  # noqa: S108

    escaped = hostile.escaped("robu-exported")
    for each in escaped:
        each.unlink()
    assert escaped == []


@suite.case("ROBU-027", ref="CWE-674")
@pytest.mark.parametrize("path", ["/tools/find", "/tools/create-dicom", "/tools/bulk-content"])
def test_json_with_thousands_of_levels(hostile: Hostile, path: str) -> None:
    """The server survives JSON with a hundred thousand levels."""
    body = MessagePart("json", b"", times=1), MessagePart("level", b"[", times=100_000)
    request = web_parts.request("POST", path.encode(), JSON, body=MessagePart("json", body))
    hostile.survives(request, door="http", closes=False)


MULTIPARTS = {
    "no-boundary": (b'multipart/related; type="application/dicom"', b"--B\r\n\r\nDICM"),
    "empty-boundary": (b'multipart/related; type="application/dicom"; boundary=', b"--\r\n\r\nDICM\r\n----"),
    "no-end": (b'multipart/related; type="application/dicom"; boundary=B', b"--B\r\n\r\nDICM"),
    "nothing": (b'multipart/related; type="application/dicom"; boundary=B', b""),
    "long-boundary": (b'multipart/related; type="application/dicom"; boundary=' + b"B" * 20000, b"--B--"),
    "only-boundaries": (b'multipart/related; type="application/dicom"; boundary=B', b"--B\r\n" * 20000),
}  # fmt: skip


@suite.case("ROBU-028", ref="PS3.18 10.5", needs="dicomweb.stow")
@pytest.mark.parametrize("name", MULTIPARTS)
def test_multipart_body_that_is_none(hostile: Hostile, name: str) -> None:
    """The server survives multipart bodies without a boundary, an end or any parts."""
    kind, body = MULTIPARTS[name]
    request = web_parts.request(
        "POST", f"{ROOT}/studies".encode(), (b"Content-Type", kind), body=body
    )
    hostile.survives(request, door="http", closes=False)


SEARCHES = {
    "long": b"PatientName=" + b"*a" * 3000,
    "many": b"&".join(b"00100020=%d" % number for number in range(1000)),
    "limit-of-none": b"limit=-1&offset=99999999999999999999",
    "bytes": b"PatientName=%00%ff%fe%c0%80",
    "quotes": b"PatientName=%22%5c%27%5d%7d",
}


@suite.case("ROBU-029", ref="PS3.18 8.3.4", needs="dicomweb.qido")
@pytest.mark.parametrize("name", SEARCHES)
def test_search_that_is_none(hostile: Hostile, name: str) -> None:
    """The server survives searches with thousands of wildcards or keys, or with bytes that are not text."""
    target = f"{ROOT}/studies?".encode() + SEARCHES[name]
    hostile.survives(
        web_parts.request("GET", target, (b"Accept", b"application/dicom+json")), door="http"
    )
