"""Faults: the scripted server with one clause broken, and the cases that must notice it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.plugin.bench import Bench
from support.archive import Archive
from support.scripted import ScriptedServer


@dataclass(frozen=True)
class Fault:
    """A server that does one thing wrong, in the place of the remote."""

    name: str
    behaviour: Callable[[], Archive]
    fails: frozenset[str]

    @contextlib.contextmanager
    def told(self, bench: Bench) -> Iterator[None]:
        """Let the remote's relay lead to it for the time of a case."""
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
"""Of pytest, for groups of faults: the servers that are started stay aside, and silence is not waited for."""
