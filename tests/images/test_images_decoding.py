"""Compressed images: each transfer syntax decodes to the original pixels."""

from typing import Final

import numpy as np
import pytest
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000, JPEG2000Lossless

from harness.cases import (
    Frame,
    Maker,
    Picture,
    Rest,
    Sample,
    Stored,
    Suite,
    colour,
    configured,
    file_of,
    gray,
    image_of,
    largest_difference,
    levels_of,
    orthanc_ids,
    rgb_of_ybr,
    stretched,
)

suite = Suite(level="product", needs="rest", ref="Orthanc Book: supported DICOM images")

LOSSLESS: Final = (
    "p01",
    "p05",
    "p07",
    "p08",
    "p09-rle-gray",
    "p12-jpeg-lossless",
    "p12-jpeg-ls",
    "p15-jpeg-lossless-14",
    "p15-jpeg-lossless-signed",
    "p15-jpeg-ls-signed",
    "p15-rle-signed",
)
"""Lossless gray samples that the server itself decodes, one for each transfer syntax and sign."""
NEARLY: Final = {
    "p10-jpeg-gray": 12,
    "p15-jpeg-extended": 25,
    "p15-jpeg-ls-near": 2,
    "p15-jpeg-monochrome1": 12,
}
"""Lossy gray samples, and the largest allowed difference of a pixel."""
COLOURS: Final = ("p09-rle-colour", "p15-jpeg-lossless-colour", "p15-jpeg-ls-colour")
WITH_JPEG_2000: Final = configured(
    Gdcm={"RestrictTransferSyntaxes": [str(JPEG2000Lossless), str(JPEG2000)]}
)
"""The plugin decodes JPEG 2000, which the server itself cannot."""


def path_of(sample: Sample) -> str:
    """Return the path of an instance in the REST API."""
    return orthanc_ids(sample).path("instance")


@suite.case(
    "IDEC-001",
    covers=("Orthanc.test_decode_transfer_syntax", "Orthanc.test_decode_brainix"),
)
@pytest.mark.parametrize("name", LOSSLESS)
def test_values_of_each_transfer_syntax(rest: Rest, stored: Stored, name: str) -> None:
    """Whatever the lossless transfer syntax, the values are the original ones."""
    sample = stored.sample(name)
    signed = sample.properties.get("signed")

    shown = levels_of(rest.get(f"{path_of(sample)}/image-{'int' if signed else 'uint'}16"))

    assert largest_difference(shown, sample.frame(0).astype(int) % 65536) == 0


@suite.case("IDEC-002", covers="Orthanc.test_decode_brainix")
@pytest.mark.parametrize("name", LOSSLESS)
def test_preview_of_each_transfer_syntax(rest: Rest, stored: Stored, name: str) -> None:
    """Whatever the lossless transfer syntax, the preview goes from the lowest value to the highest."""
    sample = stored.sample(name)

    shown = levels_of(rest.get(f"{path_of(sample)}/preview"))

    assert largest_difference(shown, stretched(sample.frame(0))) <= 1


@suite.case("IDEC-003", covers="Orthanc.test_decode_transfer_syntax")
@pytest.mark.parametrize("name", NEARLY)
def test_values_of_lossy_syntaxes(rest: Rest, stored: Stored, name: str) -> None:
    """With a lossy transfer syntax, the values are close to the original ones."""
    sample = stored.sample(name)

    shown = levels_of(rest.get(f"{path_of(sample)}/image-uint16"))

    assert largest_difference(shown, sample.frame(0)) <= NEARLY[name]


@suite.case("IDEC-004", covers="Orthanc.test_decode_transfer_syntax")
@pytest.mark.parametrize("name", ["p10-jpeg-gray", "p15-jpeg-monochrome1"])
def test_jpeg_as_pillow_reads_it(rest: Rest, stored: Stored, name: str) -> None:
    """A JPEG decodes to the values of another decoder, each to within one."""
    sample = stored.sample(name)
    jpeg = next(generate_frames(sample.dataset().PixelData, number_of_frames=1))

    shown = levels_of(rest.get(f"{path_of(sample)}/image-uint8"))

    assert largest_difference(shown, levels_of(jpeg)) <= 1


@suite.case("IDEC-005", covers="Orthanc.test_bitbucket_issue_44")
@pytest.mark.parametrize("name", ["p02", "p15-jpeg-monochrome1"], ids=["native", "jpeg"])
@pytest.mark.parametrize("route", ["preview", "rendered"])
def test_monochrome1_is_inverted(rest: Rest, stored: Stored, name: str, route: str) -> None:
    """A MONOCHROME1 image is inverted, compressed or not: its highest value is the darkest."""
    sample = stored.sample(name)

    shown = levels_of(rest.get(f"{path_of(sample)}/{route}"))

    assert largest_difference(shown, 255 - sample.frame(0).astype(int)) <= NEARLY.get(name, 1)


