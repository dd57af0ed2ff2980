"""Uploading by REST: what is stored, under which identifiers, and what is rejected."""

import gzip
import io
import uuid
import zipfile

import pytest
from pydicom.dataelem import DataElement

from harness.cases import Corpus, Maker, Rest, Stored, Suite, file_of, orthanc_ids

suite = Suite(level="product", needs="rest")


@suite.case(
    "RUPL-001",
    ref="Orthanc REST API: POST /instances; Orthanc Book: Orthanc identifiers",
    covers="Orthanc.test_upload",
)
def test_upload_returns_predictable_identifiers(rest: Rest, make: Maker) -> None:
    """The answer to an upload has the path, and identifiers derived from those of DICOM."""
    sample = make.instance()

    answer = rest.upload(sample.data)

    ids = orthanc_ids(sample)
    assert answer == {
        "ID": ids.instance,
        "ParentPatient": ids.patient,
        "ParentSeries": ids.series,
        "ParentStudy": ids.study,
        "Path": f"/instances/{ids.instance}",
        "Status": "Success",
    }


@suite.case(
    "RUPL-002",
    ref="Orthanc REST API: GET /instances/{id}/file",
    covers=("Orthanc.test_upload_2", "Orthanc.test_raw_tags"),
)
@pytest.mark.parametrize(
    "sample", ["p01", "p03", "p05", "p07", "p09-rle-gray", "p12-jpeg-2000", "t01-un", "t03"]
)
def test_file_is_returned_unchanged(rest: Rest, stored: Stored, sample: str) -> None:
    """A file is returned byte for byte, whatever its transfer syntax and elements."""
    uploaded = stored.sample(sample)

    returned = rest.get(f"/instances/{orthanc_ids(uploaded).instance}/file").content

    assert returned == uploaded.data


@suite.case("RUPL-003", ref="Orthanc REST API: POST /instances", covers="Orthanc.test_upload")
def test_second_upload_of_a_file_adds_nothing(rest: Rest, make: Maker) -> None:
    """A file that is uploaded twice is one instance, and takes its space once."""
    sample = make.instance()
    rest.upload(sample.data)
    before = rest.json("/statistics")

    rest.upload(sample.data)

    assert rest.json("/statistics") == before
    assert rest.json("/instances") == [orthanc_ids(sample).instance]


@suite.case(
    "RUPL-004", ref="Orthanc Book: configuration, OverwriteInstances", covers="Orthanc.test_upload"
)
def test_other_content_of_an_instance_replaces_it(rest: Rest, make: Maker) -> None:
    """With OverwriteInstances, another file with the same identifiers replaces the first."""
    first = make.instance(pixels=False, SeriesDescription="First")
    second = make.instance(pixels=False, SeriesDescription="The second, and longer")
    rest.upload(first.data)

    status = rest.upload(second.data)["Status"]

    assert status == "Success"
    assert rest.get(f"/instances/{orthanc_ids(first).instance}/file").content == second.data
    assert rest.json("/statistics")["TotalUncompressedSize"] == str(len(second.data))


@suite.case(
    "RUPL-005", ref="RFC 9110 8.4", covers="Orthanc.test_upload_compressed", needs="orthanc>=1.6.0"
)
def test_gzip_coding_is_decoded(rest: Rest, make: Maker) -> None:
    """An upload with `Content-Encoding: gzip` stores the decompressed file."""
    sample = make.instance()

    rest.post("/instances", gzip.compress(sample.data), headers={"Content-Encoding": "gzip"})

    assert rest.get(f"/instances/{orthanc_ids(sample).instance}/file").content == sample.data


@suite.case("RUPL-006", ref="RFC 9110 8.4", covers="Orthanc.test_upload_compressed")
@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "nope"}], ids=["none", "unknown"])
def test_gzip_without_its_name_is_refused(rest: Rest, make: Maker, headers: dict[str, str]) -> None:
    """A compressed file is rejected with 400 if its coding is missing or unknown."""
    compressed = gzip.compress(make.instance().data)

    rest.post("/instances", compressed, headers=headers, expect=400)

    assert rest.json("/instances") == []


@suite.case("RUPL-007", ref="Orthanc REST API: POST /instances")
@pytest.mark.parametrize("sample", ["x00", "x04-cut-in-header", "x04-cut-in-value"])
def test_broken_file_is_refused(rest: Rest, corpus: Corpus, sample: str) -> None:
    """A file that is not DICOM or is truncated is rejected with 400, and nothing is stored."""
    rest.post("/instances", corpus[sample].data, expect=400)

    assert rest.json("/patients") == []
    assert rest.json("/statistics")["TotalDiskSize"] == "0"


@suite.case("RUPL-008", ref="Orthanc REST API: POST /instances")
def test_empty_upload_is_refused(rest: Rest) -> None:
    """An upload without content is rejected with 400."""
    rest.post("/instances", b"", expect=400)


