"""Writes a data set as a Part 10 file (PS3.10 7), with the same bytes every time."""

import copy
import io
import zlib

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from harness.corpus.place import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

PREAMBLE_LENGTH = 128


def part10(ds: Dataset, transfer_syntax: str, *, sop_class: str, sop_instance: str) -> bytes:
    """Write `ds`, preceded by our own file meta information."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = sop_instance
    meta.TransferSyntaxUID = transfer_syntax
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    whole = copy.copy(ds)
    whole.file_meta = meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, whole, enforce_file_format=True)
    data = buffer.getvalue()
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        start = data_set_offset(data)
        packed = deflated(zlib.decompress(data[start:], -zlib.MAX_WBITS))
        data = data[:start] + packed + b"\0" * (len(packed) % 2)
    return data


def file_of(ds: FileDataset) -> bytes:
    """Return the file of a data set that was read from a sample and changed."""
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


def data_set_offset(data: bytes) -> int:
    """Return the offset of the data set in a Part 10 file, after the file meta information."""
    start = PREAMBLE_LENGTH + len("DICM") + 12
    group_length = int.from_bytes(data[start - 4 : start], "little")
    return start + group_length


def deflated(data: bytes) -> bytes:
    """Compress `data` with the fixed Huffman codes of RFC 1951 3.2.6, and nothing else.

    The output of zlib may differ between versions; this is the same everywhere.
    """
    codes = [f"{0x30 + byte:08b}" if byte < 144 else f"{0x100 + byte:09b}" for byte in range(256)]
    last_block_fixed_codes, end_of_block = "110", "0000000"
    bits = last_block_fixed_codes + "".join(codes[byte] for byte in data) + end_of_block
    return int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little")
