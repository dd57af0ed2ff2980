"""What a file's header says, from its first few kilobytes: 20,000 files a second and more.

    header = scan("image.dcm")
    header.transfer_syntax_uid, header.sop_instance_uid, header.text("PatientName")

Reads Part 10 files (PS3.10 7) and what passes for them in the wild: without preamble, without file
meta information, with a wrong group length, big endian, deflated. What was forgiven stands in
`Header.remarks`. The data set begins at `Header.data_set_offset`: from there on a sender can hand
slices of the file to a socket.
"""

import os
import struct
import warnings
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from dcm.data import elements
from dcm.data.dictionary import Key, tag_of, vr_of
from dcm.data.elements import DEFLATED, EXPLICIT, NATIVE, Cut, Element, Encoding, Reader, Unsure
from dcm.data.source import FileSource, InflatedSource, MemorySource, Source, SourceFile
from dcm.data.text import value_text
from dcm.errors import DcmError

COMMON = (
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyDate", "StudyTime", "Modality",
    "PatientName", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "StudyID", "SeriesNumber",
    "InstanceNumber", "AccessionNumber",
)  # fmt: skip

_SYNTAX_OF = {encoding: syntax for syntax, encoding in NATIVE.items()}

_CHARACTER_SET = 0x00080005
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_MEDIA_CLASS, _MEDIA_INSTANCE, _TRANSFER_SYNTAX = 0x00020002, 0x00020003, 0x00020010
_META = frozenset((_MEDIA_CLASS, _MEDIA_INSTANCE, _TRANSFER_SYNTAX))
_META_LAST = 0x0002FFFF
_TRANSFER_SYNTAX_HEADER = b"\x02\0\x10\0UI"
_ALWAYS = frozenset((_CHARACTER_SET, _SOP_CLASS, _SOP_INSTANCE))


class NotDicom(DcmError):  # noqa: N818 - reads as the sentence it is
    """A file that is no DICOM file, or that is broken before what was asked for.

    `path` names the file, as far as there is one, and `reason` says why in words.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path


class Header(NamedTuple):
    """The beginning of a DICOM file, as far as it was asked for.

    `transfer_syntax_uid` is the one in which the data set is really written; a file that claims
    another one has that among its `remarks`. `elements` holds the encoded values by tag.
    """

    transfer_syntax_uid: str
    media_storage_sop_class_uid: str
    media_storage_sop_instance_uid: str
    data_set_offset: int
    elements: Mapping[int, Element]
    little_endian: bool = True
    remarks: tuple[str, ...] = ()

    @property
    def sop_class_uid(self) -> str:
        """SOP Class UID of the data set, else of the file meta information."""
        return self.text(_SOP_CLASS) or self.media_storage_sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID of the data set, else of the file meta information."""
        return self.text(_SOP_INSTANCE) or self.media_storage_sop_instance_uid

    def text(self, key: Key) -> str:
        """Return a value as text, several values separated by a backslash; empty if there is none."""
        tag = tag_of(key)
        vr, value = self.elements.get(tag, _NOTHING)
        return value_text(
            value,
            vr.decode() if vr not in (b"", b"UN") else vr_of(tag),
            character_set=self.elements.get(_CHARACTER_SET, _NOTHING)[1],
            little_endian=self.little_endian,
        )


_NOTHING = (b"", b"")


def scan(path: str | os.PathLike[str], wanted: Sequence[Key] = COMMON) -> Header:
    """Read the header of a file with the wanted elements, as far as they stand before the pixels.

    Raises `NotDicom`, and `OSError` where the file itself cannot be read.
    """
    # O_NONBLOCK: opening a named pipe that lies among the files would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return _header(FileSource(descriptor), _tags(tuple(wanted)))
    except NotDicom as error:
        raise NotDicom(error.reason, os.fspath(path)) from error.__cause__
    finally:
        os.close(descriptor)


def scan_bytes(data: bytes, wanted: Sequence[Key] = COMMON) -> Header:
    """Read the header of a file that is already in memory; as `scan` otherwise."""
    return _header(MemorySource(data), _tags(tuple(wanted)))


@lru_cache(maxsize=64)
def _tags(keys: tuple[Key, ...]) -> frozenset[int]:
    return frozenset(map(tag_of, keys)) | _ALWAYS


@lru_cache(maxsize=64)
def _last(wanted: frozenset[int]) -> int:
    return min(max(wanted), elements.PIXELS - 1)


def _header(source: Source, wanted: frozenset[int]) -> Header:
    try:
        return _read(source, wanted)
    except Cut as error:
        raise NotDicom(f"the file ends {error}") from None
    except (Unsure, ValueError, zlib.error) as error:
        raise NotDicom(f"the data set cannot be read: {error}") from None


