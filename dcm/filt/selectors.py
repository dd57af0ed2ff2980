"""Selectors: conditions on the elements of an instance.

    selector = read_selector("Modality in CT, MR")
    selected(selector, instance_of("image.dcm"))

Values are compared by their VR: numbers as numbers; dates, times and ages as such, where a less precise value
represents its whole range; UIDs exactly; everything else as text, ignoring case. If an element has several
values, or several elements match the target, one of them is enough.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

from dcm.data.encoding import DEFLATED, EXPLICIT, NATIVE
from dcm.data.match import Attributes
from dcm.data.plan import KEEP, CannotEdit, Change, Mark, Met, Plan
from dcm.data.source import MemorySource, inflated
from dcm.data.target import Target
from dcm.filt.compare import compared, matched
from dcm.filt.instance import opened
from dcm.instances import Instance, data_of

_SYNTAX: Final = 0x00020010


class Known(NamedTuple):
    """A known value of an element, with its VR."""

    vr: str
    text: str


Knowledge: TypeAlias = Mapping[str, Sequence[Known]]
"""The known values of an instance, by target; a missing element has no values."""


class Selector(Protocol):
    """A condition. targets: the elements that it depends on."""

    @property
    def targets(self) -> frozenset[str]:
        """The elements that it compares."""

    def selects(self, known: Knowledge) -> bool:
        """Return whether it is fulfilled."""


class Comparison(NamedTuple):
    """A comparison of one element with a value, or with several if the operator is `in`.

    A missing or empty element is treated as an empty text, which is neither less nor greater than anything.
    invert: negate the comparison. reject_missing: a missing or empty element never matches, even if negated.
    """

    target: Target
    operator: str
    values: tuple[str, ...]
    invert: bool = False
    reject_missing: bool = False

    @property
    def targets(self) -> frozenset[str]:
        """The element."""
        return frozenset((str(self.target),))

    def selects(self, known: Knowledge) -> bool:
        """Return whether it is fulfilled."""
        there = [each for each in known.get(str(self.target), ()) if each.text.strip()]
        if not there and self.reject_missing:
            return False
        return self._holds(there or [Known("", "")]) is not self.invert

    def _holds(self, there: Sequence[Known]) -> bool:
        if self.operator == "~=":
            return any(matched(self.values[0], each.text) for each in there)
        operator = self.operator if self.operator[0] in "<>" else "=="
        found = any(compared(operator, *each, value) for each in there for value in self.values)
        return found is not (self.operator == "!=")

    def __str__(self) -> str:
        values = ", ".join(self.values)
        return f"{'! ' if self.invert else ''}{self.target} {self.operator} {values}"


class Combination(NamedTuple):
    """A combination of selectors: all of the first, any of the second, none of the third."""

    all_of: tuple[Selector, ...] = ()
    any_of: tuple[Selector, ...] = ()
    none_of: tuple[Selector, ...] = ()

    @property
    def targets(self) -> frozenset[str]:
        """The elements that they compare."""
        every = (*self.all_of, *self.any_of, *self.none_of)
        return frozenset().union(*(each.targets for each in every))

    def selects(self, known: Knowledge) -> bool:
        """Return whether they are fulfilled."""
        return (
            all(each.selects(known) for each in self.all_of)
            and (not self.any_of or any(each.selects(known) for each in self.any_of))
            and not any(each.selects(known) for each in self.none_of)
        )

    def __str__(self) -> str:
        named = (("all of", self.all_of), ("any of", self.any_of), ("none of", self.none_of))
        return " and ".join(
            f"{name} ({'; '.join(map(str, those))})" for name, those in named if those
        )


def selected(selector: Selector, instance: Instance) -> bool:
    """Return whether an instance matches. Raises `OSError`, `CannotEdit` and `UnusableInstance`."""
    return selector.selects(known_of(instance, selector.targets))


def known_of(instance: Instance, targets: Iterable[str]) -> Knowledge:
    """Read the values of some elements of an instance. Raises the same errors as `selected`."""
    from dcm.data.edit import edit  # noqa: PLC0415 - not needed to read a configuration

    found: dict[str, list[Known]] = {name: [] for name in targets}
    changes = []
    for name, values in found.items():
        target = Target.of(name)
        if target.steps[0].tag == _SYNTAX:
            values.append(Known("UI", instance.kind[1]))
        else:
            changes.append(Change(target, _noting(values)))
    if not changes:
        return found
    encoding = NATIVE.get(instance.kind[1], EXPLICIT)
    if instance.kind[1] in DEFLATED:
        try:
            data = inflated(data_of(instance), 1 << 30)
        except ValueError as error:
            raise CannotEdit(str(error)) from None
        edit(MemorySource(data), 0, len(data), encoding, Plan(changes))
        return found
    with opened(instance) as (source, at, end):
        edit(source, at, end, encoding, Plan(changes))
    return found


def known_in(attributes: Attributes, targets: Iterable[str]) -> Knowledge | None:
    """Return the values of some elements in the answer to a query; None if it does not have all of them."""
    found: dict[str, list[Known]] = {}
    for name in targets:
        target = Target.of(name)
        values: list[object] = [attributes]
        for step in target.steps:
            key = str(step._replace(item=None))
            if (
                target.anywhere
                or step.tag is None
                or any(not isinstance(each, Mapping) or key not in each for each in values)
            ):
                return None
            below = [each[key] for each in values if isinstance(each, Mapping)]
            values = [
                item
                for each in below
                for item in ([each] if isinstance(each, str) else _items(each, step.item))
            ]
        vr = _vr(target)
        found[name] = [Known(vr, each) for each in values if isinstance(each, str)]
    return found


def _items(items: Sequence[object], item: int | None) -> Sequence[object]:
    return items if item is None or item < 0 else items[item : item + 1]


def _vr(target: Target) -> str:
    from dcm.data.dictionary import vr_of  # noqa: PLC0415

    tag = target.steps[-1].tag
    return vr_of(tag) if tag is not None else "UN"


def _noting(values: list[Known]) -> Callable[[Met], Mark]:
    def function(met: Met) -> Mark:
        values.append(Known(met.vr, met.text))
        return KEEP

    return function
