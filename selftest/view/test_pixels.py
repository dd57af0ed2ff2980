"""Rendered pixels: each way to store pixels, compared with the original picture."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from dcm.render.decoded import CannotRender, pixel_array
from dcm.render.grayscale import Window, eight_bits
from dcm.view import Look, view
from harness.corpus import Sample, corpus
from harness.corpus.recipes.pixels import CELLS

LOSSY = {
    "p10-jpeg-gray": 1.0, "p10-jpeg-colour": 2.5, "m01-jpeg": 2.5, "p15-jpeg-monochrome1": 1.0,
    "p15-jpeg-ls-near": 1.0, "p15-jpeg-2000-lossy": 1.0, "p16-jpeg-fragments": 2.5,
}  # fmt: skip
"""The mean difference caused by lossy compression."""
UNDECODED = {"p15-jpeg-extended"}
"""12-bit JPEG, for which neither Pillow nor GDCM has a decoder."""
UID = "1.2.3.4"


def shown(page: Path) -> list[Any]:
    """Return the pictures of a page as arrays."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page.read_text())
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in found]


def expected(sample: Sample, index: int) -> Any:
    """Return the expected display of a drawn frame (PS3.3 C.11.2.1.2, C.7.6.3)."""
    drawn, ds = sample.frame(index), sample.dataset()
    if drawn.ndim == 3:
        return drawn
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        rise = np.arange(256) * 257
        tables = rise, rise[::-1], np.minimum(rise, rise[::-1]) * 2
        return np.stack([table[drawn] >> 8 for table in tables], axis=-1)
    values = drawn.astype(float) * float(ds.get("RescaleSlope", 1))
    values += float(ds.get("RescaleIntercept", 0))
    if "WindowCenter" in ds:
        center, width = float(ds.WindowCenter), float(ds.WindowWidth)
        gray = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255
    else:
        gray = (values - values.min()) / (values.max() - values.min()) * 255
    gray = gray.clip(0, 255)
    return 255 - gray if ds.PhotometricInterpretation == "MONOCHROME1" else gray


@pytest.mark.parametrize("id_", sorted(UNDECODED))
def test_what_cannot_be_decoded_has_a_reason(id_: str, tmp_path: Path) -> None:
    """It is on a tile of the page, and the report says that something is missing."""
    report = view([corpus[id_].write(tmp_path)], tmp_path / "page.html", Look(32))
    assert not report.complete
    assert "12-bit precision" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("id_", [cell.id for cell in CELLS if cell.id not in UNDECODED])
