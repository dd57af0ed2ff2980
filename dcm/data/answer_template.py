"""Encode the answers to a query many times faster than one by one, since nearly all are short ASCII texts.

template = Template.of({"QueryRetrieveLevel": "STUDY"}, ["PatientName", "StudyInstanceUID"], syntax)
data = template.fill({"PatientName": "Muller^Anna", "StudyInstanceUID": "1.2.3"})
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Final, Self

from dcm.data.dictionary import tag_of, vr_of
from dcm.data.encoding import EXPLICIT, IMPLICIT, NATIVE
from dcm.data.match import Attributes, Value

_SHORT_TEXTS: Final = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI")
)
"""VRs of text whose length has 16 bits in explicit VR (PS3.5 7.1.2)."""
_LONGEST: Final = 0xFFFE
_LENGTHS: Final = {EXPLICIT: struct.Struct("<H"), IMPLICIT: struct.Struct("<I")}


class Template:
    """The encoded elements of an answer, except for the lengths and values that change."""

    def __init__(
        self, lengths: struct.Struct, elements: Sequence[tuple[bytes, str, bytes]], end: bytes
    ) -> None:
        """Create it from the bytes before each length, and the keyword and padding of the following value."""
        self._pack: Final = lengths.pack
        self._elements: Final = elements
        self._end: Final = end

    @classmethod
    def of(
        cls, constant: Mapping[str, Value], keywords: Sequence[str], transfer_syntax_uid: str
    ) -> Self | None:
        """Return the template for answers with these values and attributes; None if that is impossible."""
        encoding = NATIVE.get(transfer_syntax_uid)
        names = sorted({*constant, *keywords}, key=tag_of)
        if encoding not in _LENGTHS or any(vr_of(name) not in _SHORT_TEXTS for name in names):
            return None
        lengths = _LENGTHS[encoding]
        elements: list[tuple[bytes, str, bytes]] = []
        before = b""
        for name in names:
            tag, vr = tag_of(name), vr_of(name).encode()
            before += struct.pack("<HH", tag >> 16, tag & 0xFFFF)
            before += vr if encoding is EXPLICIT else b""
            padding = b"\0" if vr == b"UI" else b" "
            if name not in constant:
                elements.append((before, name, padding))
                before = b""
                continue
            value = str(constant[name]).encode("ascii")
            value += padding * (len(value) % 2)
            before += lengths.pack(len(value)) + value
        return cls(lengths, elements, before)

    def fill(self, answer: Attributes) -> bytes | None:
        """Encode an answer; None if it has a value that is not a short ASCII text."""
        parts: list[bytes] = []
        for before, name, padding in self._elements:
            text = answer.get(name, "")
            if not isinstance(text, str) or not text.isascii() or len(text) > _LONGEST:
                return None
            value = text.encode()
            if len(value) % 2:
                value += padding
            parts += (before, self._pack(len(value)), value)
        parts.append(self._end)
        return b"".join(parts)
