"""Real servers that are probed, and relays in front of them."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from net.peers import dcmqrscp

from harness.capability import Limits, ProbeResult, Target, probe
from harness.capability.starting import started
from harness.errors import ServerNotFound
from harness.model import AETitle, Endpoint
from harness.relay import RelayLoop
from harness.relay.filters import Lie

Lying = Callable[[Lie], contextlib.AbstractContextManager[Target]]


@pytest.fixture(scope="session")
def orthanc() -> Iterator[Target]:
    """An Orthanc with all its plugins, started once for all tests that leave it as it is."""
    try:
        with started("orthanc") as target:
            yield target
    except ServerNotFound as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def orthanc_result(orthanc: Target) -> ProbeResult:
    """The whole probe of it."""
    return probe(orthanc)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The archive of dcmtk, started by somebody else."""
    with dcmqrscp(tmp_path_factory.mktemp("dcmqrscp")) as node:
        yield Target(
            Endpoint(node.host, node.port), AETitle(node.ae_title), AETitle("PROBE"),
            limits=Limits(associations=4), product="dcmqrscp",
        )  # fmt: skip


@pytest.fixture(scope="session")
def archive_result(archive: Target) -> ProbeResult:
    """The whole probe of it."""
    return probe(archive)


@pytest.fixture
def lying(archive: Target) -> Lying:
    """Put a liar before the archive of dcmtk."""

    @contextlib.contextmanager
    def lie_before(lie: Lie) -> Iterator[Target]:
        with RelayLoop() as loop:
            relay = loop.open("remote.dicom", target=archive.dicom, protocol="dicom")
            relay.lie = lie
            yield dataclasses.replace(archive, dicom=relay.endpoint)

    return lie_before


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to write the result to."""
    return tmp_path / "probe.json"
