"""Plans of edits: which elements change, and what they become.

    Plan([Change(Target.of("PatientID"), "4711"), Change(Target.of("**.UI"), function)])

A plan is made once and used for many data sets.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple, Protocol, TypeAlias

from dcm.data.target import Step, Target
from dcm.errors import DcmError


class CannotEdit(DcmError):  # noqa: N818 - reads as the sentence it is
    """An edit that cannot be, or that a data set does not allow."""


class Mark:
    """A value that stands for what is done."""

    def __init__(self, name: str) -> None:
        self._name: Final = name

    def __repr__(self) -> str:
        return self._name


KEEP: Final = Mark("KEEP")
"""What a function returns for an element that stays as it is."""
DELETE: Final = Mark("DELETE")
"""The value of an element that is to be deleted."""

Content: TypeAlias = str | int | float | bytes | Sequence[object] | Mapping[str, object] | None
"""What an element can become: text, numbers, several of these in a list, or bytes as they are encoded; for a
sequence, a mapping from targets to contents, or a list of these. None is an empty value."""


class Met(Protocol):
    """An element that a change concerns, as its function sees it."""

    @property
    def tag(self) -> int:
        """Its tag."""

    @property
    def vr(self) -> str:
        """Its VR, from a dictionary if it is not encoded; `UN` if it is not known."""

    @property
    def creator(self) -> str:
        """The private creator of its block; empty for an element of the standard."""

    @property
    def value(self) -> bytes:
        """Its encoded value; that of a sequence is empty. Raises `CannotEdit` for one above 16 MiB."""

    @property
    def text(self) -> str:
        """Its value as text; see `dcm.data.text.value_text`."""

    @property
    def nested(self) -> bool:
        """Whether it is in a sequence."""

    @property
    def path(self) -> str:
        """Where it is: `ReferencedStudySequence[0].StudyDate`."""


Function: TypeAlias = Callable[[Met], Content | Mark]
"""Returns what an element that was met becomes, KEEP or DELETE."""


class Change(NamedTuple):
    """What the elements that are meant become.

    if_present: whether one that is not there stays away. Only an element that is there can be deleted, or
    given to a function.
    """

    target: Target
    value: "Content | Mark | Function"
    if_present: bool = False

    @property
    def makes(self) -> bool:
        """Whether it makes elements that are not there."""
        unasked = self.if_present or self.target.anywhere
        return not (unasked or self.value is DELETE or callable(self.value))


class Aim(NamedTuple):
    """A change, and the steps that are left of the way to it."""

    steps: tuple[Step, ...]
    change: Change

    def beyond(self) -> "Aim":
        """Return the aim for the items of the sequence that the first step names."""
        return Aim(self.steps[1:], self.change)


class Plan:
    """Changes by what they concern. Of two for the same element, the later one holds.

    A change of one element goes before those at any depth; among these, an element before a VR, before all.
    deep: whether sequences are looked into. last: the highest tag of the data set that is looked at.
    """

    def __init__(self, changes: Iterable[Change]) -> None:
        self.changes: Final = tuple(changes)
        self.aims: Final = tuple(
            Aim(each.target.steps, each) for each in self.changes if not each.target.anywhere
        )
        everywhere = [each for each in self.changes if each.target.anywhere]
        steps = [(each.target.steps[0], each) for each in everywhere]
        self.anywhere: Final = bool(everywhere)
        self.by_tag: Final = {
            step.tag: each for step, each in steps if step.tag is not None and not step.creator
        }
        self.by_creator: Final = {
            (step.tag, step.creator): each for step, each in steps if step.creator
        }
        self.by_vr: Final = {step.vr: each for step, each in steps if step.tag is None and step.vr}
        self.for_all: Final = next(
            (each for step, each in reversed(steps) if step.tag is None and not step.vr), None
        )
        self.deep: Final = self.anywhere or any(len(aim.steps) > 1 for aim in self.aims)
        self.last: Final = max((each.target.last for each in self.changes), default=-1)

    @cached_property
    def makes(self) -> bool:
        """Whether elements may be made that are not there."""
        return any(each.makes for each in self.changes)

    def with_change(self, change: Change) -> "Plan":
        """Return a plan with one more change."""
        return Plan((*self.changes, change))
