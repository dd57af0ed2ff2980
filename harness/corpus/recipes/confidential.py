"""a01 to a03: every attribute in the de-identification table, and objects with references."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from pydicom.dataset import Dataset

from harness.corpus import confidentiality
from harness.corpus.documents import basic_text_sr, key_object
from harness.corpus.modules import ct_image, item, override, secondary_capture
from harness.corpus.picture import Picture, gray
from harness.corpus.place import Place
from harness.corpus.references import (
    presentation_state,
    referring_image,
    segmentation,
    structure_set,
)
from harness.corpus.registry import Recipe
from harness.corpus.sample import Draft

_SCOPE = "corpus"
_STUDY = Place(_SCOPE, "REFERRING", "R1")
_PERSON = {"PatientName": "Romeo^Rita", "PatientSex": "F", "StationName": "STATION"}
_REPORT = "Nothing abnormal."


def recipes() -> Iterator[Recipe]:
    """Yield the recipes of this group."""
    yield Recipe(
        "a01", "every attribute of PS3.15 Table E.1-1, each with a value of its own", _every
    )
    yield Recipe("a02", "the same attributes in an item of a sequence that is not in it", _nested)
    for number in (1, 2):
        purpose = f"CT {number} of 2, which refers to objects that are nowhere"
        yield Recipe(f"a03-ct-{number}", purpose, partial(_ct, number))
    for series, name, purpose, kind in (
        ("2", "sr", "Basic Text SR", partial(_document, basic_text_sr)),
        ("3", "ko", "Key Object Selection", partial(_document, key_object)),
        ("4", "pr", "Grayscale Softcopy Presentation State", presentation_state),
        ("5", "seg", "Segmentation", segmentation),
        ("6", "rtstruct", "RT Structure Set", structure_set),
    ):
        made = partial(_referring, kind, series)
        yield Recipe(f"a03-{name}", f"{purpose} of both CT of its study", made)


def _every() -> Draft:
    ds = secondary_capture(Place(_SCOPE, "EVERY"))
    confidentiality.fill(ds, _SCOPE)
    return Draft(ds, picture=Picture((gray(1),), bits_stored=12))


def _nested() -> Draft:
    ds = secondary_capture(Place(_SCOPE, "NESTED"))
    inner = item(Modality="OT", PatientName=_PERSON["PatientName"])
    confidentiality.fill(inner, _SCOPE)
    ds.ReferencedInstanceSequence = [item(CodeMeaning="before"), inner]
    return Draft(ds, picture=Picture((gray(1),), bits_stored=12))


def _image(number: int) -> Dataset:
    ds = ct_image(replace(_STUDY, number=number))
    override(ds, _PERSON)
    referring_image(ds, _SCOPE)
    return ds


def _ct(number: int) -> Draft:
    return Draft(_image(number), picture=Picture((gray(number),), bits_stored=12))


def _document(
    kind: Callable[[Place, str, list[Dataset]], Dataset], place: Place, images: list[Dataset]
) -> Dataset:
    return kind(place, _REPORT, images)


def _referring(kind: Callable[[Place, list[Dataset]], Dataset], series: str) -> Draft:
    ds = kind(replace(_STUDY, series=series), [_image(1), _image(2)])
    override(ds, _PERSON)
    return Draft(ds)
