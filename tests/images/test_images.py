"""Native images: previews and exact values, compared pixel by pixel with the original."""

from typing import Any, Final
from urllib.parse import urljoin

import numpy as np
import pytest

from harness.cases import (
    Maker,
    Picture,
    Rest,
    Sample,
    Stored,
    Suite,
    colour,
    configured,
    gray,
    header,
    image_of,
    largest_difference,
    levels_of,
    orthanc_ids,
    rgb_of_ybr,
    stretched,
)

suite = Suite(level="product", needs="rest", ref="Orthanc REST API: GET /instances/{id}/preview")

SIZE: Final[dict[str, Any]] = {"rows": 20, "columns": 30}
EXPLICIT_VR_LITTLE_ENDIAN, RLE_LOSSLESS = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
GRAY: Final[dict[str, dict[str, Any]]] = {
    "8": {"bits": 8},
    "10": {"bits": 10},
    "12": {"bits": 12},
    "12-signed": {"bits": 12, "signed": True},
    "16": {"bits": 16},
    "16-signed": {"bits": 16, "signed": True},
}
"""Bits Stored, and whether the values are signed."""
BUILT_IN: Final = configured(Gdcm={"Enable": False})
"""The server itself decodes pixels, and not the plugin."""
DECODED_BY_GDCM: Final = configured(Gdcm={"RestrictTransferSyntaxes": [EXPLICIT_VR_LITTLE_ENDIAN]})
"""The plugin decodes pixels that the server itself would decode otherwise."""
EXACT: Final = {
    "image-uint8": (0, 255),
    "image-uint16": (0, 65535),
    "image-int16": (-32768, 32767),
}
"""The routes that return values unchanged, and the range to which they clip them."""


def path_of(sample: Sample) -> str:
    """Return the path of an instance in the REST API."""
    return orthanc_ids(sample).path("instance")


def drawn(kind: str, photometric: str = "MONOCHROME2") -> Picture:
    """Return a gray frame, not square, whose values cover the range of its bits."""
    how = GRAY[kind]
    return Picture((gray(7, **SIZE, **how),), int(how["bits"]), photometric)


@suite.case("IMG-001", covers=("Orthanc.test_images", "Orthanc.test_decode_signed"))
@pytest.mark.parametrize("kind", GRAY)
def test_preview_stretches_the_values(rest: Rest, stored: Stored, kind: str) -> None:
    """In a preview the lowest value of the image is black and the highest is white."""
    sample = stored.image(drawn(kind))

    shown = rest.get(f"{path_of(sample)}/preview")

    assert image_of(shown).mode == "L"
    assert largest_difference(levels_of(shown), stretched(sample.frame(0))) <= 1


@suite.case("IMG-002", covers="Orthanc.test_bitbucket_issue_44")
@pytest.mark.parametrize("kind", GRAY)
def test_preview_of_monochrome1_is_inverted(rest: Rest, stored: Stored, kind: str) -> None:
    """In a preview of a MONOCHROME1 image the lowest value is white and the highest is black."""
    sample = stored.image(drawn(kind, "MONOCHROME1"))

    shown = levels_of(rest.get(f"{path_of(sample)}/preview"))

    assert largest_difference(shown, 255 - stretched(sample.frame(0))) <= 1


