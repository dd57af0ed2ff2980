"""Lies told to the suites: one changed answer each, and the cases that must notice it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from harness.plugin.bench import Bench
from harness.relay import DicomLie, Direction, HttpLie
from harness.relay.lies import Filter, Lie
from support.messages import MessageLie

Door = Literal["remote.rest", "remote.dicom", "local.rest", "local.dicom"]


class Told(Protocol):
    """What can be told to a case, and the cases of the sample that fail then: exactly these."""

    @property
    def name(self) -> str:
        """What is not true, in a few words."""

    @property
    def fails(self) -> frozenset[str]:
        """The cases that must notice it, with their parameters: `CSTORE-003[jpeg]`."""

    def told(self, bench: Bench) -> AbstractContextManager[None]:
        """Tell it for the time of a case."""


@dataclass(frozen=True)
class SeededLie:
    """A lie at one door, and the cases of the sample that fail when it is told: exactly these."""

    name: str
    door: Door
    lie: Lie
    fails: frozenset[str]

    @contextlib.contextmanager
    def told(self, bench: Bench) -> Iterator[None]:
        """Tell it for the time of a case."""
        relay = bench.relay(self.door)
        relay.lie = self.lie
        try:
            yield
        finally:
            relay.lie = None


@dataclass(frozen=True)
class Unnoticed:
    """All lies at once that a case must not notice; it passes in spite of them."""

    lies: tuple[SeededLie, ...]
    name: str = "all that others notice"
    fails: frozenset[str] = frozenset()

    @contextlib.contextmanager
    def told(self, bench: Bench) -> Iterator[None]:
        """Tell them for the time of a case, at each door one after another."""
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
    """Return a lie that lets pass what it was not made for, and would raise an exception at.

    Told alone, it meets only the cases that it is for.
    """
    if not isinstance(lie, HttpLie | DicomLie | MessageLie):
        return lie
    change: Callable[..., Any] = lie.change

    def careful(subject: Any, *more: Any) -> Any:
        try:
            return change(subject, *more)
        except Exception:  # noqa: BLE001 - whatever it is, it would end the relay's thread
            return [subject] if isinstance(lie, MessageLie) else subject

    return replace(lie, change=careful)


@dataclass(frozen=True)
class Chain:
    """Several lies at one door: each changes what the one before let through."""

    lies: tuple[Lie, ...]

    def filter(self) -> Filter:
        """Begin with one connection; over HTTP, with one exchange."""
        return ChainFilter([each.filter() for each in self.lies])


class ChainFilter:
    """Gives the bytes of each filter to the next."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._filters = filters

    def feed(self, direction: Direction, data: bytes) -> bytes:
        """Return what the last filter lets through now."""
        for each in self._filters:
            if not data:
                break
            data = each.feed(direction, data)
        return data

    def end(self, direction: Direction) -> bytes:
        """Return what the filters still held."""
        rest = b""
        for each in self._filters:
            passed = each.feed(direction, rest) if rest else b""
            rest = passed + each.end(direction)
        return rest


@dataclass(frozen=True)
class Group:
    """A sample of the cases of some suites, and the lies that are told to it, one at a time."""

    name: str
    sample: tuple[str, ...]
    lies: tuple[Told, ...]
    crosswise: bool = True
    """Each case of the sample also passes while all those lies are told that it must not notice."""
    honest: Told | None = None
    """What is told where no lie is: another server than the one that was started."""
    options: tuple[str, ...] = ()
    """What pytest is to be started with. Groups with the same options are told in the same run."""
    smoke: bool = True
    """The smoke profile is to see each of these lies, too."""

    def told_to(self, case_id: str) -> tuple[Told, ...]:
        """Return what a case hears: each lie that it must notice alone, then the others together."""
        if not self.samples(case_id):
            return ()
        noticed = [lie for lie in self.lies if case_id in map(_id, lie.fails)]
        others = [lie for lie in self.lies if isinstance(lie, SeededLie) and lie not in noticed]
        return (*noticed, Unnoticed(tuple(others))) if self.crosswise else tuple(noticed)

    def samples(self, case_id: str) -> bool:
        """Whether a case is in the sample, or some of its parameters are."""
        # Of a case with many parameters a pattern chooses some: SAME-001*implicit*
        return case_id in {case.partition("*")[0] for case in self.sample}

    def __post_init__(self) -> None:
        for lie in self.lies:
            strangers = {each for each in map(_id, lie.fails) if not self.samples(each)}
            assert not strangers, f"{lie.name}: {strangers} are not in the sample of {self.name}"


def _id(case: str) -> str:
    """Return the id of a case without its parameters."""
    return case.partition("[")[0]
