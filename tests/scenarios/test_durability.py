"""Acknowledged data is not lost, neither by SIGKILL under load nor on a full disk."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from harness.cases import (
    CT,
    SUCCESS,
    UNKNOWN_UID,
    CommitmentScu,
    DicomWeb,
    Dimse,
    Disk,
    Maker,
    NoAnswer,
    Party,
    Rest,
    Sample,
    Status,
    Story,
    Suite,
    needs,
    orthanc_ids,
    thorough,
    wait_until,
)

suite = Suite(ref="PS3.4 B.2.2", needs=("server.crash", "server.restart"))
pytestmark = pytest.mark.timeout(120)
CLIENTS = 4
ALL_STORED = 200  # for STOW-RS by PS3.18 Table 10.5.3-1, and for POST /instances
OBJECTS = 160
"""More objects than are stored before the server is killed."""
DISK, LARGEST = 6, 240  # megabytes
LARGE = 24
"""The number of half-megabyte objects: twice what fits on the disk."""
OUT_OF_RESOURCES = 0xA700  # PS3.4 Table B.2-1
ROUNDS = [pytest.param(each, marks=[thorough()] if each > 1 else []) for each in range(1, 6)]
"""How many times twenty objects are acknowledged before the server is killed."""

Store = Callable[[Sequence[Sample], Callable[[Sample], None]], object]
"""Stores objects in turn until one is not acknowledged; reports each acknowledgement.

