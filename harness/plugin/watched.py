"""A run monitored by another process, to which it reports its progress on an inherited socket.

    {"folder": "/runs/20261122-094103-orthanc-1.10.1"}     where the evidence will be
    {"cases": 321}                                         how many there are
    {"outcome": "passed"}                                  one has ended

Each message is one line of JSON. The file descriptor is in the environment variable HARNESS_WATCHED
and not on the command line, so that a user can repeat the recorded command.
"""

import json
import os
import socket

import pytest

from harness.plugin.controller import Controller

VARIABLE = "HARNESS_WATCHED"


class Watched:
    """Registered as a plugin in addition to the controller."""

    def __init__(self, controller: Controller, watcher: socket.socket) -> None:
        self._controller = controller
        self._watcher = watcher

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        """Report where the run folder is."""
        self._tell(folder=str(self._controller.folder.path))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Report how many cases there are, in a run of one process."""
        self._tell(cases=len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Report how many cases a worker has found."""
        self._tell(cases=len(ids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Report that a case has ended."""
        record = json.loads(vars(report).get("harness", "{}")).get("record")
        if record is not None:
            self._tell(outcome=record["outcome"])

    def _tell(self, **sign: str | int) -> None:
        self._watcher.sendall(json.dumps(sign).encode() + b"\n")


def watched_by_another(controller: Controller) -> Watched | None:
    """Return the plugin if another process monitors this run; child processes are not monitored."""
    descriptor = os.environ.pop(VARIABLE, None)
    if descriptor is None:
        return None
    os.set_inheritable(int(descriptor), False)
    return Watched(controller, socket.socket(fileno=int(descriptor)))
