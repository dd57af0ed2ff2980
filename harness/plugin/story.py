"""A scenario with several starts of the remote: settings or releases change, its data stays."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from harness.case import set_up
from harness.clients.rest import NoAnswer
from harness.errors import ServerError
from harness.plugin.bench import Bench
from harness.servers.disk import Disk, small_disk
from harness.waiting import wait_until

Ending = Literal["shutdown", "SIGTERM", "SIGKILL"]
ENDINGS: tuple[Ending, ...] = get_args(Ending)
UUID_LENGTH = 36
FAREWELL = 20.0
"""Time limit in seconds for a server to end after a request to do so."""


class DidNotStart(AssertionError):  # noqa: N818 - inside a case it is the server's failure
    """A server could not start with its stored data."""


@dataclass
class StoryDisk(Disk):
    """A disk of the remote whose growth is recorded."""

    bench: Bench

    def grow(self, more: int) -> None:
        """Grow it by `more` megabytes; its content stays."""
        with self.bench.action("larger disk", megabytes=more):
            super().grow(more)


class Story:
    """The remote over several starts and stops.

        story.start(StorageCompression=True)
        study = stored.study(instances=3)
        story.end("SIGKILL")
        story.start(StorageCompression=False)

    Each start uses the usual set-up with the given settings; the set-up of the case's `configured`
    applies only to the first start. REST and DICOM clients of the case stay valid.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._party = bench.remote

    def start(self, *, previous: bool = False, **settings: object) -> None:
        """Start the remote, or its `previous` release, with these settings and its stored data.

        If it is still running, it is killed first. Raises DidNotStart if it does not start.
        """
        with self._bench.action("start", previous=previous, settings=settings):
            if self._party.server.died() is None:
                self.end("SIGKILL")
            try:
                self._bench.go_on(self._party, set_up(previous=previous, **settings))
            except ServerError as error:
                # Otherwise the case would report a lost server and not the cause.
                self._bench.revive(self._party)
                raise DidNotStart(str(error)) from error

    def end(self, ending: Ending) -> None:
        """End the remote: through its REST API, with SIGTERM or with SIGKILL.

        Raises WaitTimeout if it does not end when requested.
        """
        server = self._party.server
        with self._bench.action("end", ending=ending):
            if ending == "SIGKILL":
                server.kill()
                self._bench.relays.cut("the remote server is killed")
                return
            self._bench.relays.cut(f"the remote server is stopped by {ending}")
            if ending == "SIGTERM":
                server.stop()
            else:
                with contextlib.suppress(NoAnswer):  # it may end before it has answered
                    self._bench.rest_of(self._party).post("/tools/shutdown", b"{}")
            wait_until(server.died, what="the end of the server", within=FAREWELL)

    @property
    def storage(self) -> Path:
        """The folder of the remote's storage area, if it has no database."""
        folder = self._party.server.folder
        assert folder is not None, "the folder of the remote cannot be accessed"
        return folder / "data"

    def stored_files(self) -> list[Path]:
        """Return the files in its storage area, recognized by names that are UUIDs."""
        names = (each for each in self.storage.rglob("*") if len(each.name) == UUID_LENGTH)
        return sorted(each for each in names if each.is_file())

    @contextlib.contextmanager
    def small_disk(self, megabytes: int) -> Iterator[Disk]:
        """Start the remote on an empty disk of this size during the block."""
        bench, party = self._bench, self._party
        stack = contextlib.ExitStack()
        try:
            with bench.action("small disk", megabytes=megabytes):
                self.end("SIGKILL")
                stack.callback(self.start)
                disk = stack.enter_context(small_disk(self.storage, megabytes))
                stack.callback(party.server.kill)
                self.start()
            yield StoryDisk(disk.folder, disk.megabytes, bench)
            died = party.server.died()
            assert died is None, f"the remote server {died} on the small disk"
        finally:
            with bench.action("usual disk"):
                stack.close()
