"""Attachments over REST: the stored file itself, its compression, and the files that users attach."""

import hashlib

import pytest

from harness.cases import Rest, Stored, Suite, orthanc_ids

ATTACHMENTS = "Orthanc REST API: /instances/{id}/attachments"

suite = Suite(level="product", needs="rest", ref=ATTACHMENTS)

REVISIONS = "Orthanc Book: REST API, CheckRevisions"
UNKNOWN = "-".join(["01234567"] * 5)


@suite.case(
    "RATT-001",
    covers=("Orthanc.test_custom_attachment", "Orthanc.test_compression"),
    needs="orthanc>=1.10.0",
)
def test_instance_has_its_file_attached(rest: Rest, stored: Stored) -> None:
    """An instance has the attachment `dicom`, of content type 1; a patient has none."""
    ids = orthanc_ids(stored.instance())

    assert rest.json(f"/instances/{ids.instance}/attachments?full")["dicom"] == 1
    assert rest.json(f"/patients/{ids.patient}/attachments") == []


@suite.case("RATT-002", covers=("Orthanc.test_compression", "Orthanc.test_upload"))
def test_file_is_described_as_it_was_uploaded(rest: Rest, stored: Stored) -> None:
    """Data, size and MD5 of the attachment are those of the file that was uploaded."""
    sample = stored.instance()
    attachment = f"/instances/{orthanc_ids(sample).instance}/attachments/dicom"

    assert rest.get(f"{attachment}/data").content == sample.data
    assert rest.get(f"{attachment}/size").text == str(len(sample.data))
    assert rest.get(f"{attachment}/md5").text == _md5(sample.data)
    rest.post(f"{attachment}/verify-md5")


@suite.case("RATT-003", covers="Orthanc.test_upload", needs="orthanc>=1.10.0")
def test_file_is_described_in_one_answer(rest: Rest, stored: Stored) -> None:
    """`info` gives content type, size and MD5 at once."""
    sample = stored.instance()

    info = rest.json(f"/instances/{orthanc_ids(sample).instance}/attachments/dicom/info")

    described = {
        name: info[name] for name in ("ContentType", "UncompressedSize", "UncompressedMD5")
    }
    assert described == {
        "ContentType": 1,
        "UncompressedSize": len(sample.data),
        "UncompressedMD5": _md5(sample.data),
    }


@suite.case("RATT-004", covers="Orthanc.test_compression")
def test_compressed_file_takes_less_and_reads_the_same(rest: Rest, stored: Stored) -> None:
    """A compressed attachment is smaller on the disk; its data, size and MD5 do not change."""
    sample = stored.instance(rows=64, columns=64)
    attachment = f"/instances/{orthanc_ids(sample).instance}/attachments/dicom"

    rest.post(f"{attachment}/compress")

    assert rest.get(f"{attachment}/is-compressed").text == "1"
    assert rest.get(f"{attachment}/data").content == sample.data
    assert rest.get(f"{attachment}/size").text == str(len(sample.data))
    assert rest.get(f"{attachment}/md5").text == _md5(sample.data)
    kept = rest.get(f"{attachment}/compressed-data").content
    assert len(kept) < len(sample.data)
    assert rest.get(f"{attachment}/compressed-size").text == str(len(kept))
    assert rest.get(f"{attachment}/compressed-md5").text == _md5(kept)
    rest.post(f"{attachment}/verify-md5")


@suite.case("RATT-005", covers="Orthanc.test_compression")
def test_statistics_follow_compression(rest: Rest, stored: Stored) -> None:
    """Compression changes what the server takes on the disk, and not what it holds."""
    sample = stored.instance(rows=64, columns=64)
    attachment = f"/instances/{orthanc_ids(sample).instance}/attachments/dicom"
    rest.post(f"{attachment}/uncompress")
    before = rest.json("/statistics")

    rest.post(f"{attachment}/compress")
    compressed = rest.json("/statistics")
    saved = len(sample.data) - int(rest.get(f"{attachment}/compressed-size").text)
    rest.post(f"{attachment}/uncompress")

    assert int(compressed["TotalDiskSize"]) == int(before["TotalDiskSize"]) - saved
    assert compressed["TotalUncompressedSize"] == before["TotalUncompressedSize"]
    assert rest.json("/statistics") == before
    assert rest.get(f"{attachment}/is-compressed").text == "0"


