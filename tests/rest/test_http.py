"""HTTP: compression, error bodies, methods, large bodies, names of downloads."""

import gzip
import zlib
from typing import Any
from urllib.parse import quote

import pytest

from harness.cases import Maker, Party, Rest, Stored, Suite, configured, header, orthanc_ids

suite = Suite(level="product", needs="rest")

NOT_FOUND = "Orthanc Book: configuration, HttpDescribeErrors"


# Bodies of errors


@suite.case("HTTP-001", ref=NOT_FOUND)
@pytest.mark.parametrize(
    ("method", "path", "status", "code", "text"),
    [
        ("GET", "/no-such-path", 404, 17, "Unknown resource"),
        ("POST", "/instances", 400, 15, "Bad file format"),
        ("POST", "/tools/find", 400, 8, "Bad request"),
        ("PUT", "/modalities/new", 400, 15, "Bad file format"),
        ("PUT", "/tools/default-encoding", 400, 3, "Parameter out of range"),
        ("GET", "/instances?since=nope&limit=1", 400, 5, "Bad type for a parameter"),
    ],
)
def test_error_describes_itself(
    rest: Rest, method: str, path: str, status: int, *, code: int, text: str
) -> None:
    """An error has a JSON body with the HTTP status, Orthanc's own code and text, method and path."""
    answer = rest.request(method, path, data=b"nope", expect=status)

    error = answer.json()
    assert (error["HttpStatus"], error["OrthancStatus"], error["OrthancError"]) == (
        status, code, text,
    )  # fmt: skip
    assert (error["Method"], error["Uri"]) == (method, path.partition("?")[0])


@suite.case("HTTP-002", ref=NOT_FOUND)
@configured(HttpDescribeErrors=False)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/instances/nope", 404), ("POST", "/tools/find", 400), ("POST", "/instances", 400)],
)
def test_error_says_nothing(rest: Rest, method: str, path: str, status: int) -> None:
    """Without HttpDescribeErrors, an error has its status and no body."""
    assert rest.request(method, path, data=b"nope", expect=status).content == b""


@suite.case("HTTP-003", ref="RFC 9110 15.5.6", level="must")
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/system", {"GET"}),
        ("DELETE", "/instances", {"GET", "POST"}),
        ("GET", "/tools/find", {"POST"}),
        ("PUT", "/studies", {"GET"}),
        ("PUT", "/changes", {"GET", "DELETE"}),
    ],
)
def test_method_that_a_resource_has_not(
    rest: Rest, method: str, path: str, allowed: set[str]
) -> None:
    """A method that a resource does not support is rejected with 405, and Allow lists the supported ones."""
    answer = rest.request(method, path, expect=405)

    assert {each.strip() for each in header(answer, "Allow").split(",")} == allowed


# Compression


COMPRESSED = configured(HttpCompressionEnabled=True)


def raw_answer(rest: Rest, path: str, accepted: str) -> Any:
    """Request a path in an encoding, and return the answer with its body as sent."""
    answer = rest.get(path, headers={"Accept-Encoding": accepted}, stream=True)
    return answer.headers, answer.raw.read(decode_content=False)


@suite.case("HTTP-004", ref="RFC 9110 12.5.3; Orthanc Book: HttpCompressionEnabled")
@COMPRESSED
@pytest.mark.parametrize(
    ("accepted", "decode"),
    [("gzip", gzip.decompress), ("deflate", zlib.decompress), ("gzip, deflate", gzip.decompress)],
)
def test_answer_is_compressed(rest: Rest, stored: Stored, accepted: str, decode: Any) -> None:
    """A client that accepts gzip or deflate gets the same body compressed."""
    stored.study(instances=20)
    plain = rest.get("/instances?expand", headers={"Accept-Encoding": "identity"}).content

    headers, body = raw_answer(rest, "/instances?expand", accepted)

    assert headers.get("Content-Encoding") in accepted.split(", ")
    assert int(headers["Content-Length"]) == len(body) < len(plain)
    assert decode(body) == plain


@suite.case("HTTP-005", ref="RFC 9110 12.5.3", level="must")
@pytest.mark.parametrize("accepted", ["identity", "br", "", "x-gzip-like"])
@COMPRESSED
def test_answer_is_not_compressed_unasked(rest: Rest, stored: Stored, accepted: str) -> None:
    """A client that does not accept gzip or deflate gets a body without an encoding."""
    stored.study(instances=20)

    headers, body = raw_answer(rest, "/instances?expand", accepted)

    assert "Content-Encoding" not in headers
    assert body.lstrip().startswith(b"[")


@suite.case("HTTP-006", ref="Orthanc Book: configuration, HttpCompressionEnabled")
@configured(HttpCompressionEnabled=False)
def test_compression_can_be_off(rest: Rest, stored: Stored) -> None:
    """Without HttpCompressionEnabled, nothing is compressed, whatever the client accepts."""
    stored.study(instances=20)

    headers, body = raw_answer(rest, "/instances?expand", "gzip, deflate")

    assert "Content-Encoding" not in headers
    assert body.lstrip().startswith(b"[")


@suite.case("HTTP-007", ref="Orthanc Book: configuration, HttpCompressionEnabled")
@COMPRESSED
def test_compressed_file_is_the_same(rest: Rest, stored: Stored) -> None:
    """A DICOM file is the same, byte by byte, to a client that accepts compression."""
    sample = stored.instance(rows=64, columns=64)

    answer = rest.get(
        f"{orthanc_ids(sample).path('instance')}/file", headers={"Accept-Encoding": "gzip, deflate"}
    )

    assert answer.content == sample.data


# Large bodies and other forms of bodies


