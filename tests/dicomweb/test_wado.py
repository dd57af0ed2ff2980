"""WADO-RS: retrieving studies, series, instances and frames."""

import pytest
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian

from harness.cases import (
    DICOM,
    OCTET_STREAM,
    PATHS,
    DicomWeb,
    Maker,
    Stored,
    Suite,
    header,
    instance_path,
    multipart,
    needs,
    single,
)

suite = Suite(needs="dicomweb.wado", shows="DICOMweb")


# Lossless, so that the decoded pixels are known.
LOSSLESS = ["p01", "p03", "p05", "p07", "p08", "p09-rle-gray", "p12-jpeg-lossless", "p12-jpeg-ls"]


@suite.case("WADO-001", ref="PS3.18 10.4.1, Table 10.4.1-1")
@pytest.mark.parametrize(("level", "count"), [("study", 4), ("series", 2), ("instance", 1)])
def test_all_below_is_retrieved(web: DicomWeb, stored: Stored, level: str, count: int) -> None:
    """A study, a series or an instance is retrieved with all its objects, and no others."""
    mine = stored.study(PatientID="A", series=2, instances=2)
    stored.study(PatientID="B")

    parts = web.wado(PATHS[level](mine[0]), transfer_syntax="*")

    uids = [str(part.dataset().get("SOPInstanceUID")) for part in parts]
    assert sorted(uids) == sorted(each.sop_instance_uid for each in mine[:count])


@suite.case("WADO-002", ref="PS3.18 8.7.3.5.2, 10.4.1.1.1", covers="DicomWeb.test_wado_transcoding")
@pytest.mark.parametrize("sample", [*LOSSLESS, "p10-jpeg-colour", "p12-jpeg-2000", "t05", "m07"])
def test_any_transfer_syntax_gives_the_stored_one(
    web: DicomWeb, stored: Stored, sample: str
) -> None:
    """If any transfer syntax is accepted, the object is returned in its own, unchanged."""
    written = stored.sample(sample)

    part = web.wado_part(instance_path(written), transfer_syntax="*")

    assert part.stored_syntax == written.transfer_syntax
    assert part.dataset() == written.dataset()


@suite.case(
    "WADO-003",
    ref="Orthanc Book: DICOMweb, transcoding in WADO-RS",
    covers=("DicomWeb.test_wado_transcoding", "DicomWeb.test_stow"),
    level="product",
    needs="orthanc",
)
def test_stored_file_comes_back_byte_for_byte(web: DicomWeb, stored: Stored) -> None:
    """An object in its own transfer syntax is the file that was uploaded."""
    written = stored.instance()

    part = web.wado_part(instance_path(written), transfer_syntax="*")

    assert part.content == written.data


@suite.case("WADO-004", ref="PS3.18 8.7.3.4", covers="DicomWeb.test_wado_transcoding")
@pytest.mark.parametrize("sample", LOSSLESS)
def test_default_is_explicit_little_endian(web: DicomWeb, stored: Stored, sample: str) -> None:
    """If no transfer syntax is requested, an object is in Explicit VR Little Endian, with all pixels."""
    written = stored.sample(sample)

    part = web.wado_part(instance_path(written))

    assert part.stored_syntax == ExplicitVRLittleEndian
    assert written.picture is not None
    assert part.dataset().get("PixelData") == written.picture.native()


@suite.case("WADO-005", ref="PS3.18 8.7.3.5.2", covers="DicomWeb.test_wado_transcoding")
@pytest.mark.parametrize("sample", ["p12-jpeg-ls", "p10-jpeg-colour", "p12-jpeg-2000"])
def test_requested_transfer_syntax_is_the_stored_one(
    web: DicomWeb, stored: Stored, sample: str
) -> None:
    """An object requested in its own transfer syntax is returned in it, with its frames unchanged."""
    written = stored.sample(sample)

    part = web.wado_part(instance_path(written), transfer_syntax=written.transfer_syntax)

    assert part.stored_syntax == written.transfer_syntax
    assert part.dataset().get("PixelData") == written.dataset().PixelData


