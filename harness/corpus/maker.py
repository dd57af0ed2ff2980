"""Objects made to order: any element can be given; the others get valid values."""

import hashlib
from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from harness.corpus import modules
from harness.corpus.picture import Picture, gray
from harness.corpus.place import Place, uid
from harness.corpus.sample import Draft, Sample
from harness.corpus.template import SYNTAXES, suits, template
from harness.errors import CorpusError

_OBJECTS = {"CT": modules.ct_image, "MR": modules.mr_image}

# Elements of a worklist item that belong in its Scheduled Procedure Step (PS3.3 C.4.10).
_STEP_KEYWORDS = {
    "Modality", "PreMedication", "RequestedContrastAgent", "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription", "ScheduledProcedureStepEndDate", "ScheduledProcedureStepEndTime",
    "ScheduledProcedureStepID", "ScheduledProcedureStepLocation", "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime", "ScheduledProcedureStepStatus", "ScheduledProtocolCodeSequence",
    "ScheduledStationAETitle", "ScheduledStationName",
}  # fmt: skip


class Maker:
    """Makes objects whose UIDs derive from a scope: two scopes never share a patient or a UID."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    def instance(
        self,
        *,
        study: str = "1",
        series: str = "1",
        number: int = 1,
        pixels: bool = True,
        rows: int = 16,
        columns: int = 16,
        transfer_syntax: str = ExplicitVRLittleEndian,
        character_set: str | None = None,
        **elements: Any,
    ) -> Sample:
        """Make one object: a CT, an MR, or a Secondary Capture for any other Modality.

        The UIDs derive from scope, patient, study, series and number, so the same call yields the
        same bytes. The patient is the Patient ID; without one, each Patient Name gets its own.
        Non-ASCII text is written as UTF-8 unless `character_set` names another set (values
        separated by a backslash).
        """
        patient_id = elements.setdefault("PatientID", self._patient_id(elements))
        place = Place(self.scope, str(patient_id), study, series, number)
        modality = str(elements.get("Modality", "CT"))
        name = "/".join((self.scope, str(patient_id), study, series, str(number)))
        shape = (modality, transfer_syntax, rows if pixels else 0, columns if pixels else 0)
        if transfer_syntax in SYNTAXES and character_set is None and suits(elements):
            made = template(_draft, Place("", "", number=number), *shape)
            return made.finish(name, place, elements)
        draft = _draft(place, *shape)
        _set_character_set(draft.dataset, character_set, elements)
        modules.override(draft.dataset, elements)
        return draft.finish(name, "made to order")

    def image(
        self,
        picture: Picture,
        *,
        number: int = 1,
        transfer_syntax: str = ExplicitVRLittleEndian,
        frames: Sequence[bytes] = (),
        **elements: Any,
    ) -> Sample:
        """Make a Secondary Capture of the picture, in any combination of bits, colours and frames.

        It is native, RLE, or has the compressed `frames`. Elements that describe the picture, such
        as HighBit, are written as given; the caller decides whether the object is valid.
        """
        patient_id = str(elements.setdefault("PatientID", self.scope))
        ds = modules.secondary_capture(Place(self.scope, patient_id, "1", "1", number))
        syntax = UID(transfer_syntax)
        pixel_data = encapsulate(list(frames)) if frames else _compressed(picture, syntax)
        draft = Draft(ds, syntax, picture, pixel_data, elements=elements)
        return draft.finish(f"{self.scope}/{patient_id}/image/{number}", "made to order")

    def study(self, *, series: int = 1, instances: int = 1, **elements: Any) -> tuple[Sample, ...]:
        """Make a study with `series` series of `instances` each; the rest is as for `instance`."""
        return tuple(
            self.instance(series=str(one), number=number, **dict(elements))
            for one in range(1, series + 1)
            for number in range(1, instances + 1)
        )

    def worklist_item(
        self, *, number: int = 1, character_set: str | None = None, **elements: Any
    ) -> bytes:
        """Make a worklist item as a Part 10 file, in the format of dcmtk's `wlmscpfs`.

        Elements of the Scheduled Procedure Step (`Modality`, `ScheduledStationAETitle`, ...) go
        into its item, all others into the data set itself.
        """
        patient_id = str(elements.setdefault("PatientID", self._patient_id(elements)))
        ds = worklist_dataset(self.scope, patient_id, number)
        _set_character_set(ds, character_set, elements)
        step = ds.ScheduledProcedureStepSequence[0]
        modules.override(step, {k: v for k, v in elements.items() if k in _STEP_KEYWORDS})
        modules.override(ds, {k: v for k, v in elements.items() if k not in _STEP_KEYWORDS})
        return Draft(ds).finish(f"{self.scope}/{patient_id}/{number}", "made to order").data

    def _patient_id(self, elements: dict[str, Any]) -> str:
        """Return a separate patient for each name, so that studies of two names do not collide."""
        if "PatientName" not in elements:
            return self.scope
        digest = hashlib.sha256(str(elements["PatientName"]).encode()).hexdigest()
        return f"{self.scope}-{digest[:6]}"


def _draft(place: Place, modality: str, transfer_syntax: str, rows: int, columns: int) -> Draft:
    """Return the draft of an object with default elements; without pixels if `rows` is 0."""
    ds = _OBJECTS[modality](place) if modality in _OBJECTS else modules.secondary_capture(place)
    picture = Picture((gray(place.number, rows, columns),), bits_stored=12) if rows else None
    return Draft(ds, transfer_syntax, picture, _compressed(picture, UID(transfer_syntax)))


def worklist_dataset(scope: str, patient_id: str, number: int) -> Dataset:
    """Return a worklist item with one Scheduled Procedure Step: a CT on the fixed date.

    PS3.4 K.6.1.2.2
    """
    study_instance_uid = uid(scope, "worklist", patient_id, number)
    ds = Dataset()
    ds.AccessionNumber = "W" + study_instance_uid[-10:]
    ds.ReferringPhysicianName = "Referring^Physician"
    ds.ReferencedStudySequence = ds.ReferencedPatientSequence = []
    ds.PatientName = "Worklist^Item"
    ds.PatientID = patient_id
    ds.PatientBirthDate = "19700102"
    ds.PatientSex = "O"
    ds.StudyInstanceUID = study_instance_uid
    ds.RequestingPhysician = "Requesting^Physician"
    ds.RequestedProcedureDescription = "Requested procedure"
    ds.AdmissionID = None
    ds.RequestedProcedureID = f"RP{number}"
    ds.RequestedProcedurePriority = "ROUTINE"
    step = modules.item(
        Modality="CT",
        ScheduledStationAETitle="STATION",
        ScheduledStationName="Station",
        ScheduledProcedureStepStartDate=modules.DATE,
        ScheduledProcedureStepStartTime=modules.TIME,
        ScheduledPerformingPhysicianName="Performing^Physician",
        ScheduledProcedureStepDescription="Scheduled step",
        ScheduledProcedureStepID=f"SPS{number}",
        ScheduledProcedureStepLocation="Room 1",
    )
    ds.ScheduledProcedureStepSequence = [step]
    return ds


def _set_character_set(ds: Dataset, character_set: str | None, elements: dict[str, Any]) -> None:
    beyond_ascii = any(isinstance(v, str) and not v.isascii() for v in elements.values())
    if character_set is not None:
        ds.SpecificCharacterSet = character_set.split("\\")
    elif beyond_ascii and "SpecificCharacterSet" not in elements:
        ds.SpecificCharacterSet = "ISO_IR 192"


def _compressed(picture: Picture | None, transfer_syntax: UID) -> bytes | None:
    """Compress with RLE, the only encoder in pydicom itself; refuse other compressions."""
    if picture is None or not transfer_syntax.is_encapsulated:
        return None
    if transfer_syntax != RLELossless:
        raise CorpusError(
            f"objects made to order are not compressed with {transfer_syntax.name}; "
            "the corpus has a sample for it: see its pixel samples (p...)"
        )
    return bytes(encapsulate(picture.rle()))
