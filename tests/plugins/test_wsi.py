"""The plugin for whole-slide images: conversion, pyramids, tiles, IIIF, and zooming into images."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless
from pydicom.uid import JPEGBaseline8Bit as JPEGBaseline

from harness.cases import (
    NUMBERS,
    Photometric,
    Picture,
    Rest,
    Stored,
    Suite,
    WsiTools,
    colour,
    configured,
    header,
    image_of,
    largest_difference,
    levels_of,
    orthanc_ids,
    pyramid,
    single,
)

suite = Suite(level="product", needs="rest", ref="Orthanc Book: whole-slide imaging plugin")
pytestmark = configured(plugins="wsi")

SIDE = 256
ONE_TILE = 512
"""The default side length of a tile."""
GRAYSCALE = ("--tile-width=64", "--tile-height=64", "--pyramid=1", "--smooth=1")
COMPRESSIONS = {
    "jpeg": JPEGBaseline,
    "none": ImplicitVRLittleEndian,
    "jpeg2000": JPEG2000Lossless,
}


def slide(side: int = SIDE, *, gray: bool = False) -> Image.Image:
    """Draw a smooth picture that survives JPEG, with four different quarters."""
    y, x = np.mgrid[0:side, 0:side] * 255.0 / side
    planes = [x, y, 255 - (x + y) / 2]
    drawn = np.stack(planes, axis=-1).astype(np.uint8)
    image = Image.fromarray(drawn).filter(ImageFilter.GaussianBlur(2))
    return image.convert("L") if gray else image


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    """Return an image as a file."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def tags(rest: Rest) -> list[dict[str, Any]]:
    """Return the simplified tags of each instance, the largest level first."""
    found = [rest.json(f"/instances/{each}/simplified-tags") for each in rest.json("/instances")]
    return sorted(found, key=lambda each: -int(each["NumberOfFrames"]))


def series(rest: Rest) -> str:
    """Return the only series."""
    return str(single(rest.json("/series"), "series"))


# Creating slides


@suite.case("WSI-001", covers="WSI.test_single")
def test_one_tile(rest: Rest, wsi: WsiTools) -> None:
    """A JPEG becomes an instance of one tile, which is in colour."""
    wsi.dicomize(encoded(slide(ONE_TILE), "JPEG"), "slide.jpg")

    instance = single(tags(rest), "instance")
    facts = {each: instance[each] for each in ("NumberOfFrames", "Rows", "Columns")}
    assert facts == {"NumberOfFrames": "1", "Rows": str(ONE_TILE), "Columns": str(ONE_TILE)}
    assert instance["PhotometricInterpretation"] == "YBR_FULL_422"
    found = rest.json(f"/wsi/pyramids/{series(rest)}")
    assert {each: found[each] for each in ("ID", "Resolutions", "Sizes", "TilesCount")} == {
        "ID": series(rest), "Resolutions": [1], "Sizes": [[ONE_TILE] * 2], "TilesCount": [[1, 1]],
    }  # fmt: skip
    assert (found["TotalWidth"], found["TotalHeight"]) == (ONE_TILE, ONE_TILE)


@suite.case("WSI-002", covers="WSI.test_grayscale_pyramid")
def test_grayscale_pyramid(rest: Rest, wsi: WsiTools) -> None:
    """A gray image becomes a pyramid, each level half as wide, down to one tile."""
    wsi.dicomize(encoded(slide(gray=True)), "slide.png", *GRAYSCALE)

    found = rest.json(f"/wsi/pyramids/{series(rest)}")
    assert {each["PhotometricInterpretation"] for each in tags(rest)} == {"MONOCHROME2"}
    assert [each["NumberOfFrames"] for each in tags(rest)] == ["16", "4", "1"]
    assert found["Resolutions"] == [1, 2, 4]
    assert found["Sizes"] == [[256, 256], [128, 128], [64, 64]]
    assert found["TilesCount"] == [[4, 4], [2, 2], [1, 1]]


@suite.case("WSI-003", covers="WSI.test_grayscale_pyramid")
@pytest.mark.parametrize("compression", ["none", "jpeg2000"])
def test_tiles_are_those_of_the_image(rest: Rest, wsi: WsiTools, compression: str) -> None:
    """Each tile is the part of the image at its column and row, in this order."""
    drawn = slide()
    options = ("--tile-width=64", "--tile-height=128", f"--compression={compression}")
    wsi.dicomize(encoded(drawn), "slide.png", *options)

    for x, y in ((0, 0), (3, 0), (0, 1), (2, 1)):
        tile = rest.get(f"/wsi/tiles/{series(rest)}/0/{x}/{y}")
        expected = np.asarray(drawn.crop((64 * x, 128 * y, 64 * x + 64, 128 * y + 128)))
        assert largest_difference(levels_of(tile), expected.astype(np.int64)) <= 2


