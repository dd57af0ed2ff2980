"""Frames: their list, their raw bytes, and the fragments of Pixel Data."""

import gzip

import pytest
from pydicom.encaps import generate_frames

from harness.cases import (
    OUT_OF_RANGE,
    Rest,
    Sample,
    Stored,
    Suite,
    array_of,
    configured,
    error_of,
    header,
    image_of,
    largest_difference,
    levels_of,
    orthanc_ids,
)

suite = Suite(level="product", needs="rest", ref="Orthanc REST API: GET /instances/{id}/frames")

COUNTS = {"p02": 1, "m01-native": 12, "m01-jpeg": 12, "p13-offsets": 3, "p16": 2}
"""Samples, native and compressed, and their numbers of frames."""


def path_of(sample: Sample) -> str:
    """Return the path of an instance in the REST API."""
    return orthanc_ids(sample).path("instance")


def compressed(sample: Sample, frame: int) -> bytes:
    """Return a compressed frame of a sample, with its fragments joined."""
    count = sample.properties.get("frames", 1)
    frames: list[bytes] = list(generate_frames(sample.dataset().PixelData, number_of_frames=count))
    return frames[frame]


@suite.case("FRM-001", covers=("Orthanc.test_multiframe", "Orthanc.test_googlecode_issue_22"))
@pytest.mark.parametrize("name", COUNTS)
def test_frames_are_listed(rest: Rest, stored: Stored, name: str) -> None:
    """The list of frames has the numbers from 0 up, one for each."""
    sample = stored.sample(name)

    assert rest.json(f"{path_of(sample)}/frames") == list(range(COUNTS[name]))


@suite.case("FRM-002")
def test_object_without_pixels_lists_one_frame(rest: Rest, stored: Stored) -> None:
    """An object without a number of frames is listed with one."""
    assert rest.json(f"{path_of(stored.sample('h03-sr'))}/frames") == [0]


@suite.case(
    "FRM-003",
    covers=("Orthanc.test_googlecode_issue_22", "Orthanc.test_decode_multiframe"),
)
@pytest.mark.parametrize("route", ["preview", "rendered"])
@pytest.mark.parametrize("frame", [0, 5, 11], ids=["first", "middle", "last"])
def test_each_frame_is_itself(rest: Rest, stored: Stored, frame: int, route: str) -> None:
    """A frame of a native multi-frame image is shown with its own pixels."""
    sample = stored.sample("m01-native")

    shown = levels_of(rest.get(f"{path_of(sample)}/frames/{frame}/{route}"))

    assert largest_difference(shown, sample.frame(frame)) == 0


@suite.case("FRM-004", covers="Orthanc.test_decode_multiframe")
@pytest.mark.parametrize("route", ["image-uint8", "image-uint16", "image-int16", "preview"])
@pytest.mark.parametrize("frame", [0, 2], ids=["first", "last"])
@pytest.mark.parametrize("name", ["p13-offsets", "p13-no-offsets", "p14"])
@configured(Gdcm={"Enable": False})
def test_compressed_frame_is_found(
    rest: Rest, stored: Stored, name: str, frame: int, route: str
) -> None:
    """A compressed frame is found among fragments, with any kind of offset table or without one."""
    sample = stored.sample(name)

    shown = levels_of(rest.get(f"{path_of(sample)}/frames/{frame}/{route}"))

    assert largest_difference(shown, sample.frame(frame)) == 0


@suite.case("FRM-005", covers="Orthanc.test_decode_multiframe")
@pytest.mark.parametrize(
    "route", ["image-uint8", "image-uint16", "image-int16", "preview", "rendered"]
)
def test_instance_is_shown_by_its_first_frame(rest: Rest, stored: Stored, route: str) -> None:
    """The image of a multi-frame instance is its frame 0."""
    path = path_of(stored.sample("p13-offsets"))

    shown = [levels_of(rest.get(f"{path}{frame}/{route}")).tolist() for frame in ("", "/frames/0")]

    assert shown[0] == shown[1]


