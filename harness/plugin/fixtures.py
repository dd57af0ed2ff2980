"""What a case can ask for by name: the two servers, the clients, objects to store."""

import functools
from collections.abc import Callable, Iterator
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
from harness.plugin.bench import Bench
from harness.plugin.outcome import RECORD, CaseRecord, Observe
from harness.plugin.stored import Stored
from harness.plugin.worker import Worker
from harness.servers.party import Party


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Bench:
    """Both servers with their relays; a case rather asks for `remote` or `local`."""
    worker = request.config.pluginmanager.get_plugin("harness-worker")
    if not isinstance(worker, Worker) or info_of(request.node) is None:
        raise pytest.UsageError(f"{request.node.nodeid} is no case: it has no @case(...)")
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
    """Kill the remote with SIGKILL, and start it again with what it has stored."""
    return functools.partial(bench.crash, bench.remote)


@pytest.fixture
def upgrade(bench: Bench) -> Callable[[], None]:
    """Stop the previous release, and start the one under test on what it has stored."""
    return functools.partial(bench.upgrade, bench.remote)


@pytest.fixture
def observe(request: pytest.FixtureRequest) -> Observe:
    """Note an ability of the server for `harness probe`: what it declares of a subject, and what it did."""
    record: CaseRecord = request.node.stash[RECORD]
    return record.observe


@pytest.fixture
def rest(bench: Bench) -> Rest:
    """A client for the RESTful services of the remote."""
    return bench.rest_of(bench.remote)


@pytest.fixture
def local_rest(bench: Bench) -> Rest:
    """A REST client for the local server."""
    return bench.rest_of(bench.local)


@pytest.fixture
def web(remote: Party, rest: Rest) -> DicomWeb:
    """A DICOMweb client for the remote."""
    return DicomWeb(rest, remote.dicomweb)


@pytest.fixture
def dimse(bench: Bench) -> Dimse:
    """A DICOM client (pynetdicom) for the remote, which calls itself by the AE title of the local server."""
    return bench.dimse_of(bench.remote, calling=bench.local)


@pytest.fixture
def wire(bench: Bench) -> Wire:
    """A client for the remote that says and hears PDUs and messages as they are."""
    remote, local = bench.remote, bench.local
    tls = remote.tls_at("dicom")
    return Wire(remote.dicom, remote.ae_title, local.ae_title, bench.time_limit, tls)


@pytest.fixture
def local_dimse(bench: Bench) -> Dimse:
    """A DICOM client for the local server, which calls itself by the AE title of the remote."""
    return bench.dimse_of(bench.local, calling=bench.remote)


@pytest.fixture
def dcmtk(bench: Bench, tmp_path: Path) -> Dcmtk:
    """dcmtk's programs, aimed at the remote."""
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
    """Make objects to order, with identifiers of this case's own."""
    info = info_of(request.node)
    return Maker(scope=request.node.name if info is None else info.id)


@pytest.fixture
def stored(bench: Bench, make: Maker) -> Iterator[Stored]:
    """Make objects to order and store them at the remote, by its fastest door."""
    remote = bench.remote
    if "rest" in remote.capabilities.versions:
        yield Stored(make, bench.rest_of(remote).upload_all)
    else:
        yield Stored(make, bench.dimse_of(remote, calling=bench.local).store_all)