@suite.case(
    "WSI-004",
    covers=("WSI.test_import_tiff_grayscale", "WSI.test_import_tiff_ycbcr", "WSI.test_import_tiff_rgb"),
)  # fmt: skip
@pytest.mark.parametrize("photometric", NUMBERS)
def test_tiff_there_and_back(rest: Rest, wsi: WsiTools, photometric: Photometric) -> None:
    """A hierarchical TIFF keeps its levels and colours, in DICOM and back in TIFF."""
    gray = photometric == "gray"
    levels = [slide(side, gray=gray) for side in (256, 128, 64)]
    wsi.dicomize(pyramid(levels, photometric, 64), "slide.tiff", "--levels=3")

    names = {each["PhotometricInterpretation"] for each in tags(rest)}
    back = Image.open(io.BytesIO(wsi.to_tiff(series(rest))))

    expected = {"gray": "MONOCHROME2", "rgb": "RGB", "ycbcr": "YBR_FULL_422"}[photometric]
    assert names == {expected}
    found = []
    for level in range(getattr(back, "n_frames", 1)):
        back.seek(level)
        found.append((back.size, back.tag_v2[262]))  # type: ignore[attr-defined]
    assert found == [(each.size, NUMBERS[photometric]) for each in levels]


@suite.case("WSI-005", ref="PS3.3 C.7.6.16.2.2.4, C.8.12.14", covers="WSI.test_concatenation")
def test_concatenation(rest: Rest, wsi: WsiTools) -> None:
    """A level that is too large for one instance becomes a concatenation, in order."""
    wsi.dicomize(
        encoded(slide(1024)), "slide.png", "--max-size=1", "--compression=none", "--levels=1"
    )

    parts = sorted(tags(rest), key=lambda each: int(each["InConcatenationNumber"]))
    assert len(parts) > 1
    assert len({each["ConcatenationUID"] for each in parts}) == 1
    assert len({each["SOPInstanceUIDOfConcatenationSource"] for each in parts}) == 1
    assert [int(each["InConcatenationNumber"]) for each in parts] == [*range(1, len(parts) + 1)]
    frames = [int(each["NumberOfFrames"]) for each in parts]
    offsets = [int(each["ConcatenationFrameOffsetNumber"]) for each in parts]
    assert offsets == [sum(frames[:place]) for place in range(len(frames))]


@suite.case("WSI-006", ref="PS3.3 C.7.6.16.2.2.4", covers="WSI.test_concatenation")
def test_no_concatenation_without_limit(rest: Rest, wsi: WsiTools) -> None:
    """Without a size limit there is no concatenation, and no attributes of one."""
    wsi.dicomize(encoded(slide(gray=True)), "slide.png", "--max-size=0")

    words = [name for name in single(tags(rest), "instance") if "oncatenation" in name]
    assert words == []


@suite.case("WSI-007", ref="PS3.3 C.8.12.4.1.2", covers="WSI.test_pixel_spacing")
def test_pixel_spacing(rest: Rest, wsi: WsiTools) -> None:
    """The pixels of each level are twice as large as those of the level below."""
    size = ("--imaged-width=20", "--imaged-height=10")
    wsi.dicomize(encoded(slide(gray=True)), "slide.png", *GRAYSCALE, *size)

    found = {}
    for each in tags(rest):
        measures = single(each["SharedFunctionalGroupsSequence"], "item")["PixelMeasuresSequence"]
        spacing = single(measures, "item")["PixelSpacing"].split("\\")
        found[int(each["NumberOfFrames"])] = [float(value) for value in spacing]

    # Rows first, columns second (PS3.3 10.7.1.3).
    expected = {4**n: [10 / SIDE * 2 ** (2 - n), 20 / SIDE * 2 ** (2 - n)] for n in range(3)}
    assert {n: sorted(each) for n, each in found.items()} == {
        n: [pytest.approx(value, rel=1e-4) for value in each] for n, each in expected.items()
    }


# Tiles