@suite.case("FRM-006", covers=("Orthanc.test_multiframe", "Orthanc.test_googlecode_issue_22"))
@pytest.mark.parametrize("number", ["12", "4294967296", "-1", "one"])
@pytest.mark.parametrize("route", ["preview", "rendered", "image-uint8", "image-uint16"])
def test_image_of_a_frame_that_is_not_there(
    rest: Rest, stored: Stored, route: str, number: str
) -> None:
    """A frame after the last one, or something that is not a number, has no image; the last one still has."""
    path = f"{path_of(stored.sample('m01-native'))}/frames"

    # 404 until 1.11; the documentation does not specify the status.
    rest.get(f"{path}/{number}/{route}", expect=(400, 404, 415))

    assert image_of(rest.get(f"{path}/11/preview")).size == (32, 32)


@suite.case("FRM-007", covers="Orthanc.test_raw_frame")
@pytest.mark.parametrize("frame", [0, 11], ids=["first", "last"])
def test_raw_native_frame(rest: Rest, stored: Stored, frame: int) -> None:
    """A raw frame of native pixels has their bytes from the file, without those of other frames."""
    sample = stored.sample("m01-native")

    answer = rest.get(f"{path_of(sample)}/frames/{frame}/raw")

    assert header(answer, "Content-Type") == "application/octet-stream"
    assert answer.content == sample.frame(frame).tobytes()


@suite.case("FRM-008", covers="Orthanc.test_raw_frame")
@pytest.mark.parametrize(
    ("name", "frame", "content_type"),
    [
        ("p10-jpeg-gray", 0, "image/jpeg"),
        ("m01-jpeg", 11, "image/jpeg"),
        ("p16", 0, "image/jpeg"),
        ("p16", 1, "image/jpeg"),
        ("p12-jpeg-lossless", 0, "application/octet-stream"),
        ("p12-jpeg-ls", 0, "application/octet-stream"),
        ("p13-no-offsets", 2, "application/octet-stream"),
        ("p12-jpeg-2000", 0, "image/jp2"),
        ("p09-rle-gray", 0, "application/octet-stream"),
    ],
)
def test_raw_compressed_frame(
    rest: Rest, stored: Stored, name: str, frame: int, content_type: str
) -> None:
    """A raw compressed frame is its code stream, with fragments joined and its media type."""
    sample = stored.sample(name)

    answer = rest.get(f"{path_of(sample)}/frames/{frame}/raw")

    assert answer.content == compressed(sample, frame)
    assert header(answer, "Content-Type") == content_type


@suite.case("FRM-009", covers="Orthanc.test_raw_frame")
@pytest.mark.parametrize(
    ("name", "mode"), [("p10-jpeg-gray", "L"), ("p16", "RGB")], ids=["gray", "fragments"]
)
def test_raw_jpeg_is_an_image(rest: Rest, stored: Stored, name: str, mode: str) -> None:
    """The raw frame of a JPEG object is a JPEG that another program reads."""
    sample = stored.sample(name)

    image = image_of(rest.get(f"{path_of(sample)}/frames/0/raw"))

    assert (image.format, image.mode, image.size) == ("JPEG", mode, (32, 32))


@suite.case("FRM-010", covers="Orthanc.test_raw_frame")
@pytest.mark.parametrize("route", ["raw", "raw.gz"])
@pytest.mark.parametrize("name", ["m01-native", "m01-jpeg"])
def test_raw_frame_that_is_not_there(rest: Rest, stored: Stored, name: str, route: str) -> None:
    """A raw frame after the last one is rejected as out of range; the last one is still returned."""
    path = f"{path_of(stored.sample(name))}/frames"

    answer = rest.get(f"{path}/12/{route}", expect=None)

    assert error_of(answer) == (400, OUT_OF_RANGE)
    assert rest.get(f"{path}/11/{route}").content


@suite.case("FRM-011", ref="Orthanc REST API: GET /instances/{id}/frames/{frame}/raw.gz")
@pytest.mark.parametrize("name", ["p02", "p10-jpeg-gray"])
def test_raw_frame_in_gzip(rest: Rest, stored: Stored, name: str) -> None:
    """A raw frame in gzip is the raw frame."""
    sample = stored.sample(name)
    path = f"{path_of(sample)}/frames/0/raw"

    answer = rest.get(f"{path}.gz")

    assert header(answer, "Content-Type") == "application/gzip"
    assert gzip.decompress(answer.content) == rest.get(path).content