@suite.case("IDEC-006", covers=("Orthanc.test_decode_color", "Orthanc.test_decode_transfer_syntax"))
@pytest.mark.parametrize("name", COLOURS)
def test_colours_of_lossless_syntaxes(rest: Rest, stored: Stored, name: str) -> None:
    """A losslessly compressed colour image is shown with every pixel."""
    sample = stored.sample(name)

    shown = levels_of(rest.get(f"{path_of(sample)}/preview"))

    assert largest_difference(shown, sample.frame(0)) == 0


@suite.case("IDEC-007", covers=("Orthanc.test_decode_transfer_syntax", "Orthanc.test_raw_frame"))
@pytest.mark.parametrize(
    ("name", "frame"), [("p10-jpeg-colour", 0), ("m01-jpeg", 11), ("p16", 0), ("p16", 1)]
)
def test_jpeg_of_colours(rest: Rest, stored: Stored, name: str, frame: int) -> None:
    """A JPEG in YBR_FULL_422 is shown in RGB, like the same frame from another decoder."""
    sample = stored.sample(name)
    count = sample.properties.get("frames", 1)
    jpegs = list(generate_frames(sample.dataset().PixelData, number_of_frames=count))

    shown = levels_of(rest.get(f"{path_of(sample)}/frames/{frame}/preview"))

    # Decoders interpolate the chroma of two pixels differently.
    assert np.abs(shown - levels_of(jpegs[frame])).mean() < 4
    assert np.abs(shown - sample.frame(frame)).mean() < 4


@suite.case("IDEC-008", covers="Orthanc.test_decode_transfer_syntax", needs="plugin.gdcm")
@pytest.mark.parametrize("name", ["p12-jpeg-2000", "p15-jpeg-2000-signed"])
@WITH_JPEG_2000
def test_jpeg_2000_with_a_plugin(rest: Rest, stored: Stored, name: str) -> None:
    """With the GDCM plugin, the values of a JPEG 2000 image are the original ones."""
    sample = stored.sample(name)
    signed = sample.properties.get("signed")

    shown = levels_of(rest.get(f"{path_of(sample)}/image-{'int' if signed else 'uint'}16"))

    assert largest_difference(shown, sample.frame(0).astype(int) % 65536) == 0


@suite.case("IDEC-009", covers="Orthanc.test_decode_transfer_syntax", needs="plugin.gdcm")
@WITH_JPEG_2000
def test_lossy_jpeg_2000_with_a_plugin(rest: Rest, stored: Stored) -> None:
    """With the GDCM plugin, the values of a lossy JPEG 2000 image are close to the original ones."""
    sample = stored.sample("p15-jpeg-2000-lossy")

    shown = levels_of(rest.get(f"{path_of(sample)}/image-uint16"))

    assert np.abs(shown - sample.frame(0)).mean() < 8


@suite.case("IDEC-010", covers="Orthanc.test_decode_transfer_syntax", needs="plugin.gdcm")
@WITH_JPEG_2000
def test_colours_of_jpeg_2000_with_a_plugin(rest: Rest, stored: Stored) -> None:
    """With the GDCM plugin, a JPEG 2000 image in YBR_RCT is shown in RGB with every pixel."""
    sample = stored.sample("p12-jpeg-2000-colour")

    shown = levels_of(rest.get(f"{path_of(sample)}/preview"))

    assert largest_difference(shown, sample.frame(0)) == 0


@suite.case("IDEC-011", covers="Orthanc.test_decode_transfer_syntax")
@pytest.mark.parametrize("name", ["p12-jpeg-2000", "p15-jpeg-2000-lossy"])
@configured(Gdcm={"Enable": False})
def test_jpeg_2000_without_a_plugin(rest: Rest, stored: Stored, name: str) -> None:
    """Without a plugin, a JPEG 2000 image has no preview (415), but its raw frame is returned."""
    sample = stored.sample(name)

    rest.get(f"{path_of(sample)}/preview", expect=415)

    raw = rest.get(f"{path_of(sample)}/frames/0/raw").content
    assert image_of(raw).format == "JPEG2000"