@suite.case(
    "RATT-006", covers=("Orthanc.test_revisions_attachments", "Orthanc.test_reconstruct_json")
)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_file_of_an_instance_cannot_be_replaced(rest: Rest, stored: Stored, method: str) -> None:
    """The attachment `dicom` can be neither replaced nor deleted."""
    sample = stored.instance()
    attachment = f"/instances/{orthanc_ids(sample).instance}/attachments/dicom"

    rest.request(method, attachment, data=b"nope", expect=403)

    assert rest.get(f"{attachment}/data").content == sample.data


@suite.case("RATT-007", covers="Orthanc.test_custom_attachment")
@pytest.mark.parametrize("level", ["patient", "study", "series", "instance"])
def test_user_attachment_of_each_level(rest: Rest, stored: Stored, level: str) -> None:
    """What a user attaches is given back as it was, listed, and can be deleted, at every level."""
    folder = {"study": "studies", "series": "series"}.get(level, f"{level}s")
    attachments = f"/{folder}/{orthanc_ids(stored.instance())._asdict()[level]}/attachments"
    before = rest.json(attachments)

    rest.put(f"{attachments}/1025", b"\0any bytes\xff")
    answer = rest.get(f"{attachments}/1025/data")
    listed = rest.json(attachments)
    rest.delete(f"{attachments}/1025", headers={"If-Match": answer.headers["ETag"]})

    assert answer.content == b"\0any bytes\xff"
    assert set(listed) - set(before) == {"1025"}
    assert rest.json(attachments) == before


@suite.case("RATT-008", covers="Orthanc.test_custom_attachment")
def test_reserved_number_is_refused(rest: Rest, stored: Stored) -> None:
    """A number below 1024 belongs to the server: nothing can be attached under it."""
    attachments = f"/patients/{orthanc_ids(stored.instance()).patient}/attachments"

    rest.put(f"{attachments}/22", b"nope", expect=403)

    assert rest.json(attachments) == []


@suite.case("RATT-009", covers="Orthanc.test_custom_attachment", needs="orthanc>=1.9.2")
def test_user_attachment_takes_space(rest: Rest, stored: Stored) -> None:
    """The statistics of a patient, and of the server, grow and shrink by what users attach."""
    patient = f"/patients/{orthanc_ids(stored.instance()).patient}"
    attachment = f"{patient}/attachments/1025"

    sizes = [_sizes(rest, patient)]
    rest.put(attachment, b"x" * 500)
    sizes.append(_sizes(rest, patient))
    taken = int(rest.get(f"{attachment}/compressed-size").text)
    rest.delete(attachment, headers={"If-Match": f"0-{_md5(b'x' * 500)}"})
    sizes.append(_sizes(rest, patient))

    first = sizes[0][0]
    assert sizes == [(first, first), (first + taken, first + taken), (first, first)]


@suite.case(
    "RATT-010",
    ref=REVISIONS,
    covers=("Orthanc.test_revisions_attachments", "Orthanc.test_custom_attachment"),
    needs="orthanc>=1.9.2",
)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"If-Match": "7-{md5}"}, {"If-Match": "0-d41d8cd98f00b204e9800998ecf8427e"}],
    ids=["none", "other-revision", "other-digest"],
)
def test_blind_change_of_an_attachment_is_refused(
    rest: Rest, stored: Stored, method: str, headers: dict[str, str]
) -> None:
    """An attachment is changed or deleted only by who knows its present revision and content."""
    attachment = f"/instances/{orthanc_ids(stored.instance()).instance}/attachments/1024"
    rest.put(attachment, "value")
    sent = {name: value.format(md5=_md5(b"value")) for name, value in headers.items()}

    rest.request(method, attachment, data=b"other", headers=sent, expect=409)

    assert rest.get(f"{attachment}/data").text == "value"


