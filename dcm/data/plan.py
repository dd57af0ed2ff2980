"""Plans for edits: which elements to change, and how.

    Plan([Change(Target.of("PatientID"), "4711"), Change(Target.of("**.UI"), function)])

A plan can be used for many data sets.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple, Protocol, TypeAlias

from dcm.data.target import Step, Target
from dcm.errors import DcmError


class CannotEdit(DcmError):  # noqa: N818 - reads as the sentence it is
    """An impossible edit, or one that a data set does not allow."""


class Mark:
    """A value that represents an action."""

    def __init__(self, name: str) -> None:
        self._name: Final = name

    def __repr__(self) -> str:
        return self._name


KEEP: Final = Mark("KEEP")
"""Returned by a function for an element that stays as it is."""
DELETE: Final = Mark("DELETE")
"""The new value of an element to delete."""

Content: TypeAlias = str | int | float | bytes | Sequence[object] | Mapping[str, object] | None
"""The new value of an element: text, a number, a list of these, or encoded bytes; for a sequence, a mapping
from targets to contents, or a list of these. None is an empty value."""


class Met(Protocol):
    """An element to which a change applies, as passed to its function."""

    @property
    def tag(self) -> int:
        """Its tag."""

    @property
    def vr(self) -> str:
        """Its VR, from a dictionary if it is not encoded; `UN` if it is unknown."""

    @property
    def creator(self) -> str:
        """The private creator of its block; empty for an element of the standard."""

    @property
    def value(self) -> bytes:
        """Its encoded value; empty for a sequence. Raises `CannotEdit` for a value above 16 MiB."""

    @property
    def text(self) -> str:
        """Its value as text; see `dcm.data.text.value_text`."""

    @property
    def nested(self) -> bool:
        """Whether it is in a sequence."""

    @property
    def path(self) -> str:
        """Its path, such as `ReferencedStudySequence[0].StudyDate`."""


Function: TypeAlias = Callable[[Met], Content | Mark]
"""Returns the new value of an element, KEEP or DELETE."""


class Change(NamedTuple):
    """A change of the matching elements.

    if_present: whether to change only existing elements. A deletion or a function always applies only to
    existing elements.
    """

    target: Target
    value: "Content | Mark | Function"
    if_present: bool = False

    @property
    def makes(self) -> bool:
        """Whether it adds missing elements."""
        unasked = self.if_present or self.target.anywhere
        return not (unasked or self.value is DELETE or callable(self.value))


class Aim(NamedTuple):
    """A change, and the remaining steps of the path to its element."""

    steps: tuple[Step, ...]
    change: Change

    def beyond(self) -> "Aim":
        """Return the aim for the items of the sequence that the first step names."""
        return Aim(self.steps[1:], self.change)


class Plan:
    """Changes, indexed by the elements they apply to. The last of several changes of one element applies.

    A change of one element takes precedence over those at any depth; among these, a change of an element over
    one of a VR, and that over one of all elements.
    deep: whether to enter sequences. last: the highest tag in the data set that may be changed.
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
        """Whether missing elements may be added."""
        return any(each.makes for each in self.changes)

    def with_change(self, change: Change) -> "Plan":
        """Return a plan with one more change."""
        return Plan((*self.changes, change))
