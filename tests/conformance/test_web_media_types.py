"""DICOMweb, media types: what is asked for and what is given, from the header fields to the parts."""

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
    instance_path,
    multipart,
    series_path,
    study_path,
)

suite = Suite(needs="dicomweb.wado")


RELATED_DICOM = f'multipart/related; type="{DICOM}"'
LEVELS = {"study": study_path, "series": series_path, "instance": instance_path}


@suite.case("CWEB-001", ref="PS3.18 8.7.8.1, 10.4.3.1: 406 (2020b)")
@pytest.mark.parametrize(
    "accept",
    ['multipart/related; type="nope/nope"', f"{RELATED_DICOM}; transfer-syntax=1.2.3"],
    ids=["type", "transfer-syntax"],
)
def test_nothing_acceptable(web: DicomWeb, stored: Stored, accept: str) -> None:
    """Where a server has nothing in any form that is accepted, it says so with 406."""
    sample = stored.instance()

    answer = web.get(instance_path(sample), headers={"Accept": accept}, expect=None)

    assert answer.status_code == 406


@suite.case("CWEB-002", ref="PS3.18 8.7.7 (2020b)")
@pytest.mark.parametrize(
    "unknown",
    ['multipart/related; type="nope/nope"', "nope/nope", f"{RELATED_DICOM}; transfer-syntax=1.2.3"],
    ids=["inner-type", "type", "transfer-syntax"],
)
def test_unsupported_media_type_is_passed_over(web: DicomWeb, stored: Stored, unknown: str) -> None:
    """What a server does not support among the accepted media types does not keep it from the others."""
    sample = stored.instance()

    accept = f"{unknown}, {RELATED_DICOM}; transfer-syntax={ExplicitVRLittleEndian}"
    answer = web.get(instance_path(sample), headers={"Accept": accept})

    [part] = multipart.parts_of(answer)
    assert part.dataset() == sample.dataset()


@suite.case("CWEB-003", ref="PS3.18 8.7.8.1: qvalues (2020b)")
@pytest.mark.parametrize("preferred", [ExplicitVRLittleEndian, RLELossless], ids=["native", "rle"])
def test_preferred_transfer_syntax(web: DicomWeb, stored: Stored, preferred: str) -> None:
    """Of two transfer syntaxes in which a server has an object, it gives the one with the higher weight."""
    sample = stored.sample("p09-rle-gray")

    weights = {ExplicitVRLittleEndian: "0.4", RLELossless: "0.4", preferred: "0.8"}
    accept = ", ".join(
        f"{RELATED_DICOM}; transfer-syntax={syntax};q={weight}"
        for syntax, weight in weights.items()
    )
    answer = web.get(instance_path(sample), headers={"Accept": accept})

    [part] = multipart.parts_of(answer)
    assert part.dataset().file_meta.TransferSyntaxUID == preferred


@suite.case("CWEB-004", ref="PS3.18 8.6.1.2, 8.6.1.2.1, 8.7.1 (2020b)")
@pytest.mark.parametrize("level", LEVELS)
def test_multipart_payload(web: DicomWeb, stored: Stored, level: str) -> None:
    """A multipart payload names its boundary and, in quotes, its type, and is built as the grammar says."""
    mine = stored.study(series=2, instances=2)

    answer = web.get(LEVELS[level](mine[0]), headers={"Accept": RELATED_DICOM})

    parts = multipart.parts_of(answer)
    assert re.search(rf'; *type="{DICOM}["; ]', answer.headers["Content-Type"], re.IGNORECASE)
    assert {part.media_type for part in parts} == {DICOM}


@suite.case("CWEB-005", ref="PS3.18 8.7.9 (2020b)")
@pytest.mark.parametrize(
    ("name", "asked"),
    [("p02", None), ("p09-rle-gray", "*"), ("p12-jpeg-ls", "*"), ("p12-jpeg-ls", None)],
    ids=["native", "rle", "jpeg-ls", "decoded"],
)
def test_part_says_its_transfer_syntax(
    web: DicomWeb, stored: Stored, name: str, asked: str | None
) -> None:
    """A part that says its transfer syntax says that of its file."""
    sample = stored.sample(name)

    [part] = web.wado(instance_path(sample), transfer_syntax=asked)

    written = part.dataset().file_meta.TransferSyntaxUID
    assert (part.transfer_syntax or written) == written


@suite.case("CWEB-006", ref="PS3.18 10.4.1.1.6, 8.7.3.3 (2020b)", needs="dicomweb.frames")
def test_each_frame_is_a_part(web: DicomWeb, stored: Stored) -> None:
    """Frames come in the order of the list, a part each, and each says that it is an octet-stream."""
    sample = stored.sample("m01-native")

    parts = web.wado(f"{instance_path(sample)}/frames/3,1", OCTET_STREAM)

    assert [part.media_type for part in parts] == [OCTET_STREAM] * 2
    assert [part.content for part in parts] == [sample.frame(each).tobytes() for each in (2, 0)]


@suite.case("CWEB-007", ref="PS3.18 8.5, Table 8.5-1: 405 (2020b)")
def test_method_that_is_not_supported(web: DicomWeb) -> None:
    """A method that a resource does not have is refused with 405 and the list of those that it has."""
    answer = web.request("PUT", "/studies", headers={"Accept": DICOM_JSON}, expect=None)

    assert answer.status_code == 405
    assert "GET" in {each.strip() for each in answer.headers.get("Allow", "").split(",")}


@suite.case("CWEB-008", ref="PS3.18 8.7.8.2, 8.7.3.4 (2020b)")
def test_syntaxes_of_a_mixed_study(web: DicomWeb, make: Maker, stored: Stored) -> None:
    """Each object of a series is converted by itself: all come in the transfer syntax that was asked for."""
    study = stored.these(
        make.instance(number=1), make.instance(number=2, transfer_syntax=RLELossless)
    )

    parts = web.wado(study_path(study[0]), transfer_syntax=ExplicitVRLittleEndian)

    found = [part.dataset() for part in parts]
    assert [ds.file_meta.TransferSyntaxUID for ds in found] == [ExplicitVRLittleEndian] * 2
    assert {ds.SOPInstanceUID: ds.PixelData for ds in found} == {
        each.sop_instance_uid: each.frame(0).tobytes() for each in study
    }
