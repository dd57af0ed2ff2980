r"""Convert identifiers of queries and answers between encoded data sets and plain values.

    read_identifier(data, syntax) -> {"PatientName": "Muller^Anna", "ModalitiesInStudy": "CT\SR"}

These are small data sets without bulk data, as C-FIND carries them (PS3.4 C.4.1.1.3); sequences are lists of
items. The bytes can be read as a `pydicom.Dataset`.
"""

from collections.abc import Mapping
from typing import cast

from dcm.data.dictionary import keyword_of, tag_of, vr_of
from dcm.data.encoding import (
    EVERYTHING,
    ITEM,
    ITEM_GROUP,
    LONG_VRS,
    NATIVE,
    SEQUENCE_VRS,
    UNDEFINED,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
    Writer,
)
from dcm.data.match import Attributes, Value
from dcm.data.text import encoded_value, value_text
from dcm.errors import DcmError

_CHARACTER_SET = 0x00080005
_TEXT_VRS = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI")
_TEXTS = frozenset((*_TEXT_VRS, *(vr.encode() for vr in _TEXT_VRS)))


class BadIdentifier(DcmError):  # noqa: N818 - reads as the sentence it is
    """An invalid identifier, or values that cannot be encoded as one."""


def read_identifier(data: bytes, transfer_syntax_uid: str) -> dict[str, Value]:
    """Decode a data set. Raises `BadIdentifier`."""
    encoding = _encoding(transfer_syntax_uid)
    try:
        return _read(data, encoding)
    except (MalformedData, TruncatedData, ValueError) as error:
        raise BadIdentifier(f"this is not a data set in {transfer_syntax_uid}: {error}") from None


def write_identifier(attributes: Attributes, transfer_syntax_uid: str) -> bytes:
    """Encode attributes, in UTF-8 if they are not ASCII and do not include Specific Character Set.

    Raises `BadIdentifier` for a value that cannot be encoded, and `UnknownElement` for an unknown keyword.
    """
    named = attributes.get("SpecificCharacterSet", "")
    if not named and not is_ascii(attributes):
        attributes, named = {**attributes, "SpecificCharacterSet": "ISO_IR 192"}, "ISO_IR 192"
    encoding = _encoding(transfer_syntax_uid)
    writer = Writer(encoding)
    _write(writer, attributes, encoding, str(named).encode("ascii", "replace"))
    return bytes(writer.written)


def _encoding(transfer_syntax_uid: str) -> Encoding:
    encoding = NATIVE.get(transfer_syntax_uid)
    if encoding is None:
        raise BadIdentifier(f"identifiers in {transfer_syntax_uid} are not supported")
    return encoding


def _read(data: bytes, encoding: Encoding) -> dict[str, Value]:
    reader, top = Reader(data), dict[str, Value]()
    # Most identifiers have no sequence, so this reads all of them.
    found, at = reader.collect(0, encoding, EVERYTHING, EVERYTHING[-1])
    character_set = found.get(_CHARACTER_SET, (b"", b""))[1]
    for tag, (vr, value) in found.items():
        if tag & 0xFFFF:  # ignore group lengths
            top[keyword_of(tag)] = _text(tag, vr, value, character_set, encoding)
    if at == len(data):
        return top
    # The open data sets and lists of items, by depth, each with its character set.
    levels: list[tuple[dict[str, Value] | list[dict[str, Value]], bytes]] = [(top, character_set)]
    for tag, vr, _, start, length, depth in reader.walk(
        at, encoding, len(data), into_sequences=True
    ):
        del levels[depth + 1 :]
        into, character_set = levels[depth]
        if tag == ITEM:
            item: dict[str, Value] = {}
            cast("list[dict[str, Value]]", into).append(item)
            levels.append((item, character_set))
        elif tag >> 16 == ITEM_GROUP:
            continue
        elif length == UNDEFINED or (vr or vr_of(tag)) in SEQUENCE_VRS:
            items: list[dict[str, Value]] = []
            cast("dict[str, Value]", into)[keyword_of(tag)] = items
            levels.append((items, character_set))
        elif tag & 0xFFFF:
            value = data[start : start + length]
            if tag == _CHARACTER_SET:
                levels[depth] = into, value
            text = _text(tag, vr, value, character_set, encoding)
            cast("dict[str, Value]", into)[keyword_of(tag)] = text
    return top


def _text(tag: int, vr: bytes, value: bytes, character_set: bytes, encoding: Encoding) -> str:
    if (vr or vr_of(tag)) in _TEXTS and value.isascii():
        text = value.decode("ascii")
        if "\\" not in text and "\x1b" not in text:  # a single value without code extensions
            return text.rstrip(" \0")  # the same as `value_text`, but faster
    name = vr.decode() if vr and vr != b"UN" else vr_of(tag)
    little_endian = encoding.little_endian
    return value_text(value, name, character_set=character_set, little_endian=little_endian)


def is_ascii(value: "Value | Attributes") -> bool:
    """Return whether values need no Specific Character Set."""
    if isinstance(value, str):
        return value.isascii()
    return all(map(is_ascii, value.values() if isinstance(value, Mapping) else value))


def _write(
    writer: Writer, attributes: Attributes, encoding: Encoding, character_set: bytes
) -> None:
    """Write elements in the order of their tags (PS3.5 7.1)."""
    for tag, keyword in sorted((tag_of(keyword), keyword) for keyword in attributes):
        value, vr = attributes[keyword], vr_of(tag)
        if isinstance(value, str):
            try:
                encoded = encoded_value(
                    value, vr, character_set=character_set, little_endian=encoding.little_endian
                )
            except ValueError as error:
                raise BadIdentifier(f"{keyword} cannot be {value!r}: {error}") from error
            if encoding.explicit and len(encoded) > 0xFFFE and vr.encode() not in LONG_VRS:
                raise BadIdentifier(f"{keyword} is {len(encoded)} bytes long: too long for VR {vr}")
            writer.element(tag, vr.encode(), encoded)
            continue
        writer.begin(tag)
        for item in value:
            writer.begin(ITEM)
            _write(writer, item, encoding, character_set)
            writer.end()
        writer.end()
