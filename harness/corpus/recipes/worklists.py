"""w01 to w06: worklist items, as files in the format of dcmtk's `wlmscpfs`."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from pydicom.sequence import Sequence

from harness.corpus.maker import worklist_dataset
from harness.corpus.modules import code, override
from harness.corpus.registry import Recipe
from harness.corpus.sample import Draft

# Id, purpose, Patient Name, and the values of the scheduled step.
_WANTED = (
    ("w01", "CT at station ONE on the first of two days",
     "Worklist^One", "CT", "ONE", "20240115", "080000"),
    ("w02", "MR at station TWO on the first of two days",
     "Worklist^Two", "MR", "TWO", "20240115", "103000"),
    ("w03", "CT at station TWO on the second day: the edge of a range",
     "Worklist^Three", "CT", "TWO", "20240116", "235959"),
)  # fmt: skip
_STEP = (
    "Modality",
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
)


def recipes() -> Iterator[Recipe]:
    """Yield the recipes of this group."""
    for number, (id_, purpose, name, *values) in enumerate(_WANTED, start=1):
        step = dict(zip(_STEP, values, strict=True))
        yield Recipe(id_, purpose, partial(_draft, number, {"PatientName": name}, step))
    yield Recipe("w04", "a scheduled step of two protocol items", _two_items)
    japanese = {
        "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    }
    yield Recipe(
        "w05", "a Japanese name, kanji as code extension", partial(_draft, 5, japanese, {})
    )
    yield Recipe("w06", "an element of a private creator in the scheduled step", _private)


def _draft(number: int, elements: dict[str, Any], step: dict[str, Any]) -> Draft:
    ds = worklist_dataset("corpus", f"WORKLIST-{number}", number)
    override(ds, elements)
    first = ds.ScheduledProcedureStepSequence[0]
    override(first, step)
    known = {
        "modality": first.Modality,
        "station": first.ScheduledStationAETitle,
        "date": first.ScheduledProcedureStepStartDate,
        "patient_name": str(ds.PatientName),
        "suffix": ".wl",
    }
    return Draft(ds, known=known)


def _two_items() -> Draft:
    """Return a step with two codes; dcmtk's `wlmscpfs` would ignore a file with two steps."""
    draft = _draft(4, {"PatientName": "Worklist^Four"}, {})
    head, neck = code("HEAD", "99HARNESS", "Head scan"), code("NECK", "99HARNESS", "Neck scan")
    step = draft.dataset.ScheduledProcedureStepSequence[0]
    step.ScheduledProtocolCodeSequence = Sequence([*head, *neck])
    return draft


def _private() -> Draft:
    draft = _draft(6, {"PatientName": "Worklist^Six"}, {})
    step = draft.dataset.ScheduledProcedureStepSequence[0]
    step.private_block(0x0041, "DICOM-HARNESS", create=True).add_new(0x01, "LO", "private value")
    return draft
