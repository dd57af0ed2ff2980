"""Rendered images (PS3.18 10.4.1.1.3): frames as JPEG or PNG, with the window of the object."""

import asyncio
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dcm.render.grayscale import Window, eight_bits
from dcm.serve.accept import not_acceptable, wanted
from dcm.serve.archive import Archive, found
from dcm.serve.body import Streamed
from dcm.serve.decoded import pixel_array
from dcm.serve.pixels import pixels_of
from dcm.serve.refusal import Refusal
from dcm.store.catalogue import Found
from dcm.web.multipart import MultipartWriter

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG"}
_THUMBNAIL: Final = 128
_FUNCTIONS: Final = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
_LARGEST: Final = 8192


class View(NamedTuple):
    """How to render an image (8.3.5): window, size, region, quality; None: the object's own."""

    window: Window | None
    size: tuple[int, int] | None
    quality: int
    media: str


async def rendered(archive: Archive, request: "Request") -> "Response":
    """Respond with images of all frames that the path names, in parts if there are several."""
    listed = await found(archive, request)
    view, multipart = _view(request)
    several = [
        (each, number)
        for each in listed
        for number in await asyncio.to_thread(_numbers, request, each)
    ]
    if multipart is None:
        multipart = len(several) > 1
    if not multipart and len(several) > 1:
        raise Refusal(
            406, f'there are {len(several)} images: accept multipart/related; type="{view.media}"'
        )
    if multipart:
        writer = MultipartWriter(view.media)
        parts = (
            part for each, number in several
            for part in (writer.begin(), _image(each, number, view))
        )  # fmt: skip
        headers = {"Content-Type": writer.content_type}
        return await Streamed(_ended(parts, writer), headers).prepared()
    return await _single(*several[0], view)


async def thumbnail(archive: Archive, request: "Request") -> "Response":
    """Respond with a small image from the middle of what the path names (10.4.1.1.4)."""
    listed = await found(archive, request)
    each = listed[len(listed) // 2]
    view, _ = _view(request)
    numbers = await asyncio.to_thread(_numbers, request, each)
    size = view.size or (_THUMBNAIL, _THUMBNAIL)
    return await _single(each, numbers[len(numbers) // 2], view._replace(size=size))


async def _single(each: Found, number: int, view: View) -> "Response":
    from starlette.responses import Response  # noqa: PLC0415 - an extra

    image = await asyncio.to_thread(_image, each, number, view)
    return Response(image, headers={"Content-Type": view.media})


def _ended(parts: Any, writer: MultipartWriter) -> Any:
    yield from parts
    yield writer.end()


def _numbers(request: "Request", each: Found) -> list[int]:
    """Return the frames of an instance that the path names, or all if it names none."""
    pixels = pixels_of(each.instance)
    text = request.path_params.get("frames")
    if text is None:
        return list(range(1, pixels.frame_count + 1))
    numbers = text.split(",")
    if not all(one.isascii() and one.isdecimal() for one in numbers):
        raise Refusal(400, f"{text[:80]!r} is not a list of frame numbers, such as 1,2,3")
    wrong = [one for one in numbers if not 1 <= int(one) <= pixels.frame_count]
    if wrong:
        raise Refusal(404, f"no frame {wrong[0]}: the instance has {pixels.frame_count}")
    return [int(one) for one in numbers]


def _view(request: "Request") -> tuple[View, bool | None]:
    """Return how to render images, and whether to send them in parts. Raises `Refusal`."""
    query = request.query_params
    media, multipart = _media(request)
    return View(_window(query), _size(query), _quality(query), media), multipart


def _media(request: "Request") -> tuple[str, bool | None]:
    for each in wanted(request):
        for media in _FORMATS:
            if each.covers(media):
                return media, each.multipart
    raise not_acceptable(" and ".join(_FORMATS))


def _window(query: Mapping[str, str]) -> Window | None:
    text = query.get("window")
    if text is None:
        return None
    center, *more = text.split(",")
    try:
        width, function = more
        found = Window(float(center), float(width), _FUNCTIONS[function.lower()])
    except (ValueError, KeyError):
        raise Refusal(
            400,
            f"window={text[:80]} is not CENTER,WIDTH,FUNCTION with linear, linear-exact or sigmoid",
        ) from None
    if not abs(found.center) < 1e12 or not 0 < found.width < 1e12:
        raise Refusal(400, f"window={text[:80]}: the width must be greater than 0")
    return found


def _size(query: Mapping[str, str]) -> tuple[int, int] | None:
    text = query.get("viewport")
    if text is None:
        return None
    numbers = text.split(",")
    if len(numbers) != 2 or not all(each.isascii() and each.isdecimal() for each in numbers):
        raise Refusal(400, f"viewport={text[:80]} is not WIDTH,HEIGHT; regions are not supported")
    width, height = map(int, numbers)
    if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
        raise Refusal(400, f"viewport={text[:80]}: use 1 to {_LARGEST} pixels")
    return width, height


def _quality(query: Mapping[str, str]) -> int:
    text = query.get("quality", "90")
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 100):
        raise Refusal(400, f"quality={text[:80]} is not a number from 1 to 100")
    return int(text)


def _image(each: Found, number: int, view: View) -> bytes:
    """Return the image of a frame, encoded as a file. Raises `Refusal`."""
    try:
        from PIL import Image  # noqa: PLC0415 - not needed otherwise
    except ImportError:
        raise Refusal(
            406, "images cannot be rendered: Pillow is not installed for this service"
        ) from None
    array, ds = pixel_array(each.instance, number, raw=False)
    try:
        image = Image.fromarray(eight_bits(array, ds, number, view.window))
    except Exception as error:  # due to any of the object's modules
        raise Refusal(500, f"the instance cannot be rendered: {error}") from error
    if view.size:
        factor = min(view.size[0] / image.width, view.size[1] / image.height)
        image = image.resize(
            (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        )
    made = io.BytesIO()
    options = {"quality": view.quality} if view.media == "image/jpeg" else {}
    image.save(made, _FORMATS[view.media], **options)
    return made.getvalue()