@suite.case(
    "RATT-011", ref=REVISIONS, covers="Orthanc.test_revisions_attachments", needs="orthanc>=1.9.2"
)
def test_attachment_is_changed_by_who_knows_it(rest: Rest, stored: Stored) -> None:
    """With the present ETag in If-Match an attachment is replaced, and has another ETag then."""
    attachment = f"/instances/{orthanc_ids(stored.instance()).instance}/attachments/1024"
    rest.put(attachment, "old")
    known = rest.get(f"{attachment}/data").headers["ETag"]

    rest.put(attachment, "new", headers={"If-Match": known})

    answer = rest.get(f"{attachment}/data")
    assert answer.text == "new"
    assert answer.headers["ETag"].strip('"').partition("-")[2] == _md5(b"new")


@suite.case(
    "RATT-012",
    ref="RFC 9110 13.1.2",
    covers="Orthanc.test_revisions_attachments",
    level="must",
    needs="orthanc>=1.9.2",
)
@pytest.mark.parametrize("part", ["data", "size", "md5", "compressed-data"])
def test_known_file_is_not_sent_again(rest: Rest, stored: Stored, part: str) -> None:
    """GET with the present ETag in If-None-Match is answered with 304 and no body."""
    path = f"/instances/{orthanc_ids(stored.instance()).instance}/attachments/dicom/{part}"
    known = rest.get(path).headers["ETag"]

    answer = rest.get(path, headers={"If-None-Match": known}, expect=304)

    assert answer.content == b""
    assert answer.headers["ETag"] == known


@suite.case(
    "RATT-013",
    ref="Orthanc: release notes of 1.12.1",
    covers="Orthanc.test_add_attachment_to_non_existing_resource",
    needs="orthanc>=1.12.1",
)
def test_nothing_is_attached_to_what_is_not_there(rest: Rest) -> None:
    """An attachment of an instance that does not exist is refused with 404."""
    rest.put(f"/instances/{UNKNOWN}/attachments/1025", b"x", expect=404)


@suite.case(
    "RATT-014", ref="RFC 9110 14.2", covers="Orthanc.test_attachment_range", needs="orthanc>=1.12.5"
)
@pytest.mark.parametrize("span", ["128-131", "128-"])
def test_range_of_a_file(rest: Rest, stored: Stored, span: str) -> None:
    """A range of bytes is given alone, with 206 and with its place in the whole."""
    sample = stored.instance()
    size = len(sample.data)
    first, last = (int(end) if end else size - 1 for end in span.split("-"))

    answer = rest.get(
        f"/instances/{orthanc_ids(sample).instance}/attachments/dicom/data",
        headers={"Range": f"bytes={span}"},
        expect=206,
    )

    assert answer.content == sample.data[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{size}"


@suite.case("RATT-015", covers="Orthanc.test_upload", needs="orthanc>=1.12.7")
def test_file_name_of_a_download(rest: Rest, stored: Stored) -> None:
    """`filename` names the file for the browser that downloads it."""
    path = f"/instances/{orthanc_ids(stored.instance()).instance}/attachments/dicom/data"

    answer = rest.get(path, params={"filename": "knee.dcm"})

    assert answer.headers["Content-Disposition"] == 'filename="knee.dcm"'


def _sizes(rest: Rest, patient: str) -> tuple[int, int]:
    """Give what a patient, and what all patients, take on the disk."""
    own, all_of_them = rest.json(f"{patient}/statistics"), rest.json("/statistics")
    return int(own["DiskSize"]), int(all_of_them["TotalDiskSize"])


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
