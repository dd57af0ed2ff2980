"""A temporary folder may have any name that the file system allows."""

import tempfile
from pathlib import Path

import pytest

from harness.clients.dimse import Dimse
from harness.clients.worklist import Worklist
from harness.config.settings import Node, Pair
from harness.corpus import corpus
from harness.errors import ServerNotFound
from harness.model import AETitle, Credentials, Port
from harness.servers.deployment import Deployment, deploy
from harness.servers.guard import Guard
from harness.servers.product import Role
from harness.servers.registry import find, names

NASTY = 'with space %s%% #1 it\'s "ä" $HOME ${HOME} (a;b) ?x=&'

ALICE = Credentials("alice", "alice-in-a-folder")

# tiny-pacs answers with a character set that the standard does not define.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def role(guard: Guard) -> Role:
    """Return the role of a remote; nothing is at the addresses of the pair."""
    return Role(
        "remote",
        Pair(
            Node(AETitle("NASTY"), "127.0.0.1", Port(4242), Port(8042), ALICE),
            Node(AETitle("OTHER"), "127.0.0.1", Port(5001), Port(5000), ALICE),
        ),
        guard,
    )


@pytest.mark.parametrize("spec", [name for name in names() if name != "image"])
def test_server_works_in_a_folder_with_any_name(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server starts there, and stores data only in its own folder."""
    folder = tmp_path / NASTY
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    try:
        found = find(spec)
    except ServerNotFound as missing:
        pytest.skip(str(missing))

    with Guard() as guard:
        server = deploy(found, role(guard))
        try:
            _fill(server)
            assert server.trouble() is None
            assert list(folder.iterdir()) == [server.folder]
            assert list(tmp_path.iterdir()) == [folder]
        finally:
            server.close()


def _fill(server: Deployment) -> None:
    """Store an object or a worklist item in a server and, if it supports queries, find it."""
    dimse = Dimse(server.dicom, AETitle("NASTY"), AETitle("OTHER"), 10.0)
    can = server.capabilities.versions
    if server.worklists is not None and "dimse.worklist" in can:
        worklist = Worklist(server.worklists, dimse)
        worklist.put(corpus["w01"])
        assert len(worklist.find(PatientName="")) == 1
    if "dimse.store" in can:
        dimse.store_all([corpus["h01-ct-1-1"]])
    if "dimse.find.study" in can:
        assert len(dimse.find_studies(StudyInstanceUID="")) == 1
    else:
        assert server.folder is not None
        assert [
            each for each in server.folder.rglob("*") if each.suffix != ".log" and each.is_file()
        ]
