"""The objects that a probe stores: small, always the same, and patients and UIDs are its own."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydicom.uid import UID

from harness.capability.known_classes import sop_classes
from harness.corpus import Maker, Sample, corpus
from harness.corpus.modules import code
from harness.corpus.part10 import part10
from harness.corpus.place import uid

SCOPE = "HARNESS-PROBE"
_MAKER = Maker(SCOPE)

ANNA: dict[str, Any] = {
    "PatientName": "Probe^Anna",
    "PatientID": f"{SCOPE}-A",
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "PatientComments": "Probe comment",
    "EthnicGroup": "Probe group",
    "OtherPatientIDs": "PROBE-OTHER",
    "PatientAge": "054Y",
    "PatientSize": "1.7",
    "PatientWeight": "70",
    "StudyDate": "20240115",
    "StudyTime": "101500",
    "AccessionNumber": "PROBEACC1",
    "StudyID": "PROBE1",
    "StudyDescription": "Probe study",
    "ReferringPhysicianName": "Referring^Physician",
    "NameOfPhysiciansReadingStudy": "Reading^Physician",
    "InstitutionName": "Probe institution",
    "StationName": "PROBESTATION",
    "SeriesDate": "20240115",
    "SeriesTime": "101600",
    "ProtocolName": "Probe protocol",
    "OperatorsName": "Operating^Person",
    "PerformedProcedureStepStartDate": "20240115",
    "PerformedProcedureStepStartTime": "101600",
    "PerformedProcedureStepID": "PPS1",
    "Manufacturer": "Probe maker",
    "BodyPartExamined": "CHEST",
    "ContentDate": "20240115",
    "ContentTime": "101700",
}
"""What can be asked for of the study that queries look at."""


@cache
def study() -> tuple[Sample, ...]:
    """Return the study that queries look at: two CT images in one series, an MR image in another."""
    return tuple(
        _MAKER.instance(
            series=series,
            number=number,
            Modality=modality,
            SeriesDescription=f"Probe series {series}",
            ProcedureCodeSequence=code("PROBE", "99HARNESS", "A probe"),
            **ANNA,
        )
        for series, number, modality in (("1", 1, "CT"), ("1", 2, "CT"), ("2", 1, "MR"))
    )


@cache
def other_study() -> Sample:
    """Return a study of somebody else, which no query of the probe is to find unasked."""
    return _MAKER.instance(
        PatientName="Probe^Bob", PatientID=f"{SCOPE}-B", StudyDate="20240220", StudyTime="161500"
    )


@cache
def by_class() -> dict[str, Sample]:
    """Return whole objects of the corpus by SOP class, made the probe's own."""
    names = (
        "h01-ct-1-1",
        "h02-mr-1",
        "p02",
        "p13-offsets",
        "m01-native",
        "m07",
        "h03-sr",
        "h03-ko",
    )
    return {str(corpus[name].sop_class_uid): own(corpus[name]) for name in names}


@cache
def by_syntax() -> dict[str, Sample]:
    """Return one object of the corpus for each transfer syntax that it has, made the probe's own."""
    found: dict[str, Sample] = {}
    for name in corpus.ids():
        if name.startswith(("p", "m")):
            found.setdefault(str(corpus[name].transfer_syntax), own(corpus[name]))
    return found


@cache
def by_character_set() -> dict[str, Sample]:
    """Return one object of the corpus for each Specific Character Set, made the probe's own."""
    found: dict[str, Sample] = {}
    for name in corpus.ids():
        if name.startswith("c"):
            term = str(corpus[name].properties["character_set"])
            found.setdefault(term, own(corpus[name], alone=True))
    return found


def header_only(sop_class: str, transfer_syntax: str) -> Sample:
    """Return an object of any class that has only the modules of all objects (PS3.3 C.7, C.12.1)."""
    return _MAKER.instance(
        study="classes",
        series="1",
        number=sop_classes().index(sop_class) + 1,
        pixels=False,
        transfer_syntax=transfer_syntax,
        Modality="OT",
        PatientName="Probe^Classes",
        PatientID=f"{SCOPE}-C",
        SOPClassUID=UID(sop_class),
    )


def own(sample: Sample, *, alone: bool = False) -> Sample:
    """Return a sample with another patient ID and other UIDs: a user's own copy of the corpus is left alone.

    `alone`: in a study of its own, of a patient of its own; else all are in one.
    """
    study_name = sample.id if alone else "corpus"
    dataset = sample.dataset()
    dataset.PatientID = f"{SCOPE}-{study_name}"
    dataset.StudyInstanceUID = uid(SCOPE, "study", study_name)
    dataset.SeriesInstanceUID = uid(SCOPE, "series", sample.id)
    dataset.SOPInstanceUID = uid(SCOPE, "instance", sample.id)
    data = part10(
        dataset,
        sample.transfer_syntax,
        sop_class=sample.sop_class_uid,
        sop_instance=dataset.SOPInstanceUID,
    )
    return Sample(
        sample.id, sample.purpose, data, sample.transfer_syntax, dataset, None, sample.properties
    )


def all_of(classes: dict[str, str]) -> Iterator[Sample]:
    """Return an object for each of these SOP classes, a whole one where the corpus has it.

    `classes` are the accepted transfer syntaxes by class; what is accepted compressed only is left out.
    """
    whole = by_class()
    for sop_class, transfer_syntax in classes.items():
        if sop_class in whole:
            yield whole[sop_class]
        elif (
            transfer_syntax.startswith("1.2.840.10008.1.2")
            and not UID(transfer_syntax).is_encapsulated
        ):
            yield header_only(sop_class, transfer_syntax)