@suite.case(
    "IMG-003",
    ref="Orthanc REST API: GET /instances/{id}/image-uint8, image-uint16, image-int16",
    covers=("Orthanc.test_images", "Orthanc.test_decode_signed", "Orthanc.test_decode_brainix"),
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("route", EXACT)
@pytest.mark.parametrize("kind", GRAY)
def test_values_are_kept_or_clipped(
    rest: Rest, stored: Stored, kind: str, route: str, photometric: str
) -> None:
    """An image of exact values has the stored values, clipped to the range of the image, without a LUT."""
    sample = stored.image(drawn(kind, photometric))

    shown = levels_of(rest.get(f"{path_of(sample)}/{route}"))

    lowest, highest = EXACT[route]
    expected = sample.frame(0).astype(int).clip(lowest, highest)
    if route == "image-int16":  # PNG is unsigned: two's complement
        expected = expected % 65536
    assert largest_difference(shown, expected) == 0


@suite.case(
    "IMG-004",
    ref="Orthanc REST API: GET /instances/{id}/image-uint8, image-uint16",
    covers="Orthanc.test_images",
)
@pytest.mark.parametrize(
    ("route", "mode"),
    [("image-uint8", "L"), ("image-uint16", "I;16"), ("image-int16", "I;16"), ("preview", "L")],
)
def test_depth_of_the_image(rest: Rest, stored: Stored, route: str, mode: str) -> None:
    """Images of 8 or 16 bits are PNGs of this depth, with the width and height of the object."""
    sample = stored.instance(rows=20, columns=30)

    answer = rest.get(f"{path_of(sample)}/{route}")

    image = image_of(answer)
    assert header(answer, "Content-Type") == "image/png"
    assert (image.format, image.mode, image.size) == ("PNG", mode, (30, 20))


@suite.case(
    "IMG-005",
    covers=("Orthanc.test_color", "Orthanc.test_decode_color", "DicomWeb.test_rendered"),
)
@pytest.mark.parametrize("route", ["preview", "rendered"])
@pytest.mark.parametrize("planar", [0, 1], ids=["by-pixel", "by-plane"])
@pytest.mark.parametrize("size", [(20, 30), (17, 13)], ids=["even", "odd"])
def test_rgb_is_shown_as_it_is(
    rest: Rest, stored: Stored, size: tuple[int, int], planar: int, route: str
) -> None:
    """An RGB image of 8 bits is shown with every pixel, in both planar configurations and any size."""
    picture = Picture((colour(3, *size),), 8, planar=1 if planar else 0, photometric="RGB")
    sample = stored.image(picture)

    shown = rest.get(f"{path_of(sample)}/{route}")

    assert image_of(shown).mode == "RGB"
    assert largest_difference(levels_of(shown), sample.frame(0)) == 0


@suite.case("IMG-006", covers="Orthanc.test_decode_color")
@pytest.mark.parametrize("sample", ["p03", "p04", "p10-jpeg-colour"])
@pytest.mark.parametrize("route", EXACT)
def test_no_exact_values_of_colours(rest: Rest, stored: Stored, route: str, sample: str) -> None:
    """Colour images have no image of single values (415), but still have a preview."""
    path = path_of(stored.sample(sample))

    rest.get(f"{path}/{route}", expect=415)

    assert image_of(rest.get(f"{path}/preview")).mode == "RGB"


@suite.case(
    "IMG-007",
    covers=("Orthanc.test_multiframe_rgb48_raw", "Orthanc.test_multiframe_rgb48_rle"),
    needs="orthanc>=1.12.7",
)
@pytest.mark.parametrize("route", ["preview", "rendered"])
@pytest.mark.parametrize("frame", [0, 2], ids=["first", "last"])
@pytest.mark.parametrize("planar", [0, 1], ids=["by-pixel", "by-plane"])
def test_rgb_of_16_bits_keeps_its_high_bytes(
    rest: Rest, stored: Stored, planar: int, frame: int, route: str
) -> None:
    """An RGB image of 16 bits per sample is shown with the upper 8 bits, in each of several frames."""
    sample = stored.image(rgb48(planar))

    shown = levels_of(rest.get(f"{path_of(sample)}/frames/{frame}/{route}"))

    assert largest_difference(shown, sample.frame(frame) >> 8) <= 1


def rgb48(planar: int = 0) -> Picture:
    """Return three colour frames with 16 bits per sample."""
    frames = tuple(colour(number, **SIZE, bits=16) for number in range(3))
    return Picture(frames, 16, "RGB", 1 if planar else 0)


@suite.case("IMG-008", covers="Orthanc.test_multiframe_rgb48_rle", needs="orthanc>=1.12.7")
@pytest.mark.parametrize("frame", [0, 2], ids=["first", "last"])
@BUILT_IN
def test_rle_rgb_of_16_bits_keeps_its_high_bytes(rest: Rest, stored: Stored, frame: int) -> None:
    """A frame of an RLE colour image of 16 bits per sample is shown with the upper 8 bits."""
    sample = stored.image(rgb48(), transfer_syntax=RLE_LOSSLESS)

    shown = levels_of(rest.get(f"{path_of(sample)}/frames/{frame}/preview"))

    assert largest_difference(shown, sample.frame(frame) >> 8) <= 1


@suite.case(
    "IMG-009",
    covers=("Orthanc.test_multiframe_rgb48_raw", "Orthanc.test_multiframe_rgb48_rle"),
    needs="orthanc>=1.13.0",
)
@pytest.mark.parametrize("syntax", [EXPLICIT_VR_LITTLE_ENDIAN, RLE_LOSSLESS], ids=["raw", "rle"])
@pytest.mark.parametrize(("route", "mode"), [("image-uint8", "L"), ("image-uint16", "I;16")])
def test_rgb_of_16_bits_as_gray(
    rest: Rest, stored: Stored, syntax: str, route: str, mode: str
) -> None:
    """An RGB image of 16 bits per sample is returned in gray levels, black where it is black."""
    sample = stored.image(rgb48(), transfer_syntax=syntax)

    shown = rest.get(f"{path_of(sample)}/frames/2/{route}")

    image = image_of(shown)
    assert (image.mode, image.size) == (mode, (SIZE["columns"], SIZE["rows"]))
    black = (sample.frame(2) == 0).all(axis=-1)
    assert black.any()
    assert levels_of(shown)[black].max() == 0


@suite.case("IMG-010", covers="Orthanc.test_googlecode_issue_19", needs="plugin.gdcm")
@DECODED_BY_GDCM
def test_ybr_is_converted_to_rgb(rest: Rest, stored: Stored) -> None:
    """A native YBR_FULL image is shown in RGB."""
    picture = Picture((colour(3, **SIZE),), 8, "YBR_FULL")
    sample = stored.image(picture)

    shown = levels_of(rest.get(f"{path_of(sample)}/preview"))

    assert largest_difference(shown, rgb_of_ybr(sample.frame(0))) <= 2


@suite.case("IMG-011", covers="Orthanc.test_googlecode_issue_19")
@BUILT_IN
def test_ybr_without_a_decoder(rest: Rest, stored: Stored) -> None:
    """Without a plugin that decodes it, a native YBR_FULL image is answered with 415, but still stored."""
    picture = Picture((colour(3, **SIZE),), 8, "YBR_FULL")
    sample = stored.image(picture)

    rest.get(f"{path_of(sample)}/preview", expect=415)

    assert rest.get(f"{path_of(sample)}/file").content == sample.data


@suite.case(
    "IMG-012",
    ref="Orthanc: release notes of 1.10.2",
    covers="Orthanc.test_images_implicit_vr",
    needs="orthanc>=1.10.2",
)
@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"], ids=["implicit", "explicit"]
)
def test_palette_is_applied(rest: Rest, stored: Stored, syntax: str) -> None:
    """Indices into a palette of 16 bits are shown with the upper 8 bits of its colours."""
    rise = np.arange(256, dtype="<u2") * 257
    tables = {"Red": rise, "Green": rise[::-1], "Blue": np.minimum(rise, rise[::-1]) * 2}
    elements: dict[str, Any] = {}
    for name, table in tables.items():
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = table.astype("<u2").tobytes()
    picture = Picture((gray(7, **SIZE, bits=8),), 8, "PALETTE COLOR")
    sample = stored.image(picture, transfer_syntax=syntax, **elements)

    shown = rest.get(f"{path_of(sample)}/preview")

    colours = np.stack([table >> 8 for table in tables.values()], axis=-1)
    assert image_of(shown).mode == "RGB"
    assert largest_difference(levels_of(shown), colours[sample.frame(0)]) == 0


