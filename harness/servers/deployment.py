"""A server that cases test: an adapter for its kind, and a launcher that runs it."""

import signal
from pathlib import Path

from harness.errors import ServerNotReady
from harness.model import Credentials, Endpoint
from harness.servers.adapter import Adapter
from harness.servers.capabilities import CRASH, RESTART, Capabilities
from harness.servers.identity import Identity
from harness.servers.launcher import ATTEMPTS, Launcher, Seat
from harness.waiting import WaitTimeout, wait_until

PATIENCE = 10.0
"""Seconds for an answer before a server is said to hang: a busy computer needs some."""
READY = 2.0
"""Seconds for one answer of a server that is about to be ready."""


class Deployment:
    """A running server. Endpoints are its own; cases speak to the relays in front of it."""

    identity: Identity
    capabilities: Capabilities

    def __init__(self, adapter: Adapter, launcher: Launcher) -> None:
        self.adapter, self.launcher = adapter, launcher
        self._first = adapter
        self._seat: Seat
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    # Where it is

    @property
    def dicom(self) -> Endpoint:
        """Where it speaks DICOM."""
        return self.adapter.endpoints["dicom"]

    @property
    def rest(self) -> Endpoint | None:
        """Where it offers RESTful services: Orthanc's own, DICOMweb or both; the capabilities say which."""
        return self.adapter.endpoints.get("http")

    @property
    def dicomweb(self) -> str | None:
        """The path below which DICOMweb is found there (the base URI of PS3.18 8.2), None without it."""
        return self.adapter.dicomweb

    @property
    def credentials(self) -> Credentials | None:
        """The user whom it lets in."""
        return self.adapter.credentials

    @property
    def worklists(self) -> Path | None:
        """The folder from which it answers worklist queries, if the harness can write to it."""
        shared = self.launcher.worklists
        return None if shared is None else self.adapter.worklists_in(shared)

    @property
    def folder(self) -> Path | None:
        """Its own folder, if the harness sees it."""
        return self.launcher.folder

    @property
    def pid(self) -> int | None:
        """Its process id, for cases that end it on purpose."""
        return self.launcher.pid

    # Starting and ending

    def start(self, *, keep: bool = False) -> None:
        """Start it on free ports, empty or, with `keep`, with what it has stored.

        A start is tried again if another program was faster to take a port.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start_once(keep=keep)
            except ServerNotReady as error:
                self.launcher.kill()
                if "in use" not in str(error) or attempt == ATTEMPTS:
                    raise
            else:
                return

    def _start_once(self, *, keep: bool) -> None:
        self._seat = self.launcher.seat(self.adapter.doors, keep=keep)
        self.launcher.start(self.adapter.launch(self._seat), ready=self._is_ready)
        self.identity, able = self.adapter.describe()
        if self.launcher.ours:
            able = able.having(CRASH, RESTART)
        if self.worklists is None:
            able = able.without("dimse.worklist")
        self.capabilities = able.built_with(self.launcher.libraries())

    def _is_ready(self) -> bool:
        return (
            self.find_again()
            and self.launcher.listens(self._seat.ports)
            and self.adapter.answers(READY)
        )

    def find_again(self) -> bool:
        """Learn where its doors are now; false if it cannot be reached."""
        endpoints = self.launcher.endpoints(self._seat.ports)
        if endpoints is None:
            return False
        if endpoints != self.adapter.endpoints:
            self.adapter.reach(endpoints)
        return True

    def restart(self) -> None:
        """End it by force and start it again, empty. Its endpoints may change."""
        self.launcher.kill()
        self.start()

    def stop(self) -> None:
        """End it in good order; `start(keep=True)` starts it again with what it has stored."""
        self.launcher.stop()

    def crash(self) -> None:
        """End it by SIGKILL and start it again with what it has stored. Its endpoints may change."""
        self.launcher.kill()
        self.start(keep=True)

    @property
    def upgraded(self) -> bool:
        """Whether another build has taken its place."""
        return self.adapter is not self._first

    def upgrade(self, adapter: Adapter) -> None:
        """Stop it in good order, and start the build of `adapter` on what it has stored."""
        self.launcher.stop()
        self._change(adapter)
        self.start(keep=True)

    def _change(self, adapter: Adapter) -> None:
        assert adapter.build is not None
        self.launcher.change(adapter.build)
        self.adapter.close()
        self.adapter = adapter

    def close(self) -> None:
        """End it if the harness started it, and leave nothing of it behind."""
        self.adapter.close()
        self.launcher.close()

    # Between cases

    def reset(self, *, unsettled: bool) -> None:
        """Delete every object and every record of what happened, so that a case starts from nothing.

        `unsettled`: the last case failed, and may have left work under way, which is to be ended first.
        """
        if self.emptied_by_restart():
            self.restart()
        else:
            self.adapter.empty(self.folder, self.worklists, unsettled=unsettled)

    def emptied_by_restart(self) -> bool:
        """Return whether `reset` starts it again, as nothing else empties it; its endpoints may change."""
        if self.folder is None and not self.adapter.emptied_by_requests:
            return True
        return self.adapter.emptied_by_restart(self.folder)

    def outlasts_reset(self, method: str, target: str) -> bool:
        """Return whether an HTTP request may have changed what `reset` leaves as it is."""
        return self.adapter.outlasts_emptying(method, target)

    def restore(self) -> None:
        """Bring it back to how it was configured, and empty. Its endpoints may change."""
        if self.upgraded:
            self.launcher.kill()
            self._change(self._first)
            self.start()
        elif self.launcher.ours:
            self.restart()
        else:
            self.reset(unsettled=True)
            self.adapter.put_back()

    # How it is

    def died(self) -> str | None:
        """Say in words how it ended, at no cost; None while it runs, and if that is out of reach."""
        return self.launcher.ended()

    def trouble(self) -> str | None:
        """Say in words that it died or no longer answers; None when it is well."""
        died = self.died()
        if died or (self.launcher.listens(self._seat.ports) and self.adapter.answers(PATIENCE)):
            return died
        try:  # Docker learns of a crash a moment after those who spoke with the server
            return wait_until(self.died, what="the end to be seen", within=0.5)
        except WaitTimeout:
            return "does not answer any more"

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server itself, as a crash or an administrator would."""
        self.launcher.send_signal(number)

    def freeze(self) -> None:
        """Stop it until `thaw`: connections stay open, and nothing is answered."""
        self.launcher.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self.launcher.thaw()

    def log_position(self) -> int:
        """Return the place in the log at which the next line will stand."""
        return self.launcher.log_position()

    def log_since(self, position: int) -> str:
        """Return what was logged from `position` on; empty if the log is out of reach."""
        return self.launcher.log_since(position)
