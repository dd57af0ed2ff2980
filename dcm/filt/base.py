"""Filters: what changes instances, or rejects them, on their way.

    kept = MultiFilter([make_reject_filter("Modality == SR"), make_edit_filter({"PatientID": "4711"})])
    instance = kept.apply(instance_of("image.dcm"))

A filter declares what it reads and writes, so that whoever uses it knows what to ask an archive for, and what
already filtered data can be compared by (`dcm.filt.transform`).
"""

from collections.abc import Sequence
from functools import reduce
from typing import Final, Protocol

from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.errors import DcmError
from dcm.instances import Instance

UNIQUE_KEYS: Final = frozenset(level.unique_key for level in Level)
"""The attributes by which patients, studies, series and instances are told apart."""


class Rejected(DcmError):  # noqa: N818 - reads as the sentence it is
    """Raised for an instance that a filter does not let through, and why."""


class Filter(Protocol):
    """Changes or rejects instances; the same one may be used from several threads.

    reads, writes: the elements, as targets (`dcm.data.target`); `**.UI` stands for all UIDs at any depth.
    invertible: whether entities can be found again: the unique keys stay, or `backward` knows the old ones.
    """

    @property
    def reads(self) -> frozenset[str]:
        """The elements that decide what it does."""

    @property
    def writes(self) -> frozenset[str]:
        """The elements that it may change."""

    @property
    def invertible(self) -> bool:
        """Whether the old unique keys can be told from the new ones."""

    def apply(self, instance: Instance, remarks: list[str] | None = None) -> Instance:
        """Return the instance as it is let through, itself if nothing changes.

        Reads from the instance's file. Raises `Rejected`, `CannotEdit`, `UnusableInstance` and `OSError`.
        """

    def forward(self, attributes: Attributes) -> Attributes | None:
        """Return the attributes of an entity as they are once it was filtered; None: it is rejected.

        What is not among the attributes is not known, and rejects nothing.
        """

    def backward(self, attributes: Attributes) -> Attributes | None:
        """Return the attributes as they were before, without those that cannot be known.

        None if not even the unique keys are known.
        """


class MultiFilter:
    """Several filters, one after the other."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self.filters: Final = tuple(filters)
        self.writes: Final = frozenset().union(*(each.writes for each in self.filters))
        self.invertible: Final = all(each.invertible for each in self.filters)

    @property
    def reads(self) -> frozenset[str]:
        """What they read."""
        return frozenset().union(*(each.reads for each in self.filters))

    def apply(self, instance: Instance, remarks: list[str] | None = None) -> Instance:
        """Apply all; see `Filter.apply`."""
        return reduce(lambda done, each: each.apply(done, remarks), self.filters, instance)

    def forward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.forward`."""
        found: Attributes | None = attributes
        for each in self.filters:
            found = None if found is None else each.forward(found)
        return found

    def backward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.backward`."""
        found: Attributes | None = attributes
        for each in reversed(self.filters):
            found = None if found is None else each.backward(found)
        return found
