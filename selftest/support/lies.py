"""Lies told to the suites: one changed answer each, and the cases that must notice it."""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from harness.plugin.bench import Bench
from harness.relay.connection import Lie

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
class Group:
    """A sample of the cases of some suites, and the lies that are told to it, one at a time."""

    name: str
    sample: tuple[str, ...]
    lies: tuple[Told, ...]
    crosswise: bool = True
    """Tell each lie to all cases of the sample; else, since many lies cost time, to those that notice it."""
    honest: Told | None = None
    """What is told where no lie is: another server than the one that was started."""
    suites: str = ""
    """The folder of the suites where the sample is, in `tests/`; to look into all of them takes time."""
    options: tuple[str, ...] = ()
    """What pytest is to be started with."""
    smoke: bool = True
    """The smoke profile is to see each of these lies, too."""

    def told_to(self, case_id: str) -> tuple[Told, ...]:
        """Give the lies that a case hears."""
        return tuple(
            lie
            for lie in self.lies
            if self.crosswise or case_id in {name.partition("[")[0] for name in lie.fails}
        )

    def __post_init__(self) -> None:
        for lie in self.lies:
            # Of a case with many parameters a pattern chooses some: SAME-001*implicit*
            sampled = {case.partition("*")[0] for case in self.sample}
            strangers = {case.partition("[")[0] for case in lie.fails} - sampled
            assert not strangers, f"{lie.name}: {strangers} are not in the sample of {self.name}"
