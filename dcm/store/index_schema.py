"""The contents of an index, and the tables that hold them.

A row of `patient`, `study` and `series` is a set of values that instances have in common. If the
instances of one study differ in its description, the study has two rows. Each is found by its own
values, and none depends on the order in which files were read.

`entity` identifies the subject of a row by its unique keys, from the patient down: 8 bytes for each
level, so everything in a study begins with the bytes of the study. `variant` distinguishes rows of
one entity, and `parent` is the variant of the row above.
"""

from typing import Final

from dcm.data.dictionary import tag_of, vr_of
from dcm.data.levels import Level

VERSION: Final = 2
"""Written into each index; an index of another version is recreated."""
APPLICATION_ID: Final = 0x64636D69  # "dcmi"

TABLES: Final = ("patient", "study", "series", "file")
"""The table of each level."""

ATTRIBUTES: Final[tuple[tuple[str, ...], ...]] = (
    (
        "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "IssuerOfPatientID",
        "PatientBirthTime", "OtherPatientIDs", "OtherPatientNames", "EthnicGroup", "PatientComments",
    ),
    (
        "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription",
        "ReferringPhysicianName", "NameOfPhysiciansReadingStudy", "AdmittingDiagnosesDescription",
        "PatientAge", "PatientSize", "PatientWeight", "Occupation", "AdditionalPatientHistory",
    ),
    (
        "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "SeriesDate", "SeriesTime",
        "BodyPartExamined", "ProtocolName", "Laterality", "PerformingPhysicianName", "OperatorsName",
        "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "FrameOfReferenceUID",
        "Manufacturer", "InstitutionName", "StationName", "ManufacturerModelName",
    ),
    (
        "SOPInstanceUID", "SOPClassUID", "TransferSyntaxUID", "InstanceNumber", "ImageType",
        "AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime",
        "AcquisitionDateTime", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored",
        "PhotometricInterpretation", "SamplesPerPixel", "PixelRepresentation", "TimezoneOffsetFromUTC",
    ),
)  # fmt: skip
"""The attributes of each level (PS3.4 C.6), the unique key first; files have the others."""

SEARCHED: Final[tuple[tuple[str, ...], ...]] = (
    ("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    (
        "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription",
        "ReferringPhysicianName",
    ),
    (
        "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "SeriesDate",
        "BodyPartExamined", "ProtocolName",
    ),
    ("SOPInstanceUID", "SOPClassUID", "InstanceNumber"),
)  # fmt: skip
"""The attributes that have a column, filled by `dcm.store.index_values.column`."""

PLACE_OF: Final = {
    keyword: (Level(level), place)
    for level, keywords in enumerate(ATTRIBUTES)
    for place, keyword in enumerate(keywords)
}
"""Level and position of each attribute."""
COLUMNS: Final = {
    keyword: f"{TABLES[level]}.{keyword}"
    for level, keywords in enumerate(SEARCHED)
    for keyword in keywords
}
"""The columns, by attribute."""

_OF_HEADER: Final = frozenset(("SOPInstanceUID", "SOPClassUID", "TransferSyntaxUID"))
"""Attributes that are fields of a header, not elements to request."""
READ: Final = tuple(
    tuple((tag_of(each), vr_of(each)) for each in keywords if each not in _OF_HEADER)
    for keywords in ATTRIBUTES
)
"""The tags and VRs that are read from files for each level."""

_INDEXED: Final = frozenset((
    "PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "AccessionNumber", "SeriesInstanceUID",
    "SOPInstanceUID", "Modality",
))  # fmt: skip
"""The columns that have an index."""


def _table(level: int) -> str:
    columns = ", ".join(SEARCHED[level])
    if level == Level.IMAGE:
        return f"""
            CREATE TABLE file (
                id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, name BLOB NOT NULL,
                size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, damaged INTEGER NOT NULL,
                words TEXT NOT NULL, offset INTEGER, checksum BLOB,
                entity BLOB, variant INTEGER, parent INTEGER, attributes TEXT, {columns});
            CREATE UNIQUE INDEX file_name ON file (folder, name);
            CREATE INDEX file_entity ON file (entity, parent) WHERE entity IS NOT NULL;
            CREATE INDEX file_words ON file (damaged) WHERE words <> '';
            CREATE INDEX file_uid ON file (SOPInstanceUID) WHERE entity IS NOT NULL;
            """
    name = TABLES[level]
    return f"""
        CREATE TABLE {name} (
            entity BLOB NOT NULL, variant INTEGER NOT NULL, parent INTEGER NOT NULL,
            attributes TEXT NOT NULL, {columns}, PRIMARY KEY (entity, variant)) WITHOUT ROWID;
        """ + "".join(
        f"CREATE INDEX {name}_{each} ON {name} ({each}, entity, variant, parent);\n"
        for each in SEARCHED[level]
        if each in _INDEXED
    )


def _orphans(level: int) -> str:
    """Return a trigger that removes a row when the last row below it is removed."""
    below, name = TABLES[level + 1], TABLES[level]
    size = 8 * (level + 1)
    above = f"substr(old.entity, 1, {size})"
    return f"""
        CREATE TRIGGER {below}_removed AFTER DELETE ON {below}
        WHEN old.entity IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM {below} WHERE parent = old.parent AND entity >= {above}
            AND entity < CAST({above} || x'ffffffffffffffffff' AS BLOB))
        BEGIN DELETE FROM {name} WHERE entity = {above} AND variant = old.parent; END;
        """


SCHEMA: Final = (
    "CREATE TABLE folder (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);"
    + "".join(map(_table, Level))
    + "".join(map(_orphans, (0, 1, 2)))
)
"""The statements that create the tables."""