@suite.case("WADO-006", ref="PS3.18 8.7.3.4, 8.7.5", covers="DicomWeb.test_accept_negotiation")
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "multipart/related",
        "multipart/related; type=application/dicom",
        'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1',
    ],
    ids=["none", "any", "multipart", "unquoted", "explicit-little-endian"],
)
def test_ways_to_ask_for_dicom(web: DicomWeb, stored: Stored, accept: str | None) -> None:
    """The answer is application/dicom, however the request asks for it."""
    written = stored.instance()

    answer = web.get(instance_path(written), headers={"Accept": accept})

    kind, _ = multipart.media_type(header(answer, "Content-Type"))
    if accept in (None, "*/*") and kind == DICOM:  # a single object may be sent without multipart
        part = multipart.Part({"content-type": DICOM}, answer.content)
    else:
        part = single(multipart.parts_of(answer), "part")
    assert part.media_type == DICOM
    assert part.dataset() == written.dataset()


@suite.case(
    "WADO-008",
    ref="PS3.18 10.4.3.1, Table 10.4.3-1: 404",
    covers=("DicomWeb.test_bitbucket_issue_143", "DicomWeb.test_wado_hierarchy"),
)
@pytest.mark.parametrize(
    "tail",
    [
        "",
        pytest.param("/metadata", marks=needs("dicomweb.metadata")),
        pytest.param("/rendered", marks=needs("dicomweb.rendered")),
        pytest.param("/frames/1", marks=needs("dicomweb.frames")),
    ],
)
@pytest.mark.parametrize("unknown", ["study", "series", "instance"])
def test_instance_is_found_in_its_place_only(
    web: DicomWeb, stored: Stored, unknown: str, tail: str
) -> None:
    """An instance is not found below another study or series, nor is one that does not exist."""
    sample = stored.instance()
    uids = {
        "study": sample.study_instance_uid,
        "series": sample.series_instance_uid,
        "instance": sample.sop_instance_uid,
        unknown: "1.2.3.4",
    }

    path = "/studies/{study}/series/{series}/instances/{instance}".format_map(uids)
    web.get(path + tail, headers={"Accept": None}, expect=404)


@suite.case("WADO-009", ref="PS3.18 10.4.3.1, Table 10.4.3-1: 404")
@pytest.mark.parametrize("level", ["study", "series"])
def test_empty_server_finds_nothing(web: DicomWeb, make: Maker, level: str) -> None:
    """A study or series is not found on an empty server."""
    web.get(PATHS[level](make.instance()), headers={"Accept": None}, expect=404)


@suite.case(
    "WADO-010",
    ref="PS3.18 10.4.1.1.6, 8.7.3.4",
    covers=("DicomWeb.test_bitbucket_issue_96", "DicomWeb.test_frames_transcoding"),
    needs="dicomweb.frames",
)
@pytest.mark.parametrize("sample", LOSSLESS)
def test_frame_as_pixels(web: DicomWeb, stored: Stored, sample: str) -> None:
    """A frame as octet-stream is its pixels in little endian, decompressed if it was compressed."""
    written = stored.sample(sample)

    part = web.wado_part(f"{instance_path(written)}/frames/1", OCTET_STREAM)

    frame = written.frame(0)
    assert part.media_type == OCTET_STREAM
    assert part.content == frame.astype(frame.dtype.newbyteorder("<")).tobytes()


@suite.case(
    "WADO-011",
    ref="PS3.18 10.4.1.1.6",
    covers="DicomWeb.test_bitbucket_issue_164",
    needs="dicomweb.frames",
)
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("sample", ["p13-offsets", "p13-no-offsets"])
def test_frame_of_several_fragments(
    web: DicomWeb, stored: Stored, sample: str, number: int
) -> None:
    """Each frame of a compressed multi-frame object is found, even if it has two fragments."""
    written = stored.sample(sample)

    part = web.wado_part(f"{instance_path(written)}/frames/{number}", OCTET_STREAM)

    assert part.content == written.frame(number - 1).tobytes()


@suite.case(
    "WADO-012",
    ref="PS3.18 10.4.1.1.6",
    covers="DicomWeb.test_frames_transcoding",
    needs="dicomweb.frames",
)
def test_list_of_frames(web: DicomWeb, stored: Stored) -> None:
    """Several frames are several parts, in the order of the list."""
    written = stored.sample("m01-native")

    parts = web.wado(f"{instance_path(written)}/frames/2,5,12", OCTET_STREAM)

    assert [part.content for part in parts] == [
        written.frame(each).tobytes() for each in (1, 4, 11)
    ]


