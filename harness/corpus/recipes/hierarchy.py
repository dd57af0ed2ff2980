"""h01 to h10: patients, studies, series and instances, and their collisions."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from pydicom.dataset import Dataset

from harness.corpus.documents import basic_text_sr, key_object
from harness.corpus.modules import ct_image, mr_image, override
from harness.corpus.picture import Picture, gray
from harness.corpus.place import Place
from harness.corpus.registry import Recipe
from harness.corpus.sample import Draft

CORPUS = "corpus"
PATIENT_A = Place(CORPUS, "HIER-A", "A1")
PATIENT_B = Place(CORPUS, "HIER-B", "B1")
_A = {"PatientName": "Alpha^Anna", "PatientSex": "F"}
_B = {"PatientName": "Bravo^Bob", "PatientSex": "M"}


def recipes() -> Iterator[Recipe]:
    """Yield the recipes of this group."""
    for series in (1, 2):
        for number in (1, 2, 3):
            place = replace(PATIENT_A, series=str(series), number=number)
            purpose = f"patient A, study 1: CT series {series} of 2, instance {number} of 3"
            yield Recipe(f"h01-ct-{series}-{number}", purpose, _image(ct_image, place, _A))
    for number in range(1, 6):
        place = replace(PATIENT_A, study="A2", number=number)
        purpose = f"patient A, study 2: MR, instance {number} of 5"
        yield Recipe(f"h02-mr-{number}", purpose, _image(mr_image, place, _A))
    yield from _referring_study()
    yield from _collisions()
    for number in range(1, 61):
        place = Place(CORPUS, "HIER-MANY", "P1", number=number)
        purpose = f"one series of many: instance {number} of 60, for answers in pages"
        yield Recipe(f"h08-ct-{number:03}", purpose, _image(ct_image, place, {}, size=8))
    for number in (1, 2, 3):
        place = Place(CORPUS, "HIER-ACC", f"ACC{number}")
        purpose = f"three studies with one Accession Number: study {number}"
        shared = {"AccessionNumber": "SHARED-ACC"}
        yield Recipe(f"h09-ct-{number}", purpose, _image(ct_image, place, shared))


def _referring_study() -> Iterator[Recipe]:
    """h03: a report and a key object that refer to the CT in their study."""
    yield Recipe(
        "h03-ct", "patient B: the CT to which the others refer", _image(ct_image, PATIENT_B, _B)
    )
    for id_, kind, series, text, purpose in (
        ("h03-sr", basic_text_sr, "2", "Nothing abnormal.", "Basic Text SR"),
        ("h03-ko", key_object, "3", "Look at this one.", "Key Object Selection"),
    ):
        draft = partial(_referring, kind, replace(PATIENT_B, series=series), text)
        yield Recipe(id_, f"patient B: {purpose} that refers to the CT", draft)


def _referring(
    kind: Callable[[Place, str, list[Dataset]], Dataset], place: Place, text: str
) -> Draft:
    ds = kind(place, text, [_dataset(ct_image, PATIENT_B, _B)])
    override(ds, _B)
    return Draft(ds)


def _collisions() -> Iterator[Recipe]:
    """h05, h10: objects that share an identifier although they differ."""
    for name, person in (("first", "Collision^First"), ("second", "Collision^Second")):
        place = Place(CORPUS, "HIER-SAME-ID", f"C-{name}")
        purpose = f"the same Patient ID under two names: the {name}"
        yield Recipe(f"h05-ct-{name}", purpose, _image(ct_image, place, {"PatientName": person}))
    for name, ink in (("first", 1), ("second", 2)):
        place = Place(CORPUS, "HIER-SAME-UID", "D1")
        purpose = f"the same SOP Instance UID with two contents: the {name}"
        changed = {"SeriesDescription": f"The {name} content"}
        yield Recipe(f"h10-ct-{name}", purpose, _image(ct_image, place, changed, ink=ink))


def _dataset(kind: Callable[[Place], Dataset], place: Place, elements: dict[str, Any]) -> Dataset:
    ds = kind(place)
    override(ds, elements)
    return ds


def _image(
    kind: Callable[[Place], Dataset],
    place: Place,
    elements: dict[str, Any],
    *,
    size: int = 16,
    ink: int | None = None,
) -> Callable[[], Draft]:
    """Return the draft of a 12-bit image with its instance number, or `ink`, written on it."""

    def draft() -> Draft:
        number = place.number if ink is None else ink
        picture = Picture((gray(number, size, size),), bits_stored=12)
        return Draft(_dataset(kind, place, elements), picture=picture)

    return draft
