r"""Identifiers of queries and answers: from encoded data sets to plain values, and back.

    read_identifier(data, syntax) -> {"PatientName": "Muller^Anna", "ModalitiesInStudy": "CT\SR"}

Small data sets without bulk, as C-FIND carries them (PS3.4 C.4.1.1.3); sequences are lists of
items. Whoever needs a `pydicom.Dataset` makes it of the bytes.
"""

import struct
from collections.abc import Sequence

from dcm.data.dictionary import keyword_of, tag_of, vr_of
from dcm.data.elements import (
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_END,
    ITEM_GROUP,
    LONG_VRS,
    NATIVE,
    SEQUENCE_END,
    STRUCTS,
    UNDEFINED,
    Encoding,
    Unsure,
    explicit_header,
)
from dcm.data.match import Attributes, Value
from dcm.data.text import encoded_value, value_text
from dcm.errors import DcmError

_CHARACTER_SET = 0x00080005
_DEEPEST = 32

# Keywords of texts by tag and VR as they stand in explicit VR little endian: what was read once is read fast.
_TEXT_NAMES: dict[str, str] = {}
_MOST_NAMES = 1024
_TEXTS = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UI".split())


class BadIdentifier(DcmError):  # noqa: N818 - reads as the sentence it is
    """A data set that cannot be read as an identifier, or values that cannot be written as one."""


def read_identifier(data: bytes, transfer_syntax_uid: str) -> dict[str, Value]:
    """Decode a data set. Raises `BadIdentifier`."""
    encoding = _encoding(transfer_syntax_uid)
    try:
        return _Parser(data).data_set(0, len(data), encoding, b"", 0)[0]
    except (Unsure, struct.error) as error:
        raise BadIdentifier(f"this is no data set in {transfer_syntax_uid}: {error}") from None


def write_identifier(attributes: Attributes, transfer_syntax_uid: str) -> bytes:
    """Encode attributes, in UTF-8 where they are not ASCII and name no Specific Character Set.

    Raises `BadIdentifier` for a value that cannot be written, `UnknownElement` for a keyword.
    """
    named = attributes.get("SpecificCharacterSet", "")
    if not named and not _is_ascii(attributes):
        attributes, named = {**attributes, "SpecificCharacterSet": "ISO_IR 192"}, "ISO_IR 192"
    return _written(
        attributes, _encoding(transfer_syntax_uid), str(named).encode("ascii", "replace")
    )


def _encoding(transfer_syntax_uid: str) -> Encoding:
    encoding = NATIVE.get(transfer_syntax_uid)
    if encoding is None:
        raise BadIdentifier(f"identifiers are not read or written in {transfer_syntax_uid}")
    return encoding


