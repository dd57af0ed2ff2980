"""What a query asks of which level, before anybody is asked (PS3.4 C.4.1.2, C.6)."""

from collections.abc import Mapping
from typing import Final, Self

from dcm.data.dictionary import keyword_of, level_of, tag_of, vr_of
from dcm.data.levels import Level
from dcm.data.match import NEVER_MATCHED, Attributes, Value, matches
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
"""What is always asked for: the unique and required keys of a level, and what a tree of results shows."""

OF_PATIENT_IN_STUDY: Final = RETURNED[Level.PATIENT][:4]
"""What is asked of the patient in the STUDY root model, where it belongs to the study (C.6.2.1.2)."""

BELOW: Final[Mapping[str, str]] = {
    "ModalitiesInStudy": "Modality",
    "SOPClassesInStudy": "SOPClassUID",
}
"""Keys that gather what stands at a lower level, which is asked where a server does not know them."""

_TEXT: Final = frozenset(("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT"))


class QueryPlan(Frozen):
    """A query, sorted out.

    level: what is to be found. deepest: how far down the keys reach; what is found there leads back up.
    keys: by the level at which they are asked, the unknown ones at `level`.
    """

    level: Level
    deepest: Level
    keys: Mapping[Level, Attributes]

    @classmethod
    def of(cls, query: Attributes, level: Level | None, least: Level | None = None) -> Self:
        """Sort out a query; without a level the keys tell it, though not above `least`.

        Raises `dcm.data.dictionary.UnknownElement` for a keyword that does not exist.
        """
        named = {keyword_of(tag_of(name)): value for name, value in query.items()}
        stated = named.pop("QueryRetrieveLevel", "")
        if level is None and isinstance(stated, str) and stated:
            level = Level.named(stated)
        if level is None:
            levels = [found for name in named if (found := level_of(name)) is not None]
            level = max([*levels, *([] if least is None else [least])], default=Level.STUDY)
        keys: dict[Level, dict[str, Value]] = {each: {} for each in Level}
        for name, value in named.items():
            at = level_of(name)
            if at is None or at <= level or asks(value):
                keys[level if at is None else at][name] = value
        return cls(level, max([level, *(each for each in Level if keys[each])]), keys)

    def without(self, keyword: str) -> Self | None:
        """Give a plan that asks the level below instead of a key that a server ignores, if that can be."""
        below = BELOW.get(keyword)
        if below is None:
            return None
        query = {name: value for keys in self.keys.values() for name, value in keys.items()}
        value = query.pop(keyword)
        return None if asks(query.get(below, "")) else self.of({**query, below: value}, self.level)


def asks(value: Value) -> bool:
    """Say whether a key asks for more than to be returned."""
    if isinstance(value, str):
        return bool(value.strip("*"))
    return any(asks(inner) for item in value for inner in item.values())


def asking(keys: Attributes) -> Attributes:
    """Give the keys that ask for more than to be returned."""
    return {
        name: value for name, value in keys.items() if asks(value) and name not in NEVER_MATCHED
    }


def silent_about(keys: Attributes, answer: Attributes) -> list[str]:
    """Name the keys of which an answer says nothing: it may have been given without regard to them."""
    return [name for name in keys if not answer.get(name)]


def fits(keys: Attributes, answer: Attributes) -> bool:
    """Say whether an answer matches, upper or lower case: where a server was lenient, so are we."""
    return matches(_folded(keys), _folded({name: answer.get(name, "") for name in keys}))


def _folded(attributes: Attributes) -> Attributes:
    return {
        name: value.casefold() if isinstance(value, str) and vr_of(name) in _TEXT else value
        for name, value in attributes.items()
    }
