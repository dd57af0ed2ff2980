"""What clients can store, and name to a server."""

from typing import Protocol


class Storable(Protocol):
    """What can be stored: a Part 10 file in memory, and what its header says."""

    @property
    def data(self) -> bytes:
        """The whole file."""

    @property
    def sop_class_uid(self) -> str:
        """Its SOP class."""

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP instance."""

    @property
    def transfer_syntax(self) -> str:
        """The transfer syntax of its data set."""


class Identified(Protocol):
    """What has a place in the information models of queries: the identifier of each level."""

    @property
    def patient_id(self) -> str:
        """Its Patient ID."""

    @property
    def study_instance_uid(self) -> str:
        """The UID of its study."""

    @property
    def series_instance_uid(self) -> str:
        """The UID of its series."""

    @property
    def sop_instance_uid(self) -> str:
        """Its own UID."""


class Retrievable(Storable, Identified, Protocol):
    """What can be stored and then named in a retrieval."""

    @property
    def sop_instance_uid(self) -> str:
        """Its own UID."""
