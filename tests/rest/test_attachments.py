"""Attachments by REST: the stored file itself, its compression, and files attached by users."""

import pytest

from harness.cases import (
    BLIND_CHANGES,
    REVISIONS,
    Rest,
    Stored,
    Suite,
    first_etag,
    header,
    if_match,
    md5,
    number,
    orthanc_ids,
)

ATTACHMENTS = "Orthanc REST API: /instances/{id}/attachments"

suite = Suite(level="product", needs="rest", ref=ATTACHMENTS)

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
    assert rest.get(f"{attachment}/md5").text == md5(sample.data)


@suite.case("RATT-003", covers="Orthanc.test_upload", needs="orthanc>=1.10.0")
def test_file_is_described_in_one_answer(rest: Rest, stored: Stored) -> None:
    """`info` returns content type, size and MD5 at once."""
    sample = stored.instance()

    info = rest.json(f"/instances/{orthanc_ids(sample).instance}/attachments/dicom/info")

    described = {
        name: info[name] for name in ("ContentType", "UncompressedSize", "UncompressedMD5")
    }
    assert described == {
        "ContentType": 1,
        "UncompressedSize": len(sample.data),
        "UncompressedMD5": md5(sample.data),
    }


@suite.case("RATT-004", covers="Orthanc.test_compression")
def test_compressed_file_takes_less_space(rest: Rest, stored: Stored) -> None:
    """A compressed attachment is smaller on disk than the file that it contains, and reports that."""
    sample = stored.instance(rows=64, columns=64)
    attachment = f"/instances/{orthanc_ids(sample).instance}/attachments/dicom"

    rest.post(f"{attachment}/compress")

    assert rest.get(f"{attachment}/is-compressed").text == "1"
    assert len(rest.get(f"{attachment}/compressed-data").content) < len(sample.data)


@suite.case("RATT-016", covers="Orthanc.test_compression")
def test_compressed_file_reads_the_same(rest: Rest, stored: Stored) -> None:
    """Data, size and MD5 of an attachment do not change when it is compressed."""
    sample = stored.instance(rows=64, columns=64)
    attachment = f"/instances/{orthanc_ids(sample).instance}/attachments/dicom"

    rest.post(f"{attachment}/compress")

    assert rest.get(f"{attachment}/data").content == sample.data
    assert rest.get(f"{attachment}/size").text == str(len(sample.data))
    assert rest.get(f"{attachment}/md5").text == md5(sample.data)


@suite.case("RATT-017", covers="Orthanc.test_compression")
def test_compressed_content_is_described(rest: Rest, stored: Stored) -> None:
    """The compressed size and MD5 are those of the compressed data."""
    sample = stored.instance(rows=64, columns=64)
    attachment = f"/instances/{orthanc_ids(sample).instance}/attachments/dicom"

    rest.post(f"{attachment}/compress")

    kept = rest.get(f"{attachment}/compressed-data").content
    assert rest.get(f"{attachment}/compressed-size").text == str(len(kept))
    assert rest.get(f"{attachment}/compressed-md5").text == md5(kept)


@suite.case("RATT-018", covers="Orthanc.test_compression")
@pytest.mark.parametrize("change", ["compress", "uncompress"])
def test_stored_file_is_verified(rest: Rest, stored: Stored, change: str) -> None:
    """`verify-md5` finds an attachment intact, compressed or not."""
    attachment = f"/instances/{orthanc_ids(stored.instance()).instance}/attachments/dicom"
    rest.post(f"{attachment}/{change}")

    rest.post(f"{attachment}/verify-md5", expect=200)


@suite.case("RATT-005", covers="Orthanc.test_compression")
def test_statistics_follow_compression(rest: Rest, stored: Stored) -> None:
    """Compression changes the size on disk, but not the size of the stored data."""
    sample = stored.instance(rows=64, columns=64)
    attachment = f"/instances/{orthanc_ids(sample).instance}/attachments/dicom"
    rest.post(f"{attachment}/uncompress")
    before = rest.json("/statistics")

    rest.post(f"{attachment}/compress")
    compressed = rest.json("/statistics")
    saved = len(sample.data) - number(rest.get(f"{attachment}/compressed-size").text)
    rest.post(f"{attachment}/uncompress")

    assert number(compressed["TotalDiskSize"]) == number(before["TotalDiskSize"]) - saved
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
    """A user's attachment is returned unchanged, is listed, and can be deleted, at every level."""
    attachments = f"{orthanc_ids(stored.instance()).path(level)}/attachments"
    before = rest.json(attachments)

    rest.put(f"{attachments}/1025", b"\0any bytes\xff")
    answer = rest.get(f"{attachments}/1025/data")
    listed = rest.json(attachments)
    rest.delete(f"{attachments}/1025", headers={"If-Match": header(answer, "ETag")})

    assert answer.content == b"\0any bytes\xff"
    assert set(listed) - set(before) == {"1025"}
    assert rest.json(attachments) == before