@suite.case("IMG-013", covers="Orthanc.test_dicom_seg", needs="orthanc>=1.9.8")
@pytest.mark.parametrize("route", ["preview", "image-uint8", "rendered"])
def test_segmentation_of_one_bit(rest: Rest, stored: Stored, route: str) -> None:
    """In each frame of a segmentation of 1 bit, pixels are white where the bit is set."""
    nothing = np.zeros((16, 24), bool)
    frames = (nothing, *(gray(number, 16, 24, bits=8) > 128 for number in (1, 2)), nothing)
    sample = stored.image(Picture(frames, 1))

    shown = [
        levels_of(rest.get(f"{path_of(sample)}/frames/{number}/{route}"))
        for number in range(len(frames))
    ]

    assert [each.tolist() for each in shown] == [(each * 255).tolist() for each in frames]


@suite.case(
    "IMG-014",
    ref="Orthanc REST API: GET /instances/{id}/matlab",
    covers="Orthanc.test_decode_signed",
)
@pytest.mark.parametrize("kind", GRAY)
def test_matlab_has_the_values(rest: Rest, stored: Stored, kind: str) -> None:
    """As a Matlab matrix, an image has the stored values, row by row."""
    sample = stored.image(drawn(kind))

    text = rest.get(f"{path_of(sample)}/matlab").text

    begin, inside, end = text.strip().partition("double([")
    assert (begin, inside) == ("", "double([")
    rows = [[int(value) for value in row.split()] for row in end.removesuffix("])").split(";")]
    assert [row for row in rows if row] == sample.frame(0).tolist()


