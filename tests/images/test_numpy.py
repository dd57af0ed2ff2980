"""NumPy arrays: shape, type and every value, for a frame, an instance and a series."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from harness.cases import (
    Maker,
    Picture,
    Rest,
    Stored,
    Suite,
    array_of,
    gray,
    header,
    orthanc_ids,
)

suite = Suite(
    level="product",
    needs="orthanc>=1.10.0",
    ref="Orthanc REST API: GET /instances/{id}/numpy",
)

KINDS: dict[str, dict[str, Any]] = {
    "8": {"bits": 8},
    "12": {"bits": 12},
    "12-signed": {"bits": 12, "signed": True},
    "16": {"bits": 16},
    "16-signed": {"bits": 16, "signed": True},
}
TYPES = {"8": "uint8", "12": "uint16", "12-signed": "int16", "16": "uint16", "16-signed": "int16"}


def drawn(kind: str) -> Picture:
    """Return one gray frame, not square, whose values cover the range of its bits."""
    return Picture((gray(7, 20, 30, **KINDS[kind]),), int(KINDS[kind]["bits"]))


@suite.case("NPY-001", covers="Orthanc.test_numpy")
@pytest.mark.parametrize("kind", KINDS)
def test_stored_values(rest: Rest, stored: Stored, kind: str) -> None:
    """With `rescale=0`, a frame is an array of its stored values, in their stored type."""
    sample = stored.image(drawn(kind), RescaleIntercept=-1024, RescaleSlope=2)

    array = array_of(rest.get(f"{orthanc_ids(sample).path('instance')}/frames/0/numpy?rescale=0"))

    assert (array.shape, str(array.dtype)) == ((20, 30, 1), TYPES[kind])
    assert array[..., 0].tolist() == sample.frame(0).tolist()


@suite.case("NPY-002", covers="Orthanc.test_numpy")
@pytest.mark.parametrize("arguments", ["", "?rescale=1", "?rescale=true", "?rescale"])
@pytest.mark.parametrize("kind", KINDS)
def test_rescaled_values(rest: Rest, stored: Stored, kind: str, arguments: str) -> None:
    """By default, a frame is an array of float32: slope times value plus intercept."""
    sample = stored.image(drawn(kind), RescaleIntercept=-1024, RescaleSlope=2)
    path = f"{orthanc_ids(sample).path('instance')}/frames/0/numpy"

    array = array_of(rest.get(path + arguments))

    assert (array.shape, str(array.dtype)) == ((20, 30, 1), "float32")
    assert array[..., 0].tolist() == (sample.frame(0).astype(float) * 2 - 1024).tolist()


@suite.case("NPY-003", covers="Orthanc.test_numpy")
def test_no_rescaling_in_the_file(rest: Rest, stored: Stored) -> None:
    """Without slope and intercept in the file, the float32 values are the stored values."""
    sample = stored.image(drawn("12"))

    array = array_of(rest.get(f"{orthanc_ids(sample).path('instance')}/numpy"))

    assert (array.shape, str(array.dtype)) == ((1, 20, 30, 1), "float32")
    assert array[0, ..., 0].tolist() == sample.frame(0).tolist()


@suite.case("NPY-004", covers="Orthanc.test_numpy")
@pytest.mark.parametrize("name", ["m01-native", "p13-offsets"], ids=["colour", "gray"])
def test_instance_has_all_frames(rest: Rest, stored: Stored, name: str) -> None:
    """The array of an instance has all its frames, in order, and three samples for colours."""
    sample = stored.sample(name)
    frames = np.stack([sample.frame(index) for index in range(sample.properties["frames"])])

    array = array_of(rest.get(f"{orthanc_ids(sample).path('instance')}/numpy?rescale=0"))

    assert array.tolist() == frames.reshape(*frames.shape[:3], -1).tolist()
    assert array.dtype == np.uint8


@suite.case("NPY-005", covers="Orthanc.test_numpy")
@pytest.mark.parametrize("arguments", ["rescale=1", "rescale=true&compress=0", "compress=false"])
def test_series_has_all_instances(rest: Rest, make: Maker, stored: Stored, arguments: str) -> None:
    """The array of a series has the image of each instance."""
    samples = stored.these(*(make.instance(number=number) for number in (1, 2, 3)))

    array = array_of(rest.get(f"{orthanc_ids(samples[0]).path('series')}/numpy?{arguments}"))

    assert (array.shape, str(array.dtype)) == ((3, 16, 16, 1), "float32")
    slices = sorted(array[..., 0].tolist())
    assert slices == sorted((each.frame(0).astype(float) - 1024).tolist() for each in samples)


@suite.case("NPY-006", covers="Orthanc.test_numpy")
@pytest.mark.parametrize("level", ["instance", "series"])
@pytest.mark.parametrize("arguments", ["compress", "compress=1", "compress=true"])
def test_compressed_array(rest: Rest, stored: Stored, level: str, arguments: str) -> None:
    """With `compress`, the same array is the only one in an .npz archive."""
    path = f"{orthanc_ids(stored.instance()).path(level)}/numpy"

    answer = rest.get(f"{path}?{arguments}")

    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["arr_0"]  # numpy reads names without an extension
    assert array_of(answer).tolist() == array_of(rest.get(path)).tolist()
    assert header(answer, "Content-Type") == "application/octet-stream"


@suite.case("NPY-007", covers=("Orthanc.test_numpy", "Orthanc.test_dicom_seg"))
def test_segmentation(rest: Rest, stored: Stored) -> None:
    """The array of a segmentation of 1 bit has 255 where the bit is set, frame by frame."""
    frames = (np.zeros((16, 24), bool), gray(1, 16, 24, bits=8) > 128)
    sample = stored.image(Picture(frames, 1))

    array = array_of(rest.get(f"{orthanc_ids(sample).path('instance')}/numpy"))

    assert array[..., 0].tolist() == (np.stack(frames) * 255.0).tolist()


@suite.case("NPY-008", ref="Orthanc REST API: GET /series/{id}/numpy")
def test_series_of_different_sizes(rest: Rest, make: Maker, stored: Stored) -> None:
    """The array of a series with images of different sizes is an error; each image still has its own."""
    samples = stored.these(make.instance(number=1), make.instance(number=2, rows=8))

    rest.get(f"{orthanc_ids(samples[0]).path('series')}/numpy", expect=(400, 500))

    own = array_of(rest.get(f"{orthanc_ids(samples[1]).path('instance')}/numpy"))
    assert own.shape == (1, 8, 16, 1)


@suite.case("NPY-009", covers="Orthanc.test_numpy")
def test_object_without_pixels(rest: Rest, stored: Stored) -> None:
    """Requesting the array of a report is an error; the report itself is still returned."""
    sample = stored.sample("h03-sr")
    path = orthanc_ids(sample).path("instance")

    rest.get(f"{path}/numpy", expect=(400, 415, 500))

    assert rest.get(f"{path}/file").content == sample.data
