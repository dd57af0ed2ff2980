"""Decompressed frames, by the decoders of pydicom: those that are installed."""

from functools import lru_cache
from typing import Any

from dcm.instances import FileInstance
from dcm.serve.refusal import Refusal


@lru_cache(maxsize=64)
def cannot_decode(syntax: str) -> str:
    """Return why frames in a transfer syntax cannot be decompressed; empty if they can."""
    try:
        import numpy  # noqa: F401, ICN001, PLC0415 - not needed otherwise
    except ImportError:
        return "numpy is not installed where this service runs"
    from pydicom.pixels import get_decoder  # noqa: PLC0415 - slow to import
    from pydicom.uid import UID  # noqa: PLC0415

    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError:
        return f"there is no decoder for the transfer syntax {syntax}"
    if decoder.is_available:
        return ""
    needed = [each.partition(" requires ")[2] for each in decoder.missing_dependencies]
    return f"a decoder for {syntax} needs {', or '.join(filter(None, needed))}"


def decoded_frame(instance: FileInstance, number: int) -> bytes:
    """Return the pixels of a frame, those of all samples together. Raises `Refusal`."""
    frame, _ = pixel_array(instance, number, raw=True)
    return bytes(frame.tobytes())


def pixel_array(instance: FileInstance, number: int, *, raw: bool) -> tuple[Any, Any]:
    """Return a frame as an array, and the data set. raw: colours as they are stored, else as RGB."""
    words = cannot_decode(instance.kind[1])
    if words:
        raise Refusal(406, f"the frame cannot be decoded: {words}")
    from pydicom import dcmread  # noqa: PLC0415 - slow to import
    from pydicom.pixels import get_decoder  # noqa: PLC0415
    from pydicom.uid import UID  # noqa: PLC0415

    syntax = UID(instance.kind[1])
    try:
        ds = dcmread(instance.path, force=True)
        array, _ = get_decoder(syntax).as_array(ds, index=number - 1, raw=raw)
    except Exception as error:  # decoders raise what they like
        raise Refusal(500, f"the pixels of the instance cannot be decoded: {error}") from error
    if not syntax.is_little_endian:
        array = array.astype(array.dtype.newbyteorder("<"))
    return array, ds