@suite.case("FRM-012", ref="PS3.5 8.1.1, A.3", covers="Orthanc.test_raw_frame")
@pytest.mark.parametrize("name", ["p01", "p05", "p07"], ids=["implicit", "big-endian", "deflated"])
def test_raw_frame_is_little_endian(rest: Rest, stored: Stored, name: str) -> None:
    """A raw frame of native pixels is in little endian, whatever the transfer syntax of the file."""
    sample = stored.sample(name)

    raw = rest.get(f"{path_of(sample)}/frames/0/raw").content

    assert raw == sample.frame(0).astype("<u2").tobytes()


@suite.case(
    "FRM-013",
    ref="Orthanc REST API: GET /instances/{id}/content",
    covers="Orthanc.test_pixel_data",
)
@pytest.mark.parametrize(
    ("name", "fragments"),
    [("p02", 1), ("m01-native", 1), ("p10-jpeg-gray", 2), ("p13-offsets", 7), ("m01-jpeg", 13)],
)
def test_fragments_are_listed(rest: Rest, stored: Stored, name: str, fragments: int) -> None:
    """Native pixels are one content item; compressed ones are the offset table and each fragment."""
    sample = stored.sample(name)

    listed = rest.json(f"{path_of(sample)}/content/7fe0-0010")

    assert listed == [str(number) for number in range(fragments)]


@suite.case(
    "FRM-014",
    ref="Orthanc REST API: GET /instances/{id}/content",
    covers="Orthanc.test_pixel_data",
)
@pytest.mark.parametrize("name", ["p01", "p03", "p11", "m01-native"])
def test_content_of_native_pixels(rest: Rest, stored: Stored, name: str) -> None:
    """The content of native pixels is all frames with their padding, as in the file."""
    sample = stored.sample(name)

    content = rest.get(f"{path_of(sample)}/content/7fe0-0010/0").content

    assert content == sample.dataset().PixelData


@suite.case(
    "FRM-015",
    ref="Orthanc REST API: GET /instances/{id}/content",
    covers="Orthanc.test_pixel_data",
)
def test_content_of_fragments(rest: Rest, stored: Stored) -> None:
    """Content 0 of compressed pixels is the offset table, and each further one is a fragment."""
    sample = stored.sample("p13-offsets")
    content = f"{path_of(sample)}/content/7fe0-0010"

    items = [rest.get(f"{content}/{number}").content for number in range(7)]

    frames = [items[first] + items[first + 1] for first in (1, 3, 5)]
    assert frames == [compressed(sample, frame) for frame in range(3)]
    starts = [0, *(sum(8 + len(each) for each in items[1:end]) for end in (3, 5))]
    assert items[0] == b"".join(start.to_bytes(4, "little") for start in starts)


@suite.case(
    "FRM-016",
    ref="Orthanc REST API: GET /instances/{id}/content",
    covers="Orthanc.test_pixel_data",
)
def test_empty_offset_table_is_empty(rest: Rest, stored: Stored) -> None:
    """The content of an empty offset table is empty, and a fragment after the last one is not found."""
    content = f"{path_of(stored.sample('p13-no-offsets'))}/content/7fe0-0010"

    assert rest.get(f"{content}/0").content == b""
    rest.get(f"{content}/7", expect=404)


@suite.case(
    "FRM-017",
    ref="Orthanc REST API: GET /instances/{id}/frames/{frame}/numpy",
    covers="Orthanc.test_numpy",
)
def test_array_of_a_frame_that_is_not_there(rest: Rest, stored: Stored) -> None:
    """The array of a frame after the last one is rejected as out of range; the last one is returned."""
    path = f"{path_of(stored.sample('m01-native'))}/frames"

    assert error_of(rest.get(f"{path}/12/numpy", expect=None)) == (400, OUT_OF_RANGE)
    assert array_of(rest.get(f"{path}/11/numpy")).shape == (32, 32, 3)
