"""The plan of a query: a list of steps, one for each level to query (PS3.4 C.4.1.2, C.6).

A plan depends only on the keys, the level and the abilities of the archive; nothing is sent here.
"""

from collections.abc import Mapping
from typing import Final, Self

from dcm.data.dictionary import level_of
from dcm.data.levels import Level
from dcm.data.match import Attributes, Value, limiting, limits
from dcm.frozen import Frozen

RETURNED: Final[Mapping[Level, tuple[str, ...]]] = {
    Level.PATIENT: (
        "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries", "NumberOfPatientRelatedInstances",
    ),
    Level.STUDY: (
        "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription",
        "ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription",
        "NumberOfSeriesRelatedInstances",
    ),
    Level.IMAGE: ("SOPInstanceUID", "SOPClassUID", "InstanceNumber"),
}  # fmt: skip
"""Attributes that are always requested: unique and required keys, and those shown in a tree."""

OF_PATIENT_IN_STUDY: Final = RETURNED[Level.PATIENT][:4]
"""Attributes of the patient, which belong to the study in the STUDY root model (C.6.2.1.2)."""

BELOW: Final[Mapping[str, str]] = {
    "ModalitiesInStudy": "Modality",
    "SOPClassesInStudy": "SOPClassUID",
}
"""Keys that collect values of a lower level, which is queried instead if a server does not support them."""

REQUIRED: Final = frozenset((
    "PatientName", "PatientID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyInstanceUID",
    "Modality", "SeriesNumber", "SeriesInstanceUID", "InstanceNumber", "SOPInstanceUID",
))  # fmt: skip
"""Keys that every archive must match (C.6.1.1, C.6.2.1)."""


class Step(Frozen):
    """A C-FIND at one level, sent once below each parent.

    asked: the keys of the level. wanted: the keys that limit the answers.
    returned: attributes that are requested without limiting the answers. with_patient_id: whether the Patient
    ID of the parent is a key here: in the STUDY root model, the patient belongs to the study instead of being
    a level above it.
    """

    level: Level
    asked: Attributes
    wanted: Attributes
    returned: tuple[str, ...]
    with_patient_id: bool

    def identifier(self, parents: Mapping[str, str], uid: str | None = None) -> dict[str, Value]:
        """Return the identifier below a parent, given by its unique keys from the root down."""
        found: dict[str, Value] = {
            "QueryRetrieveLevel": self.level.name,
            **dict.fromkeys(self.returned, ""),
            **self.asked,
            **self.of_parents(parents),
        }
        if uid is not None:
            found[self.level.unique_key] = uid
        return found

    def of_parents(self, parents: Mapping[str, str]) -> dict[str, str]:
        """Return the unique keys of the parents to be sent."""
        return {
            name: value
            for name, value in parents.items()
            if name != "PatientID" or self.with_patient_id
        }


class QueryPlan(Frozen):
    """A query, split by levels.

    level: the level of the results. deepest: the lowest level of the keys; matches there lead back up.
    keys: by the level at which they are queried; those that belong to no level are at `level`.
    """

    level: Level
    deepest: Level
    keys: Mapping[Level, Attributes]

    @classmethod
    def of(cls, query: Attributes, level: Level | None, least: Level | None = None) -> Self:
        """Split the keys of a query by level; without `level` they determine it, but not above `least`."""
        named = {**query}
        stated = named.pop("QueryRetrieveLevel", "")
        if level is None and isinstance(stated, str) and stated:
            level = Level.named(stated)
        if level is None:
            levels = [found for name in named if (found := level_of(name)) is not None]
            level = max([*levels, *([] if least is None else [least])], default=Level.STUDY)
        keys: dict[Level, dict[str, Value]] = {each: {} for each in Level}
        for name, value in named.items():
            at = level_of(name)
            if at is None or at <= level or limits(value):
                keys[level if at is None else at][name] = value
        return cls(level, max([level, *(each for each in Level if keys[each])]), keys)

    def without(self, keyword: str) -> Self | None:
        """Return a plan that queries the level below instead of a key that a server ignores, if possible."""
        below = BELOW.get(keyword)
        if below is None:
            return None
        query = {name: value for keys in self.keys.values() for name, value in keys.items()}
        value = query.pop(keyword)
        return (
            None if limits(query.get(below, "")) else self.of({**query, below: value}, self.level)
        )

    def steps(self, *, study_root: bool) -> list[Step]:
        """Return the steps from the root of an information model down to the lowest level of the keys."""
        top = Level.STUDY if study_root else Level.PATIENT
        deepest = max(self.deepest, top)
        return [
            self._step(level, study_root=study_root) for level in Level if top <= level <= deepest
        ]

    def _step(self, level: Level, *, study_root: bool) -> Step:
        asked, returned = self.keys[level], RETURNED[level]
        if study_root and level is Level.STUDY:
            asked = {**self.keys[Level.PATIENT], **asked}
            returned = (*OF_PATIENT_IN_STUDY, *returned)
        with_patient_id = not study_root or level is Level.STUDY
        return Step(level, asked, limiting(asked), returned, with_patient_id)


def silent_about(keys: Attributes, answer: Attributes) -> list[str]:
    """Return the keys that are missing from an answer: the archive may have ignored them."""
    return [name for name in keys if not answer.get(name)]
