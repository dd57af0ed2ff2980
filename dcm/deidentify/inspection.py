"""Inspect an object before it is de-identified, and refuse objects that cannot be."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from dcm.data.dictionary import tag_of, vr_of
from dcm.data.encoding import (
    DEFLATED,
    EXPLICIT,
    NATIVE,
    PIXELS,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
)
from dcm.data.plan import CannotEdit
from dcm.data.source import Source
from dcm.data.text import value_text
from dcm.deidentify.table import OVERLAYS
from dcm.deidentify.values import PDF

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_WANTED: Final = (
    "SpecificCharacterSet", "ImageType", "Modality", "ConversionType", "Manufacturer",
    "ManufacturerModelName", "PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID",
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames",
    "Rows", "Columns", "RecognizableVisualFeatures", "BitsAllocated", "BurnedInAnnotation",
    "LongitudinalTemporalInformationModified", "MIMETypeOfEncapsulatedDocument",
)  # fmt: skip
_BURNED_IN: Final = {
    **dict.fromkeys(("3", "3.1", "6", "6.1", "6.2"), "ultrasound"),
    **dict.fromkeys(("7", "7.1", "7.2", "7.3", "7.4"), "secondary capture"),
    **dict.fromkeys(
        ("77.1.1", "77.1.1.1", "77.1.2.1", "77.1.4", "77.1.4.1"), "photography or video"
    ),
}
"""Kinds of images that often have text or a face in their pixels."""
_SCANNED: Final = frozenset(("DF", "DV", "SD", "SI"))
"""Conversion types of digitised film, video and paper (PS3.3 C.8.6.1)."""
_SLIDES: Final = _STORAGE + "77.1.6"
_SPEECH: Final = frozenset(_STORAGE + each for each in ("9.4.1", "9.4.2"))
_DOCUMENTS: Final = frozenset(
    _STORAGE + each for each in ("104.1", "104.2", "104.3", "104.4", "104.5")
)


class CannotDeidentify(CannotEdit):
    """An object that is refused, since it would still contain identifying data; the message says why."""


class Known(NamedTuple):
    """The inspected values of an object. pixels: the position of the first element of the pixels or after."""

    sop_class: str
    texts: Mapping[str, str]
    overlay_bits: bool
    pixels: int

    def text(self, keyword: str) -> str:
        """Return a value as text."""
        return self.texts.get(keyword, "")

    @property
    def patient(self) -> str:
        """The identity of the patient: the Patient ID, else name and date of birth, else the study."""
        name = self.text("PatientName") + self.text("PatientBirthDate")
        return self.text("PatientID") or name or self.text("StudyInstanceUID")

    @property
    def for_rules(self) -> Mapping[str, str]:
        """The values that rules for regions compare; see `dcm.deidentify.regions`."""
        names = {
            "modality": "Modality", "manufacturer": "Manufacturer", "model": "ManufacturerModelName",
            "rows": "Rows", "columns": "Columns",
        }  # fmt: skip
        return {
            "sop_class": self.sop_class,
            **{name: self.text(keyword) for name, keyword in names.items()},
        }


_TAGS: Final = {tag_of(keyword): keyword for keyword in _WANTED}
_OVERLAY_BITS: Final = {OVERLAYS + number << 16 | 0x0102 for number in range(0, 0x20, 2)}
_ALL: Final = frozenset((*_TAGS, *_OVERLAY_BITS))


def encoding_of(syntax: str) -> Encoding:
    """Return the encoding of data sets of a transfer syntax, after inflating."""
    return EXPLICIT if syntax in DEFLATED else NATIVE.get(syntax, EXPLICIT)


def inspect(source: Source, at: int, syntax: str, sop_class: str) -> Known:
    """Read the needed values, up to the pixels. Raises `CannotDeidentify`."""
    encoding = encoding_of(syntax)
    try:
        found, pixels = Reader(source).collect(at, encoding, _ALL, PIXELS - 1)
    except (MalformedData, TruncatedData, ValueError) as error:
        raise CannotDeidentify(f"the data set cannot be read: {error}") from None
    character_set = found.get(tag_of("SpecificCharacterSet"), (b"", b""))[1]
    texts = {
        _TAGS[tag]: value_text(
            value, vr_of(tag) if vr in (b"", b"UN") else vr.decode(),
            character_set=character_set, little_endian=encoding.little_endian,
        ).strip()
        for tag, (vr, value) in found.items() if tag in _TAGS
    }  # fmt: skip
    bits = any(found[tag][1].strip(b"\0") for tag in _OVERLAY_BITS & found.keys())
    return Known(sop_class, texts, bits, pixels)


def check_kind(known: Known) -> None:
    """Raise `CannotDeidentify` for an object that cannot be de-identified at all."""
    if known.overlay_bits:
        raise CannotDeidentify(
            "an overlay is in unused bits of its pixels (retired in 2004), and would not be removed"
        )
    if known.sop_class in _SPEECH:
        raise CannotDeidentify("it contains sound: a voice and its words cannot be removed")
    if known.sop_class in _DOCUMENTS and known.text("MIMETypeOfEncapsulatedDocument") != PDF:
        raise CannotDeidentify(
            "it encapsulates a document that is not PDF, which cannot be replaced by an empty one"
        )


def burned_in(known: Known) -> str:
    """Return why an object may have burned-in text; empty if nothing indicates it."""
    said = known.text("BurnedInAnnotation").upper()
    if said == "YES":
        return "it declares burned-in text in its pixels"
    if said == "NO" or not known.text("Rows"):
        return ""
    kind = _BURNED_IN.get(known.sop_class.removeprefix(_STORAGE), "")
    image_type = known.text("ImageType").upper().split("\\")
    reasons = {
        f"images of this kind ({kind}) often have text or a face in their pixels": bool(kind),
        "it was digitised from film, paper or video, which often contain text": (
            known.text("ConversionType").upper() in _SCANNED
        ),
        "it shows the label of a slide": (
            known.sop_class == _SLIDES and bool({"LABEL", "OVERVIEW"} & {*image_type})
        ),
        "it is a copy of a screen, which often contains text": (
            any("SCREEN" in part for part in image_type)
        ),
    }
    return next((words for words, holds in reasons.items() if holds), "")
