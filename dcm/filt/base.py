"""Filters, which change or reject instances as they are processed.

    kept = MultiFilter([make_reject_filter("Modality == SR"), make_edit_filter({"PatientID": "4711"})])
    instance = kept.apply(instance_of("image.dcm"))

A filter declares what it reads and writes, so its users know what to request from an archive, and which
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
"""The attributes that identify patients, studies, series and instances."""


class Rejected(DcmError):  # noqa: N818 - reads as the sentence it is
    """Raised for an instance that a filter rejects; the message says why."""


class Filter(Protocol):
    """Changes or rejects instances; a filter may be used from several threads.

    reads, writes: the elements, as targets (`dcm.data.target`); `**.UI` means all UIDs at any depth.
    invertible: whether entities can be found again: the unique keys stay, or `backward` knows the old ones.
    """

    @property
    def reads(self) -> frozenset[str]:
        """The elements on which it depends."""

    @property
    def writes(self) -> frozenset[str]:
        """The elements that it may change."""

    @property
    def invertible(self) -> bool:
        """Whether the old unique keys can be derived from the new ones."""

    def apply(self, instance: Instance, remarks: list[str] | None = None) -> Instance:
        """Return the filtered instance, or the same one if nothing changes.

        Reads from the instance's file. Raises `Rejected`, `CannotEdit`, `UnusableInstance` and `OSError`.
        """

    def forward(self, attributes: Attributes) -> Attributes | None:
        """Return the attributes of an entity after filtering; None if it is rejected.

        Missing attributes are unknown, and cause no rejection.
        """

    def backward(self, attributes: Attributes) -> Attributes | None:
        """Return the original attributes, without those that cannot be derived.

        Returns None if not even the unique keys are known.
        """


class MultiFilter:
    """Several filters, one after the other."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self.filters: Final = tuple(filters)
        self.writes: Final = frozenset().union(*(each.writes for each in self.filters))
        self.invertible: Final = all(each.invertible for each in self.filters)

    @property
    def reads(self) -> frozenset[str]:
        """The elements on which they depend."""
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
