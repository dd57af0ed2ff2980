"""Images in answers, read with Pillow and numpy, and the expected rendering of pixels."""

import io
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray
from PIL import Image

from harness.clients.answers import Malformed
from harness.corpus.picture import Frame

Levels = NDArray[np.int64]


def image_of(answer: requests.Response | bytes) -> Image.Image:
    """Return the image in an answer; fails the case if it is not an image."""
    data = answer if isinstance(answer, bytes) else answer.content
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return image
    except (OSError, SyntaxError, ValueError) as error:  # raised by Pillow
        raise Malformed(f"expected an image, received {data[:40]!r}: {error}") from error


def levels_of(answer: requests.Response | bytes) -> Levels:
    """Return the gray levels or colours of the image in an answer, by row and column."""
    return np.asarray(image_of(answer)).astype(np.int64)


def array_of(answer: requests.Response) -> NDArray[Any]:
    """Return the array of a `.npy` answer, or the array `arr_0` of a `.npz` answer."""
    try:
        loaded = np.load(io.BytesIO(answer.content), allow_pickle=False)
        array: NDArray[Any] = loaded if isinstance(loaded, np.ndarray) else loaded["arr_0"]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise Malformed(f"expected an array, received {answer.content[:40]!r}: {error}") from error
    return array


def largest_difference(received: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the largest difference of a pixel; fails the case if the shapes differ."""
    assert received.shape == expected.shape, (
        f"expected an array of {expected.shape}, received one of {received.shape}"
    )
    return float(np.abs(received.astype(np.float64) - expected).max())


def stretched(frame: Frame) -> NDArray[np.float64]:
    """Return the gray levels with the lowest value of a frame mapped to 0, the highest to 255."""
    values = frame.astype(np.float64)
    lowest, highest = values.min(), values.max()
    stretched_values: NDArray[np.float64] = (values - lowest) * 255 / (highest - lowest)
    return stretched_values


def windowed(values: NDArray[Any], center: float, width: float) -> NDArray[np.float64]:
    """Apply the VOI LUT function LINEAR_EXACT, for gray levels from 0 to 255 (PS3.3 C.11.2.1.3.2)."""
    share = (values.astype(np.float64) - center) / width + 0.5
    return np.clip(share, 0, 1) * 255


def rgb_of_ybr(frame: Frame) -> NDArray[np.float64]:
    """Convert 8-bit YBR_FULL to RGB (PS3.3 C.7.6.3.1.2, ITU-T T.871)."""
    luma, blue, red = (frame[..., sample].astype(np.float64) for sample in range(3))
    blue, red = blue - 128, red - 128
    colours = (luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue)
    return np.clip(np.stack(colours, axis=-1), 0, 255)
