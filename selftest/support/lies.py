"""Lies told to the suites: each changes one answer, and lists the cases that must notice it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, Self

from harness.plugin.bench import Bench
from harness.relay import DicomLie, Direction, HttpLie
from harness.relay.lies import Filter, Lie
from support.messages import MessageLie

Door = Literal["remote.rest", "remote.dicom", "local.rest", "local.dicom"]


class Told(Protocol):
    """A change to what a case meets, and the exact set of sample cases that then fail."""

    @property
    def name(self) -> str:
        """What is untrue, in a few words."""

    @property
    def fails(self) -> frozenset[str]:
        """The cases that must notice it, with their parameters: `CSTORE-003[jpeg]`."""

    def told(self, bench: Bench) -> AbstractContextManager[None]:
        """Apply the change for the duration of a case."""


@dataclass(frozen=True)
class SeededLie:
    """A lie at one door, and the exact set of sample cases that fail when it is told."""

    name: str
    door: Door
    lie: Lie
    fails: frozenset[str]

    @contextlib.contextmanager
    def told(self, bench: Bench) -> Iterator[None]:
        """Tell the lie for the duration of a case."""
        relay = bench.relay(self.door)
        relay.lie = self.lie
        try:
            yield
        finally:
            relay.lie = None


@dataclass(frozen=True)
class Unnoticed:
    """All lies at once that a case need not notice; the case passes in spite of them."""

    lies: tuple[SeededLie, ...]
    name: str = "all that others notice"
    fails: frozenset[str] = frozenset()

    @contextlib.contextmanager
    def told(self, bench: Bench) -> Iterator[None]:
        """Tell the lies for the duration of a case; at each door they form a chain."""
        doors = {each.door for each in self.lies}
        for door in doors:
            bench.relay(door).lie = Chain(
                tuple(_careful(each.lie) for each in self.lies if each.door == door)
            )
        try:
            yield
        finally:
            for door in doors:
                bench.relay(door).lie = None


def _careful(lie: Lie) -> Lie:
    """Return the lie with its exceptions suppressed: a message that it fails on passes unchanged.

    A lie told alone meets only the cases that it is made for.
    """
    if not isinstance(lie, HttpLie | DicomLie | MessageLie):
        return lie
    change: Callable[..., Any] = lie.change

    def careful(subject: Any, *more: Any) -> Any:
        try:
            return change(subject, *more)
        except Exception:  # noqa: BLE001 - any exception would end the relay's thread
            return [subject] if isinstance(lie, MessageLie) else subject

    return replace(lie, change=careful)


@dataclass(frozen=True)
class Chain:
    """Several lies at one door: each changes the output of the one before it."""

    lies: tuple[Lie, ...]

    def filter(self) -> Filter:
        """Return the filter for one connection; over HTTP, for one exchange."""
        return ChainFilter([each.filter() for each in self.lies])


class ChainFilter:
    """Passes the bytes from each filter to the next."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._filters = filters

    def feed(self, direction: Direction, data: bytes) -> bytes:
        """Return what the last filter passes on now."""
        for each in self._filters:
            if not data:
                break
            data = each.feed(direction, data)
        return data

    def end(self, direction: Direction) -> bytes:
        """Return what the filters still held back."""
        rest = b""
        for each in self._filters:
            passed = each.feed(direction, rest) if rest else b""
            rest = passed + each.end(direction)
        return rest


@dataclass(frozen=True)
class Group:
    """A sample of the cases of some suites, and the lies told to it, one at a time."""

    name: str
    sample: tuple[str, ...]
    lies: tuple[Told, ...]
    crosswise: bool = True
    """Each case of the sample must also pass with all lies that it need not notice."""
    honest: Told | None = None
    """What is applied when no lie is told: a server other than the one that was started."""
    options: tuple[str, ...] = ()
    """Options for pytest. Groups with the same options share a run."""
    smoke: bool = True
    """Whether the smoke profile must see each of these lies, too."""
    plugins: tuple[str, ...] = ()
    """Plugins of Orthanc that the cases need."""
    since: str = ""
    """The first version of Orthanc that can run the cases."""
    databases: tuple[str, ...] = ()
    """Databases that the cases need."""

    def sampled(self, every: int) -> Self:
        """Return the group with the first of each `every` lies, and the cases that notice them."""
        lies = self.lies[::every]
        noticed = {_id(case) for lie in lies for case in lie.fails}
        sample = tuple(case for case in self.sample if case.partition("*")[0] in noticed)
        return replace(self, lies=lies, sample=sample)

    def told_to(self, case_id: str) -> tuple[Told, ...]:
        """Return what a case meets: each lie that it must notice alone, then all others at once."""
        if not self.samples(case_id):
            return ()
        noticed = [lie for lie in self.lies if case_id in map(_id, lie.fails)]
        others = [lie for lie in self.lies if isinstance(lie, SeededLie) and lie not in noticed]
        return (*noticed, Unnoticed(tuple(others))) if self.crosswise else tuple(noticed)

    def samples(self, case_id: str) -> bool:
        """Whether a case is in the sample, with all or some of its parameters."""
        # A pattern selects some parameters of a case: SAME-001*implicit*
        return case_id in {case.partition("*")[0] for case in self.sample}

    def __post_init__(self) -> None:
        for lie in self.lies:
            strangers = {each for each in map(_id, lie.fails) if not self.samples(each)}
            assert not strangers, f"{lie.name}: {strangers} are not in the sample of {self.name}"


def _id(case: str) -> str:
    """Return the id of a case without its parameters."""
    return case.partition("[")[0]
