"""Rendered images by REST: windows, rescaling, and scaling to a size."""

import numpy as np
import pytest
from pydicom import Dataset

from harness.cases import (
    Maker,
    Picture,
    Rest,
    Sample,
    Stored,
    Suite,
    colour,
    file_of,
    gray,
    image_of,
    largest_difference,
    levels_of,
    orthanc_ids,
    windowed,
)

suite = Suite(
    level="product",
    needs="orthanc>=1.6.0",
    ref="Orthanc REST API: GET /instances/{id}/rendered",
)


def path_of(sample: Sample) -> str:
    """Return the path of the rendered image of an instance."""
    return orthanc_ids(sample).path("instance") + "/rendered"


@suite.case("IREN-001", ref="PS3.3 C.11.2.1.3.2", covers="Orthanc.test_rendered")
@pytest.mark.parametrize(("center", "width"), [(40, 400), (1024, 4096), (0, 1000), (-500, 50)])
def test_requested_window(rest: Rest, stored: Stored, center: int, width: int) -> None:
    """The requested window is applied to the rescaled values, each pixel to within one gray level."""
    sample = stored.instance(RescaleIntercept=-1024, RescaleSlope=2, rows=32, columns=32)

    shown = rest.get(f"{path_of(sample)}?window-center={center}&window-width={width}")

    expected = windowed(sample.frame(0) * 2.0 - 1024, center, width)
    assert largest_difference(levels_of(shown), expected) <= 1


@suite.case("IREN-002", ref="PS3.3 C.11.2", covers="Orthanc.test_rendered")
def test_window_of_the_file(rest: Rest, stored: Stored) -> None:
    """Without a requested window, the one in the file is applied."""
    sample = stored.instance(WindowCenter=100, WindowWidth=600, rows=32, columns=32)

    shown = rest.get(path_of(sample))

    expected = windowed(sample.frame(0) * 1.0 - 1024, 100, 600)
    assert largest_difference(levels_of(shown), expected) <= 1


@suite.case("IREN-003", covers="Orthanc.test_rendered")
def test_same_window_same_image(rest: Rest, stored: Stored) -> None:
    """The window of the file and the same one in the request give the same image."""
    path = path_of(stored.instance(WindowCenter=100, WindowWidth=600))

    asked = rest.get(f"{path}?window-center=100&window-width=600").content

    assert asked == rest.get(path).content


@suite.case("IREN-004", ref="PS3.3 C.7.6.3.1.2", covers="Orthanc.test_rendered")
@pytest.mark.parametrize(("center", "width"), [(100, 200), (128, 256)])
def test_window_of_monochrome1(rest: Rest, stored: Stored, center: int, width: int) -> None:
    """A MONOCHROME1 image is inverted after applying the window."""
    sample = stored.image(Picture((gray(7, 20, 30, bits=8),), 8, "MONOCHROME1"))

    shown = rest.get(f"{path_of(sample)}?window-center={center}&window-width={width}")

    expected = 255 - windowed(sample.frame(0), center, width)
    assert largest_difference(levels_of(shown), expected) <= 1


@suite.case("IREN-005", ref="PS3.3 C.11.1, C.11.2", covers="Orthanc.test_rendered")
def test_window_of_signed_values(rest: Rest, stored: Stored) -> None:
    """The window is applied correctly to signed values."""
    sample = stored.image(Picture((gray(7, 20, 30, bits=12, signed=True),), 12))

    shown = rest.get(f"{path_of(sample)}?window-center=-100&window-width=2000")

    assert largest_difference(levels_of(shown), windowed(sample.frame(0), -100, 2000)) <= 1


@suite.case("IREN-006", covers="Orthanc.test_rendered")
@pytest.mark.parametrize(
    ("center", "level"), [(-10000, 255), (10000, 0)], ids=["far-below", "far-above"]
)
def test_window_far_off(rest: Rest, stored: Stored, center: int, level: int) -> None:
    """A window far below all values shows white, and one far above shows black."""
    sample = stored.instance()

    shown = levels_of(
        rest.get(f"{path_of(sample)}?window-center={center}&window-width=100&width=1")
    )

    assert shown.tolist() == [[level]]


@suite.case("IREN-007", covers="Orthanc.test_rendered")
@pytest.mark.parametrize("smooth", ["", "&smooth=0"], ids=["smooth", "plain"])
@pytest.mark.parametrize("kind", ["gray", "colour"])
@pytest.mark.parametrize(
    "asked",
    [
        ("width=10", (10, 20)),
        ("height=10", (5, 10)),
        ("height=128", (64, 128)),
        ("width=10&height=10", (5, 10)),
        ("width=40&height=40", (20, 40)),
        ("width=20&height=400", (20, 40)),
        ("width=1", (1, 2)),
    ],
    ids=lambda asked: asked[0],
)
def test_size_keeps_the_proportions(
    rest: Rest, stored: Stored, kind: str, asked: tuple[str, tuple[int, int]], smooth: str
) -> None:
    """The image is as large as fits, smaller or larger than the object, with the same proportions."""
    arguments, size = asked
    sample = stored.image(SHAPES[kind])

    image = image_of(rest.get(f"{path_of(sample)}?{arguments}{smooth}"))

    assert (image.size, image.mode) == (size, "L" if kind == "gray" else "RGB")


