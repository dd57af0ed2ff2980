"""The keys of queries that are tried, as PS3.4 lists them for each level (C.6.1.1, C.6.2.1, K.6.1.2.2)."""

from typing import Literal

Kind = Literal["unique", "required", "optional"]
Level = Literal["PATIENT", "STUDY", "SERIES", "IMAGE"]

LEVELS: dict[str, tuple[Level, ...]] = {
    "patient": ("PATIENT", "STUDY", "SERIES", "IMAGE"),
    "study": ("STUDY", "SERIES", "IMAGE"),
}
UNIQUE: dict[Level, str] = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}

_PATIENT: dict[str, Kind] = {
    "PatientName": "required",
    "PatientID": "unique",
    **dict.fromkeys(
        (
            *("PatientBirthDate", "PatientSex", "OtherPatientIDs", "EthnicGroup"),
            *("PatientComments", "NumberOfPatientRelatedStudies"),
            *("NumberOfPatientRelatedSeries", "NumberOfPatientRelatedInstances"),
        ),
        "optional",
    ),
}
_STUDY: dict[str, Kind] = {
    **dict.fromkeys(("StudyDate", "StudyTime", "AccessionNumber", "StudyID"), "required"),
    "StudyInstanceUID": "unique",
    **dict.fromkeys(
        (
            *("ReferringPhysicianName", "StudyDescription", "ModalitiesInStudy"),
            *("SOPClassesInStudy", "NameOfPhysiciansReadingStudy", "PatientAge", "PatientSize"),
            *("PatientWeight", "InstitutionName"),
            *("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
        ),
        "optional",
    ),
}
_SERIES: dict[str, Kind] = {
    **dict.fromkeys(("Modality", "SeriesNumber"), "required"),
    "SeriesInstanceUID": "unique",
    **dict.fromkeys(
        (
            *("SeriesDescription", "SeriesDate", "SeriesTime", "BodyPartExamined"),
            *("ProtocolName", "OperatorsName", "PerformedProcedureStepStartDate"),
            *("PerformedProcedureStepID", "Manufacturer", "StationName"),
            "NumberOfSeriesRelatedInstances",
        ),
        "optional",
    ),
}
_IMAGE: dict[str, Kind] = {
    "InstanceNumber": "required",
    "SOPInstanceUID": "unique",
    **dict.fromkeys(
        ("SOPClassUID", "ContentDate", "ContentTime", "Rows", "Columns", "BitsAllocated"),
        "optional",
    ),
}
# In the study root the patient stands at the study level, his ID as a required key (PS3.4 C.6.2.1.2).
_STUDY_OF_STUDY_ROOT: dict[str, Kind] = {
    **_STUDY,
    **{name: "required" if kind == "unique" else kind for name, kind in _PATIENT.items()},
}

KEYS: dict[tuple[str, Level], dict[str, Kind]] = {
    ("patient", "PATIENT"): _PATIENT,
    ("patient", "STUDY"): _STUDY,
    ("study", "STUDY"): _STUDY_OF_STUDY_ROOT,
    **{(root, "SERIES"): _SERIES for root in LEVELS},
    **{(root, "IMAGE"): _IMAGE for root in LEVELS},
}

WORKLIST_STEP = (
    *("ScheduledStationAETitle", "ScheduledProcedureStepStartDate"),
    *("ScheduledProcedureStepStartTime", "Modality", "ScheduledPerformingPhysicianName"),
)
WORKLIST: tuple[str, ...] = ("PatientName", "PatientID")
"""The required matching keys of a worklist, those of the step and the others (PS3.4 Table K.6-1)."""

OTHER_VALUES = {
    "AE": "NOWHERE",
    "AS": "001Y",
    "CS": "ZZ",
    "DA": "19010101",
    "DS": "9999",
    "IS": "9999",
    "LO": "NOT THERE",
    "LT": "NOT THERE",
    "PN": "Nobody^Here",
    "SH": "NOT THERE",
    "TM": "000001",
    "UI": "1.2.3.4",
    "US": "9",
}
"""By value representation: what nothing that the probe stores has."""