@suite.case("RATT-008", covers="Orthanc.test_custom_attachment")
def test_reserved_number_is_refused(rest: Rest, stored: Stored) -> None:
    """Numbers below 1024 are reserved for the server: an attachment with such a number is rejected."""
    attachments = f"/patients/{orthanc_ids(stored.instance()).patient}/attachments"

    rest.put(f"{attachments}/22", b"nope", expect=403)

    assert rest.json(attachments) == []


@suite.case("RATT-009", covers="Orthanc.test_custom_attachment", needs="orthanc>=1.9.2")
def test_user_attachment_takes_space(rest: Rest, stored: Stored) -> None:
    """The statistics of a patient, and of the server, grow and shrink with the attachments of users."""
    patient = f"/patients/{orthanc_ids(stored.instance()).patient}"
    attachment = f"{patient}/attachments/1025"

    sizes = [_sizes(rest, patient)]
    rest.put(attachment, b"x" * 500)
    sizes.append(_sizes(rest, patient))
    taken = number(rest.get(f"{attachment}/compressed-size").text)
    rest.delete(attachment, headers={"If-Match": first_etag(b"x" * 500)})
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
@pytest.mark.parametrize("etag", BLIND_CHANGES.values(), ids=BLIND_CHANGES)
def test_blind_change_of_an_attachment_is_refused(
    rest: Rest, stored: Stored, method: str, etag: str | None
) -> None:
    """An attachment cannot be changed or deleted without its current revision and digest."""
    attachment = f"/instances/{orthanc_ids(stored.instance()).instance}/attachments/1024"
    rest.put(attachment, "value")

    rest.request(method, attachment, data=b"other", headers=if_match(etag, "value"), expect=409)

    assert rest.get(f"{attachment}/data").text == "value"


@suite.case(
    "RATT-011", ref=REVISIONS, covers="Orthanc.test_revisions_attachments", needs="orthanc>=1.9.2"
)
def test_attachment_is_replaced_with_its_etag(rest: Rest, stored: Stored) -> None:
    """With its current ETag in If-Match, an attachment is replaced, and gets another ETag."""
    attachment = f"/instances/{orthanc_ids(stored.instance()).instance}/attachments/1024"
    rest.put(attachment, "old")
    known = header(rest.get(f"{attachment}/data"), "ETag")

    rest.put(attachment, "new", headers={"If-Match": known})

    answer = rest.get(f"{attachment}/data")
    assert answer.text == "new"
    assert header(answer, "ETag").strip('"').partition("-")[2] == md5("new")


@suite.case(
    "RATT-012",
    ref="RFC 9110 13.1.2",
    covers="Orthanc.test_revisions_attachments",
    level="must",
)
@pytest.mark.parametrize("part", ["data", "size", "md5", "compressed-data"])
def test_known_file_is_not_sent_again(rest: Rest, stored: Stored, part: str) -> None:
    """GET with the current ETag in If-None-Match returns 304 and no body."""
    path = f"/instances/{orthanc_ids(stored.instance()).instance}/attachments/dicom/{part}"
    known = header(rest.get(path), "ETag")

    answer = rest.get(path, headers={"If-None-Match": known}, expect=304)

    assert answer.content == b""
    assert header(answer, "ETag") == known


@suite.case(
    "RATT-013",
    ref="Orthanc: release notes of 1.12.1",
    covers="Orthanc.test_add_attachment_to_non_existing_resource",
)
def test_attachment_of_an_unknown_instance(rest: Rest) -> None:
    """An attachment of an instance that does not exist is rejected with 404."""
    rest.put(f"/instances/{UNKNOWN}/attachments/1025", b"x", expect=404)


@suite.case(
    "RATT-014", ref="RFC 9110 14.2", covers="Orthanc.test_attachment_range", needs="orthanc>=1.12.5"
)
@pytest.mark.parametrize("span", ["128-131", "128-"])
def test_range_of_a_file(rest: Rest, stored: Stored, span: str) -> None:
    """A range of bytes is returned with 206 and its position in the file."""
    sample = stored.instance()
    size = len(sample.data)
    first, last = (int(end) if end else size - 1 for end in span.split("-"))

    answer = rest.get(
        f"/instances/{orthanc_ids(sample).instance}/attachments/dicom/data",
        headers={"Range": f"bytes={span}"},
        expect=206,
    )

    assert answer.content == sample.data[first : last + 1]
    assert header(answer, "Content-Range") == f"bytes {first}-{last}/{size}"


@suite.case("RATT-015", covers="Orthanc.test_upload", needs="orthanc>=1.12.7")
def test_file_name_of_a_download(rest: Rest, stored: Stored) -> None:
    """`filename` names the file for the browser that downloads it."""
    path = f"/instances/{orthanc_ids(stored.instance()).instance}/attachments/dicom/data"

    answer = rest.get(path, params={"filename": "knee.dcm"})

    assert header(answer, "Content-Disposition") == 'filename="knee.dcm"'


def _sizes(rest: Rest, patient: str) -> tuple[float, float]:
    """Return the sizes on disk of a patient and of all patients."""
    own, all_of_them = rest.json(f"{patient}/statistics"), rest.json("/statistics")
    return number(own["DiskSize"]), number(all_of_them["TotalDiskSize"])
