"""Convert values between bytes and text, by VR and Specific Character Set (PS3.5 6.1, 6.2)."""

import re
import struct
import warnings
from functools import lru_cache

# VRs whose characters depend on Specific Character Set (PS3.5 6.1.2.2); all others are ASCII.
LOCALISED = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
# VRs in which a backslash is an ordinary character (PS3.5 6.4).
SINGLE_VALUED = frozenset(("LT", "ST", "UR", "UT"))
_DELIMITERS = re.compile(r"([\\^=])")
_NUMBERS = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN"))


def value_text(
    value: bytes, vr: str, *, character_set: bytes = b"", little_endian: bool = True
) -> str:
    """Return a value as text, without padding; multiple values are separated by a backslash.

    Binary numbers are converted to decimal, and tags to eight hexadecimal digits. The text of a sequence or
    another value without text is empty. Characters that cannot be decoded become U+FFFD.
    """
    order = "<" if little_endian else ">"
    if vr in _NUMBERS:
        size = struct.calcsize(_NUMBERS[vr])
        numbers = struct.unpack(
            f"{order}{len(value) // size}{_NUMBERS[vr]}", value[: len(value) // size * size]
        )
        return "\\".join(map(str, numbers))
    if vr == "AT":
        pairs = struct.iter_unpack(f"{order}HH", value[: len(value) // 4 * 4])
        return "\\".join(f"{group:04X}{element:04X}" for group, element in pairs)
    if vr in _BINARY:
        return ""
    text = decoded(value, character_set if vr in LOCALISED else b"")
    if vr not in SINGLE_VALUED and "\\" in text:
        return "\\".join(each.rstrip(" \0") for each in text.split("\\"))
    return text.rstrip(" \0")


def encoded_value(
    text: str, vr: str, *, character_set: bytes = b"", little_endian: bool = True
) -> bytes:
    """Encode a text as the value of an element, padded to an even length: the inverse of `value_text`.

    Raises `ValueError` for a text that the VR or the character set cannot represent.
    """
    order = "<" if little_endian else ">"
    if not text:
        return b""
    try:
        if vr in _NUMBERS:
            convert = float if _NUMBERS[vr] in "fd" else int
            numbers = [convert(each) for each in text.split("\\")]
            return struct.pack(f"{order}{len(numbers)}{_NUMBERS[vr]}", *numbers)
        if vr == "AT":
            tags = [int(each, 16) for each in text.split("\\")]
            return b"".join(struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) for tag in tags)
    except struct.error as error:
        raise ValueError(f"{text!r} is not a value of VR {vr}: {error}") from None
    if vr in _BINARY:
        raise ValueError(f"a value of VR {vr} has no text")
    value = _encoded(text, character_set if vr in LOCALISED else b"ISO_IR 6")
    return value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)


def _encoded(text: str, character_set: bytes) -> bytes:
    names = _names(character_set)
    if len(names) == 1 and names[0] in _CODECS:
        return text.encode("ascii" if names[0] in ("", "ISO_IR 6") else _CODECS[names[0]])
    from pydicom import charset  # noqa: PLC0415 - slow to import

    unknown = [name for name in names if name not in charset.python_encoding]
    if unknown:
        raise ValueError(f"unknown character set {unknown[0]!r}")
    encodings = charset.convert_encodings(list(names))
    # Each delimiter resets to the first character set (PS3.5 6.1.2.5.3).
    parts = _DELIMITERS.split(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pydicom replaces characters it cannot encode, and warns
        try:
            return b"".join(bytes(charset.encode_string(part, encodings)) for part in parts)
        except UserWarning as warning:
            raise ValueError(str(warning)) from None


def decoded(value: bytes, character_set: bytes) -> str:
    """Decode `value`, given the encoded value of its data set's Specific Character Set."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    names = _names(character_set)
    if len(names) == 1 and names[0] in _CODECS:
        return value.decode(_CODECS[names[0]], "replace")
    return _decoded_by_pydicom(value, names)


# Character sets without code extensions (PS3.3 Table C.12-2, C.12-5). Files that declare none mostly contain
# Latin-1.
_CODECS = {
    "": "latin-1",
    "ISO_IR 6": "latin-1",
    "ISO_IR 100": "latin-1",
    "ISO_IR 101": "iso8859-2",
    "ISO_IR 109": "iso8859-3",
    "ISO_IR 110": "iso8859-4",
    "ISO_IR 126": "iso8859-7",
    "ISO_IR 127": "iso8859-6",
    "ISO_IR 138": "iso8859-8",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 148": "iso8859-9",
    "ISO_IR 166": "iso8859-11",
    "ISO_IR 203": "iso8859-15",
    "ISO_IR 192": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}


@lru_cache(maxsize=64)
def _names(character_set: bytes) -> tuple[str, ...]:
    """Split the names, and correct common misspellings: `ISO-IR 100`, `iso 2022 ir 87`."""
    names = character_set.decode("latin-1").upper().split("\\")
    return tuple(
        re.sub("^ISO[-_ ]IR[-_ ]", "ISO_IR ", re.sub("^ISO.2022.IR.", "ISO 2022 IR ", name))
        for name in (name.strip(" \0") for name in names)
    )


def _decoded_by_pydicom(value: bytes, names: tuple[str, ...]) -> str:
    """Decode with code extensions (PS3.5 6.1.2.5)."""
    from pydicom import charset, valuerep  # noqa: PLC0415 - slow to import

    # pydicom would use an unknown name as that of a Python codec, such as `hex`.
    known = [name if name in charset.python_encoding else "" for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid characters become U+FFFD
        text = str(
            charset.decode_bytes(value, charset.convert_encodings(known), valuerep.TEXT_VR_DELIMS)
        )
    return text.replace("\x1b$)A", "")  # pydicom 3.0 does not remove the escapes to ISO-IR 58