@suite.case(
    "IMG-015",
    covers="Orthanc.test_decode_brainix_as_jpeg",
)
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "PNG"),
        ("*/*", "PNG"),
        ("image/*", "PNG"),
        ("image/png", "PNG"),
        ("image/jpeg", "JPEG"),
        ("image/jpeg;q=0.5, image/png", "PNG"),
    ],
)
@pytest.mark.parametrize("route", ["preview", "rendered", "image-uint8"])
def test_format_is_negotiated(
    rest: Rest, stored: Stored, route: str, accept: str | None, kind: str
) -> None:
    """The image has the format requested by Accept: JPEG, or PNG by default."""
    sample = stored.instance()

    answer = rest.get(f"{path_of(sample)}/{route}", headers={"Accept": accept})

    assert image_of(answer).format == kind
    assert image_of(answer).size == (16, 16)


@suite.case("IMG-023", ref="Orthanc REST API: GET /instances/{id}/preview, Accept")
@pytest.mark.parametrize(("route", "highest"), [("image-uint8", 255), ("image-uint16", 4095)])
def test_portable_arbitrary_map(rest: Rest, stored: Stored, route: str, highest: int) -> None:
    """As a portable arbitrary map, an image has its size in text and its values in big endian."""
    sample = stored.instance(rows=20, columns=30)

    answer = rest.get(
        f"{path_of(sample)}/{route}", headers={"Accept": "image/x-portable-arbitrarymap"}
    )

    head, _, pixels = answer.content.partition(b"ENDHDR\n")
    assert head.split()[:7] == b"P7 WIDTH 30 HEIGHT 20 DEPTH 1".split()
    kind = ">u1" if route == "image-uint8" else ">u2"
    assert pixels == sample.frame(0).clip(0, highest).astype(kind).tobytes()


@suite.case("IMG-016", covers="Orthanc.test_decode_brainix_as_jpeg")
@pytest.mark.parametrize(
    ("route", "accept"),
    [
        ("preview", "application/pdf"),
        ("image-uint8", "application/pdf"),
        ("image-uint16", "image/jpeg"),
        ("image-int16", "image/jpeg"),
    ],
)
def test_format_that_is_not_made(rest: Rest, stored: Stored, route: str, accept: str) -> None:
    """A format that is not an image, and JPEG for 16 bits, are rejected; PNG is still returned."""
    path = f"{path_of(stored.instance())}/{route}"

    rest.get(path, headers={"Accept": accept}, expect=(404, 406))

    assert image_of(rest.get(path)).format == "PNG"


