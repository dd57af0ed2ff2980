"""DICOMweb, media types: content negotiation, multipart payloads, transfer syntaxes."""

import re

import pytest
from pydicom.uid import (
    ExplicitVRLittleEndian,
    RLELossless,
)

from harness.cases import (
    DICOM,
    DICOM_JSON,
    OCTET_STREAM,
    DicomWeb,
    Maker,
    Stored,
    Suite,
    header,
    instance_path,
    multipart,
    series_path,
    single,
    study_path,
)

suite = Suite(needs="dicomweb.wado")


RELATED_DICOM = f'multipart/related; type="{DICOM}"'
LEVELS = {"study": study_path, "series": series_path, "instance": instance_path}


@suite.case("CWEB-001", ref="PS3.18 8.7.8.1, 10.4.3.1: 406 (2020b)")
@pytest.mark.parametrize(
    "accept",
    [
        'multipart/related; type="nope/nope"',
        f"{RELATED_DICOM}; transfer-syntax=1.2.3",
        "image/png",
    ],
    ids=["type", "transfer-syntax", "image"],
)
def test_unacceptable_media_type_is_refused(web: DicomWeb, stored: Stored, accept: str) -> None:
    """A request that accepts none of the formats that the server supports is answered with 406."""
    sample = stored.instance()

    answer = web.get(instance_path(sample), headers={"Accept": accept}, expect=None)

    assert answer.status_code == 406


@suite.case("CWEB-002", ref="PS3.18 8.7.7 (2020b)")
@pytest.mark.parametrize(
    "unknown",
    ['multipart/related; type="nope/nope"', "nope/nope", f"{RELATED_DICOM}; transfer-syntax=1.2.3"],
    ids=["inner-type", "type", "transfer-syntax"],
)
def test_unsupported_media_type_is_ignored(web: DicomWeb, stored: Stored, unknown: str) -> None:
    """An unsupported media type among the accepted ones is ignored, and the supported one is sent."""
    sample = stored.instance()

    accept = f"{unknown}, {RELATED_DICOM}; transfer-syntax={ExplicitVRLittleEndian}"
    answer = web.get(instance_path(sample), headers={"Accept": accept})

    part = single(multipart.parts_of(answer), "part")
    assert part.dataset() == sample.dataset()


@suite.case("CWEB-003", ref="PS3.18 8.7.8.1: qvalues (2020b)")
@pytest.mark.parametrize("preferred", [ExplicitVRLittleEndian, RLELossless], ids=["native", "rle"])
def test_preferred_transfer_syntax_is_sent(web: DicomWeb, stored: Stored, preferred: str) -> None:
    """Of two transfer syntaxes that the server supports, the one with the higher weight is sent."""
    sample = stored.sample("p09-rle-gray")

    weights = {ExplicitVRLittleEndian: "0.4", RLELossless: "0.4", preferred: "0.8"}
    accept = ", ".join(
        f"{RELATED_DICOM}; transfer-syntax={syntax};q={weight}"
        for syntax, weight in weights.items()
    )
    answer = web.get(instance_path(sample), headers={"Accept": accept})

    part = single(multipart.parts_of(answer), "part")
    assert part.dataset().file_meta.get("TransferSyntaxUID") == preferred


@suite.case("CWEB-004", ref="PS3.18 8.6.1.2, 8.6.1.2.1, 8.7.1 (2020b)")
@pytest.mark.parametrize("level", LEVELS)
def test_multipart_payload_is_well_formed(web: DicomWeb, stored: Stored, level: str) -> None:
    """A multipart payload follows the grammar, and its header names the boundary and, in quotes, the type."""
    mine = stored.study(series=2, instances=2)

    answer = web.get(LEVELS[level](mine[0]), headers={"Accept": RELATED_DICOM})

    parts = multipart.parts_of(answer)
    assert re.search(
        rf'; *type="{DICOM}["; ]', answer.headers.get("Content-Type", ""), re.IGNORECASE
    )
    assert {part.media_type for part in parts} == {DICOM}


@suite.case("CWEB-005", ref="PS3.18 8.7.9 (2020b)")
@pytest.mark.parametrize(
    ("name", "asked"),
    [("p02", None), ("p09-rle-gray", "*"), ("p12-jpeg-ls", "*"), ("p12-jpeg-ls", None)],
    ids=["native", "rle", "jpeg-ls", "decoded"],
)
def test_part_names_its_transfer_syntax(
    web: DicomWeb, stored: Stored, name: str, asked: str | None
) -> None:
    """A part with a transfer-syntax parameter names that of its file."""
    sample = stored.sample(name)

    part = single(web.wado(instance_path(sample), transfer_syntax=asked), "part")

    written = part.dataset().file_meta.get("TransferSyntaxUID")
    assert (part.transfer_syntax or written) == written


@suite.case("CWEB-006", ref="PS3.18 10.4.1.1.6, 8.7.3.3 (2020b)", needs="dicomweb.frames")
def test_each_frame_is_a_part(web: DicomWeb, stored: Stored) -> None:
    """Each frame is a part, in the order of the list, with the media type octet-stream."""
    sample = stored.sample("m01-native")

    parts = web.wado(f"{instance_path(sample)}/frames/3,1", OCTET_STREAM)

    assert [part.media_type for part in parts] == [OCTET_STREAM] * 2
    assert [part.content for part in parts] == [sample.frame(each).tobytes() for each in (2, 0)]


@suite.case("CWEB-007", ref="PS3.18 8.5, Table 8.5-1: 405 (2020b)")
def test_unsupported_method_is_refused(web: DicomWeb) -> None:
    """A method that a resource does not support is rejected with 405 and the list of supported ones."""
    answer = web.request("PUT", "/studies", headers={"Accept": DICOM_JSON}, expect=None)

    assert answer.status_code == 405
    allowed = [each.strip() for each in header(answer, "Allow").split(",")]
    assert "GET" in allowed, f"Allow names {', '.join(allowed)}"


@suite.case("CWEB-008", ref="PS3.18 8.7.8.2, 8.7.3.4 (2020b)")
def test_mixed_study_is_sent_in_one_syntax(web: DicomWeb, make: Maker, stored: Stored) -> None:
    """The objects of a study in several transfer syntaxes are all returned in the requested one."""
    study = stored.these(
        make.instance(number=1), make.instance(number=2, transfer_syntax=RLELossless)
    )

    parts = web.wado(study_path(study[0]), transfer_syntax=ExplicitVRLittleEndian)

    found = [part.dataset() for part in parts]
    assert [ds.file_meta.get("TransferSyntaxUID") for ds in found] == [ExplicitVRLittleEndian] * 2
    assert {ds.get("SOPInstanceUID"): ds.get("PixelData") for ds in found} == {
        each.sop_instance_uid: each.frame(0).tobytes() for each in study
    }
