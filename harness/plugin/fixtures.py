"""The fixtures that a case can request: the two servers, the clients, objects to store."""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from harness.case import info_of
from harness.clients.dcmtk import Dcmtk
from harness.clients.dicomweb import DicomWeb
from harness.clients.dimse import Dimse
from harness.clients.rest import Rest
from harness.clients.wire import Wire
from harness.corpus import Corpus, Maker
from harness.corpus import corpus as _corpus
from harness.plot import Plot
from harness.plugin.bench import Bench
from harness.plugin.outcome import RECORD, CaseRecord, Observe
from harness.plugin.stored import Stored
from harness.plugin.story import Story
from harness.plugin.worker import Worker
from harness.servers.party import Party


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Bench:
    """Both servers with their relays; most cases request `remote` or `local` instead."""
    worker = request.config.pluginmanager.get_plugin("harness-worker")
    if not isinstance(worker, Worker) or info_of(request.node) is None:
        raise pytest.UsageError(f"{request.node.nodeid} is not a case: it has no @case(...)")
    return worker.bench


@pytest.fixture
def remote(bench: Bench) -> Party:
    """The server under test."""
    return bench.remote


@pytest.fixture
def local(bench: Bench) -> Party:
    """The second instance, started by the harness."""
    return bench.local


@pytest.fixture
def crash(bench: Bench) -> Callable[[], None]:
    """Kill the remote with SIGKILL, and start it again with its stored data."""
    return functools.partial(bench.crash, bench.remote)


@pytest.fixture
def upgrade(bench: Bench) -> Callable[[], None]:
    """Stop the previous release, and start the one under test with the same stored data."""
    return functools.partial(bench.upgrade, bench.remote)


@pytest.fixture
def beside(bench: Bench) -> Callable[[], AbstractContextManager[Rest]]:
    """Run another server like the remote, on its database if it has one; yields its REST client."""
    return bench.beside


@pytest.fixture
def handshake(bench: Bench) -> Callable[..., str]:
    """Offer the remote a single version of TLS; returns the one agreed on, empty if there is none."""
    return bench.handshake


@pytest.fixture
def story(bench: Bench) -> Story:
    """The remote over several starts and stops, controlled by the case."""
    return Story(bench)


@pytest.fixture
def observe(request: pytest.FixtureRequest) -> Observe:
    """Record for `harness probe` what the server declares on a subject, and what it did."""
    record: CaseRecord = request.node.stash[RECORD]
    return record.observe


@pytest.fixture
def plot(request: pytest.FixtureRequest) -> Callable[[Plot], None]:
    """Record a plot of the measurements of the case, for the report."""
    record: CaseRecord = request.node.stash[RECORD]
    return record.plot


@pytest.fixture
def rest(bench: Bench) -> Rest:
    """A client for the REST API of the remote."""
    return bench.rest_of(bench.remote)


@pytest.fixture
def local_rest(bench: Bench) -> Rest:
    """A client for the REST API of the local server."""
    return bench.rest_of(bench.local)


@pytest.fixture
def web(remote: Party, rest: Rest) -> DicomWeb:
    """A DICOMweb client for the remote."""
    return DicomWeb(rest, remote.dicomweb)


@pytest.fixture
def dimse(bench: Bench) -> Dimse:
    """A DICOM client (pynetdicom) for the remote, with the AE title of the local server."""
    return bench.dimse_of(bench.remote, calling=bench.local)


@pytest.fixture
def wire(bench: Bench) -> Wire:
    """A client for the remote that sends and receives PDUs and messages unchanged."""
    remote, local = bench.remote, bench.local
    tls = remote.tls_at("dicom")
    return Wire(remote.dicom, remote.ae_title, local.ae_title, bench.time_limit, tls)


@pytest.fixture
def local_dimse(bench: Bench) -> Dimse:
    """A DICOM client for the local server, with the AE title of the remote."""
    return bench.dimse_of(bench.local, calling=bench.remote)


@pytest.fixture
def dcmtk(bench: Bench, tmp_path: Path) -> Dcmtk:
    """dcmtk's programs, run against the remote."""
    return Dcmtk(
        bench.remote.dicom,
        bench.remote.ae_title,
        bench.local.ae_title,
        folder=tmp_path,
        keep=bench.tools.append,
        time_limit=bench.time_limit,
        tls=bench.remote.tls_at("dicom"),
    )


@pytest.fixture
def corpus() -> Corpus:
    """The sample objects of `database/`."""
    return _corpus


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Maker:
    """Make objects as requested, with identifiers that only this case uses."""
    info = info_of(request.node)
    return Maker(scope=request.node.name if info is None else info.id)


@pytest.fixture
def stored(bench: Bench, make: Maker) -> Iterator[Stored]:
    """Make objects as requested and store them on the remote, through its fastest interface."""
    remote = bench.remote
    if "rest" in remote.capabilities.versions:
        yield Stored(make, bench.rest_of(remote).upload_all)
    else:
        yield Stored(make, bench.dimse_of(remote, calling=bench.local).store_all)
