"""Objects made to order from pre-encoded parts: pydicom needs 4 ms for each object.

Objects of one shape differ only in a few texts, including the identifiers. A template has all other
elements, as pydicom wrote them. An object combines these with its identifiers and the elements
ordered.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Final

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dcm.data.text import encoded_value
from harness.corpus.part10 import PREAMBLE_LENGTH, data_set_offset
from harness.corpus.picture import Picture
from harness.corpus.place import Place
from harness.corpus.sample import DESCRIBED, Draft, Sample

SYNTAXES: Final = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_META_GROUP_LENGTH: Final = 12  # bytes of (0002,0000)
# Elements that determine the encoding of others, or from which a sample derives more properties.
_UNSUITABLE: Final = (frozenset(DESCRIBED.values()) - {"Modality"}) | {
    *("SOPClassUID", "SamplesPerPixel", "PlanarConfiguration", "HighBit", "PixelRepresentation"),
    "PixelData",
}
_PLAIN: Final = (str, int, float)
_IDENTIFIERS: Final = (
    *("SOPClassUID", "SOPInstanceUID", "PatientID"),
    *("StudyInstanceUID", "SeriesInstanceUID"),
)


@dataclass(frozen=True)
class Template:
    """The parts of a file that objects of one shape have in common."""

    meta: list[bytes]
    """The file meta information before and after the instance."""
    elements: Mapping[int, bytes]
    """Each encoded element by its tag, in order."""
    explicit: bool
    transfer_syntax: UID
    picture: Picture | None
    identifiers: Mapping[str, Any]
    properties: Mapping[str, Any]

    @classmethod
    def of(cls, draft: Draft) -> "Template":
        """Split what pydicom writes for `draft` into parts."""
        sample = draft.finish("template", "template")
        explicit = sample.transfer_syntax == ExplicitVRLittleEndian
        meta = sample.data[PREAMBLE_LENGTH + 4 + _META_GROUP_LENGTH : data_set_offset(sample.data)]
        return cls(
            meta.split(_meta_instance(sample.sop_instance_uid)),
            {int(each.tag): _written(each, explicit) for each in draft.dataset},
            explicit,
            sample.transfer_syntax,
            sample.picture,
            {each: draft.dataset[each].value for each in _IDENTIFIERS},
            sample.properties,
        )

    def finish(self, name: str, place: Place, elements: Mapping[str, Any]) -> Sample:
        """Build an object at its place, with these elements."""
        texts = place.texts()
        parts = dict(self.elements)
        for keyword, text in texts.items():
            if keyword not in elements and _tag(keyword) in parts:
                parts[_tag(keyword)] = _text(keyword, text, self.explicit)
        for keyword, value in elements.items():
            given = tuple(value) if isinstance(value, list) else value
            parts[_tag(keyword)] = _encoded(keyword, given, repr(given), self.explicit)
        identifiers = {
            each: elements.get(each, texts.get(each, self.identifiers[each]))
            for each in _IDENTIFIERS
        }
        meta = _meta_instance(identifiers["SOPInstanceUID"]).join(self.meta)
        head = struct.pack("<128x4sHH2sHI", b"DICM", 2, 0, b"UL", 4, len(meta))
        data = b"".join((head, meta, *(parts[tag] for tag in sorted(parts))))
        properties = self.properties
        if "Modality" in elements:
            properties = MappingProxyType({**properties, "modality": str(elements["Modality"])})
        return Sample(
            name, "made to order", data, self.transfer_syntax, identifiers, self.picture, properties
        )


def suits(elements: Mapping[str, Any]) -> bool:
    """Return whether elements can be encoded one by one, independently of the others."""
    return all(map(_is_plain, elements, elements.values()))


@lru_cache(maxsize=256)
def template(make: Callable[..., Draft], *shape: object) -> Template:
    """Return the template for the shape of the draft that `make` returns, made once."""
    return Template.of(make(*shape))


def _is_plain(keyword: str, value: object) -> bool:
    several = value if isinstance(value, list) else (value,)
    return (
        keyword not in _UNSUITABLE
        and len(_vr(keyword)) == 2
        and _vr(keyword) != "SQ"
        and all(type(each) in _PLAIN or each is None for each in several)
        and all(each.isascii() for each in several if isinstance(each, str))
    )


@cache
def _tag(keyword: str) -> int:
    return tag_for_keyword(keyword) or 0


@cache
def _vr(keyword: str) -> str:
    """Return the VR of a keyword: "" if it is unknown, longer if it depends on other elements."""
    tag = tag_for_keyword(keyword)
    return "" if tag is None else dictionary_VR(tag)


@lru_cache(maxsize=1024)
def _encoded(keyword: str, value: object, _key: str, explicit: bool) -> bytes:
    """Encode one element as pydicom does. `_key` distinguishes equal values: 0.0 and -0.0."""
    given = list(value) if isinstance(value, tuple) else value
    return _written(DataElement(_tag(keyword), _vr(keyword), given), explicit)


def _written(element: DataElement, explicit: bool) -> bytes:
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, not explicit
    write_data_element(file, element, ["iso8859"])
    return bytes(file.getvalue())


def _meta_instance(sop_instance_uid: str) -> bytes:
    return _text("MediaStorageSOPInstanceUID", str(sop_instance_uid), explicit=True)


def _text(keyword: str, text: str, explicit: bool) -> bytes:
    """Encode a short text (PS3.5 7.1.2, 7.1.3)."""
    tag, vr = _tag(keyword), _vr(keyword)
    value = encoded_value(text, vr, character_set=b"ISO_IR 6")
    form = (
        struct.pack("<2sH", vr.encode(), len(value)) if explicit else struct.pack("<I", len(value))
    )
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + form + value