@suite.case(
    "RUPL-009",
    ref="Orthanc: release notes of 1.8.2",
    covers="Orthanc.test_transfer_syntax_no_metaheader",
)
def test_file_without_meta_header_is_stored(rest: Rest, stored: Stored) -> None:
    """A data set without file meta information is stored as Implicit VR Little Endian."""
    sample = stored.sample("x02")

    metadata = rest.json(f"/instances/{orthanc_ids(sample).instance}/metadata?expand")

    assert metadata["TransferSyntax"] == "1.2.840.10008.1.2"
    assert metadata["SopClassUid"] == sample.sop_class_uid


@suite.case(
    "RUPL-010",
    ref="Orthanc REST API: POST /instances",
    covers="Orthanc.test_upload_zip",
    needs="orthanc>=1.8.2",
)
def test_archive_is_unpacked(rest: Rest, make: Maker) -> None:
    """Each DICOM file in a ZIP archive is stored, whatever its folder; other files are ignored."""
    first, second = make.instance(number=1), make.instance(number=2)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("readme.txt", "not DICOM")
        file.writestr("first", first.data)
        file.writestr("folder/below/second.dcm", second.data)

    answers = rest.post("/instances", archive.getvalue()).json()

    expected = {orthanc_ids(first).instance, orthanc_ids(second).instance}
    assert {each["ID"] for each in answers} == expected
    assert [each["Status"] for each in answers] == ["Success", "Success"]
    assert set(rest.json("/instances")) == expected


@suite.case(
    "RUPL-011",
    ref="Orthanc: release notes of 1.9.7",
    covers="Orthanc.test_upload_dicomdir_archive",
    needs="orthanc>=1.8.2",
)
def test_media_archive_can_be_uploaded_again(rest: Rest, stored: Stored) -> None:
    """Uploading the archive of a study with a DICOMDIR stores the study; the DICOMDIR is ignored."""
    ids = orthanc_ids(stored.instance())
    media = rest.get(f"/studies/{ids.study}/media").content
    rest.delete(f"/studies/{ids.study}")

    answers = rest.post("/instances", media).json()

    assert [each["ID"] for each in answers] == [ids.instance]
    assert rest.json("/instances") == [ids.instance]


@suite.case("RUPL-012", ref="RFC 7578", covers="Orthanc.test_upload_multipart_1")
def test_form_stores_each_of_its_files(rest: Rest, make: Maker) -> None:
    """A form with two files, as a browser sends it, stores both."""
    first, second = make.instance(number=1), make.instance(number=2)
    form = [("files[]", ("1.dcm", first.data)), ("files[]", ("2.dcm", second.data))]

    rest.request("POST", "/instances", files=form)

    expected = {orthanc_ids(first).instance, orthanc_ids(second).instance}
    assert set(rest.json("/instances")) == expected


@suite.case(
    "RUPL-013",
    ref="Orthanc REST API: POST /instances, X-File-Name",
    covers="Orthanc.test_upload_multipart_2",
)
def test_pieces_of_two_files_may_alternate(rest: Rest, make: Maker) -> None:
    """A file sent in pieces, identified by its name, is stored when its last piece has arrived."""
    long, short = make.instance(number=1), make.instance(number=2)
    half = len(long.data) // 2
    # New names each time: the server may still hold the pieces of an interrupted case.
    name, other = f"{uuid.uuid4()}.dcm", f"{uuid.uuid4()}.dcm"

    _send_piece(rest, name, len(long.data), long.data[:half])
    stored_after_half = rest.json("/instances")
    _send_piece(rest, other, len(short.data), short.data)
    stored_between = rest.json("/instances")
    _send_piece(rest, name, len(long.data), long.data[half:])

    assert stored_after_half == []
    assert stored_between == [orthanc_ids(short).instance]
    assert rest.get(f"/instances/{orthanc_ids(long).instance}/file").content == long.data


@suite.case("RUPL-014", ref="PS3.5 6.2.2", covers="Orthanc.test_cp246")
def test_known_elements_of_unknown_vr_are_understood(rest: Rest, make: Maker) -> None:
    """Elements of the dictionary with the VR UN are read with their own VR."""
    sample = make.instance(PatientName="Muller^Eva")
    ds = sample.dataset()
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientName"):
        value = str(ds[keyword].value).encode()
        ds[keyword] = DataElement(ds[keyword].tag, "UN", value + b"\0" * (len(value) % 2))

    rest.upload(file_of(ds))

    tags = rest.json(f"/instances/{orthanc_ids(sample).instance}/tags?short")
    assert tags["0008,0018"] == sample.sop_instance_uid
    assert tags["0010,0010"] == "Muller^Eva"


def _send_piece(rest: Rest, name: str, size: int, piece: bytes) -> None:
    rest.request(
        "POST",
        "/instances",
        files={"files[]": (name, piece)},
        headers={"X-File-Name": name, "X-File-Size": str(size)},
    )