class _Parser:
    """Reads data sets that stand within each other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._text = data.decode("latin-1")
        self._has_marks = _has_marks(self._text)

    def data_set(
        self, at: int, end: int, encoding: Encoding, character_set: bytes, depth: int
    ) -> tuple[dict[str, Value], int]:
        """Read elements to `end`, or to the end of an item of undefined length before it."""
        found: dict[str, Value] = {}
        plain = STRUCTS[encoding.little_endian][2]
        data = self._data
        while at < end:
            if encoding == EXPLICIT:
                at = self._texts(at, end, found)
                if at == end:
                    break
                character_set = _named_set(found, character_set)
            group, element, length = plain(data, at)
            tag = group << 16 | element
            if group == ITEM_GROUP and element == ITEM_END:
                return found, at + 8
            size, vr = 8, vr_of(tag) if not encoding.explicit else ""
            if encoding.explicit:
                size, raw_vr, length = explicit_header(data, at, encoding)
                vr = raw_vr.decode()
                _learn(self._text[at : at + 6], tag, raw_vr, encoding)
            at += size
            if vr == "SQ" or length == UNDEFINED:
                inner = IMPLICIT if vr == "UN" else encoding
                stop = end if length == UNDEFINED else at + length
                found[keyword_of(tag)], at = self._items(at, stop, inner, character_set, depth + 1)
                continue
            value = data[at : at + length]
            at += length
            if tag == _CHARACTER_SET:
                character_set = value
            if element:  # group lengths say nothing
                found[keyword_of(tag)] = value_text(
                    value,
                    vr_of(tag) if vr == "UN" else vr,
                    character_set=character_set,
                    little_endian=encoding.little_endian,
                )
        if at > end:
            raise Unsure("an element goes beyond the end of what it stands in")
        return found, at

    def _texts(self, at: int, end: int, found: dict[str, Value]) -> int:
        """Read ASCII texts of known names, which nearly all elements are, until anything else comes."""
        data, text, names, has_marks = self._data, self._text, _TEXT_NAMES, self._has_marks
        end = min(end, len(data))
        while at + 8 <= end and (name := names.get(text[at : at + 6])) is not None:
            start, stop = at + 8, at + 8 + data[at + 6] + (data[at + 7] << 8)
            value = text[start:stop]
            if stop > end or not value.isascii() or (has_marks and _has_marks(value)):
                break
            found[name] = value.rstrip(" \0")
            at = stop
        return at

    def _items(
        self, at: int, end: int, encoding: Encoding, character_set: bytes, depth: int
    ) -> tuple[list[dict[str, Value]], int]:
        if depth > _DEEPEST:
            raise Unsure(f"sequences are nested more than {_DEEPEST} deep")
        items: list[dict[str, Value]] = []
        plain = STRUCTS[encoding.little_endian][2]
        while at < end:
            group, element, length = plain(self._data, at)
            at += 8
            if group == ITEM_GROUP and element == SEQUENCE_END:
                break
            if group != ITEM_GROUP or element != ITEM:
                raise Unsure(f"({group:04X},{element:04X}) stands where an item should")
            stop = end if length == UNDEFINED else at + length
            item, at = self.data_set(at, stop, encoding, character_set, depth)
            items.append(item)
        return items, at


def _has_marks(text: str) -> bool:
    """Return whether something in it stands between values, or changes the character set."""
    return "\\" in text or "\x1b" in text


def _named_set(found: Attributes, inherited: bytes) -> bytes:
    """Return the Specific Character Set that was read, which may have been read as a plain text."""
    named = found.get("SpecificCharacterSet")
    return named.encode() if isinstance(named, str) else inherited


def _learn(head: str, tag: int, vr: bytes, encoding: Encoding) -> None:
    """Remember the name of a text, to read it fast the next time."""
    if encoding == EXPLICIT and vr in _TEXTS and len(_TEXT_NAMES) < _MOST_NAMES:
        _TEXT_NAMES[head] = keyword_of(tag)


def _is_ascii(value: "Value | Attributes") -> bool:
    if isinstance(value, str):
        return value.isascii()
    if isinstance(value, Sequence):
        return all(map(_is_ascii, value))
    return all(map(_is_ascii, value.values()))


def _written(attributes: Attributes, encoding: Encoding, character_set: bytes) -> bytes:
    """Write elements in the order of their tags (PS3.5 7.1)."""
    return b"".join(
        _element(tag, keyword, attributes[keyword], encoding, character_set)
        for tag, keyword in sorted((tag_of(keyword), keyword) for keyword in attributes)
    )


def _element(
    tag: int, keyword: str, value: Value, encoding: Encoding, character_set: bytes
) -> bytes:
    order = "<" if encoding.little_endian else ">"
    vr = vr_of(tag)
    if isinstance(value, str):
        try:
            encoded = encoded_value(
                value, vr, character_set=character_set, little_endian=encoding.little_endian
            )
        except ValueError as error:
            raise BadIdentifier(f"{keyword} cannot be {value!r}: {error}") from error
    else:
        vr = "SQ"
        written = [_written(item, encoding, character_set) for item in value]
        encoded = b"".join(
            struct.pack(f"{order}HHI", ITEM_GROUP, ITEM, len(each)) + each for each in written
        )
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if not encoding.explicit:
        return head + struct.pack(f"{order}I", len(encoded)) + encoded
    if vr.encode() in LONG_VRS:
        return head + vr.encode() + struct.pack(f"{order}HI", 0, len(encoded)) + encoded
    if len(encoded) > 0xFFFE:
        raise BadIdentifier(f"{keyword} is {len(encoded)} bytes long: too long for VR {vr}")
    return head + vr.encode() + struct.pack(f"{order}H", len(encoded)) + encoded