@suite.case(
    "IDEC-012",
    ref="Orthanc: release notes of 1.11.2; PS3.5 G.2",
    covers="Orthanc.test_rle_planar_configuration",
)
@configured(Gdcm={"Enable": False})
def test_rle_that_calls_itself_planar(rest: Rest, stored: Stored) -> None:
    """An RLE image in RGB is shown with every pixel if its Planar Configuration is 1."""
    sample = stored.sample("p15-rle-planar")

    shown = levels_of(rest.get(f"{path_of(sample)}/preview"))

    assert largest_difference(shown, sample.frame(0)) == 0


@suite.case(
    "IDEC-013",
    ref="Orthanc: release notes of 1.12.1; PS3.3 C.7.6.3.1.2",
    covers="Orthanc.test_rle_planar_configuration",
)
@pytest.mark.parametrize("planar", [0, 1], ids=["by-pixel", "by-plane"])
@configured(Gdcm={"Enable": False})
def test_rle_in_ybr(rest: Rest, stored: Stored, planar: int) -> None:
    """An RLE image in YBR_FULL is shown in RGB, in both planar configurations."""
    picture = Picture((colour(3, 20, 30),), 8, "YBR_FULL", 1 if planar else 0)
    sample = stored.image(picture, transfer_syntax="1.2.840.10008.1.2.5")

    shown = levels_of(rest.get(f"{path_of(sample)}/preview"))

    assert largest_difference(shown, rgb_of_ybr(sample.frame(0))) <= 2


@suite.case("IDEC-014", covers="Orthanc.test_decode_transfer_syntax")
@pytest.mark.parametrize(
    "name",
    ["p01", "p05", "p07", "p09-rle-gray", "p12-jpeg-ls", "p15-jpeg-extended", "p12-jpeg-2000"],
)
def test_transfer_syntax_is_noted(rest: Rest, stored: Stored, name: str) -> None:
    """The metadata of an instance and its header have the transfer syntax of the file."""
    sample = stored.sample(name)

    noted = rest.get(f"{path_of(sample)}/metadata/TransferSyntax").text

    assert noted == sample.transfer_syntax
    shown = rest.json(f"{path_of(sample)}/header?simplify")
    assert shown["TransferSyntaxUID"] == sample.transfer_syntax


@suite.case("IDEC-015", ref="Orthanc: release notes of 1.7.4", covers="Orthanc.test_decode_elscint")
def test_private_compression_of_elscint(rest: Rest, make: Maker) -> None:
    """An image without Pixel Data, in the private compression of ELSCINT1, has the original values."""
    picture = Picture((gray(7, 20, 30, bits=12),), 12)
    sample = make.image(picture)
    ds = sample.dataset()
    del ds.PixelData
    block = ds.private_block(0x07A1, "ELSCINT1", create=True)
    block.add_new(0x0A, "OB", elscint(picture.frames[0]))
    block.add_new(0x11, "LO", "PMSCT_RLE1")
    rest.upload(file_of(ds))

    shown = levels_of(rest.get(f"{path_of(sample)}/image-uint16"))

    assert largest_difference(shown, sample.frame(0)) == 0


@suite.case("IDEC-016", ref="Orthanc: release notes of 1.7.4", covers="Orthanc.test_decode_elscint")
def test_raw_frame_of_elscint(rest: Rest, make: Maker) -> None:
    """An ELSCINT1 image that claims to be compressed but is not has its raw frame and its preview."""
    sample = make.image(Picture((gray(7, 20, 30, bits=12),), 12))
    ds = sample.dataset()
    ds.private_block(0x07A1, "ELSCINT1", create=True).add_new(0x11, "LO", "PMSCT_RLE1")
    rest.upload(file_of(ds))

    raw = rest.get(f"{path_of(sample)}/frames/0/raw").content

    assert raw == sample.frame(0).tobytes()
    shown = levels_of(rest.get(f"{path_of(sample)}/preview"))
    assert largest_difference(shown, stretched(sample.frame(0))) <= 1


def elscint(values: Frame) -> bytes:
    """Compress with the private code of ELSCINT1: one-byte differences, or 5A and the value."""
    written, last = bytearray(), 0
    for value in values.ravel().tolist():
        step = value - last
        byte = step & 0xFF
        if -128 <= step < 128 and byte not in {0x5A, 0xA5}:
            written.append(byte)
        else:
            written += bytes([0x5A, value & 0xFF, value >> 8])
        last = value
    packed, index = bytearray(), 0
    while index < len(written):  # A5, the count minus one, and the byte
        run = 1
        while index + run < len(written) and written[index + run] == written[index] and run < 256:
            run += 1
        if run > 3 or written[index] == 0xA5:
            packed += bytes([0xA5, run - 1, written[index]])
        else:
            packed += written[index : index + run]
        index += run
    return bytes(packed) + b"\0" * (len(packed) % 2)