def test_frame_is_shown_as_drawn(id_: str, tmp_path: Path) -> None:
    """Exactly, or nearly after lossy compression; of several frames the middle one, or all."""
    sample = corpus[id_]
    path, frames = sample.write(tmp_path), sample.properties.get("frames", 1)
    size = max(sample.frame(0).shape[:2])
    page = tmp_path / "page.html"
    assert view([path], page, Look(size)).complete
    [middle] = shown(page)
    view([path], page, Look(size, every=1))
    pictures = [*enumerate(shown(page)), (frames // 2, middle)]
    assert len(pictures) == frames + 1
    for index, picture in pictures:
        difference = np.abs(picture.astype(float) - expected(sample, index))
        assert difference.mean() <= LOSSY.get(id_, 0.5)
        assert id_ in LOSSY or difference.max() <= 1


def test_wrong_picture_is_seen(tmp_path: Path) -> None:
    """The comparison above can fail: another frame differs."""
    sample = corpus["m01-jpeg"]
    difference = np.abs(expected(sample, 3).astype(float) - expected(sample, 4))
    assert difference.mean() > LOSSY["m01-jpeg"]


def made(values: Any, **elements: Any) -> FileDataset:
    """Return a CT image with these values."""
    ds = FileDataset("", {}, preamble=bytes(128), file_meta=FileMetaDataset())
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = UID
    ds.Rows, ds.Columns = values.shape[:2]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8 * values.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(values.dtype.kind == "i")
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    ds.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
    ds["PixelData"].VR = "OW" if values.dtype.itemsize > 1 else "OB"
    return ds


def gray(ds: FileDataset, tmp_path: Path, window: Window | None = None) -> list[int]:
    """Return the displayed pixels of an image."""
    path = tmp_path / "image.dcm"
    ds.save_as(path, enforce_file_format=True)
    array, read = pixel_array(str(path), ds.file_meta.TransferSyntaxUID, 1, raw=False)
    return [int(each) for each in eight_bits(array, read, 1, window).ravel()]


RAMP = np.array([[0, 100, 200, 300]], "<u2")


def test_window_of_the_object_and_another(tmp_path: Path) -> None:
    """The first window of the object, unless another one is given (PS3.3 C.11.2.1.2.1)."""
    ds = made(RAMP, WindowCenter=["100.5", "7"], WindowWidth=["201", "7"])
    assert gray(ds, tmp_path) == [0, 128, 255, 255]
    assert gray(ds, tmp_path, Window(250.5, 101)) == [0, 0, 0, 255]


@pytest.mark.parametrize(
    ("function", "wanted"), [("LINEAR_EXACT", [0, 128, 255, 255]), ("SIGMOID", [30, 128, 225, 250])]
)
def test_functions_of_windows(function: str, wanted: list[int], tmp_path: Path) -> None:
    """PS3.3 C.11.2.1.3."""
    ds = made(RAMP, WindowCenter="100", WindowWidth="200", VOILUTFunction=function)
    assert gray(ds, tmp_path) == wanted


def test_monochrome1_is_inverted_after_the_window(tmp_path: Path) -> None:
    """The lowest value is white."""
    ds = made(
        RAMP, WindowCenter="100.5", WindowWidth="201", PhotometricInterpretation="MONOCHROME1"
    )
    assert gray(ds, tmp_path) == [255, 128, 0, 0]


def test_rescaled_before_the_window(tmp_path: Path) -> None:
    """The window is in Hounsfield units."""
    ds = made(
        RAMP, RescaleSlope="2", RescaleIntercept="-100", WindowCenter="100.5", WindowWidth="201"
    )
    assert gray(ds, tmp_path) == [0, 128, 255, 255]


def test_lookup_tables(tmp_path: Path) -> None:
    """A modality LUT goes first, then a VOI LUT (PS3.3 C.11.1, C.11.2)."""
    modality = Dataset()
    modality.LUTDescriptor = [4, 0, 16]
    modality.ModalityLUTType = "US"
    modality["LUTDescriptor"].VR = "US"
    modality.add_new("LUTData", "US", [3, 2, 1, 0])
    voi = Dataset()
    voi.LUTDescriptor = [4, 0, 8]
    voi["LUTDescriptor"].VR = "US"
    voi.add_new("LUTData", "US", [0, 10, 20, 255])
    values = np.array([[0, 1, 2, 3]], "<u2")
    ds = made(values, ModalityLUTSequence=Sequence([modality]), VOILUTSequence=Sequence([voi]))
    assert gray(ds, tmp_path) == [255, 20, 10, 0]


def test_unused_bits_and_sign(tmp_path: Path) -> None:
    """Overlays in unused bits are invisible, and the sign is in the highest stored bit."""
    values = np.array([[0xF800, 0x0FFF, 0xF000, 0x07FF]], "<u2")  # -2048, -1, 0, 2047 in 12 bits
    ds = made(
        values,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=1,
        WindowCenter="0",
        WindowWidth="4096",
    )
    assert gray(ds, tmp_path) == [0, 127, 128, 255]
    shifted = made(np.array([[0x00F0, 0x7FF0]], "<u2"), BitsStored=12, HighBit=15)
    assert gray(shifted, tmp_path) == [0, 255]


def test_without_a_window(tmp_path: Path) -> None:
    """8 bits are shown as they are; others from the minimum to the maximum, without the padding."""
    assert gray(made(np.array([[10, 20, 100, 200]], "u1")), tmp_path) == [10, 20, 100, 200]
    signed = np.array([[-2000, -1000, 0, 1000]], "<i2")
    assert gray(made(signed, PixelPaddingValue=-2000), tmp_path) == [0, 0, 128, 255]
    assert gray(made(np.full((1, 4), 7, "<u2")), tmp_path) == [0, 0, 0, 0]


def test_mask_of_single_bits(tmp_path: Path) -> None:
    """A segmentation is black and white, even if all of it is one."""
    ds = made(np.array([[1]], "u1"), Rows=2, Columns=4, BitsAllocated=1, BitsStored=1, HighBit=0)
    ds.PixelData = b"\xff\0"
    assert gray(ds, tmp_path) == [255] * 8
    ds.PixelData = b"\xf0\0"
    assert gray(ds, tmp_path) == [0] * 4 + [255] * 4


def test_functional_groups(tmp_path: Path) -> None:
    """A frame may have its own rescaling and window (PS3.3 C.7.6.16)."""
    group, values, voi = Dataset(), Dataset(), Dataset()
    values.RescaleSlope, values.RescaleIntercept = "1", "-100"
    voi.WindowCenter, voi.WindowWidth = "0.5", "201"
    group.PixelValueTransformationSequence = Sequence([values])
    group.FrameVOILUTSequence = Sequence([voi])
    ds = made(RAMP, PerFrameFunctionalGroupsSequence=Sequence([group]))
    assert gray(ds, tmp_path) == [0, 128, 255, 255]


def test_what_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    """A few bytes do not take gigabytes of memory."""
    path = tmp_path / "image.dcm"
    made(RAMP, Rows=65535, Columns=65535).save_as(path, enforce_file_format=True)
    with pytest.raises(CannotRender, match="too large to show"):
        pixel_array(str(path), ExplicitVRLittleEndian, 1, raw=False)


def test_pixels_that_are_no_squares(tmp_path: Path) -> None:
    """Proportions are kept: rows twice as far apart as columns double the height."""
    path, page = tmp_path / "image.dcm", tmp_path / "page.html"
    made(np.zeros((20, 20), "<u2"), PixelSpacing=[2, 1]).save_as(path, enforce_file_format=True)
    view([path], page, Look(40))
    [picture] = shown(page)
    assert picture.shape[:2] == (40, 20)
    assert (
        "20 x 20 \N{MIDDLE DOT} 2 x 1 mm".replace("x", "\N{MULTIPLICATION SIGN}")
        in page.read_text()
    )
