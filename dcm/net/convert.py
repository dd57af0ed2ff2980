"""Convert an instance to another transfer syntax, for a peer that does not accept it as it is.

Only to the native transfer syntaxes: nothing is ever compressed, and the file itself is not changed.
"""

import io
from typing import Final

from dcm.data.encoding import DEFLATED, NATIVE, Encoding
from dcm.data.recode import recode
from dcm.data.source import inflated
from dcm.errors import DcmError
from dcm.instances import Instance, MemoryInstance, UnusableInstance, data_of

EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
_INFLATED_LIMIT: Final = 1 << 31
_ONLY_ENCAPSULATED: Final = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")


class CannotConvert(DcmError):  # noqa: N818 - reads as the sentence it is
    """An instance that cannot be converted; the message says what may help."""


def converted(instance: Instance, syntax: str) -> Instance:
    """Return the instance in a native transfer syntax, to be sent instead of the original.

    This takes a while, and the memory of a few instances. Raises `OSError` and `CannotConvert`.
    """
    try:
        data = data_of(instance)
    except UnusableInstance as error:
        raise CannotConvert(f"is incomplete: {error}") from error
    try:
        recoded = bytes(_converted(data, instance.kind[1], NATIVE[syntax]))
    except CannotConvert as error:
        raise CannotConvert(f"cannot be {conversion(instance.kind[1], syntax)}: {error}") from error
    kind = (instance.kind[0], syntax)
    return MemoryInstance(kind, instance.sop_instance_uid, recoded, instance.path)


def conversion(source: str, target: str) -> str:
    """Describe a conversion in words."""
    from dcm.data.uids import name_of  # noqa: PLC0415 - imports pydicom, and is rarely needed

    return f"converted from {name_of(source)} to {name_of(target)}"


def _converted(data: bytes, source: str, target: Encoding) -> bytes | bytearray:
    try:
        if source in DEFLATED:
            data, source = inflated(data, _INFLATED_LIMIT), EXPLICIT_LITTLE
        elif source not in NATIVE:
            data, source = _decompressed(data, source), EXPLICIT_LITTLE
        return data if NATIVE[source] == target else recode(data, NATIVE[source], target)
    except (DcmError, ValueError) as error:
        raise CannotConvert(str(error)) from error


def _decompressed(data: bytes, syntax: str) -> bytes:
    """Decompress the pixels; all other elements stay as they are, byte for byte."""
    # pydicom is slow to import, and rarely needed
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415
    from pydicom.filebase import DicomBytesIO  # noqa: PLC0415
    from pydicom.filereader import read_dataset  # noqa: PLC0415
    from pydicom.filewriter import write_dataset  # noqa: PLC0415
    from pydicom.uid import UID  # noqa: PLC0415

    try:
        found = read_dataset(io.BytesIO(data), is_implicit_VR=False, is_little_endian=True)
        if "PixelData" in found:
            _require_decoder(syntax)
            found.file_meta = FileMetaDataset()
            found.file_meta.TransferSyntaxUID = UID(syntax)
            found.decompress(generate_instance_uid=False)
        for keyword in _ONLY_ENCAPSULATED:
            if keyword in found:
                delattr(found, keyword)
        written = DicomBytesIO()
        written.is_implicit_VR, written.is_little_endian = False, True
        write_dataset(written, found)
    except CannotConvert:
        raise
    except Exception as error:  # decoders raise any exception
        raise CannotConvert(f"it cannot be decompressed: {error}") from error
    return bytes(written.getvalue())


def _require_decoder(syntax: str) -> None:
    """Raise `CannotConvert`, which says what to install, unless a decoder is available."""
    from pydicom.pixels import get_decoder  # noqa: PLC0415
    from pydicom.uid import UID  # noqa: PLC0415

    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError:
        raise CannotConvert(
            "there is no decoder for that: configure the peer to accept it as it is"
        ) from None
    if not decoder.is_available:
        needed = [each.partition(" requires ")[2] for each in decoder.missing_dependencies]
        raise CannotConvert(
            f"no decoder is installed: install {', or '.join(filter(None, needed))}"
        )
