"""Faults of the server itself: settings other than those requested, and data lost by a restart."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness.plugin.bench import Bench
from harness.plugin.story import UUID_LENGTH
from harness.servers.launcher import DATA
from support.lies import SeededLie


@dataclass(frozen=True)
class WrongSetup:
    """The server runs with settings other than those the case requested."""

    name: str
    settings: tuple[str, ...]
    """As `--with` takes them; they replace settings of the same names."""
    fails: frozenset[str]

    @contextlib.contextmanager
    def told(self, bench: Bench) -> Iterator[None]:
        """Restart the server with the wrong settings for the duration of a case."""
        party = bench.remote
        names = {each.partition("=")[0] for each in self.settings}
        kept = (each for each in party.variant.settings if each.partition("=")[0] not in names)
        bench.relays.cut("the server is set up wrongly")
        party.server.kill()
        bench.go_on(party, replace(party.variant, settings=(*kept, *self.settings)))
        yield


@dataclass(frozen=True)
class NextLife:
    """A lie told once the server has ended: after its restart, what it kept has changed."""

    lie: SeededLie
    ends: int = 1
    """The number of ends to wait for: a case may begin with a restart for other settings."""

    @property
    def name(self) -> str:
        """What is untrue."""
        return self.lie.name

    @property
    def fails(self) -> frozenset[str]:
        """The cases that must notice it."""
        return self.lie.fails

    @contextlib.contextmanager
    def told(self, bench: Bench) -> Iterator[None]:
        """Begin the lie when the server has ended `ends` times."""
        relay, launcher = bench.relay(self.lie.door), bench.remote.server.launcher
        ways = launcher.kill, launcher.stop
        lives = iter(range(self.ends))

        def ending(end: Callable[[], None]) -> Callable[[], None]:
            def ended() -> None:
                alive = launcher.ended() is None  # a start first makes sure that nothing is running
                end()
                if alive and next(lives, self.ends) >= self.ends - 1:
                    relay.lie = self.lie.lie

            return ended

        launcher.kill, launcher.stop = map(ending, ways)  # type: ignore[method-assign]
        try:
            yield
        finally:
            launcher.kill, launcher.stop = ways  # type: ignore[method-assign]
            relay.lie = None


@dataclass(frozen=True)
class LostFiles:
    """A server that loses its last written files when it is killed."""

    fails: frozenset[str]
    name: str = "a crash loses the last files"
    count: int = 5
    """More than clients store at a time: at least one of the files was acknowledged."""

    @contextlib.contextmanager
    def told(self, bench: Bench) -> Iterator[None]:
        """Delete the files after each SIGKILL."""
        launcher = bench.remote.server.launcher
        kill = launcher.kill

        def killed() -> None:
            kill()
            if launcher.folder is not None:
                names = (launcher.folder / DATA).rglob("*")
                files = [each for each in names if len(each.name) == UUID_LENGTH and each.is_file()]
                files.sort(key=lambda each: each.stat().st_mtime_ns)
                for each in files[-self.count :]:
                    each.unlink()

        launcher.kill = killed  # type: ignore[method-assign]
        try:
            yield
        finally:
            launcher.kill = kill  # type: ignore[method-assign]
