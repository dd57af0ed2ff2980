"""Decompressed frames for clients, using the installed decoders."""

from typing import Any

from dcm.instances import FileInstance
from dcm.render import decoded
from dcm.render.decoded import CannotRender, cannot_decode
from dcm.serve.refusal import Refusal

__all__ = ["cannot_decode", "decoded_frame", "pixel_array"]


def decoded_frame(instance: FileInstance, number: int) -> bytes:
    """Return the pixels of a frame, for all samples together. Raises `Refusal`."""
    frame, _ = pixel_array(instance, number, raw=True)
    return bytes(frame.tobytes())


def pixel_array(instance: FileInstance, number: int, *, raw: bool) -> tuple[Any, Any]:
    """Return a frame as an array, and the data set. raw: colours as stored, else as RGB.

    Raises `Refusal`.
    """
    words = cannot_decode(instance.kind[1])
    if words:
        raise Refusal(406, f"the frame cannot be decoded: {words}")
    try:
        return decoded.pixel_array(instance.path, instance.kind[1], number, raw=raw)
    except CannotRender as error:
        raise Refusal(500, str(error)) from error
