"""Rendered images by WADO-RS and WADO-URI: format, size, windows; and files by WADO-URI."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.cases import (
    PATHS,
    DicomWeb,
    Rest,
    Sample,
    Stored,
    Suite,
    data_set_offset,
    header,
    instance_path,
)

suite = Suite(needs="dicomweb.rendered")
by_uri = Suite(needs="dicomweb.uri")
"""WADO-URI is a separate service: an archive may support nothing else of DICOMweb."""


FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}


def frame_path(of: Sample) -> str:
    """Return the path of the first frame of an object."""
    return f"{instance_path(of)}/frames/1"


PATHS_AND_FRAME = {**PATHS, "frame": frame_path}


def picture(data: bytes) -> Image.Image:
    """Return the received image; fails the case if it is not an image."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return image
    except (OSError, SyntaxError, ValueError) as error:  # raised by Pillow
        raise AssertionError(f"expected an image, received {data[:40]!r}: {error}") from error


def data_set_of(file: bytes) -> bytes:
    """Return the encoded data set of a Part 10 file; fails the case if it is not one."""
    assert file[128:132] == b"DICM", f"expected a DICOM file, received {file[:140]!r}"
    return file[data_set_offset(file) :]


def levels(image: Image.Image) -> NDArray[np.int_]:
    """Return the gray levels of an image."""
    return np.asarray(image).astype(int)


def linear(values: NDArray[np.float64], center: float, width: float) -> NDArray[np.float64]:
    """Apply the VOI LUT function LINEAR for gray levels from 0 to 255 (PS3.3 C.11.2.1.2.1)."""
    share = (values - (center - 0.5)) / (width - 1) + 0.5
    return np.clip(share, 0, 1) * 255


def uri(sample: Sample, **arguments: str) -> str:
    """Return the path of a WADO-URI request for an object (PS3.18 9.1), with minimal encoding."""
    query = {
        "requestType": "WADO",
        "studyUID": sample.study_instance_uid,
        "seriesUID": sample.series_instance_uid,
        "objectUID": sample.sop_instance_uid,
        **arguments,
    }
    return "/wado?" + "&".join(f"{name}={value}" for name, value in query.items() if value)


@suite.case("WADO-201", ref="PS3.18 10.4.1.1.3, 8.7.4", covers="DicomWeb.test_rendered")
@pytest.mark.parametrize("media_type", FORMATS)
@pytest.mark.parametrize("sample", ["h01-ct-1-1", "p03", "p06", "p09-rle-gray", "p11"])
def test_rendered_format_and_size(
    web: DicomWeb, stored: Stored, sample: str, media_type: str
) -> None:
    """A rendered instance is an image of the requested type, as wide and high as the object."""
    written = stored.sample(sample)

    answer = web.get(f"{instance_path(written)}/rendered", headers={"Accept": media_type})

    assert header(answer, "Content-Type") == media_type
    image = picture(answer.content)
    ds = written.dataset()
    assert (image.format, image.size) == (FORMATS[media_type], (ds.Columns, ds.Rows))


@suite.case("WADO-202", ref="PS3.18 8.7.4, Table 8.7.4-1", covers="DicomWeb.test_rendered")
@pytest.mark.parametrize("accept", [None, "*/*"], ids=["none", "any"])
def test_jpeg_is_the_default(web: DicomWeb, stored: Stored, accept: str | None) -> None:
    """A rendered image is a JPEG by default."""
    written = stored.instance()

    answer = web.get(f"{instance_path(written)}/rendered", headers={"Accept": accept})

    assert header(answer, "Content-Type") == "image/jpeg"
    assert picture(answer.content).format == "JPEG"


@suite.case(
    "WADO-203",
    ref="PS3.18 10.4.1.1.3",
    covers=("DicomWeb.test_rendered_studies_series", "DicomWeb.test_rendered"),
)
@pytest.mark.parametrize("level", PATHS_AND_FRAME)
def test_rendered_at_each_level(web: DicomWeb, stored: Stored, level: str) -> None:
    """A study, series, instance or frame that consists of one image is rendered as this image."""
    written = stored.instance(rows=20, columns=30)

    answer = web.get(f"{PATHS_AND_FRAME[level](written)}/rendered", headers={"Accept": "image/png"})

    assert picture(answer.content).size == (30, 20)


@suite.case(
    "WADO-204",
    ref="PS3.18 8.3.5.1.4; PS3.3 C.11.2.1.2.1",
    covers="DicomWeb.test_multiframe_windowing",
)
@pytest.mark.parametrize(("center", "width"), [(40, 400), (1024, 4096), (0, 1000)])
def test_window(web: DicomWeb, stored: Stored, center: int, width: int) -> None:
    """The requested window is applied to the rescaled values, each pixel to within one gray level."""
    written = stored.instance(RescaleIntercept=-1024, RescaleSlope=2, rows=32, columns=32)

    answer = web.get(
        f"{instance_path(written)}/rendered?window={center},{width},linear",
        headers={"Accept": "image/png"},
    )

    expected = linear(written.frame(0) * 2.0 - 1024, center, width)
    assert np.abs(levels(picture(answer.content)) - expected).max() <= 1


