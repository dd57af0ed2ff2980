"""The web viewer: what its page requests from the server, for series and images."""

import base64
import zlib
from typing import Any

import numpy as np
import pytest

from harness.cases import (
    Rest,
    Stored,
    Suite,
    configured,
    levels_of,
    orthanc_ids,
    wait_until,
)

suite = Suite(level="product", needs="rest", ref="Orthanc Book: Orthanc Web viewer plugin")
pytestmark = configured(plugins="web-viewer")


def image(rest: Rest, name: str) -> dict[str, Any]:
    """Return the viewer plugin's answer for an image."""
    found: dict[str, Any] = rest.json(f"/web-viewer/instances/{name}")
    return found


@suite.case("VIEW-001")
def test_page_of_the_viewer(rest: Rest) -> None:
    """The page and what it loads are served."""
    page = rest.get("/web-viewer/app/viewer.html").text

    assert "</html>" in page
    assert "viewer.js" in page
    assert rest.get("/web-viewer/app/viewer.js").content
    rest.get("/web-viewer/app/nope.js", expect=404)


@suite.case("VIEW-002")
def test_series_has_its_slices_in_order(rest: Rest, stored: Stored) -> None:
    """A series lists its instances as slices ordered by Instance Number, whichever was stored first."""
    later, first, last = (stored.instance(number=number) for number in (2, 1, 3))
    other = stored.instance(series="2", number=1)

    found = rest.json(f"/web-viewer/series/{orthanc_ids(first).series}")

    ds = first.dataset()
    told = {each: found[each] for each in ("ID", "PatientID", "PatientName", "SeriesDescription")}
    assert told == {
        "ID": orthanc_ids(first).series, "PatientID": ds.PatientID, "PatientName": str(ds.PatientName),
        "SeriesDescription": str(ds.get("SeriesDescription", "")),
    }  # fmt: skip
    slices = [f"{orthanc_ids(each).instance}_0" for each in (first, later, last)]
    assert found["Slices"] == slices
    assert f"{orthanc_ids(other).instance}_0" not in found["Slices"]


@suite.case("VIEW-003")
def test_each_frame_is_a_slice(rest: Rest, stored: Stored) -> None:
    """A multi-frame instance has a slice for each of its frames."""
    ids = orthanc_ids(stored.sample("m01-native"))

    found = rest.json(f"/web-viewer/series/{ids.series}")

    assert found["Slices"] == [f"{ids.instance}_{frame}" for frame in range(12)]


@suite.case("VIEW-004")
def test_pixels_without_loss(rest: Rest, stored: Stored) -> None:
    """An image that is only deflated has every value of the object."""
    written = stored.instance(rows=20, columns=24)

    found = image(rest, f"deflate-{orthanc_ids(written).instance}_0")

    assert (found["rows"], found["columns"], found["color"]) == (20, 24, False)
    data = zlib.decompress(base64.b64decode(found["Orthanc"]["PixelData"]))
    values = np.frombuffer(data, "<i2").reshape(20, 24)
    assert np.array_equal(values, written.dataset().pixel_array)


@suite.case("VIEW-005")
@pytest.mark.parametrize(("sample", "frame"), [("p03", 0), ("m01-native", 7)])
def test_colours(rest: Rest, stored: Stored, sample: str, frame: int) -> None:
    """A colour image is shown in its colours, and a frame is the requested one."""
    written = stored.sample(sample)
    pixels = written.dataset().pixel_array
    expected = pixels if pixels.ndim == 3 else pixels[frame]

    name = f"{orthanc_ids(written).instance}_{frame}"
    exact, jpeg = image(rest, f"deflate-{name}"), image(rest, f"jpeg95-{name}")

    assert (exact["color"], exact["Orthanc"]["PhotometricInterpretation"]) == (True, "RGB")
    data = zlib.decompress(base64.b64decode(exact["Orthanc"]["PixelData"]))
    assert np.array_equal(np.frombuffer(data, np.uint8).reshape(expected.shape), expected)
    shown = levels_of(base64.b64decode(jpeg["Orthanc"]["PixelData"]))
    assert np.abs(shown - expected.astype(np.int64)).mean() < 12


@suite.case("VIEW-006")
@pytest.mark.parametrize("path", ["instances/jpeg95-nope_0", "instances/nope", "series/nope"])
def test_what_does_not_exist(rest: Rest, stored: Stored, path: str) -> None:
    """A request for something that does not exist is an error, and the next request is answered."""
    ids = orthanc_ids(stored.instance())

    assert rest.get(f"/web-viewer/{path}", expect=None).status_code in range(400, 600)
    assert rest.json(f"/web-viewer/series/{ids.series}")["Slices"] == [f"{ids.instance}_0"]


@suite.case("VIEW-007")
def test_nothing_of_what_was_deleted(rest: Rest, stored: Stored) -> None:
    """An image that was shown and then deleted is not shown any more, and its slice is gone."""
    one, two = stored.study(instances=2)
    ids = orthanc_ids(one)
    image(rest, f"deflate-{ids.instance}_0")
    assert len(rest.json(f"/web-viewer/series/{ids.series}")["Slices"]) == 2

    rest.delete(ids.path("instance"))

    kept = [f"{orthanc_ids(two).instance}_0"]
    wait_until(
        lambda: rest.json(f"/web-viewer/series/{ids.series}")["Slices"] == kept,
        what="the slice to go",
        within=2,
    )