@suite.case("WSI-008", covers="WSI.test_http_accept", needs="plugin.wsi>=2.0")
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_media_type_of_a_tile(rest: Rest, wsi: WsiTools, compression: str) -> None:
    """A tile is returned in the requested type; by default as JPEG if it is one, else as PNG."""
    wsi.dicomize(encoded(slide()), "slide.png", f"--compression={compression}")
    tile = f"/wsi/tiles/{series(rest)}/0/0/0"
    instance = single(rest.json("/instances"), "instance")
    usual = "image/jpeg" if compression == "jpeg" else "image/png"

    def type_of(accept: str | None) -> str:
        return header(rest.get(tile, headers={"Accept": accept}), "Content-Type")

    syntax = rest.get(f"/instances/{instance}/metadata/TransferSyntax").text
    assert syntax == COMPRESSIONS[compression]
    for accept in (None, "text/html,*/*", "image/*,text/html"):
        assert type_of(accept) == usual
    for accept in ("image/jpeg", "image/png", "image/jp2"):
        assert type_of(accept) == accept
    rest.get(tile, headers={"Accept": "text/html"}, expect=406)


@suite.case("WSI-009")
@pytest.mark.parametrize("place", ["9/0/0", "0/9/0", "0/0/9"], ids=["level", "column", "row"])
def test_no_tile_outside(rest: Rest, wsi: WsiTools, place: str) -> None:
    """There is no tile outside of the image, and the server keeps running."""
    wsi.dicomize(encoded(slide()), "slide.png")

    answer = rest.get(f"/wsi/tiles/{series(rest)}/{place}", expect=None)

    assert answer.status_code in range(400, 600)
    image_of(rest.get(f"/wsi/tiles/{series(rest)}/0/0/0"))


# IIIF


@suite.case("WSI-010", covers="WSI.test_iiif", needs="plugin.wsi>=2.1")
def test_iiif_image(rest: Rest, wsi: WsiTools) -> None:
    """The IIIF image information has the size and the levels, and each tile can be fetched by it."""
    wsi.dicomize(encoded(slide(gray=True)), "slide.png", *GRAYSCALE)
    base = f"/wsi/iiif/tiles/{series(rest)}"

    info = rest.json(f"{base}/info.json")

    assert info["@context"] == "http://iiif.io/api/image/3/context.json"
    assert (info["protocol"], info["profile"]) == ("http://iiif.io/api/image", "level0")
    assert (info["type"], info["width"], info["height"]) == ("ImageService3", SIDE, SIDE)
    assert info["id"].endswith(base)
    assert info["sizes"] == [{"width": side, "height": side} for side in (64, 128, 256)]
    tile = single(info["tiles"], "description of tiles")
    assert (tile["width"], tile["height"], tile["scaleFactors"]) == (64, 64, [1, 2, 4])
    for factor in tile["scaleFactors"]:
        step = 64 * factor
        for x, y in [(x, y) for y in range(0, SIDE, step) for x in range(0, SIDE, step)]:
            got = rest.get(f"{base}/{x},{y},{step},{step}/64,64/0/default.jpg")
            assert image_of(got).size == (64, 64)


@suite.case("WSI-011", covers="WSI.test_iiif", needs="plugin.wsi>=2.0")
def test_iiif_manifest(rest: Rest, wsi: WsiTools) -> None:
    """The IIIF manifest leads to the image through a canvas, a page and an annotation."""
    wsi.dicomize(encoded(slide(gray=True)), "slide.png", *GRAYSCALE)

    manifest = rest.json(f"/wsi/iiif/series/{series(rest)}/manifest.json")

    canvas = single(manifest["items"], "canvas")
    page = single(canvas["items"], "page")
    annotation = single(page["items"], "annotation")
    body = annotation["body"]
    types = [each["type"] for each in (manifest, canvas, page, annotation)]
    assert types == ["Manifest", "Canvas", "AnnotationPage", "Annotation"]
    assert (canvas["width"], canvas["height"]) == (SIDE, SIDE)
    assert (body["format"], body["width"], body["height"]) == ("image/jpeg", SIDE, SIDE)
    assert annotation["target"] == canvas["id"]
    service = single(body["service"], "service")["id"]
    assert service.endswith(f"/wsi/iiif/tiles/{series(rest)}")