def _read(source: Source, wanted: frozenset[int]) -> Header:
    reader = Reader(source)
    remarks: list[str] = []
    start, prefixed = _start(reader, remarks)
    meta, offset = _meta(reader, start, remarks)
    declared = _uid(meta, _TRANSFER_SYNTAX)
    deflated = declared in DEFLATED
    if deflated:
        source, position = InflatedSource(source, offset), 0
        reader = Reader(source)
    else:
        position = offset
    encoding = _encoding(reader, position, declared)
    found = _elements(source, reader, position, encoding, wanted)
    syntax = declared
    if not meta:
        remarks.append("no file meta information")
        if not prefixed:
            _require_identity(found)
    if not syntax or NATIVE.get(syntax, encoding) != encoding:
        syntax = _SYNTAX_OF[encoding]
        if declared:
            remarks.append(f"the transfer syntax is said to be {declared}, and is {syntax}")
        elif meta:
            remarks.append("the file meta information names no transfer syntax")
    return Header(
        syntax,
        _uid(meta, _MEDIA_CLASS),
        _uid(meta, _MEDIA_INSTANCE),
        offset,
        found,
        encoding.little_endian,
        tuple(remarks),
    )


def _start(reader: Reader, remarks: list[str]) -> tuple[int, bool]:
    """Say where the first element is, and whether behind the prefix that makes it DICOM."""
    if reader.peek(128, 4) == b"DICM":
        return 132, True
    head = reader.peek(0, 8)
    if not head:
        raise NotDicom("the file is empty")
    if head[:4] == b"DICM":
        remarks.append("no preamble")
        return 4, True
    # Without a prefix only a beginning that every composite object has is taken for DICOM.
    if head[:1] not in (b"\x02", b"\x08") and head[:2] != b"\0\x08":
        raise NotDicom("neither the prefix DICM nor the beginning of a data set")
    remarks.append("no preamble")
    return 0, False


def _meta(reader: Reader, start: int, remarks: list[str]) -> tuple[Mapping[int, Element], int]:
    """Read the file meta information; it ends where group 0002 does.

    Its group length is not needed, and is wrong often enough. Old toolkits left a second set behind the
    first: the first Transfer Syntax UID holds (PS3.10 7.1), and no part of group 0002 belongs to the data
    set (PS3.5 7.1).
    """
    head = reader.peek(start, 8)
    if head[:2] != b"\x02\0":
        return {}, start
    encoding = elements.recognise(head) or EXPLICIT
    meta, offset = reader.collect(start, encoding, _META, _META_LAST)
    if reader.peek(start, offset - start).count(_TRANSFER_SYNTAX_HEADER) > 1:
        remarks.append("a second set of file meta information, which is left out")
        meta = {}
        for place in reader.top_level(start, encoding):
            if place.tag in _META:
                value = reader.peek(place.value, place.end - place.value)
                meta.setdefault(place.tag, (place.vr, value))
            if place.end >= offset:
                break  # what follows is encoded otherwise
    return meta, offset


def _uid(meta: Mapping[int, Element], tag: int) -> str:
    return meta.get(tag, _NOTHING)[1].rstrip(b" \0").decode("ascii", "replace")


def _encoding(reader: Reader, position: int, declared: str) -> Encoding:
    head = reader.peek(position, 8)
    if not head and declared:  # nothing behind the file meta information
        return NATIVE.get(declared, EXPLICIT)
    encoding = elements.recognise(head)
    if encoding is None:
        raise NotDicom("what follows the file meta information is no data set")
    return encoding


def _elements(
    source: Source, reader: Reader, position: int, encoding: Encoding, wanted: frozenset[int]
) -> Mapping[int, Element]:
    try:
        return reader.collect(position, encoding, wanted, _last(wanted), _ALWAYS_PRESENT)[0]
    except Unsure:
        return _read_by_pydicom(source, position, encoding, wanted)


_ALWAYS_PRESENT = frozenset((_SOP_CLASS, _SOP_INSTANCE))


def _require_identity(found: Mapping[int, Element]) -> None:
    """Without file meta information, an object that says what it is is a DICOM object."""
    for tag in _ALWAYS_PRESENT:
        value = found.get(tag, _NOTHING)[1].rstrip(b" \0")
        if not value or value.strip(b"0123456789."):
            raise NotDicom("no file meta information, and no SOP Class and Instance UID")


# What pydicom is seen to raise on broken data sets.
_PYDICOM_ERRORS = (
    AttributeError, EOFError, KeyError, NotImplementedError, OSError, OverflowError,
    RecursionError, TypeError, ValueError, struct.error,
)  # fmt: skip


def _read_by_pydicom(
    source: Source, position: int, encoding: Encoding, wanted: frozenset[int]
) -> Mapping[int, Element]:
    """Let pydicom read what is not as PS3.5 says: it knows many a writer's fault."""
    from pydicom.errors import BytesLengthException, InvalidDicomError  # noqa: PLC0415 - slow, and rarely needed
    from pydicom.filereader import read_dataset  # noqa: PLC0415 - as above

    def at_pixels(tag: int, _vr: str | None, _length: int) -> bool:
        return tag >= elements.PIXELS

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read_dataset(
                SourceFile(source, position),
                not encoding.explicit,
                encoding.little_endian,
                stop_when=at_pixels,
                specific_tags=sorted(wanted),
            )
    except (*_PYDICOM_ERRORS, BytesLengthException, InvalidDicomError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the file system's, not pydicom's
        raise NotDicom(f"the data set cannot be read: {error}") from error
    # Kept deferred: values of zero length would be decoded, by whatever their VR is.
    raw = {int(tag): found.get_item(tag, keep_deferred=True) for tag in found.keys()}  # noqa: SIM118
    return {
        tag: ((element.VR or "").encode(), element.value or b"")
        for tag, element in raw.items()
        if element.VR != "SQ"
    }
