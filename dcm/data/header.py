"""Read the header of a file from its first few kilobytes: 20,000 files per second or more.

    header = scan("image.dcm")
    header.transfer_syntax_uid, header.sop_instance_uid, header.text("PatientName")

Reads Part 10 files (PS3.10 7) and similar files found in practice: without preamble, without file meta
information, with a wrong group length, big endian, deflated. `Header.remarks` says what was tolerated. The
data set begins at `Header.data_set_offset`: from there on, slices of the file can be sent as they are.
"""

import io
import os
import warnings
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from dcm.data.dictionary import Key, tag_of, vr_of
from dcm.data.encoding import (
    DEFLATED,
    EXPLICIT,
    NATIVE,
    PIXELS,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
    recognise,
)
from dcm.data.source import VALUE_LIMIT, FileSource, InflatedSource, MemorySource, Source
from dcm.data.text import value_text
from dcm.errors import DcmError

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK  # otherwise opening a named pipe waits for a writer

COMMON = (
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyDate", "StudyTime", "Modality",
    "PatientName", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "StudyID", "SeriesNumber",
    "InstanceNumber", "AccessionNumber",
)  # fmt: skip
"""The elements that `scan` reads by default."""

_SYNTAX_OF: Final = {encoding: syntax for syntax, encoding in NATIVE.items()}

_CHARACTER_SET: Final = 0x00080005
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_MEDIA_CLASS, _MEDIA_INSTANCE, _TRANSFER_SYNTAX = 0x00020002, 0x00020003, 0x00020010
_META: Final = frozenset((_MEDIA_CLASS, _MEDIA_INSTANCE, _TRANSFER_SYNTAX))
_META_LAST: Final = 0x0002FFFF
_TRANSFER_SYNTAX_HEADER: Final = b"\x02\0\x10\0UI"
_IDENTITY: Final = frozenset((_SOP_CLASS, _SOP_INSTANCE))
_ALWAYS: Final = _IDENTITY | {_CHARACTER_SET}
_NOTHING: Final = (b"", b"")

Values = Mapping[int, tuple[bytes, bytes]]
"""Elements by tag: the VR, which is empty in implicit VR, and the encoded value."""


class NotDicom(DcmError):  # noqa: N818 - reads as the sentence it is
    """A file that is not a DICOM file, or is broken before the requested elements.

    path: the file; empty for bytes in memory. reason: why, in words.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path


class Header(NamedTuple):
    """The requested header elements of a DICOM file.

    transfer_syntax_uid: the actual one of the data set; if the file declares a different one, `remarks` say
    so. meta, elements: the encoded values of the file meta information and the data set.
    """

    transfer_syntax_uid: str
    data_set_offset: int
    meta: Values
    elements: Values
    little_endian: bool = True
    remarks: tuple[str, ...] = ()

    @property
    def sop_class_uid(self) -> str:
        """The SOP Class UID in the data set, or else in the file meta information."""
        return _uid(self.elements, _SOP_CLASS) or _uid(self.meta, _MEDIA_CLASS)

    @property
    def sop_instance_uid(self) -> str:
        """The SOP Instance UID in the data set, or else in the file meta information."""
        return _uid(self.elements, _SOP_INSTANCE) or _uid(self.meta, _MEDIA_INSTANCE)

    def text(self, key: Key) -> str:
        """Return a value as text, with multiple values separated by a backslash; empty if it is missing."""
        tag = tag_of(key)
        vr, value = self.elements.get(tag, _NOTHING)
        return value_text(
            value,
            vr.decode() if vr not in (b"", b"UN") else vr_of(tag),
            character_set=self.elements.get(_CHARACTER_SET, _NOTHING)[1],
            little_endian=self.little_endian,
        )


def scan(path: str | os.PathLike[str], wanted: Sequence[Key] = COMMON) -> Header:
    """Read the wanted elements in the header of a file, if they precede the pixels.

    Raises `NotDicom`, and `OSError` if the file itself cannot be read.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        return _header(FileSource(descriptor), _tags(tuple(wanted)))
    except NotDicom as error:
        raise NotDicom(error.reason, os.fspath(path)) from error.__cause__
    finally:
        os.close(descriptor)


def scan_bytes(data: bytes, wanted: Sequence[Key] = COMMON) -> Header:
    """Read the header of a file in memory; see `scan`."""
    return scan_source(MemorySource(data), wanted)


def scan_source(source: Source, wanted: Sequence[Key] = COMMON) -> Header:
    """Read the header from a source; see `scan`."""
    return _header(source, _tags(tuple(wanted)))


@lru_cache(maxsize=64)
def _tags(keys: tuple[Key, ...]) -> tuple[frozenset[int], int]:
    """Return the tags to read, and the last of them before the pixels."""
    wanted = _ALWAYS | set(map(tag_of, keys))
    return wanted, min(max(wanted), PIXELS - 1)


def _header(source: Source, wanted: tuple[frozenset[int], int]) -> Header:
    try:
        return _read(source, *wanted)
    except TruncatedData as error:
        raise NotDicom(f"the file ends {error}") from None
    except (MalformedData, ValueError, zlib.error) as error:
        raise NotDicom(f"the data set cannot be read: {error}") from None