@suite.case("WSI-012", covers="WSI.test_iiif_radiology", needs="plugin.wsi>=2.0")
@pytest.mark.parametrize(("sample", "canvases"), [("p03", 1), ("m01-native", 12), ("study", 3)])
def test_iiif_of_radiology(rest: Rest, stored: Stored, sample: str, canvases: int) -> None:
    """A radiology series has a canvas for each frame of each instance."""
    written = stored.study(instances=3)[0] if sample == "study" else stored.sample(sample)
    ds, ids = written.dataset(), orthanc_ids(written)

    manifest = rest.json(f"/wsi/iiif/series/{ids.series}/manifest.json")
    info = rest.json(f"/wsi/iiif/frames/{ids.instance}/0/info.json")

    assert len(manifest["items"]) == canvases
    assert (info["width"], info["height"]) == (ds.Columns, ds.Rows)
    tile = single(info["tiles"], "description of tiles")
    assert (tile["width"], tile["height"], tile["scaleFactors"]) == (ds.Columns, ds.Rows, [1])


# Zooming into other images


def wide(stored: Stored) -> str:
    """Store a colour image of 800 by 600, and return its identifier."""
    picture = Picture((colour(1, 600, 800),), bits_stored=8, photometric="RGB")
    return orthanc_ids(stored.image(picture)).instance


@suite.case("WSI-013", covers="WSI.test_on_the_fly", needs="plugin.wsi>=3.0")
def test_pyramid_of_a_frame(rest: Rest, stored: Stored) -> None:
    """A frame has a pyramid of its own, whose width is rounded up to whole tiles."""
    instance = wide(stored)

    found = rest.json(f"/wsi/frames-pyramids/{instance}/0")

    assert found["BackgroundColor"] == "#ffffff"
    assert found["Resolutions"] == [1, 2]
    assert found["Sizes"] == [[832, 640], [416, 320]]
    assert found["TilesSizes"] == [[512, 512], [512, 512]]
    assert found["TilesCount"] == [[2, 2], [1, 1]]
    rest.get(f"/wsi/frames-pyramids/{instance}/1", expect=(400, 404, 500))


@suite.case("WSI-014", covers="WSI.test_on_the_fly", needs="plugin.wsi>=3.0")
def test_tiles_of_a_frame(rest: Rest, stored: Stored) -> None:
    """The tiles of a frame show it in its place, and the background beside it."""
    instance = wide(stored)
    expected = colour(1, 600, 800).astype(np.int64)

    tiles = {
        (x, y): levels_of(rest.get(f"/wsi/frames-tiles/{instance}/0/0/{x}/{y}"))
        for x, y in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0))
    }

    assert {each.shape for each in tiles.values()} == {(512, 512, 3)}
    assert largest_difference(tiles[0, 0], expected[:512, :512]) <= 2
    assert largest_difference(tiles[1, 1][:88, :288], expected[512:, 512:]) <= 2
    assert tiles[1, 0][:, 288:].min() == 255
    assert tiles[2, 0].min() == 255


@suite.case("WSI-015", covers="WSI.test_iiif_on_the_fly", needs="plugin.wsi>=3.0")
def test_iiif_of_a_frame(rest: Rest, stored: Stored) -> None:
    """IIIF describes the pyramid of a frame, and images requested by it have the requested size."""
    base = f"/wsi/iiif/frames-pyramids/{wide(stored)}/0"

    manifest, info = rest.json(f"{base}/manifest.json"), rest.json(f"{base}/info.json")

    canvas = single(manifest["items"], "canvas")
    annotation = single(single(canvas["items"], "page")["items"], "annotation")
    assert (annotation["motivation"], annotation["target"]) == ("painting", canvas["id"])
    assert (canvas["width"], canvas["height"]) == (832, 640)
    assert info["sizes"] == [{"width": 416, "height": 320}, {"width": 832, "height": 640}]
    assert single(info["tiles"], "description of tiles")["scaleFactors"] == [1, 2]
    for region, size in (("0,0,512,512", "512,512"), ("0,0,832,640", "416,320")):
        got = image_of(rest.get(f"{base}/{region}/{size}/0/default.jpg"))
        assert f"{got.width},{got.height}" == size
        assert np.asarray(got).min() < 255


@suite.case("WSI-016")
def test_plain_implicit_image_is_no_slide(rest: Rest, stored: Stored) -> None:
    """A series that is not a whole-slide image has no pyramid, and the server keeps running."""
    written = stored.instance(transfer_syntax=ImplicitVRLittleEndian)

    answer = rest.get(f"/wsi/pyramids/{orthanc_ids(written).series}", expect=None)

    assert answer.status_code in range(400, 600)
    assert rest.json("/instances") == [orthanc_ids(written).instance]
