"""Objects that are compressed on arrival: IngestTranscoding."""

import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1, JPEGLSLossless

from harness.cases import (
    BAD_FILE_FORMAT,
    Dimse,
    Maker,
    Picture,
    Rest,
    Sample,
    Stored,
    Story,
    Suite,
    array_of,
    configured,
    dataset_of,
    error_of,
    gray,
    orthanc_ids,
)

suite = Suite(
    level="product",
    ref="Orthanc Book: transcoding, IngestTranscoding",
    needs=("rest", "server.configure"),
    thorough=True,
)
# If the GDCM plugin is loaded, it replaces the built-in transcoder that is tested here.
ingesting = configured(IngestTranscoding=str(JPEGLosslessSV1), Gdcm={"Enable": False})
COVERED = "WithIngestTranscoding.test_with_ingest_transcoding"
SINCE = "orthanc>=1.11.3"


def syntax_of(rest: Rest, instance: str) -> str:
    """Return the transfer syntax of a stored instance."""
    return rest.get(f"/instances/{instance}/metadata/TransferSyntax").text


def changed_study(rest: Rest, sample: Sample, action: str, **more: object) -> str:
    """Modify or anonymize the study of an object, and return the new instance."""
    request = {"KeepSource": True, "Force": True, "Synchronous": True, **more}
    if action == "modify":
        request["Replace"] = {"PatientID": "NEW"}
    made = rest.post(f"{orthanc_ids(sample).path('study')}/{action}", request).json()
    (instance,) = rest.json(f"{made['Path']}/instances")
    return str(instance["ID"])


@suite.case("INGST-001", thorough=False)
@ingesting
def test_object_is_compressed(rest: Rest, stored: Stored) -> None:
    """An uncompressed object is stored in the configured transfer syntax, without loss."""
    sample = stored.instance(rows=32, columns=32)
    (instance,) = rest.json("/instances")

    assert syntax_of(rest, instance) == JPEGLosslessSV1
    compressed = dataset_of(rest.get(f"/instances/{instance}/file").content)
    assert compressed.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    assert pixels(rest, instance) == sample.frame(0).tolist()


def pixels(rest: Rest, instance: str) -> list[list[int]]:
    """Return the stored values of the first frame, decoded by the server."""
    array = array_of(rest.get(f"/instances/{instance}/frames/0/numpy?rescale=0"))
    rows: list[list[int]] = array[..., 0].tolist()
    return rows


@suite.case(
    "INGST-002",
    thorough=False,
    covers=(f"{COVERED}.test_modify", f"{COVERED}.test_anonymize"),
    needs=SINCE,
)
@ingesting
@pytest.mark.parametrize("action", ["modify", "anonymize"])
def test_copy_is_compressed(rest: Rest, stored: Stored, action: str) -> None:
    """Results of modification and anonymization are stored in the configured transfer syntax."""
    sample = stored.instance()

    assert syntax_of(rest, changed_study(rest, sample, action)) == JPEGLosslessSV1


@suite.case(
    "INGST-003", covers=(f"{COVERED}.test_modify", f"{COVERED}.test_anonymize"), needs=SINCE
)
@ingesting
@pytest.mark.parametrize("action", ["modify", "anonymize"])
def test_request_wins(rest: Rest, stored: Stored, action: str) -> None:
    """A transfer syntax in the request overrides the configured one."""
    sample = stored.instance()

    made = changed_study(rest, sample, action, Transcode=str(JPEGLSLossless))

    assert syntax_of(rest, made) == JPEGLSLossless


@suite.case("INGST-004", thorough=False, covers=f"{COVERED}.test_no_transcoding_if_no_pixel_data")
@ingesting
def test_object_without_pixels_is_kept(rest: Rest, stored: Stored) -> None:
    """An object without pixels is stored in its own transfer syntax, byte for byte."""
    sample = stored.sample("h03-sr")
    instance = orthanc_ids(sample).instance

    assert syntax_of(rest, instance) == sample.transfer_syntax
    assert rest.get(f"/instances/{instance}/file").content == sample.data


@suite.case("INGST-005", covers=f"{COVERED}.test_oob1")
@ingesting
@pytest.mark.parametrize("side", [65535, 46341], ids=["largest", "beyond-32-bits"])
def test_wrong_dimensions_are_refused(rest: Rest, make: Maker, side: int) -> None:
    """An object that claims to be far larger than its pixels is rejected as a bad file."""
    broken = make.image(Picture((gray(7, bits=16),), 16), Rows=side, Columns=side)

    refusal = rest.post("/instances", broken.data, expect=None)

    assert error_of(refusal) == (400, BAD_FILE_FORMAT)
    assert rest.json("/instances") == []


@suite.case("INGST-006", needs="server.restart")
def test_only_new_objects_are_compressed(story: Story, rest: Rest, stored: Stored) -> None:
    """Objects stored before are unchanged, later ones are compressed, and both can be read."""
    old = stored.instance(study="old")
    story.end("SIGKILL")
    story.start(IngestTranscoding=str(JPEGLosslessSV1), Gdcm={"Enable": False})
    new = stored.instance(study="new")
    (found,) = set(rest.json("/instances")) - {orthanc_ids(old).instance}

    assert syntax_of(rest, orthanc_ids(old).instance) == ExplicitVRLittleEndian
    assert syntax_of(rest, found) == JPEGLosslessSV1
    assert rest.get(f"{orthanc_ids(old).path('instance')}/file").content == old.data
    assert pixels(rest, found) == new.frame(0).tolist()


@suite.case("INGST-007")
@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        pytest.param(
            "h01-ct-1-1", ExplicitVRLittleEndian,
            marks=configured(IngestTranscodingOfUncompressed=False), id="uncompressed",
        ),
        pytest.param(
            "p09-rle-gray", "1.2.840.10008.1.2.5",
            marks=configured(IngestTranscodingOfCompressed=False), id="compressed",
        ),
    ],
)  # fmt: skip
@ingesting
def test_one_kind_can_be_left_as_it_is(
    rest: Rest, stored: Stored, sample: str, expected: str
) -> None:
    """Transcoding can be disabled for uncompressed objects, and for compressed ones."""
    stored.sample(sample)
    (instance,) = rest.json("/instances")

    assert syntax_of(rest, instance) == expected


@suite.case("INGST-008", needs="plugin.gdcm")
@configured(IngestTranscoding=str(JPEGLosslessSV1))
@pytest.mark.parametrize("door", ["rest", "dicom"])
def test_object_is_compressed_by_gdcm(rest: Rest, dimse: Dimse, make: Maker, door: str) -> None:
    """The same with compression by the GDCM plugin, in the receiving thread."""
    sample = make.instance(rows=32, columns=32)
    if door == "rest":
        rest.upload_all([sample])
    else:
        dimse.store_all([sample])
    (instance,) = rest.json("/instances")

    assert syntax_of(rest, instance) == JPEGLosslessSV1
    assert pixels(rest, instance) == sample.frame(0).tolist()


@suite.case("INGST-009")
@ingesting
def test_missing_pixels_are_not_invented(rest: Rest, make: Maker) -> None:
    """An object with fewer pixels than it claims is stored byte for byte."""
    broken = make.image(Picture((gray(7, bits=16),), 16), Rows=1000, Columns=1000)

    instance = rest.upload(broken.data)["ID"]

    assert rest.get(f"/instances/{instance}/file").content == broken.data
