"""A server that cases test: an adapter for its kind, and a launcher that runs it."""

import functools
from pathlib import Path

from harness.model import Endpoint
from harness.servers.adapter import Adapter
from harness.servers.capabilities import CRASH, RESTART, Capabilities, Identity
from harness.servers.container_launcher import ContainerLauncher
from harness.servers.launcher import Launcher, Seat, start_on_free_ports
from harness.servers.process import ProcessLauncher
from harness.servers.product import Build, Role
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
        """Start it on free ports, empty or, with `keep`, with what it has stored."""
        start_on_free_ports(functools.partial(self._start_once, keep=keep), self.launcher.kill)

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
        self.launcher.change(adapter.build)
        self.adapter.close()
        self.adapter = adapter

    def close(self) -> None:
        """End it if the harness started it, and leave nothing of it behind."""
        self.adapter.close()
        self.launcher.close()

    # Between cases

    def reset(self, *, unsettled: bool) -> bool:
        """Delete every object and every record of what happened, so that a case starts from nothing.

        `unsettled`: the last case failed, and may have left work under way, which is to be ended first.
        Return False if nothing but a restart does that.
        """
        return self.adapter.empty(self.folder, self.worklists, unsettled=unsettled)

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


def deploy(build: Build, role: Role) -> Deployment:
    """Start a build in a role, empty. Raises ServerNotReady with what it said if it does not come up."""
    adapter = build.make(role, build)
    kind = ProcessLauncher if build.image_id is None else ContainerLauncher
    return Deployment(adapter, kind(build, role, with_worklists=adapter.has_worklists))