def _read(source: Source, wanted: frozenset[int], last: int) -> Header:
    reader = Reader(source)
    remarks: list[str] = []
    start = 132
    if reader.peek(128, 4) != b"DICM":
        start = _start_without_preamble(reader.peek(0, 8))
        remarks.append("no preamble")
    meta, offset = _meta(reader, start, remarks)
    declared, position = _uid(meta, _TRANSFER_SYNTAX), offset
    if declared in DEFLATED:
        source, position = InflatedSource(source, offset), 0
        reader = Reader(source)
    encoding = _encoding(reader.peek(position, 8), declared)
    try:
        found, _ = reader.collect(position, encoding, wanted, last, _IDENTITY)
    except MalformedData:
        found = _read_by_pydicom(source, position, encoding, wanted)
    if not meta:
        remarks.append("no file meta information")
        if not start:
            _require_identity(found)
    syntax = declared
    if not syntax or NATIVE.get(syntax, encoding) != encoding:
        syntax = _SYNTAX_OF[encoding]
        if declared:
            remarks.append(
                f"the declared transfer syntax is {declared}, but the actual one is {syntax}"
            )
        elif meta:
            remarks.append("the file meta information names no transfer syntax")
    return Header(syntax, offset, meta, found, encoding.little_endian, tuple(remarks))


def _start_without_preamble(head: bytes) -> int:
    """Return the position of the first element, given the first 8 bytes of the file."""
    if not head:
        raise NotDicom("the file is empty")
    if head[:4] == b"DICM":
        return 4
    # Without a prefix, a file is only DICOM if it begins like every composite object.
    if head[:1] not in (b"\x02", b"\x08") and head[:2] != b"\0\x08":
        raise NotDicom("it has neither the prefix DICM nor a data set at its beginning")
    return 0


def _meta(reader: Reader, start: int, remarks: list[str]) -> tuple[Values, int]:
    """Read the file meta information, and return it with its end, which is the end of group 0002.

    The group length is not needed, and is often wrong. Old toolkits wrote a second set after the first: the
    first Transfer Syntax UID is valid (PS3.10 7.1), and no part of group 0002 belongs to the data set (PS3.5
    7.1).
    """
    head = reader.peek(start, 8)
    if head[:2] != b"\x02\0":
        return {}, start
    encoding = recognise(head) or EXPLICIT
    meta, offset = reader.collect(start, encoding, _META, _META_LAST)
    if reader.peek(start, offset - start).count(_TRANSFER_SYNTAX_HEADER) > 1:
        remarks.append("a second set of file meta information, which was ignored")
        first: dict[int, tuple[bytes, bytes]] = {}
        for each in reader.walk(start, encoding, offset):
            if each.tag in _META:
                first.setdefault(each.tag, (each.vr, reader.peek(each.start, each.length)))
        return first, offset
    return meta, offset


def _encoding(head: bytes, declared: str) -> Encoding:
    encoding = recognise(head)
    if not head and declared:  # nothing follows the file meta information
        return NATIVE.get(declared, EXPLICIT)
    if encoding is None:
        raise NotDicom("what follows the file meta information is not a data set")
    return encoding


def _uid(values: Values, tag: int) -> str:
    return values.get(tag, _NOTHING)[1].rstrip(b" \0").decode("ascii", "replace")


def _require_identity(found: Values) -> None:
    """Raise `NotDicom` unless an object without file meta information has SOP Class and Instance UID."""
    for tag in _IDENTITY:
        value = found.get(tag, _NOTHING)[1].rstrip(b" \0")
        if not value or value.strip(b"0123456789."):
            raise NotDicom("no file meta information, and no SOP Class and Instance UID")


def _read_by_pydicom(
    source: Source, position: int, encoding: Encoding, wanted: frozenset[int]
) -> Values:
    """Read a data set that violates PS3.5 with pydicom, which tolerates the errors of many writers."""
    from pydicom.filereader import read_dataset  # noqa: PLC0415 - slow, and rarely needed

    def at_pixels(tag: int, _vr: str | None, _length: int) -> bool:
        return tag >= PIXELS

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read_dataset(
                io.BytesIO(source.read(position, VALUE_LIMIT)),
                not encoding.explicit,
                encoding.little_endian,
                stop_when=at_pixels,
                specific_tags=sorted(wanted),
            )
    except Exception as error:  # pydicom raises any exception for broken data sets
        if isinstance(error, OSError) and error.errno is not None:
            raise  # from the file system, not from pydicom
        raise NotDicom(f"the data set cannot be read: {error}") from error
    # Keep values deferred; otherwise those of zero length would be decoded according to their VR.
    raw = {int(tag): found.get_item(tag, keep_deferred=True) for tag in found.keys()}  # noqa: SIM118
    return {
        tag: ((element.VR or "").encode(), element.value or b"")
        for tag, element in raw.items()
        if element.VR != "SQ"
    }
