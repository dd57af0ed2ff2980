"""The servers for all tests of `dcm.net`."""

from collections.abc import Iterator

import pytest
from net import getting, serving
from net.certificates import Authority
from net.peers import dcmqrscp, orthanc, qrscp, storescp

from dcm.net import DcmNode, Tls
from harness.errors import ServerNotFound
from harness.servers.locate import find_orthanc


@pytest.fixture(autouse=True, scope="module")
def indexes_are_closed() -> Iterator[None]:
    """Close the indexes opened by `serving.catalogue_of` at the end."""
    yield
    while serving.OPEN:
        serving.OPEN.pop().close()


@pytest.fixture(scope="session")
def orthanc_program() -> str:
    """Path of the installed Orthanc."""
    try:
        return str(find_orthanc().executable)
    except ServerNotFound as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def orthanc_node(
    tmp_path_factory: pytest.TempPathFactory, orthanc_program: str
) -> Iterator[DcmNode]:
    """Orthanc."""
    with orthanc(tmp_path_factory.mktemp("orthanc"), orthanc_program) as node:
        yield node


@pytest.fixture(scope="session")
def storescp_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DcmNode]:
    """The storescp of dcmtk."""
    with storescp(tmp_path_factory.mktemp("storescp")) as node:
        yield node


@pytest.fixture(scope="session")
def dcmqrscp_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DcmNode]:
    """The archive of dcmtk."""
    with dcmqrscp(tmp_path_factory.mktemp("dcmqrscp")) as node:
        yield node


@pytest.fixture(scope="session")
def qrscp_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DcmNode]:
    """The archive of pynetdicom."""
    with qrscp(tmp_path_factory.mktemp("qrscp")) as node:
        yield node


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority for all sides of a test."""
    return Authority.make(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="session")
def server_tls(authority: Authority) -> Tls:
    """The certificate of a server on this machine."""
    return authority.issue("server")


@pytest.fixture(scope="session")
def client_tls(authority: Authority) -> Tls:
    """The certificate of a client."""
    return authority.issue("client")


@pytest.fixture(params=[1, 4])
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of associations for retrievals by `getting.remote`, even of few instances."""
    number: int = request.param
    monkeypatch.setattr("dcm.net.retrieve._FEW", 1)
    monkeypatch.setattr(getting, "at_once", number)
    return number
