"""Faults: the scripted server with one clause broken, and the cases that must notice it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.plugin.bench import Bench
from support.archive import Archive
from support.scripted import ScriptedServer


@dataclass(frozen=True)
class Fault:
    """A server that breaks one clause, used in place of the remote."""

    name: str
    behaviour: Callable[[], Archive]
    fails: frozenset[str]

    @contextlib.contextmanager
    def told(self, bench: Bench) -> Iterator[None]:
        """Point the remote's relay at the faulty server for the duration of a case."""
        behaviour = self.behaviour()
        behaviour.destinations[bench.local.ae_title] = bench.local.dicom
        with ScriptedServer(behaviour) as server:
            bench.remote.dicom_relay.target = server.endpoint
            try:
                yield
            finally:
                bench.remote.aim_relays()


HONEST = Fault("nothing is wrong", Archive, frozenset())
OPTIONS = ("--remote=dcmqrscp", "--orthanc=none", "--case-limit=9")
"""Options of pytest for groups of faults: the started servers are idle, and waits are short."""