@suite.case("WADO-205", ref="PS3.18 8.3.5.1.4: 400")
@pytest.mark.parametrize("window", ["100", "100,200", "100,200,nope", "a,b,linear"])
def test_malformed_window(web: DicomWeb, stored: Stored, window: str) -> None:
    """A window that is not a center, a width and a known function is rejected with 400."""
    written = stored.instance()

    web.get(f"{instance_path(written)}/rendered?window={window}", expect=400)


@suite.case("WADO-206", ref="PS3.18 8.3.5.1.3")
def test_viewport(web: DicomWeb, stored: Stored) -> None:
    """An image is scaled to the requested viewport."""
    written = stored.instance(rows=32, columns=32)

    answer = web.get(
        f"{instance_path(written)}/rendered?viewport=16,16", headers={"Accept": "image/png"}
    )

    assert picture(answer.content).size == (16, 16)


@suite.case("WADO-207", ref="PS3.18 10.4.1.1.3", covers="DicomWeb.test_rendered")
def test_rendered_frame_is_the_right_one(web: DicomWeb, stored: Stored) -> None:
    """The requested frame of a multi-frame image is rendered."""
    written = stored.sample("m01-native")

    rendered = [
        web.get(
            f"{instance_path(written)}/frames/{number}/rendered", headers={"Accept": "image/png"}
        )
        for number in (1, 12)
    ]

    shown = [levels(picture(each.content)).tolist() for each in rendered]
    assert shown == [written.frame(0).tolist(), written.frame(11).tolist()]


@suite.case("WADO-208", ref="PS3.18 10.4.3.1", covers="DicomWeb.test_rendered")
@pytest.mark.parametrize("number", ["0", "2"])
def test_rendered_frame_that_does_not_exist(web: DicomWeb, stored: Stored, number: str) -> None:
    """Frames are counted from 1; a number beyond the last is a client error."""
    written = stored.instance()

    web.get(f"{instance_path(written)}/frames/{number}/rendered", expect=(400, 404))


@by_uri.case("WADO-301", ref="PS3.18 9.1.2.2.1, 9.4", covers="DicomWeb.test_wado_dicom")
def test_uri_gives_the_object(rest: Rest, stored: Stored) -> None:
    """WADO-URI returns the data set as it was stored if application/dicom is requested."""
    written = stored.instance()

    answer = rest.get(uri(written, contentType="application/dicom"))

    assert header(answer, "Content-Type").partition(";")[0] == "application/dicom"
    # The file meta information is the server's own (PS3.10 7.1).
    assert data_set_of(answer.content) == written.data_set


@by_uri.case("WADO-302", ref="PS3.18 9.1.2.2.1", covers="DicomWeb.test_wado_image")
@pytest.mark.parametrize(
    ("content_type", "kind"),
    [("", "JPEG"), ("image/jpeg", "JPEG"), ("image/png", "PNG")],
    ids=["default", "jpeg", "png"],
)
def test_uri_gives_an_image(rest: Rest, stored: Stored, content_type: str, kind: str) -> None:
    """WADO-URI returns the rendered image, JPEG by default, in the size of the object."""
    written = stored.instance(rows=20, columns=30)

    image = picture(rest.get(uri(written, contentType=content_type)).content)

    assert (image.format, image.size) == (kind, (30, 20))


@by_uri.case(
    "WADO-303",
    ref="PS3.18 9.1.2.1; 8.5, Table 8.5-1: 400",
    covers="DicomWeb.test_wado_dicom",
    level="should",
)
@pytest.mark.parametrize("missing", ["requestType", "objectUID"])
def test_uri_without_what_is_mandatory(rest: Rest, stored: Stored, missing: str) -> None:
    """A request without a mandatory parameter is rejected with 400."""
    written = stored.instance()

    rest.get(uri(written, **{missing: ""}), expect=400)


@by_uri.case("WADO-304", ref="PS3.18 9.3", covers="DicomWeb.test_wado_dicom")
@pytest.mark.parametrize("wrong", ["studyUID", "seriesUID", "objectUID"])
def test_uri_of_another_place(rest: Rest, stored: Stored, wrong: str) -> None:
    """An object is not found in another study or series, nor is one that does not exist."""
    written = stored.instance()

    rest.get(uri(written, contentType="application/dicom", **{wrong: "1.2.3.4"}), expect=404)
