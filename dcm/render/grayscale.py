"""Conversion to 8 bits for display (PS3.4 N.2): rescaling, window, inversion, palettes."""

from typing import Any, NamedTuple


class Window(NamedTuple):
    """A VOI transformation (PS3.3 C.11.2). function: LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    width: float
    function: str = "LINEAR"


def eight_bits(array: Any, ds: Any, number: int, window: Window | None) -> Any:
    """Return frame `number` of a data set as 8 bits of gray or RGB.

    window: the window to apply; None for the first one of the object, else its VOI LUT, else the
    range of its values.
    """
    import numpy  # noqa: ICN001, PLC0415 - not needed otherwise
    from pydicom.pixels import apply_color_lut  # noqa: PLC0415 - slow to import

    array = _of_stored_bits(array, ds)
    photometric = ds.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        array = apply_color_lut(array, ds)
        return (array >> 8).astype("u1") if array.dtype.itemsize > 1 else array
    if array.ndim == 3:  # colours
        return (array >> max(0, int(ds.BitsStored) - 8)).astype("u1")
    gray = _gray(array, ds, number, window)
    if photometric == "MONOCHROME1" and ds.get("PresentationLUTShape", "INVERSE") == "INVERSE":
        gray = 255 - gray
    return numpy.clip(numpy.rint(gray), 0, 255).astype("u1")


def _gray(array: Any, ds: Any, number: int, window: Window | None) -> Any:
    """Return gray values from 0 to 255; some may be outside this range."""
    from pydicom.pixels import apply_modality_lut, apply_voi  # noqa: PLC0415 - slow to import

    groups = groups_of(ds, number)
    rescale = _first(groups, "PixelValueTransformationSequence")
    if "RescaleSlope" not in ds and rescale is not None:
        slope, intercept = float(rescale.RescaleSlope), float(rescale.RescaleIntercept)
        values = array * slope + intercept
    else:
        values = apply_modality_lut(array, ds)
    window = window or _window(ds) or _window(_first(groups, "FrameVOILUTSequence"))
    if window is not None:
        return _windowed(values.astype("f8"), window)
    if "VOILUTSequence" in ds:
        bits = int(ds.VOILUTSequence[0].LUTDescriptor[2])
        return apply_voi(values, ds) * (255 / ((1 << bits) - 1))
    low, high = _range(values, array, ds)
    return (values.astype("f8") - low) * (255 / (high - low or 1))


def _of_stored_bits(array: Any, ds: Any) -> Any:
    """Return values without the unused bits of native pixels, such as overlays (PS3.5 8.1.1).

    If fewer bits are stored than allocated, the highest stored bit is the sign bit.
    """
    allocated, stored = int(ds.BitsAllocated), int(ds.get("BitsStored") or ds.BitsAllocated)
    high = int(ds.get("HighBit", stored - 1))
    syntax = ds.file_meta.get("TransferSyntaxUID")
    native = syntax is None or not syntax.is_encapsulated
    usable = array.dtype.kind in "iu" and array.dtype.itemsize * 8 == allocated
    if not (native and usable and 0 < stored <= high + 1 <= allocated and stored < allocated):
        return array
    return (array << (allocated - 1 - high)) >> (allocated - stored)


def _range(values: Any, array: Any, ds: Any) -> tuple[float, float]:
    """Return the values that become black and white if the object does not specify them.

    Values of up to 8 bits are shown unchanged (PS3.3 C.11.2.1); others are scaled from the lowest
    to the highest, ignoring padding.
    """
    import numpy  # noqa: ICN001, PLC0415 - not needed otherwise

    bits = int(ds.get("BitsStored") or 16)
    if values is array and array.dtype.kind == "u" and bits <= 8:
        return 0, (1 << bits) - 1
    shown = values[numpy.isfinite(values)]
    padding = ds.get("PixelPaddingValue")
    if padding is not None and array.dtype.kind in "iu":
        other = values[array != padding]
        shown = other if other.size else shown
    return (float(shown.min()), float(shown.max())) if shown.size else (0, 1)


def _windowed(values: Any, window: Window) -> Any:
    """Apply a window (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
    import numpy  # noqa: ICN001, PLC0415 - not needed otherwise

    center, width, function = window
    if function == "SIGMOID":
        return 255 / (1 + numpy.exp(-4 * (values - center) / width))
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    if width <= 0:
        return (values > center) * 255.0
    return ((values - center) / width + 0.5) * 255


def _window(ds: Any) -> Window | None:
    """Return the first window of a data set or an item."""
    if ds is None or ds.get("WindowWidth") is None or ds.get("WindowCenter") is None:
        return None
    center, width = (
        float(value[0] if ds[keyword].VM > 1 else value)
        for keyword in ("WindowCenter", "WindowWidth")
        for value in (ds[keyword].value,)
    )
    return Window(center, width, ds.get("VOILUTFunction") or "LINEAR")


def groups_of(ds: Any, number: int) -> list[Any]:
    """Return the functional groups of a frame, its own first (PS3.3 C.7.6.16)."""
    own = ds.get("PerFrameFunctionalGroupsSequence") or []
    shared = ds.get("SharedFunctionalGroupsSequence") or []
    return [*own[number - 1 : number], *shared]


def _first(groups: list[Any], keyword: str) -> Any:
    return next((group[keyword].value[0] for group in groups if group.get(keyword)), None)