@suite.case("IMG-017", covers="Orthanc.test_decode_brainix_as_jpeg")
@pytest.mark.parametrize("route", ["preview", "image-uint8", "rendered"])
def test_quality_of_jpeg(rest: Rest, stored: Stored, route: str) -> None:
    """The lower the quality of a JPEG, the smaller it is and the more it differs; 90 is the default."""
    sample = stored.sample("p02")
    path = f"{path_of(sample)}/{route}"
    exact = levels_of(rest.get(path))
    jpeg = {"Accept": "image/jpeg"}

    answers = [rest.get(f"{path}?quality={quality}", headers=jpeg) for quality in (10, 50, 100)]

    sizes = [len(each.content) for each in answers]
    losses = [float(np.abs(levels_of(each) - exact).mean()) for each in answers]
    assert sizes == sorted(set(sizes))
    assert losses == sorted(set(losses), reverse=True)
    assert losses[-1] < 1
    by_default = rest.get(path, headers=jpeg).content
    assert by_default == rest.get(f"{path}?quality=90", headers=jpeg).content


@suite.case("IMG-018", ref="Orthanc REST API: GET /instances/{id}/preview, quality")
@pytest.mark.parametrize("quality", ["0", "101", "-1", "high"])
def test_quality_that_there_is_not(rest: Rest, stored: Stored, quality: str) -> None:
    """A quality that is not a number from 1 to 100 is rejected, and the next request is answered."""
    path = f"{path_of(stored.sample('p02'))}/preview"
    jpeg = {"Accept": "image/jpeg"}

    rest.get(f"{path}?quality={quality}", headers=jpeg, expect=(400, 415))

    assert image_of(rest.get(path, headers=jpeg)).format == "JPEG"


@suite.case("IMG-019", covers="Orthanc.test_decode_rf")
@pytest.mark.parametrize("route", ["preview", *EXACT])
def test_bytes_in_words(rest: Rest, make: Maker, stored: Stored, route: str) -> None:
    """Pixels of 8 bits are the same in a Pixel Data element with the VR OW (PS3.5 8.1.2)."""
    sample = make.image(drawn("8"))
    as_words = sample.data.replace(b"\xe0\x7f\x10\x00OB", b"\xe0\x7f\x10\x00OW")
    assert as_words != sample.data
    rest.upload(as_words)

    shown = levels_of(rest.get(f"{path_of(sample)}/{route}"))

    assert largest_difference(shown, sample.frame(0)) == 0


@suite.case("IMG-020", ref="Orthanc REST API: GET /instances/{id}/preview")
@pytest.mark.parametrize(
    "route", ["preview", "rendered", "image-uint8", "image-uint16", "image-int16"]
)
def test_object_without_pixels_has_no_image(rest: Rest, stored: Stored, route: str) -> None:
    """A report has no image (415 without a body), but the report itself is still returned."""
    sample = stored.sample("h03-sr")

    answer = rest.get(f"{path_of(sample)}/{route}", expect=415)

    assert answer.content == b""
    assert rest.get(f"{path_of(sample)}/file").content == sample.data


@suite.case("IMG-021", ref="Orthanc REST API: GET /instances/{id}/preview, returnUnsupportedImage")
def test_placeholder_image_on_demand(rest: Rest, stored: Stored) -> None:
    """With `returnUnsupportedImage`, an object without an image is redirected to a placeholder."""
    sample = stored.sample("h03-sr")

    answer = rest.get(f"{path_of(sample)}/preview?returnUnsupportedImage", expect=(301, 302, 307))

    placeholder = urljoin(answer.url, header(answer, "Location"))
    assert image_of(rest.get(placeholder.removeprefix(rest.base))).format == "PNG"


@suite.case("IMG-022", ref="Orthanc REST API: GET /instances/{id}/preview")
@pytest.mark.parametrize(
    "route", ["preview", "rendered", "image-uint8", "frames", "numpy", "matlab"]
)
def test_image_of_an_unknown_instance(rest: Rest, route: str) -> None:
    """An instance that does not exist has no image of any kind: 404."""
    nowhere = "-".join(["0" * 8] * 5)

    rest.get(f"/instances/{nowhere}/{route}", expect=404)