Returns the answer for the object that was not acknowledged, or None if there was none.
"""


def by_dicom(remote: Party) -> Store:
    """Store by C-STORE, on one association."""

    def store(objects: Sequence[Sample], acknowledged: Callable[[Sample], None]) -> Status | None:
        client = Dimse(remote.dicom, remote.ae_title, remote.ae_title, remote.time_limit)
        association = client.request_association(CT)
        try:
            for each in objects:
                status = association.send_c_store(each.dataset()).get("Status")
                if status != SUCCESS:
                    return None if status is None else Status(status)
                acknowledged(each)
        except RuntimeError:  # raised by pynetdicom: the association has ended
            return None
        finally:
            association.abort()
        return None

    return store


def by_http(remote: Party, path: str) -> Store:
    """Store each object in a request of its own."""

    def store(objects: Sequence[Sample], acknowledged: Callable[[Sample], None]) -> object:
        with remote.new_rest(None) as rest:
            web = DicomWeb(rest, path)
            for each in objects:
                try:
                    if path:
                        answer = web.stow([each.data], expect=None)
                    else:
                        answer = rest.post("/instances", each.data, expect=None)
                except NoAnswer:
                    return None
                if answer.status_code != ALL_STORED:
                    return answer
                acknowledged(each)
        return None

    return store


@pytest.fixture(
    params=[
        pytest.param("dicom", marks=needs("dimse.store", "dimse.get.study")),
        pytest.param("rest", marks=needs("rest")),
        pytest.param("stow", marks=needs("dicomweb.stow", "rest")),
    ]
)
def store(request: pytest.FixtureRequest, remote: Party) -> Store:
    """Store objects in one of several ways."""
    if request.param == "dicom":
        return by_dicom(remote)
    return by_http(remote, "" if request.param == "rest" else remote.dicomweb)


def killed_under_load(
    story: Story, store: Store, objects: Sequence[Sample], after: int
) -> list[Sample]:
    """Store from several clients, kill the server after this many acknowledgements, and restart it.

    Return the acknowledged objects.
    """
    acknowledged: list[Sample] = []
    shares = [objects[first::CLIENTS] for first in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        work = [clients.submit(store, share, acknowledged.append) for share in shares]
        wait_until(lambda: len(acknowledged) >= after, what=f"{after} acknowledgements", within=30)
        story.end("SIGKILL")
        for each in work:
            each.result()
    assert len(acknowledged) < len(objects), "all was stored before the server was killed"
    story.start()
    return acknowledged


def retrieved(dimse: Dimse, sample: Sample) -> dict[str, bytes]:
    """Return the pixels of each instance in the study of an object, retrieved by C-GET."""
    got = dimse.get("STUDY", storage=[sample.context], StudyInstanceUID=sample.study_instance_uid)
    return {str(each.SOPInstanceUID): bytes(each.PixelData) for each in got.datasets}


@suite.case("DURA-001", needs="dimse.get.study")
@pytest.mark.parametrize("twenties", ROUNDS)
def test_acknowledged_objects_survive(
    story: Story, dimse: Dimse, make: Maker, store: Store, twenties: int
) -> None:
    """Each object acknowledged before a SIGKILL under load is complete afterwards."""
    objects = make.study(series=1, instances=OBJECTS)

    acknowledged = killed_under_load(story, store, objects, after=20 * twenties)

    assert_whole(dimse, acknowledged)


@suite.case("DURA-002", needs="rest", level="product", ref="Orthanc Book: REST API")
def test_nothing_is_there_by_halves(story: Story, rest: Rest, make: Maker, store: Store) -> None:
    """Everything listed after a SIGKILL under load is complete, whether acknowledged or not."""
    objects = make.study(series=2, instances=OBJECTS // 2)
    sent = {orthanc_ids(each).instance: each for each in objects}

    killed_under_load(story, store, objects, after=50)

    listed = rest.json("/instances")
    assert listed
    for each in listed:
        content = rest.get(f"/instances/{each}/file").content
        assert content[-256:] == sent[each].data[-256:]
    statistics = rest.json("/statistics")
    assert statistics["CountInstances"] == len(listed) == len(set(listed))


@suite.case("DURA-003", needs="rest", level="product", ref="Orthanc Book: REST API", thorough=True)
@needs("server.files")
def test_deleted_objects_stay_away(story: Story, rest: Rest, make: Maker) -> None:
    """After a SIGKILL, an object whose deletion was acknowledged is gone, and so is its file."""
    kept, *gone = make.study(series=1, instances=20)
    rest.upload_all([kept, *gone])
    for each in gone:
        rest.delete(orthanc_ids(each).path("instance"))

    story.end("SIGKILL")
    story.start()

    assert rest.json("/instances") == [orthanc_ids(kept).instance]
    sizes = [each.stat().st_size for each in story.stored_files()]
    assert sum(sizes) == int(rest.json("/statistics")["TotalDiskSize"])


@pytest.fixture
def commitment(local: Party) -> Iterator[CommitmentScu]:
    """Request storage commitment in place of the local server."""
    with CommitmentScu(local.ae_title, local.time_limit) as scu:
        local.dicom_relay.target = scu.endpoint
        yield scu
    local.aim_relays()


@suite.case(
    "DURA-004", ref="PS3.4 J.3.3.1.1", needs=("dimse.store", "dimse.commit", "dimse.get.study")
)
def test_commitment_is_true_afterwards(
    story: Story, remote: Party, dimse: Dimse, make: Maker, commitment: CommitmentScu
) -> None:
    """After a SIGKILL under load, storage commitment confirms existing instances, and no others."""
    objects = make.study(series=1, instances=OBJECTS)
    acknowledged = killed_under_load(story, by_dicom(remote), objects, after=50)
    there = retrieved(dimse, objects[0])
    asked = [(str(each.sop_class_uid), str(each.sop_instance_uid)) for each in objects]

    commitment.ask(dimse, "2.25.22", [*asked, (str(objects[0].sop_class_uid), UNKNOWN_UID)])

    report = commitment.report()
    assert sorted(uid for _, uid in report.committed) == sorted(there)
    assert {str(each.sop_instance_uid) for each in acknowledged} <= there.keys()
    assert sorted(uid for _, uid in report.failed) == sorted(
        {uid for _, uid in asked} - there.keys() | {UNKNOWN_UID}
    )


def assert_whole(dimse: Dimse, acknowledged: Sequence[Sample]) -> None:
    """Fail the case unless each acknowledged object can be retrieved, with its pixels."""
    found = retrieved(dimse, acknowledged[0])
    for each in acknowledged:
        assert each.sop_instance_uid in found, f"{each.id} was acknowledged, and is lost"
        assert found[each.sop_instance_uid] == each.dataset().PixelData


def filled(make: Maker, store: Store, disk: Disk) -> tuple[list[Sample], object]:
    """Store until the disk is full; return the acknowledged objects and the next answer."""
    acknowledged: list[Sample] = []
    large = partial(make.instance, rows=512, columns=512)
    objects = [large(number=each) for each in range(1, LARGE + 1)]
    answer = store(objects, acknowledged.append)
    while not acknowledged and disk.megabytes < LARGEST:
        disk.grow(DISK)
        answer = store(objects, acknowledged.append)
    size = f"a disk of {disk.megabytes} MB"
    assert acknowledged, f"nothing was acknowledged on {size}"
    assert len(acknowledged) < len(objects), f"{len(acknowledged)} objects went onto {size}"
    return acknowledged, answer


@suite.case("DURA-005", needs=("server.small-disk", "dimse.get.study"))
def test_full_disk_loses_nothing(story: Story, dimse: Dimse, make: Maker, store: Store) -> None:
    """Acknowledged objects are complete when the disk is full."""
    with story.small_disk(DISK) as disk:
        acknowledged, _ = filled(make, store, disk)

        assert_whole(dimse, acknowledged)


@suite.case("DURA-009", needs=("server.small-disk", "dimse.get.study"))
def test_full_disk_loses_nothing_in_a_crash(
    story: Story, dimse: Dimse, make: Maker, store: Store
) -> None:
    """Objects acknowledged before the disk was full survive a SIGKILL, when there is room again."""
    with story.small_disk(DISK) as disk:
        acknowledged, _ = filled(make, store, disk)
        story.end("SIGKILL")
        disk.grow(DISK)
        story.start()

        assert_whole(dimse, acknowledged)


@suite.case("DURA-010", level="quality", needs=("server.small-disk", "dimse.store"), thorough=True)
def test_full_disk_is_started_from(story: Story, remote: Party, dimse: Dimse, make: Maker) -> None:
    """After being killed, a server starts even if its disk is full, so that something can be deleted."""
    with story.small_disk(DISK) as disk:
        filled(make, by_dicom(remote), disk)
        story.end("SIGKILL")
        story.start()

        assert dimse.echo() == SUCCESS


@suite.case("DURA-006", ref="PS3.4 B.2.3", needs=("server.small-disk", "dimse.store"))
def test_full_disk_is_a_status(story: Story, remote: Party, make: Maker) -> None:
    """A C-STORE for which the disk has no room is rejected as out of resources."""
    with story.small_disk(DISK) as disk:
        _, status = filled(make, by_dicom(remote), disk)

        assert isinstance(status, Status)
        assert Status(status & 0xFF00) == OUT_OF_RESOURCES


@suite.case(
    "DURA-007", level="product", ref="Orthanc REST API: POST /instances",
    needs=("server.small-disk", "rest"),
)  # fmt: skip
def test_full_disk_is_told(story: Story, remote: Party, make: Maker) -> None:
    """An upload for which the disk has no room is answered with a server error and a description."""
    with story.small_disk(DISK) as disk:
        _, answer = filled(make, by_http(remote, ""), disk)

        assert 500 <= answer.status_code <= 599
        assert answer.json()["Message"]


@suite.case(
    "DURA-008", level="quality", ref="Orthanc REST API: POST /instances",
    needs=("server.small-disk", "rest"), thorough=True,
)  # fmt: skip
@needs("server.files")
def test_room_that_is_made_is_used(story: Story, remote: Party, rest: Rest, make: Maker) -> None:
    """After something is deleted from a full disk, the next object is stored, and files and index agree."""
    with story.small_disk(DISK) as disk:
        acknowledged, _ = filled(make, by_http(remote, ""), disk)
        for each in acknowledged[:3]:
            rest.delete(orthanc_ids(each).path("instance"))

        more = make.instance(study="more", rows=512, columns=512)
        rest.upload_all([more])

        assert rest.get(f"{orthanc_ids(more).path('instance')}/file").content == more.data
        sizes = [each.stat().st_size for each in story.stored_files()]
        assert sum(sizes) == int(rest.json("/statistics")["TotalDiskSize"])
