"""An engine, images with the Orthanc of this computer, and servers started by either adapter."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.suites import RunSuite, libraries_imported_once

from harness.clients.rest import Rest
from harness.config.settings import Node, Pair
from harness.errors import HarnessError, ServerNotFound
from harness.model import AETitle, Credentials, Port
from harness.programs import find_tool
from harness.servers.container import ContainerLimits
from harness.servers.container_engine import Engine, connect
from harness.servers.container_site import ContainerSite
from harness.servers.deployment import Deployment, deploy
from harness.servers.guard import Guard
from harness.servers.locate import OrthancInstallation, find_orthanc
from harness.servers.product import Build, Role, Spec
from harness.servers.products.image import find as find_image
from harness.servers.registry import find, names

from .images import Images, orthanc_files

__all__ = ["libraries_imported_once"]  # a fixture

ALICE = Credentials("alice", "alice-in-a-box")

Start = Callable[[], Deployment]


@pytest.fixture
def run_suite(pytester: pytest.Pytester) -> RunSuite:
    """Run small suites in a folder of their own."""
    return RunSuite(pytester)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The Docker engine of this computer."""
    try:
        client = connect()
    except HarnessError as missing:
        pytest.skip(str(missing))
    with closing(client):
        yield client


@pytest.fixture(scope="session")
def installation() -> OrthancInstallation:
    """The Orthanc of this computer."""
    try:
        return find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def images(engine: Engine, installation: OrthancInstallation) -> Iterator[Images]:
    """Images with that Orthanc, removed at the end."""
    made = Images(engine, installation)
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="session")
def image(images: Images) -> Build:
    """The plain image, after inspection."""
    return find_image(Spec(images.plain()))


@pytest.fixture(scope="session")
def guard() -> Iterator[Guard]:
    """Clean up in any case."""
    with Guard() as made:
        yield made


@pytest.fixture(scope="session")
def site(engine: Engine, guard: Guard) -> Iterator[ContainerSite]:
    """A network for all tests that only need one."""
    with ContainerSite(guard) as made:
        yield made


@pytest.fixture(scope="session")
def root_folder(
    installation: OrthancInstallation, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The root of a system with that Orthanc, like that of another release."""
    if os.geteuid() != 0:
        pytest.skip("only root may start a program in another system")
    root = tmp_path_factory.mktemp("root")
    with tarfile.open(fileobj=io.BytesIO(orthanc_files(installation))) as archive:
        # Like `filter="fully_trusted"`, which Python has only from 3.11.4 on.
        archive.extraction_filter = lambda member, _: member
        archive.extractall(root)  # noqa: S202 - made above
    return root


def start_container(
    image: Build, site: ContainerSite, guard: Guard, limits: ContainerLimits | None = None
) -> Deployment:
    """Start an Orthanc in a container."""
    build = replace(image, limits=limits or ContainerLimits())
    return deploy(build, role(guard, site))


def role(guard: Guard, site: ContainerSite | None = None) -> Role:
    """The role of a remote. Nothing listens at the pair's addresses: a server alone is tested."""
    host = "127.0.0.1" if site is None else site.own_address
    pair = Pair(
        Node(AETitle("BOXED"), host, Port(4242), Port(8042), ALICE),
        Node(AETitle("OTHER"), host, Port(5001), Port(5000), ALICE),
    )
    return Role("remote", pair, guard, site)


@pytest.fixture(scope="module", params=[*names(), "orthanc-root", "dcmqrscp-image"])
def start(request: pytest.FixtureRequest, guard: Guard) -> Iterator[Start]:
    """Start a server of each kind that the harness knows, as remote; close it at the end."""
    spec, site = request.param, None
    if spec == "orthanc-root":
        spec = f"orthanc:{request.getfixturevalue('root_folder')}"
    elif spec == "image":
        spec = f"image:{request.getfixturevalue('image').image}"
        site = request.getfixturevalue("site")
    image = None
    if spec == "dcmqrscp-image":
        program = find_tool("dcmqrscp")
        if program is None:
            pytest.skip("dcmtk is not installed")
        spec, site = "dcmqrscp", request.getfixturevalue("site")
        image = request.getfixturevalue("images").dcmqrscp(program)
    try:
        found = find(spec, Spec(image=image))
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    with ExitStack() as stack:

        def run() -> Deployment:
            server = deploy(found, role(guard, site))
            stack.callback(server.close)
            return server

        yield run


def rest_of(server: Deployment) -> Rest:
    """Return a client that the caller closes."""
    assert server.rest is not None
    return Rest(server.rest, server.adapter.credentials, time_limit=2.0)
