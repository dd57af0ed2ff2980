"""`dcm serve` as a product of the harness: its requirements, and that emptying works."""

from collections.abc import Iterator

import pytest

from harness.clients.dimse import Dimse
from harness.config.settings import Node, Pair
from harness.corpus import corpus
from harness.errors import ServerNotFound
from harness.model import AETitle, Credentials, Port
from harness.servers.deployment import Deployment, deploy
from harness.servers.guard import Guard
from harness.servers.product import Role
from harness.servers.products import dcm_serve
from harness.servers.registry import find

ALICE = Credentials("alice", "alice-serves")


@pytest.fixture(scope="module")
def server() -> Iterator[Deployment]:
    """The server as a remote; nothing is at the addresses of its pair."""
    try:
        found = find("dcm-serve")
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    pair = Pair(
        Node(AETitle("SERVED"), "127.0.0.1", Port(4242), Port(8042), ALICE),
        Node(AETitle("OTHER"), "127.0.0.1", Port(5001), Port(5000), ALICE),
    )
    with Guard() as guard:
        made = deploy(found, Role("remote", pair, guard))
        try:
            yield made
        finally:
            made.close()


def test_missing_module_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the command that installs it."""
    monkeypatch.setattr(dcm_serve, "NEEDED", ("json", "no_such_module"))
    with pytest.raises(ServerNotFound, match=r"no_such_module .*pip install 'dicom-harness\[dcm"):
        find("dcm-serve")


def test_nothing_is_found_after_emptying(server: Deployment) -> None:
    """The index records a stored instance a moment later, perhaps after the emptying."""
    dimse = Dimse(server.dicom, AETitle("SERVED"), AETitle("OTHER"), 10.0)
    sample = corpus["h01-ct-1-1"]
    for _ in range(10):
        assert dimse.store(sample) == [0]
        assert server.reset(unsettled=False)
        assert dimse.find_studies(StudyInstanceUID=sample.study_instance_uid) == []
    assert dimse.store(sample) == [0]
    assert len(dimse.find_studies(StudyInstanceUID=sample.study_instance_uid)) == 1
    assert server.reset(unsettled=False)