@suite.case(
    "WADO-013",
    ref="PS3.18 8.7.3.3, 8.7.3.5.2",
    covers="DicomWeb.test_frames_transcoding",
    needs="dicomweb.frames",
)
@pytest.mark.parametrize(
    ("sample", "media_type"),
    [("p10-jpeg-gray", "image/jpeg"), ("p12-jpeg-ls", "image/jls"), ("p13-offsets", "image/jls"),
     ("p12-jpeg-2000", "image/jp2")],
)  # fmt: skip
def test_frame_as_compressed_stream(
    web: DicomWeb, stored: Stored, sample: str, media_type: str
) -> None:
    """A frame requested as it is stored is its compressed stream, and its part says so."""
    written = stored.sample(sample)
    ds = written.dataset()
    stream = next(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames", 1))))

    part = web.wado_part(
        f"{instance_path(written)}/frames/1", media_type, transfer_syntax=written.transfer_syntax
    )

    assert (part.media_type, part.transfer_syntax) == (media_type, written.transfer_syntax)
    assert part.content == stream


@suite.case(
    "WADO-014", ref="PS3.18 8.7.3.4", covers="DicomWeb.test_bugzilla_219", needs="dicomweb.frames"
)
def test_frame_of_big_endian(web: DicomWeb, stored: Stored) -> None:
    """A frame stored in big endian is returned in Explicit VR Little Endian, and its part says so."""
    written = stored.sample("p05")

    answer = web.get(f"{instance_path(written)}/frames/1", headers={"Accept": None})

    part = single(multipart.parts_of(answer), "part")
    assert part.transfer_syntax == ExplicitVRLittleEndian
    assert part.content == written.frame(0).astype("<u2").tobytes()


@suite.case(
    "WADO-015",
    ref="PS3.18 10.4.3.1",
    covers="DicomWeb.test_bitbucket_issue_96",
    needs="dicomweb.frames",
)
@pytest.mark.parametrize("number", ["0", "2", "1,2", "x"])
def test_frame_that_does_not_exist(web: DicomWeb, stored: Stored, number: str) -> None:
    """Frames are counted from 1; a number beyond the last, or no number at all, is a client error."""
    written = stored.instance()

    web.get(
        f"{instance_path(written)}/frames/{number}", headers={"Accept": None}, expect=(400, 404)
    )


@suite.case(
    "WADO-016",
    ref="PS3.18 8.7.5",
    covers=("DicomWeb.test_bitbucket_issue_96", "DicomWeb.test_accept_negotiation"),
    needs="dicomweb.frames",
)
@pytest.mark.parametrize(
    "accept",
    [
        None,
        'multipart/related; type="application/octet-stream"',
        "multipart/related; type=application/octet-stream",
    ],
    ids=["none", "quoted", "unquoted"],
)
def test_ways_to_ask_for_a_frame(web: DicomWeb, stored: Stored, accept: str | None) -> None:
    """A frame of native pixels is an octet-stream, by default and on request, whether quoted or not."""
    written = stored.instance()

    answer = web.get(f"{instance_path(written)}/frames/1", headers={"Accept": accept})

    part = single(multipart.parts_of(answer), "part")
    assert part.content == written.frame(0).tobytes()


@suite.case(
    "WADO-017",
    ref="PS3.18 8.7.8.1: 406 (2024d)",
    covers="DicomWeb.test_bitbucket_issue_96",
    needs="dicomweb.frames",
)
@pytest.mark.parametrize(
    "accept",
    ["text/plain", 'multipart/related; type="application/pdf"'],
    ids=["type", "inner-type"],
)
def test_frame_in_an_unacceptable_type(web: DicomWeb, stored: Stored, accept: str) -> None:
    """A frame requested in a media type that no frame has is rejected with 406."""
    written = stored.instance()

    web.get(f"{instance_path(written)}/frames/1", headers={"Accept": accept}, expect=406)


@suite.case("WADO-018", ref="PS3.18 8.7.3.5.1: type; RFC 2387 3.1", needs="dicomweb.frames")
@pytest.mark.parametrize("tail", ["", "/frames/1"], ids=["instance", "frame"])
def test_type_of_the_parts(web: DicomWeb, stored: Stored, tail: str) -> None:
    """The parameter `type` of a multipart answer is the media type of its parts, without parameters."""
    written = stored.instance()
    accept = f'multipart/related; type="{OCTET_STREAM if tail else DICOM}"'

    answer = web.get(instance_path(written) + tail, headers={"Accept": accept})

    part = single(multipart.parts_of(answer), "part")
    assert multipart.stated_type(answer).lower() == part.media_type
