"""The contract of every server started by the harness, in a process or a container."""

import signal
import socket
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.clients.dicomweb import DicomWeb
from harness.clients.dimse import Dimse
from harness.clients.worklist import Worklist
from harness.corpus import corpus
from harness.model import AETitle, Version
from harness.servers import deployment
from harness.waiting import wait_until

from .conftest import rest_of

if TYPE_CHECKING:
    from harness.servers.deployment import Deployment

    from .conftest import Start

# tiny-pacs answers with a character set that the standard does not define.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

SAMPLE = "h01-ct-1-1"
CATCHES_SIGSEGV = ("dicom-storescp", "pixelmed")
"""Servers whose runtime, Rust's or Java's, catches that signal when another process sends it."""
FORGETFUL = ("pixelmed",)
"""Servers that lose the last stored data when they end, see `known/`: CONST-001, CONST-010."""


@pytest.fixture(scope="module")
def server(start: "Start") -> "Deployment":
    """One server for all tests; a test that ends it starts it again."""
    return start()


@pytest.fixture
def emptied(server: "Deployment") -> "Deployment":
    """Start empty, whatever the last test did."""
    empty(server, unsettled=True)
    return server


def empty(server: "Deployment", *, unsettled: bool = False) -> None:
    """Empty the server, as a run does between two cases."""
    if not server.reset(unsettled=unsettled):
        server.restart()


def dimse_of(server: "Deployment", calling: str = "OTHER") -> Dimse:
    """Return a DICOM client with an AE title that the server knows."""
    return Dimse(server.dicom, AETitle("BOXED"), AETitle(calling), 5.0)


def fill(server: "Deployment") -> None:
    """Store something through its first door."""
    can = server.capabilities.versions
    if "dimse.store" in can:
        dimse_of(server).store_all([corpus[SAMPLE]])
    if server.worklists is not None:
        Worklist(server.worklists, dimse_of(server)).put(corpus["w01"])


def contents(server: "Deployment") -> dict[str, int]:
    """Count what it holds, through every door that can be queried."""
    can, held = server.capabilities.versions, {}
    if "dimse.find.study" in can:
        held["C-FIND"] = len(dimse_of(server).find_studies(StudyInstanceUID=""))
    if "dimse.worklist" in can and server.worklists is not None:
        worklist = Worklist(server.worklists, dimse_of(server))
        held["worklist"] = len(worklist.find(PatientName=""))
    if "dicomweb.qido" in can:
        assert server.adapter.dicomweb is not None
        with rest_of(server) as client:
            held["QIDO"] = len(DicomWeb(client, server.adapter.dicomweb).qido("/studies"))
    if "rest" in can:
        with rest_of(server) as client:
            held["patients"] = len(client.json("/patients"))
            held["changes"] = len(client.json("/changes")["Changes"])
    return held


def test_it_says_who_it_is_and_what_it_can_do(server: "Deployment") -> None:
    """The title is the requested one; each capability is one that a case can name."""
    assert server.identity.ae_title == "BOXED"
    assert server.identity.version != Version("unknown")
    can = server.capabilities.versions
    assert "dimse.echo" in can
    assert (server.rest is not None) == any(
        name.split(".")[0] in ("rest", "dicomweb") for name in can
    )
    assert (server.adapter.dicomweb is not None) >= ("dicomweb.qido" in can)
    assert (server.died(), server.trouble()) == (None, None)


def test_it_answers(server: "Deployment") -> None:
    """DICOM answers at its endpoint."""
    assert dimse_of(server).echo() == 0


def test_it_holds_what_it_is_given_until_reset(emptied: "Deployment") -> None:
    """Stored data is found through all doors, not after a reset, and can be stored again."""
    for _ in range(2):
        fill(emptied)
        held = contents(emptied)
        assert all(count >= 1 for count in held.values()), held

        empty(emptied)
        assert set(contents(emptied).values()) <= {0}


def test_the_log_is_given_from_a_position_on(server: "Deployment") -> None:
    """Output before the position is left out, later output is included."""
    dimse_of(server).echo()
    wait_until(lambda: server.launcher.log_since(0), what="its first words")
    position = server.launcher.log_position()
    before = server.launcher.log_since(0)
    dimse_of(server).echo()

    wait_until(lambda: server.launcher.log_since(position), what="what it says of the second echo")
    after = server.launcher.log_since(position)
    assert server.launcher.log_since(0).startswith(before)
    assert len(after) < len(before) + len(after)
    assert after in server.launcher.log_since(0)


def test_a_death_is_told_by_its_signal(emptied: "Deployment") -> None:
    """The signal is named; after a restart the server is running and empty, with its whole log."""
    fill(emptied)
    logged = emptied.launcher.log_since(0)
    catches = emptied.identity.product in CATCHES_SIGSEGV
    number = signal.SIGKILL if catches else signal.SIGSEGV
    emptied.launcher.send_signal(number)

    wait_until(emptied.died, what="its end")
    assert emptied.trouble() == emptied.died() == f"died of {number.name}"
    emptied.restart()
    assert (emptied.died(), emptied.trouble()) == (None, None)
    assert set(contents(emptied).values()) <= {0}
    assert emptied.launcher.log_since(0).startswith(logged)


def test_a_frozen_server_is_told_and_can_be_thawed_or_started_again(
    server: "Deployment", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is alive, so only a request shows that it hangs; it is then killed."""
    monkeypatch.setattr(deployment, "PATIENCE", 1.0)
    server.launcher.freeze()
    try:
        assert server.died() is None
        assert server.trouble() == "no longer answers"
    finally:
        server.launcher.thaw()
        monkeypatch.undo()
    wait_until(lambda: server.trouble() is None, what="it to answer again")

    server.launcher.freeze()
    server.restart()
    assert server.trouble() is None


def test_what_it_holds_outlives_a_stop_and_a_crash(emptied: "Deployment") -> None:
    """After a clean stop or a kill, a restarted server has all data."""
    if emptied.identity.product in FORGETFUL:
        pytest.skip("known to lose what was stored last")
    fill(emptied)
    held = contents(emptied)
    held.pop("changes", None)  # Orthanc adds a note that nothing has changed for a while

    emptied.stop()
    assert emptied.died() is not None
    emptied.start(keep=True)
    assert emptied.died() is None
    assert held.items() <= contents(emptied).items()

    emptied.crash()
    assert emptied.trouble() is None
    assert held.items() <= contents(emptied).items()


def test_close_ends_it(server: "Deployment") -> None:
    """Nothing answers any more; the fixture closes it again, harmlessly. This is the last test."""
    pid = getattr(server, "pid", None)
    server.close()

    assert server.died() is not None
    if pid is not None:  # the port may belong to another process by now
        assert not psutil.pid_exists(pid)
        return
    with pytest.raises(OSError, match=r"refused|timed out|[Nn]o route|unreachable"):
        socket.create_connection((server.dicom.host, server.dicom.port), timeout=1)
