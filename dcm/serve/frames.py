"""Frames of images (PS3.18 10.4.1.1.6): as pixels in little endian, or as the stored streams."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from dcm.data.recode import swapped
from dcm.instances import FileInstance
from dcm.net.convert import EXPLICIT_LITTLE
from dcm.serve.accept import MULTIPART, OCTETS, not_acceptable, wanted
from dcm.serve.archive import Archive, found
from dcm.serve.body import Streamed, file_slices
from dcm.serve.decoded import cannot_decode, decoded_frame
from dcm.serve.pixels import Pixels, pixels_of
from dcm.serve.refusal import Refusal
from dcm.store.catalogue import Found
from dcm.web.multipart import MultipartWriter

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_JPEG: Final = "image/jpeg"
_STREAMS: Final = {
    f"1.2.840.10008.1.2.{last}": media
    for media, syntaxes in {
        _JPEG: "4.50 4.51 4.57 4.70", "image/jls": "4.80 4.81", "image/jp2": "4.90 4.91",
        "image/jpx": "4.92 4.93", "image/jphc": "4.201 4.202 4.203", "image/jxl": "4.110 4.111 4.112",
        "image/dicom-rle": "5", "video/mpeg": "4.100 4.101", "video/mp4": "4.102 4.103 4.104 4.105 4.106",
        "video/H265": "4.107 4.108",
    }.items()
    for last in syntaxes.split()
}  # fmt: skip
"""The media type of a compressed frame, by the transfer syntax (Table 8.7.3-2)."""


async def frames(archive: Archive, request: "Request") -> "Response":
    """Respond with the frames listed in the path, in that order, each in a part."""
    text = request.path_params["frames"]
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text):
        raise Refusal(400, f"{text[:80]!r} is not a list of frame numbers, such as 1,2,3")
    each, *_ = await found(archive, request)
    return await frames_of(request, each, [int(number) for number in text.split(",")])


async def frames_of(request: "Request", each: Found, numbers: Sequence[int] | None) -> "Response":
    """Respond with frames of an instance; None for all. Raises `Refusal`."""
    instance = each.instance
    pixels = await asyncio.to_thread(pixels_of, instance)
    numbers = range(1, pixels.frame_count + 1) if numbers is None else numbers
    wrong = [number for number in numbers if not 1 <= number <= pixels.frame_count]
    if wrong:
        raise Refusal(404, f"no frame {wrong[0]}: the instance has {pixels.frame_count}")
    multipart, media, as_stored = await asyncio.to_thread(_choice, request, instance, pixels)
    if not multipart and len(numbers) > 1:
        raise Refusal(406, f'several frames can only be sent as {MULTIPART}; type="{media}"')
    syntax = instance.kind[1] if as_stored and pixels.encapsulated else EXPLICIT_LITTLE
    content_type = f"{media}; transfer-syntax={syntax}"
    contents = (_content(instance, pixels, number, as_stored) for number in numbers)
    if not multipart:
        body = (part for content in contents for part in content)
        return await Streamed(body, {"Content-Type": content_type}).prepared()
    writer = MultipartWriter(media)
    return await Streamed(
        _parts(writer, contents, content_type), {"Content-Type": writer.content_type}
    ).prepared()


def _parts(
    writer: MultipartWriter, contents: Iterator[Iterator[bytes]], content_type: str
) -> Iterator[bytes]:
    for content in contents:
        first = next(content)
        yield writer.begin({"Content-Type": content_type}) + first
        yield from content
    yield writer.end()


def _choice(request: "Request", instance: FileInstance, pixels: Pixels) -> tuple[bool, str, bool]:
    """Return whether to respond multipart, a frame's media type, and whether to send as stored."""
    stored = instance.kind[1]
    stream = _STREAMS.get(stored, OCTETS) if pixels.encapsulated else ""
    words = ""
    for each in wanted(request):
        multipart = each.multipart is not False
        if each.covers(OCTETS) and each.syntax in ("", EXPLICIT_LITTLE):
            words = cannot_decode(stored) if stream else ""
            if not words:
                return multipart, OCTETS, False
        if stream and each.covers(stream) and each.syntax in ("", "*", stored):
            return multipart, stream, True
        if each.covers(OCTETS) and each.syntax in ("*", stored):
            return multipart, OCTETS, True
    offered = f'{MULTIPART}; type="{OCTETS}"'
    if stream:
        offered += f', and {MULTIPART}; type="{stream}"; transfer-syntax={stored}'
    raise not_acceptable(offered + (f" ({words})" if words else ""))


def _content(
    instance: FileInstance, pixels: Pixels, number: int, as_stored: bool
) -> Iterator[bytes]:
    stretches = pixels.frames[number - 1]
    if pixels.encapsulated and not as_stored:
        yield decoded_frame(instance, number)
        return
    parts = (
        part for start, length in stretches for part in _stretch(instance, pixels, start, length)
    )
    if pixels.little_endian and not pixels.bits:
        yield from parts
        return
    data = b"".join(parts)
    data = data if pixels.little_endian else swapped(pixels.vr, data)
    yield _bits_of(data, (number - 1) * pixels.bits, pixels.bits) if pixels.bits else data


def _stretch(instance: FileInstance, pixels: Pixels, start: int, length: int) -> Iterator[bytes]:
    if pixels.data is None:
        return file_slices(instance.path, start, length)
    return iter((pixels.data[start : start + length],))


def _bits_of(data: bytes, first: int, count: int) -> bytes:
    """Return bits of a value, where the first is the lowest bit of the first byte (PS3.5 8.1.1)."""
    number = int.from_bytes(data[first // 8 : (first + count + 7) // 8], "little") >> first % 8
    return (number & (1 << count) - 1).to_bytes((count + 7) // 8, "little")