@suite.case("HTTP-008", ref="Orthanc REST API: POST /instances")
def test_large_upload(rest: Rest, make: Maker) -> None:
    """An object of 8 MB is stored and returned unchanged."""
    sample = make.instance(rows=2048, columns=2048)

    stored = rest.upload(sample.data)

    assert len(sample.data) > 8_000_000
    came = rest.get(f"{stored['Path']}/file").content
    assert came == sample.data, "the file differs"


@suite.case("HTTP-009", ref="RFC 9112 7.1", level="must")
def test_chunked_upload(rest: Rest, make: Maker) -> None:
    """An upload in chunks, without a length, is stored as it was."""
    sample = make.instance()
    chunks = (sample.data[start : start + 500] for start in range(0, len(sample.data), 500))

    answer = rest.request("POST", "/instances", data=chunks).json()

    assert rest.get(f"{answer['Path']}/file").content == sample.data


@suite.case(
    "HTTP-010",
    ref="RFC 9110 8.4",
)
def test_compressed_upload(rest: Rest, make: Maker) -> None:
    """An upload with Content-Encoding gzip is stored as the object that it holds."""
    sample = make.instance()

    answer = rest.post(
        "/instances", gzip.compress(sample.data), headers={"Content-Encoding": "gzip"}
    ).json()

    assert rest.get(f"{answer['Path']}/file").content == sample.data


@suite.case("HTTP-011", ref="RFC 9110 15.5.1")
@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_upload_of_something_else(rest: Rest, make: Maker, size: int) -> None:
    """A body of any size that is not a DICOM file is rejected with 400; the next upload is stored."""
    rest.post("/instances", b"x" * size, expect=400)

    assert rest.upload(make.instance().data)["Status"] == "Success"
    assert len(rest.json("/instances")) == 1


@suite.case("HTTP-012", ref="RFC 9110 10.1.1", level="must")
def test_client_that_waits_for_100(rest: Rest, make: Maker) -> None:
    """An upload with Expect: 100-continue is stored."""
    sample = make.instance()

    rest.post("/instances", sample.data, headers={"Expect": "100-continue"})

    assert rest.json("/instances") == [orthanc_ids(sample).instance]


# Names of downloads


@suite.case(
    "HTTP-013", ref="Orthanc: release notes of 1.12.7", covers="Orthanc.test_content_disposition",
    needs="orthanc>=1.12.7",
)  # fmt: skip
@pytest.mark.parametrize("path", ["file", "archive"])
@pytest.mark.parametrize("name", ["mine.dcm", "two words.dcm", "a-b_c.1.zip"])
def test_name_of_a_download(rest: Rest, stored: Stored, path: str, name: str) -> None:
    """The argument `filename` is the name in Content-Disposition."""
    answer = rest.get(f"{_download(stored, path)}?filename={quote(name)}")

    assert header(answer, "Content-Disposition") == f'filename="{name}"'


@suite.case(
    "HTTP-014", ref="Orthanc: release notes of 1.12.11", covers="Orthanc.test_content_disposition",
    needs="orthanc>=1.12.11",
)  # fmt: skip
@pytest.mark.parametrize("path", ["file", "archive"])
def test_quotes_in_the_name_of_a_download(rest: Rest, stored: Stored, path: str) -> None:
    """Quotation marks in `filename` do not terminate the value in Content-Disposition."""
    answer = rest.get(_download(stored, path), params={"filename": '"mine".dcm'})

    assert header(answer, "Content-Disposition") == 'filename="mine.dcm"'


@suite.case("HTTP-015", ref="RFC 9110 5.5", covers="Orthanc.test_content_disposition", level="must")
@pytest.mark.parametrize("path", ["file", "archive"])
@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r"], ids=["crlf", "lf", "cr"])
def test_no_header_is_smuggled_in(rest: Rest, stored: Stored, path: str, ends: str) -> None:
    """Line breaks in `filename` do not start another header of the answer, or its body."""
    answer = rest.get(
        _download(stored, path),
        params={"filename": f"mine.dcm{ends}Set-Cookie: evil=1{ends}{ends}body"},
        expect=None,
    )

    assert "Set-Cookie" not in answer.headers
    assert answer.status_code == 400 or answer.content[:4] != b"body"


def _download(stored: Stored, kind: str) -> str:
    """Store an object, and return the path of its file or of the archive of its study."""
    ids = orthanc_ids(stored.instance())
    return f"{ids.path('instance')}/file" if kind == "file" else f"{ids.path('study')}/archive"


# Paths and connections


@suite.case("HTTP-016", ref="RFC 3986 6.2.2")
@pytest.mark.parametrize("path", ["/system/", "//system", "/%73ystem"])
def test_other_spellings_of_a_path(rest: Rest, path: str) -> None:
    """A path with an additional slash or an encoded letter is the same resource."""
    assert rest.json(path) == rest.json("/system")


@suite.case("HTTP-017", ref="RFC 9110 9.3.2", level="must")
@pytest.mark.parametrize("path", ["/system", "/instances/nope"])
def test_head_has_no_body(rest: Rest, path: str) -> None:
    """HEAD is answered without a body, and the next request on the connection works."""
    answer = rest.request("HEAD", path, expect=None)

    assert answer.content == b""
    assert rest.json("/patients") == []


@suite.case("HTTP-018", ref="Orthanc Book: configuration, KeepAlive")
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "closed"])
def test_connection_is_kept(remote: Party, rest: Rest, kept: bool) -> None:
    """A connection is kept open or closed, as the client requests."""
    headers = {} if kept else {"Connection": "close"}

    answer = rest.get("/system", headers=headers)

    assert (header(answer, "Connection").lower() == "keep-alive") == kept
