"""A server that cases test: an adapter for its kind, and a launcher that runs it."""

import functools
from pathlib import Path

from harness.model import Endpoint
from harness.servers import disk
from harness.servers.adapter import Adapter
from harness.servers.capabilities import CRASH, FILES, RESTART, Capabilities, Identity
from harness.servers.container_launcher import ContainerLauncher
from harness.servers.launcher import Launcher, Seat, start_on_free_ports
from harness.servers.process import ProcessLauncher
from harness.servers.product import Build, Role
from harness.waiting import WaitTimeout, wait_until

PATIENCE = 10.0
"""Seconds for an answer before a server is considered to hang: a busy computer may be slow."""
READY = 2.0
"""Seconds for one answer of a server that is about to be ready."""


class Deployment:
    """A running server. The endpoints are its own; cases talk to the relays in front of it."""

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
        """Its DICOM endpoint."""
        return self.adapter.endpoints["dicom"]

    @property
    def rest(self) -> Endpoint | None:
        """Its HTTP endpoint: Orthanc's REST API, DICOMweb or both, as the capabilities show."""
        return self.adapter.endpoints.get("http")

    @property
    def worklists(self) -> Path | None:
        """The folder from which it answers worklist queries, if the harness can write to it."""
        shared = self.launcher.worklists
        return None if shared is None else self.adapter.worklists_in(shared)

    @property
    def folder(self) -> Path | None:
        """Its own folder, if the harness has access to it."""
        return self.launcher.folder

    @property
    def pid(self) -> int | None:
        """Its process id, for cases that kill it on purpose."""
        return self.launcher.pid

    # Starting and ending

    def start(self, *, keep: bool = False) -> None:
        """Start it on free ports: empty or, with `keep`, with what it has stored."""
        start_on_free_ports(functools.partial(self._start_once, keep=keep), self.launcher.kill)

    def _start_once(self, *, keep: bool) -> None:
        self._seat = self.launcher.seat(self.adapter.doors, keep=keep)
        self.launcher.start(self.adapter.launch(self._seat), ready=self._is_ready)
        self.identity, able = self.adapter.describe()
        if self.launcher.ours:
            able = able.having(CRASH, RESTART)
            if self.folder is not None and self.adapter.role.database is None:
                able = able.having(FILES)
                if disk.is_available():
                    able = able.having(disk.ABILITY)
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
        """Update its current addresses; return False if it cannot be reached."""
        endpoints = self.launcher.endpoints(self._seat.ports)
        if endpoints is None:
            return False
        if endpoints != self.adapter.endpoints:
            self.adapter.reach(endpoints)
        return True

    def restart(self) -> None:
        """Kill it and start it again, empty. Its endpoints may change."""
        self.launcher.kill()
        self.start()

    def stop(self) -> None:
        """Shut it down; `start(keep=True)` starts it again with what it has stored."""
        self.launcher.stop()

    def crash(self) -> None:
        """Kill it with SIGKILL and restart it with what it has stored. Its endpoints may change."""
        self.launcher.kill()
        self.start(keep=True)

    @property
    def upgraded(self) -> bool:
        """Whether it was replaced by another build."""
        return self.adapter is not self._first

    def kill(self) -> None:
        """Kill it with SIGKILL; `start(keep=True)` starts it again with what it has stored."""
        self.launcher.kill()

    def upgrade(self, adapter: Adapter) -> None:
        """Shut it down, and start the build of `adapter` on what it has stored."""
        self.launcher.stop()
        self.go_on(adapter)

    def go_on(self, adapter: Adapter) -> None:
        """Start the build of `adapter` on what the server stored before it ended."""
        self._change(adapter)
        self.start(keep=True)

    def _change(self, adapter: Adapter) -> None:
        self.launcher.change(adapter.build)
        self.adapter.close()
        self.adapter = adapter

    def close(self) -> None:
        """End it if the harness started it, and remove everything it left behind."""
        self.adapter.close()
        self.launcher.close()

    # Between cases

    def reset(self, *, unsettled: bool) -> bool:
        """Delete all objects and all records of events, so that a case starts with an empty server.

        `unsettled`: the last case may have left work in progress, which must be ended first. Return
        False if that takes a restart.
        """
        return self.adapter.empty(self.folder, self.worklists, unsettled=unsettled)

    def restore(self) -> None:
        """Restore its original configuration, and empty it. Its endpoints may change."""
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
        """Describe how it ended, without a request; None while it runs, or if that is unknown."""
        return self.launcher.ended()

    def trouble(self) -> str | None:
        """Describe what is wrong if it died or no longer answers; None otherwise."""
        died = self.died()
        if died or (self.launcher.listens(self._seat.ports) and self.adapter.answers(PATIENCE)):
            return died
        try:  # Docker learns of a crash slightly later than the server's peers
            return wait_until(self.died, what="the end to be seen", within=0.5)
        except WaitTimeout:
            return "no longer answers"


def deploy(build: Build, role: Role) -> Deployment:
    """Start a build in a role, empty. Raises ServerNotReady with its output if that fails."""
    adapter = build.make(role, build)
    kind = ProcessLauncher if build.image_id is None else ContainerLauncher
    return Deployment(adapter, kind(build, role, with_worklists=adapter.has_worklists))
