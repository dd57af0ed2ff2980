"""A catalogue of instances in files, which can be queried like an archive."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.instances import FileInstance


class Found(NamedTuple):
    """An instance in a file, with its parents. size: the file size in bytes."""

    instance: FileInstance
    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    size: int


class Catalogue(Protocol):
    """Answers queries. Methods block, and may be called from several threads at the same time."""

    def find(
        self, query: Attributes, level: Level, *, limit: int | None = None, offset: int = 0
    ) -> Iterator[Attributes]:
        """Yield the answers to a query by any attributes, always in the same order (PS3.4 C.2.2).

        Keys of any level are matched. Each answer has the attributes of the query and the unique
        keys from the patient down to `level`; unknown values are empty. Numbers of related entities
        and Modalities in Study are computed on request.
        """

    def count(self, query: Attributes, level: Level) -> int:
        """Return how many entities match."""

    def instances(self, query: Attributes) -> Iterator[Found]:
        """Yield the instances that match keys of any level, or lists of UIDs, in a fixed order."""
