"""Compare decoded pixels. Needs numpy, and the decoders of pydicom for compressed pixels."""

import io
import warnings
from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from dcm.data.content import Content
from dcm.errors import DcmError

if TYPE_CHECKING:
    from pydicom import Dataset


class CannotCompare(DcmError):  # noqa: N818 - reads as the sentence it is
    """Pixels that cannot be decoded; the message says why."""


def pixel_difference(left: Content, right: Content, tolerance: float = 0) -> str:
    """Describe how pixels differ; empty if no sample differs by more than the tolerance.

    Colours are compared as RGB. Raises `CannotCompare`.
    """
    try:
        import numpy as np  # noqa: PLC0415 - slow, and not needed for anything else
    except ImportError:
        raise CannotCompare("comparing pixels needs numpy: pip install numpy") from None
    samples = different = frames = 0
    most: float = 0
    for one, other in zip_longest(_frames(left), _frames(right)):
        if one is None or other is None:
            return f"one has {frames} frames, the other more"
        if one.shape != other.shape:
            return f"{_shape(one)} and {_shape(other)} samples"
        kind = np.float64 if one.dtype.kind == "f" or other.dtype.kind == "f" else np.int64
        one, other = one.astype(kind), other.astype(kind)  # noqa: PLW2901
        with np.errstate(invalid="ignore"):  # the difference of two infinite numbers
            distance = np.abs(one - other)
        distance[(one == other) | ((one != one) & (other != other))] = 0  # noqa: PLR0124 - NaN
        samples += distance.size
        different += int(np.count_nonzero(~(distance <= tolerance)))
        most = max(most, distance.max(initial=0).item())
        frames += 1
    if not different:
        return ""
    of = f" in {frames} frames" if frames > 1 else ""
    return f"{different} of {samples} samples{of} differ, by at most {most:g}"


def _frames(content: Content) -> Iterator[Any]:
    """Yield the decoded frames."""
    from pydicom.pixels import iter_pixels  # noqa: PLC0415 - slow to import

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from iter_pixels(_dataset(content))
    except Exception as error:  # decoders raise any exception
        raise CannotCompare(f"{content.name}: its pixels cannot be decoded: {error}") from error


def _dataset(content: Content) -> "Dataset":
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415
    from pydicom.filereader import read_dataset  # noqa: PLC0415
    from pydicom.uid import UID  # noqa: PLC0415

    encoding = content.encoding
    found = read_dataset(
        io.BytesIO(content.data_set()), not encoding.explicit, encoding.little_endian
    )
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = UID(content.transfer_syntax_uid)
    return found


def _shape(frame: Any) -> str:
    return " x ".join(map(str, frame.shape))
