"""Many DICOM and HTTP clients at once, for a fixed number of operations: nothing is lost or duplicated.

Latencies and the memory of the server are measured and shown, but not judged.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext

import pytest

from harness.cases import (
    SUCCESS,
    AETitle,
    Bench,
    DicomWeb,
    Dimse,
    Maker,
    Memory,
    Party,
    Plot,
    Rest,
    Sample,
    Suite,
    apart,
    data_set_offset,
    instance_uids,
    orthanc_ids,
    percentile,
    study_path,
    thorough,
    values,
)

pytestmark = [apart("load"), pytest.mark.timeout(3600)]
suite = Suite(level="quality", ref="PS3.4 B.2.2")
CLIENTS = 8
PERCENTS = 50, 95, 99, 100
LIMIT = 60.0  # seconds to wait for an answer of a busy server
rounds = pytest.mark.parametrize(
    "rounds", [pytest.param(10, id="short"), pytest.param(250, id="long", marks=thorough())]
)


class Latencies:
    """The duration of each operation, by name; clients add to it concurrently."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def time(self, name: str, operation: Callable[[], object]) -> None:
        """Perform an operation and record its duration; if it fails, so does the case."""
        begin = time.perf_counter()
        operation()
        with self._lock:
            self.seconds[name].append(time.perf_counter() - begin)


@pytest.fixture
def latencies() -> Latencies:
    """Collect the durations measured by the clients of the case."""
    return Latencies()


@pytest.fixture
def under_load(
    bench: Bench,
    remote: Party,
    latencies: Latencies,
    plot: Callable[[Plot], None],
    record_property: Callable[[str, object], None],
) -> Iterator[Callable[[Callable[[int], None]], None]]:
    """Run clients at once, and record percentiles and memory; the server is restarted afterwards."""

    def run(work: Callable[[int], None]) -> None:
        pid = remote.server.pid
        with (
            nullcontext() if pid is None else Memory(pid) as memory,
            ThreadPoolExecutor(CLIENTS) as all_,
        ):
            list(all_.map(work, range(CLIENTS)))
        for name, seconds in latencies.seconds.items():
            times = ", ".join(
                f"{each}%: {1000 * percentile(seconds, each):.0f}" for each in PERCENTS
            )
            record_property(f"{name}, ms of {len(seconds)}", times)
        if memory is not None:
            plot(Plot("memory of the server", "s", "MB", {"resident": memory.points}))
        plot(
            Plot(
                "latency", "percent of the operations", "ms",
                {
                    name: [(each, 1000 * percentile(seconds, each)) for each in range(5, 101, 5)]
                    for name, seconds in latencies.seconds.items()
                },
            )
        )  # fmt: skip

    yield run
    bench.restore(remote)


def client_of(remote: Party) -> Dimse:
    """Return a DICOM client that connects to the server directly, not through the relay."""
    return Dimse(remote.server.dicom, remote.ae_title, AETitle("LOAD"), LIMIT)


UnderLoad = Callable[[Callable[[int], None]], None]


@suite.case("LOAD-001", needs=("dimse.store", "dimse.find.study"))
@rounds
def test_dicom_clients(
    remote: Party, make: Maker, latencies: Latencies, under_load: UnderLoad, rounds: int
) -> None:
    """Clients that store and search at once find everything that was stored, each object once."""
    studies = [
        [make.instance(PatientID=f"P{client}", number=each) for each in range(1, 2 * rounds + 1)]
        for client in range(CLIENTS)
    ]

    def work(client: int) -> None:
        dimse, study = client_of(remote), studies[client]
        uid = study[0].study_instance_uid
        for number in range(rounds):
            some = study[2 * number : 2 * number + 2]
            latencies.time("C-STORE of two", lambda some=some: dimse.store_all(some))
            latencies.time("C-FIND", lambda: _found_once(dimse, uid))

    under_load(work)

    for study in studies:
        assert found_in(client_of(remote), study[0]) == instance_uids(study)


def _found_once(dimse: Dimse, uid: str) -> None:
    assert values(dimse.find_studies(StudyInstanceUID=uid), "StudyInstanceUID") == [uid]


def found_in(dimse: Dimse, sample: Sample) -> list[str]:
    """Return the instances in the series of an object as listed by C-FIND, with duplicates."""
    found = dimse.find(
        "IMAGE",
        StudyInstanceUID=sample.study_instance_uid,
        SeriesInstanceUID=sample.series_instance_uid,
        SOPInstanceUID="",
    )
    return values(found.complete(), "SOPInstanceUID")


@suite.case(
    "LOAD-002", ref="Orthanc Book: scalability",
    needs=("rest", "dicomweb.stow", "dicomweb.qido", "dimse.store", "dimse.find.study"),
)  # fmt: skip
@rounds
def test_dicom_and_http_clients(
    remote: Party, make: Maker, latencies: Latencies, under_load: UnderLoad, rounds: int
) -> None:
    """Clients of DICOM, DICOMweb and REST store into the same studies at once: each object is there once."""
    studies = [
        [
            make.instance(PatientID=f"P{study}", series=str(client), number=each)
            for client in range(CLIENTS)
            for each in range(1, rounds + 1)
        ]
        for study in range(2)
    ]
    server = remote.server
    assert server.rest is not None

    def work(client: int) -> None:
        with ExitStack() as stack:
            rest = stack.enter_context(Rest(server.rest, server.adapter.credentials, LIMIT))
            web, dimse = DicomWeb(rest, remote.dicomweb), client_of(remote)
            doors: dict[str, Callable[[Sample], object]] = {
                "C-STORE": lambda each: dimse.store_all([each]),
                "STOW-RS": lambda each: web.stow([each.data]),
                "upload": lambda each: rest.upload_all([each]),
            }
            for number in range(rounds):
                name, store = list(doors.items())[(client + number) % len(doors)]
                for study in studies:
                    each = study[client * rounds + number]
                    latencies.time(name, lambda each=each, store=store: store(each))
                    latencies.time("download", lambda each=each: _whole(rest, each))
                latencies.time("QIDO-RS", lambda: web.qido("/studies", PatientID="P0"))

    under_load(work)

    with Rest(server.rest, server.adapter.credentials, LIMIT) as rest:
        listed = rest.json("/instances")
        expected = [orthanc_ids(each).instance for study in studies for each in study]
        assert sorted(listed) == sorted(expected)
        assert rest.json("/statistics")["CountInstances"] == len(expected)
        web = DicomWeb(rest, remote.dicomweb)
        for study in studies:
            assert len(web.qido(f"{study_path(study[0])}/series")) == CLIENTS
    for study in studies:
        assert found_in(client_of(remote), study[0]) == instance_uids(study[:rounds])
    assert client_of(remote).echo() == SUCCESS


def _whole(rest: Rest, sample: Sample) -> None:
    content = rest.get(f"{orthanc_ids(sample).path('instance')}/file").content
    assert content[data_set_offset(content) :] == sample.data_set
