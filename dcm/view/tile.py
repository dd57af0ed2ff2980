"""The picture of a frame, with notes; made in other processes, as decoders may crash."""

import io
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from dcm.render.decoded import CannotRender, pixel_array
from dcm.render.grayscale import Window, eight_bits, groups_of

_SMALL: Final = 1 << 14
"""Pixels up to which a picture is lossless (PNG); as JPEG it takes a fourth of the space."""
_QUALITY: Final = 88
_NO_IMAGE: Final = "no image: "


class Work(NamedTuple):
    """A frame to show. size: of the longer side, in pixels. raw: as RGB values, not as a file."""

    path: str
    transfer_syntax_uid: str
    frame: int
    size: int
    window: tuple[float, float] | None
    raw: bool


class Tile(NamedTuple):
    """A picture and its data. words: why there is no picture. facts: lines to show next to it.

    media: the media type of the picture; empty for RGB values, three bytes each.
    """

    picture: bytes
    media: str
    width: int
    height: int
    words: str
    facts: list[str]


def is_no_image(words: str) -> bool:
    """Return whether a tile's words mean that its object is not an image."""
    return words.startswith(_NO_IMAGE)


def made(work: tuple[Any, ...]) -> tuple[Any, ...]:
    """Make a tile, for `dcm.processes`."""
    return tuple(_made(Work(*work)))


def lost(_work: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the tile of a frame whose decoder has crashed."""
    return tuple(Tile(b"", "", 0, 0, "the decoder crashed", []))


def _made(work: Work) -> Tile:
    from pydicom.pixels import get_decoder  # noqa: F401, PLC0415 - without numpy, that says so below

    try:
        array, ds = pixel_array(work.path, work.transfer_syntax_uid, work.frame, raw=False)
        window = Window(*work.window) if work.window else None
        values = eight_bits(array, ds, work.frame, window)
        return _tile(values, ds, work)
    except CannotRender as error:
        return Tile(b"", "", 0, 0, _without_pixels(work.path) or str(error), [])
    except Exception as error:  # noqa: BLE001 - of whatever the object has in its modules
        return Tile(b"", "", 0, 0, f"the image cannot be shown: {error!r}", [])


def _tile(values: Any, ds: Any, work: Work) -> Tile:
    from PIL import Image  # noqa: PLC0415 - an extra

    image = Image.fromarray(values)
    tall = _aspect(ds, work.frame)
    scale = work.size / max(image.width, image.height * tall)
    if scale > 1 and tall == 1:
        scale = max(1, int(scale))
    wanted = max(1, round(image.width * scale)), max(1, round(image.height * tall * scale))
    if wanted != image.size:
        way = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
        image = image.resize(wanted, way)
    facts = [*_facts(ds, work)]
    if work.raw:
        return Tile(image.convert("RGB").tobytes(), "", *image.size, "", facts)
    file = io.BytesIO()
    small = values.shape[0] * values.shape[1] <= _SMALL
    if small:
        image.save(file, "PNG")
    else:
        image.save(file, "JPEG", quality=_QUALITY)
    media = "image/png" if small else "image/jpeg"
    return Tile(file.getvalue(), media, *image.size, "", facts)


def _spacing(ds: Any, number: int) -> tuple[float, float] | None:
    """Return the distances between rows and between columns, in mm."""
    measures = [ds]
    for group in groups_of(ds, number):
        measures += group.get("PixelMeasuresSequence") or []
    for each in measures:
        for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
            value = each.get(keyword)
            if value and len(value) == 2 and all(float(one) > 0 for one in value):
                return float(value[0]), float(value[1])
    return None


def _aspect(ds: Any, number: int) -> float:
    """Return the ratio of a pixel's height to its width (PS3.3 C.7.6.3.1.7)."""
    ratio = _spacing(ds, number) or ds.get("PixelAspectRatio")
    try:
        tall = float(ratio[0]) / float(ratio[1]) if ratio else 1.0
    except (ZeroDivisionError, IndexError, ValueError):
        return 1.0
    return tall if 0.05 < tall < 20 and abs(tall - 1) > 0.005 else 1.0


def _facts(ds: Any, work: Work) -> Iterator[str]:
    size = f"{ds.Columns} \N{MULTIPLICATION SIGN} {ds.Rows}"
    spacing = _spacing(ds, work.frame)
    if spacing:
        rows, columns = (f"{each:.3g}" for each in spacing)
        both = rows if rows == columns else f"{rows} \N{MULTIPLICATION SIGN} {columns}"
        size += f" \N{MIDDLE DOT} {both} mm"
    yield size
    window = work.window or _window(ds, work.frame)
    if window and ds.get("SamplesPerPixel", 1) == 1:
        yield f"C {window[0]:g} W {window[1]:g}"


def _window(ds: Any, number: int) -> tuple[float, float] | None:
    found = [ds]
    for group in groups_of(ds, number):
        found += group.get("FrameVOILUTSequence") or []
    for each in found:
        center, width = each.get("WindowCenter"), each.get("WindowWidth")
        if center is not None and width is not None:
            both = [one if isinstance(one, int | float) else one[0] for one in (center, width)]
            return float(both[0]), float(both[1])
    return None


def _without_pixels(path: str) -> str:
    """Describe an object without pixels; empty if it should have some, or is unreadable."""
    from pydicom import dcmread  # noqa: PLC0415 - slow to import
    from pydicom.uid import UID  # noqa: PLC0415

    try:
        ds = dcmread(path, force=True, stop_before_pixels=True)
    except Exception:  # noqa: BLE001 - then the other words hold
        return ""
    if "Rows" in ds or "Columns" in ds:
        return ""
    return f"{_NO_IMAGE}{UID(str(ds.get('SOPClassUID', ''))).name or 'of unknown kind'}"