SHAPES = {
    "gray": Picture((gray(7, 40, 20, bits=8),), 8),
    "colour": Picture((colour(7, 40, 20),), 8, "RGB"),
}
"""Images twice as high as wide."""


@suite.case("IREN-008", covers="Orthanc.test_rendered")
@pytest.mark.parametrize("kind", SHAPES)
def test_doubled_size_repeats_pixels(rest: Rest, stored: Stored, kind: str) -> None:
    """Without smoothing, an image of twice the size repeats each pixel four times."""
    sample = stored.image(SHAPES[kind], WindowCenter=128, WindowWidth=256)

    shown = levels_of(rest.get(f"{path_of(sample)}?width=40&smooth=0"))

    expected = sample.frame(0).repeat(2, axis=0).repeat(2, axis=1)
    assert largest_difference(shown, expected) <= 1


@suite.case("IREN-009", covers="Orthanc.test_rendered")
def test_flat_image_stays_flat(rest: Rest, stored: Stored) -> None:
    """A uniform image has the same value in any size, smoothed or not."""
    flat = Picture((np.full((40, 20), 100, "u1"),), 8)
    path = path_of(stored.image(flat, WindowCenter=128, WindowWidth=256))

    shown = [levels_of(rest.get(f"{path}?width=7&smooth={smooth}")) for smooth in (0, 1)]

    assert [set(each.ravel().tolist()) <= {99, 100} for each in shown] == [True, True]


@suite.case("IREN-010", ref="Orthanc REST API: GET /instances/{id}/rendered")
@pytest.mark.parametrize(
    "argument",
    ["width=wide", "width=-1", "height=-1", "window-center=middle", "window-width=wide"],
)
def test_argument_that_is_no_number(rest: Rest, stored: Stored, argument: str) -> None:
    """An argument that is not a number is rejected, and the next image is returned."""
    path = path_of(stored.instance())

    rest.get(f"{path}?{argument}", expect=(400, 404, 415))

    assert image_of(rest.get(path)).size == (16, 16)


RESCALED = ((1, 0), (1, 100), (2, 0), (2, 100))
"""Slope and intercept of each frame."""


def rescaled_frames(rest: Rest, make: Maker) -> tuple[str, np.ndarray]:
    """Store four equal frames, each with its own rescaling, the first with a window."""
    levels = np.array([[0, 16], [32, 48]], np.uint16)
    ds = make.image(Picture((levels,) * len(RESCALED), 16)).dataset()
    ds.PerFrameFunctionalGroupsSequence = []
    for slope, intercept in RESCALED:
        rescaling, group = Dataset(), Dataset()
        rescaling.RescaleSlope, rescaling.RescaleIntercept = slope, intercept
        rescaling.RescaleType = "US"
        group.PixelValueTransformationSequence = [rescaling]
        ds.PerFrameFunctionalGroupsSequence.append(group)
    window = Dataset()
    window.WindowCenter, window.WindowWidth = 16, 128
    ds.PerFrameFunctionalGroupsSequence[0].FrameVOILUTSequence = [window]
    return rest.upload(file_of(ds))["Path"], levels


@suite.case(
    "IREN-011",
    ref="PS3.3 C.7.6.16.2.9",
    covers="Orthanc.test_multiframe_windowing",
    needs="orthanc>=1.9.7",
)
@pytest.mark.parametrize("frame", range(len(RESCALED)))
def test_each_frame_is_rescaled_by_its_own_group(rest: Rest, make: Maker, frame: int) -> None:
    """The requested window is applied after rescaling by the functional groups of the frame."""
    path, levels = rescaled_frames(rest, make)
    slope, intercept = RESCALED[frame]

    shown = rest.get(f"{path}/frames/{frame}/rendered?window-center=127&window-width=256")

    expected = windowed(levels * float(slope) + intercept, 127, 256)
    assert largest_difference(levels_of(shown), expected) <= 1


@suite.case(
    "IREN-012",
    ref="PS3.3 C.7.6.16.2.10",
    covers="Orthanc.test_multiframe_windowing",
    needs="orthanc>=1.9.7",
)
def test_frame_has_a_window_of_its_own(rest: Rest, make: Maker) -> None:
    """Without a requested window, the one in the functional groups of the frame is applied."""
    path, levels = rescaled_frames(rest, make)

    shown = rest.get(f"{path}/frames/0/rendered")

    assert largest_difference(levels_of(shown), windowed(levels * 1.0, 16, 128)) <= 1
