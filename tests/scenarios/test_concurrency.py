"""Many clients work on the same objects; afterwards index, statistics and files agree."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread

from harness.cases import (
    DATABASES,
    FOLDERS,
    Maker,
    Party,
    Rest,
    Sample,
    Stored,
    Story,
    Suite,
    configured,
    differences,
    needs,
    orthanc_ids,
    thorough,
    wait_until,
)

suite = Suite(level="product", ref="Orthanc Book: scalability", needs="rest", thorough=True)
COVERED = "Concurrency.test_concurrency"
CLIENTS = 8
OF_ONE_PATIENT = (
    "NumberOfPatientRelatedStudies",
    "NumberOfPatientRelatedSeries",
    "NumberOfPatientRelatedInstances",
)
pytestmark = pytest.mark.timeout(120)
on_each_place = pytest.mark.parametrize(
    "place",
    [
        "files",
        *(pytest.param(each, marks=[configured(database=each), thorough()]) for each in DATABASES),
    ],
)

Work = Callable[[Rest, Any], object]


@pytest.fixture
def at_once(remote: Party) -> Iterator[Callable[[Work, Iterable[Any]], list[Any]]]:
    """Do some work for several items in parallel, with a client connection for each."""
    own = threading.local()
    with ExitStack() as stack, ThreadPoolExecutor(CLIENTS) as clients:

        def one(work: Work, what: Any) -> object:
            if not hasattr(own, "rest"):
                own.rest = stack.enter_context(remote.new_rest(None))
            return work(own.rest, what)

        yield lambda work, things: list(clients.map(lambda what: one(work, what), things))


AtOnce = Callable[[Work, Iterable[Any]], list[Any]]


def counts(rest: Rest) -> dict[str, int]:
    """Return the number of resources of each level; the lists and the statistics must agree."""
    statistics = rest.json("/statistics")
    found = {each: len(set(rest.json(f"/{each}"))) for each in FOLDERS}
    assert found == {each: statistics[f"Count{each.capitalize()}"] for each in FOLDERS}
    return found


def related(rest: Rest, sample: Sample) -> list[int]:
    """Return the numbers of studies, series and instances of a patient, as counted by the server."""
    query = {
        "Level": "Patient",
        "Query": {"PatientID": sample.patient_id},
        "Expand": True,
        "RequestedTags": OF_ONE_PATIENT,
    }
    (found,) = rest.post("/tools/find", query).json()
    return [int(found["RequestedTags"][each]) for each in OF_ONE_PATIENT]


def assert_empty(rest: Rest) -> None:
    """Fail the case unless there is nothing at any level and the size is 0."""
    assert counts(rest) == dict.fromkeys(FOLDERS, 0)
    assert int(rest.json("/statistics")["TotalDiskSize"]) == 0


def upload(rest: Rest, sample: Sample) -> None:
    """Upload an object, which another client may be uploading at the same time."""
    rest.post("/instances", sample.data, expect=(200, 409))


@suite.case("CONC-001", thorough=False, covers=f"{COVERED}.test_concurrent_uploads_same_study")
@on_each_place
def test_same_objects_from_all(
    rest: Rest,
    make: Maker,
    at_once: AtOnce,
    place: str,
) -> None:
    """Objects uploaded repeatedly by all clients exist once, and their bytes are counted once."""
    study = make.study(series=2, instances=10)

    at_once(upload, study * CLIENTS * 2)

    assert counts(rest) == {"patients": 1, "studies": 1, "series": 2, "instances": 20}
    assert int(rest.json("/statistics")["TotalDiskSizeMB"]) == 0
    for each in study:
        assert rest.get(f"{orthanc_ids(each).path('instance')}/file").content == each.data
    rest.delete(orthanc_ids(study[0]).path("study"))
    assert_empty(rest)


@suite.case(
    "CONC-002", covers=f"{COVERED}.test_concurrent_uploads_same_study", needs="orthanc>=1.11.0"
)
@on_each_place
def test_counts_of_the_patient(rest: Rest, make: Maker, at_once: AtOnce, place: str) -> None:
    """After many concurrent uploads, the counts returned by a search are correct."""
    study = make.study(series=2, instances=10)

    at_once(upload, study * CLIENTS)

    assert related(rest, study[0]) == [1, 2, 20]


@suite.case(
    "CONC-003",
    thorough=False,
    covers=f"{COVERED}.test_concurrent_uploads_same_study",
    needs="server.restart",
)
@needs("server.files")
def test_files_agree_with_the_index(rest: Rest, make: Maker, at_once: AtOnce, story: Story) -> None:
    """After many concurrent uploads, the storage area has the files of the index and no others."""
    study = make.study(series=2, instances=10)
    at_once(upload, study * CLIENTS * 2)

    sizes = [each.stat().st_size for each in story.stored_files()]
    assert sum(sizes) == int(rest.json("/statistics")["TotalDiskSize"])

    rest.delete(orthanc_ids(study[0]).path("study"))
    assert story.stored_files() == []


@suite.case("CONC-004", covers=f"{COVERED}.test_concurrent_anonymize_same_study")
@on_each_place
def test_anonymizations_at_once(
    rest: Rest,
    stored: Stored,
    at_once: AtOnce,
    place: str,
) -> None:
    """If many clients anonymize one study, each gets a complete new study."""
    study = stored.study(series=2, instances=3)
    path = f"{orthanc_ids(study[0]).path('study')}/anonymize"
    times = 2 * CLIENTS

    made = at_once(lambda client, _: client.post(path, {"KeepSource": True}).json(), range(times))

    assert len({each["ID"] for each in made}) == times
    assert counts(rest) == {
        "patients": times + 1, "studies": times + 1, "series": 2 * times + 2, "instances": 6 * times + 6,
    }  # fmt: skip
    for each in made:
        assert len(rest.json(f"{each['Path']}/series")) == 2
        assert len(rest.json(f"{each['Path']}/instances")) == 6
    changes = rest.json("/changes", limit=10_000)["Changes"]
    assert [each["ChangeType"] for each in changes].count("NewInstance") == 6 * times + 6


@suite.case(
    "CONC-005",
    thorough=False,
    covers=f"{COVERED}.test_upload_delete_same_study_from_multiple_threads",
)
@on_each_place
def test_uploads_and_deletions_of_one_study(
    rest: Rest,
    make: Maker,
    at_once: AtOnce,
    place: str,
) -> None:
    """Clients that upload and delete their share of one study leave nothing behind, not even a parent."""
    study = make.study(series=1, instances=4 * CLIENTS)
    shares = [study[first::CLIENTS] for first in range(CLIENTS)]

    def come_and_go(client: Rest, share: tuple[Sample, ...]) -> None:
        for _ in range(3):
            for each in share:
                upload(client, each)
            for each in share:
                client.delete(orthanc_ids(each).path("instance"))

    at_once(come_and_go, shares)

    assert_empty(rest)
    rest.upload_all(study)
    assert counts(rest) == {"patients": 1, "studies": 1, "series": 1, "instances": len(study)}


@suite.case("CONC-006", covers=f"{COVERED}.test_upload_multiple_studies_from_multiple_threads")
@on_each_place
def test_studies_come_and_go(
    rest: Rest,
    make: Maker,
    at_once: AtOnce,
    place: str,
) -> None:
    """Clients that upload and delete separate studies do not disturb each other."""
    studies = [make.study(series=5, instances=2, PatientID=f"P{n}") for n in range(2 * CLIENTS)]

    def come_and_go(client: Rest, study: tuple[Sample, ...]) -> None:
        client.upload_all(study)
        path = orthanc_ids(study[0]).path("study")
        assert len(client.json(f"{path}/series")) == 5
        assert len(client.json(f"{path}/instances")) == 10
        client.delete(path)

    at_once(come_and_go, studies)

    assert_empty(rest)


@suite.case("CONC-007")
@on_each_place
def test_readers_among_writers(
    rest: Rest,
    make: Maker,
    at_once: AtOnce,
    place: str,
) -> None:
    """While an object is deleted and stored again, a reader gets either all its bytes or a 404."""
    study = make.study(instances=3)
    rest.upload_all(study)

    def work(client: Rest, number: int) -> None:
        sample = study[number % len(study)]
        path = orthanc_ids(sample).path("instance")
        if number % 4 == 0:
            client.delete(path, expect=(200, 404))
            upload(client, sample)
        else:
            answer = client.get(f"{path}/file", expect=(200, 404))
            assert answer.status_code == 404 or answer.content == sample.data

    at_once(work, range(40 * CLIENTS))

    for each in study:
        upload(rest, each)
        assert rest.get(f"{orthanc_ids(each).path('instance')}/file").content == each.data
    assert counts(rest) == {"patients": 1, "studies": 1, "series": 1, "instances": len(study)}


def states(rest: Rest) -> set[str]:
    """Return the states of all jobs."""
    return {each["State"] for each in rest.json("/jobs?expand")}


@suite.case(
    "CONC-008",
    ref="Orthanc Book: DICOMweb plugin, POST /dicom-web/servers/{name}/retrieve",
    covers="Concurrency.test_dicomweb.test_wado_rs_retrieve",
    needs=("plugin.dicomweb", "dicomweb.wado"),
)
@pytest.mark.parametrize(
    "loaders",
    [
        pytest.param(1, id="one"),
        pytest.param(
            4,
            id="four",
            marks=[
                needs("plugin.dicomweb>=1.21"),
                configured(DicomWeb={"WadoRsLoaderThreadsCount": 4}),
            ],
        ),
    ],
)
def test_studies_are_retrieved_at_once(
    rest: Rest, make: Maker, beside: Callable[[], AbstractContextManager[Rest]], loaders: int
) -> None:
    """Another server that retrieves several studies at once by WADO-RS has each object, as it is here.

    For that server the remote is the DICOMweb server `sample`.
    """
    studies = [make.study(series=3, instances=30, PatientID=f"P{n}") for n in range(5)]
    for each in studies:
        rest.upload_all(each)

    with beside() as other:
        for each in studies:
            asked = {"Resources": [{"Study": each[0].study_instance_uid}], "Asynchronous": True}
            other.post("/dicom-web/servers/sample/retrieve", asked)
        wait_until(
            lambda: states(other).isdisjoint({"Pending", "Running"}),
            what="the jobs to end",
            within=60,
        )

        assert states(other) == {"Success"}, f"with {loaders} loaders"
        assert counts(other) == {"patients": 5, "studies": 5, "series": 15, "instances": 450}
        for study in studies:
            path = orthanc_ids(study[0]).path("study")
            assert len(other.json(f"{path}/instances")) == 90
            for sample in study[::30]:
                file = other.get(f"{orthanc_ids(sample).path('instance')}/file").content
                assert differences(sample.dataset(), dcmread(BytesIO(file))) == []
