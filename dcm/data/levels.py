"""The four levels of the query/retrieve information models (PS3.4 C.3)."""

from enum import IntEnum


class Level(IntEnum):
    """A level, and its Query/Retrieve Level (0008,0052); lower levels are greater."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3

    @property
    def unique_key(self) -> str:
        """The keyword of the attribute that identifies an entity of this level."""
        return _UNIQUE_KEYS[self]

    @property
    def entities(self) -> str:
        """The word for its entities: patients, studies, series, instances."""
        return _ENTITIES[self]

    @classmethod
    def named(cls, name: str) -> "Level":
        """Return the level with a name, in any case; `instance` is IMAGE. Raises `ValueError`."""
        wanted = name.strip().upper()
        if wanted == "INSTANCE":
            return cls.IMAGE
        if wanted not in cls.__members__:
            raise ValueError(f"{name!r} is not a query level: patient, study, series or image")
        return cls[wanted]


_UNIQUE_KEYS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_ENTITIES = ("patients", "studies", "series", "instances")
