"""Decompressed frames, using the installed decoders of pydicom."""

import os
from functools import lru_cache
from typing import Any, Final

from dcm.data.encoding import DEFLATED
from dcm.errors import DcmError

_LARGEST: Final = 1 << 30
"""The largest frame that is decoded, in bytes; a few bytes in a file can claim to be many more."""


class CannotRender(DcmError):  # noqa: N818 - reads as the sentence it is
    """An image cannot be decoded or shown, with the reason."""


@lru_cache(maxsize=64)
def cannot_decode(syntax: str) -> str:
    """Return why frames in a transfer syntax cannot be decompressed, or empty if they can."""
    try:
        import numpy  # noqa: F401, ICN001, PLC0415 - not needed otherwise
    except ImportError:
        return "numpy is not installed here"
    from pydicom.pixels import get_decoder  # noqa: PLC0415 - slow to import
    from pydicom.uid import UID  # noqa: PLC0415

    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError:
        name = UID(syntax).name
        return f"no decoder for the transfer syntax {name}"
    if decoder.is_available:
        return ""
    needed = [each.partition(" requires ")[2] for each in decoder.missing_dependencies]
    return f"a decoder for {syntax} needs {', or '.join(filter(None, needed))}"


def pixel_array(path: str, syntax: str, number: int, *, raw: bool) -> tuple[Any, Any]:
    """Return frame `number`, counted from 1, as an array, and the data set.

    raw: colours as stored, else as RGB. If possible, only the frame is read; of the data set, only
    the elements before the pixels. Raises `CannotRender`.
    """
    words = cannot_decode(syntax)
    if words:
        raise CannotRender(f"the frame cannot be decoded: {words}")
    try:
        now = os.stat(path)
        ds = _data_set(path, (now.st_ino, now.st_size, now.st_mtime_ns))
        _check_size(ds)
        array, ds = _frame(path, syntax, ds, number, raw)
    except CannotRender:
        raise
    except Exception as error:  # decoders raise many types
        raise CannotRender(f"the pixels cannot be decoded: {error}") from error
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return array, ds


@lru_cache(maxsize=1)
def _data_set(path: str, _version: tuple[int, ...]) -> Any:
    """Read the elements before the pixels; cached for the next frame of the same file."""
    from pydicom import dcmread  # noqa: PLC0415 - slow to import

    return dcmread(path, force=True, stop_before_pixels=True)


def _frame(path: str, syntax: str, ds: Any, number: int, raw: bool) -> tuple[Any, Any]:
    from pydicom import dcmread  # noqa: PLC0415 - slow to import
    from pydicom.pixels import get_decoder, pixel_array  # noqa: PLC0415
    from pydicom.uid import UID  # noqa: PLC0415

    if ds.file_meta.get("TransferSyntaxUID") == syntax and syntax not in DEFLATED:
        return pixel_array(path, index=number - 1, raw=raw), ds
    ds = dcmread(path, force=True)
    return get_decoder(UID(syntax)).as_array(ds, index=number - 1, raw=raw)[0], ds


def _check_size(ds: Any) -> None:
    """Raise `CannotRender` for a frame that would need an unreasonable amount of memory."""
    sizes = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
    missing = [each for each in sizes if not ds.get(each)]
    if missing:
        raise CannotRender(f"it has no {' and no '.join(missing)}")
    rows, columns, samples, bits = (int(ds[each].value) for each in sizes)
    size = rows * columns * samples * max(8, bits) // 8
    if size > _LARGEST:
        raise CannotRender(f"a frame of {columns} x {rows} pixels is too large to show")
