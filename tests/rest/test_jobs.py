"""Jobs: states, progress, priority, pausing, cancelling and resubmitting, and the history."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import evt

from harness.cases import (
    CT,
    Maker,
    Party,
    Rest,
    StorageScp,
    Stored,
    Suite,
    configured,
    orthanc_ids,
    wait_until,
)
from harness.cases import LOCAL_MODALITY as LOCAL

suite = Suite(level="product", needs="rest", ref="Orthanc Book: REST API, jobs")

ONE_AT_A_TIME = configured(ConcurrentJobs=1)
CANCELED_JOB, NETWORK_PROTOCOL = 37, 9  # Orthanc's error codes


class Gate(StorageScp):
    """A storage SCP that holds each object until it is released."""

    def __init__(self) -> None:
        self._passes = threading.Semaphore(0)
        self.waiting = threading.Semaphore(0)
        """Released once for each object that has arrived and waits."""
        super().__init__([CT[0][0]], [ExplicitVRLittleEndian], time_limit=10.0)

    def let(self, count: int) -> None:
        """Release this many waiting or future objects."""
        self._passes.release(count)

    def _keep(self, event: evt.Event) -> int:
        self.waiting.release()
        self._passes.acquire(timeout=10)
        return super()._keep(event)


@pytest.fixture
def gate(local: Party) -> Iterator[Gate]:
    """Receive in place of the local server, and hold each object."""
    with Gate() as scp:
        scp.ae_title = local.ae_title
        local.dicom_relay.target = scp.endpoint
        yield scp
        scp.let(1000)
    local.aim_relays()


def submit(rest: Rest, resources: list[str], **options: object) -> str:
    """Submit a job that sends resources to the local server, and return its identifier."""
    order = {"Resources": resources, "Synchronous": False, **options}
    identifier: str = rest.post(f"{LOCAL}/store", order).json()["ID"]
    return identifier


def reach(rest: Rest, job: str, *states: str) -> Any:
    """Wait until a job is in one of these states, and return its description."""

    def told() -> Any:
        info = rest.json(f"/jobs/{job}")
        return info if info["State"] in states else None

    return wait_until(told, what=f"the job in the state {' or '.join(states)}")


def instance_of(rest: Rest, make: Maker, number: int = 1) -> str:
    """Store an object and return its identifier."""
    identifier: str = rest.upload(make.instance(number=number).data)["ID"]
    return identifier


# Descriptions of jobs


@suite.case("JOB-001", ref="Orthanc REST API: GET /jobs/{id}")
def test_description_of_a_job_that_succeeded(
    rest: Rest, stored: Stored, destination: StorageScp
) -> None:
    """A successful job reports its type, state, progress, times, and error code 0."""
    stored.study(instances=2)

    info = reach(rest, submit(rest, rest.json("/studies"), Priority=3), "Success")

    assert len(destination.received(2)) == 2
    told = {each: info[each] for each in ("Type", "State", "Progress", "Priority", "ErrorCode")}
    assert told == {
        "Type": "DicomModalityStore",
        "State": "Success",
        "Progress": 100,
        "Priority": 3,
        "ErrorCode": 0,
    }
    assert info["ErrorDescription"] == "Success"
    assert info["CreationTime"] <= info["CompletionTime"] <= info["Timestamp"]
    assert info["EffectiveRuntime"] >= 0


@suite.case("JOB-002", ref="Orthanc REST API: GET /jobs")
def test_jobs_are_listed(rest: Rest, make: Maker, destination: StorageScp) -> None:
    """`/jobs` lists identifiers, and with `expand` the description of each job."""
    instance = instance_of(rest, make)
    before = rest.json("/jobs")
    jobs = [submit(rest, [instance]) for _ in range(3)]
    for job in jobs:
        reach(rest, job, "Success")

    listed = [each for each in rest.json("/jobs") if each not in before]
    expanded = {each["ID"]: each for each in rest.json("/jobs?expand")}

    assert sorted(listed) == sorted(jobs)
    assert {each: expanded[each]["Content"] for each in jobs} == {
        each: rest.json(f"/jobs/{each}")["Content"] for each in jobs
    }
    destination.received(3)


@suite.case("JOB-003", ref="Orthanc REST API: GET /jobs/{id}")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 404),
        ("GET", "/archive", 404),
        *(("POST", f"/{each}", 400) for each in ("cancel", "pause", "resume", "resubmit")),
    ],
)
def test_unknown_job(rest: Rest, method: str, path: str, status: int) -> None:
    """A job that does not exist is not found, and acting on it is a bad request."""
    rest.request(method, f"/jobs/no-such-job{path}", expect=status)


@suite.case("JOB-004", ref="Orthanc REST API: GET /jobs/{id}")
def test_description_of_a_job_that_failed(rest: Rest, make: Maker, destination: StorageScp) -> None:
    """A job whose destination rejects the object fails, and reports error code and description."""
    destination.expect(destination.ae_title, answers=[0xA700])

    info = reach(rest, submit(rest, [instance_of(rest, make)]), "Failure")

    assert info["ErrorCode"] == NETWORK_PROTOCOL
    assert info["ErrorDescription"] == "Error in the network protocol"
    assert info["Content"]["InstancesCount"] == 1


@suite.case("JOB-005", ref="Orthanc Book: REST API, jobs, Permissive")
def test_permissive_job_goes_on(rest: Rest, make: Maker, destination: StorageScp) -> None:
    """A permissive job succeeds although an object was rejected, and sends the others."""
    destination.expect(destination.ae_title, answers=[0x0000, 0xA700, 0x0000])
    instances = [instance_of(rest, make, number) for number in (1, 2, 3)]

    info = reach(rest, submit(rest, instances, Permissive=True), "Success", "Failure")

    assert info["State"] == "Success"
    assert len(destination.received(3)) == 3


@suite.case("JOB-024", ref="Orthanc Book: REST API, jobs, Permissive")
def test_permissive_job_counts_what_failed(
    rest: Rest, make: Maker, destination: StorageScp
) -> None:
    """A permissive job counts the objects that it could not send."""
    destination.expect(destination.ae_title, answers=[0x0000, 0xA700, 0x0000])
    instances = [instance_of(rest, make, number) for number in (1, 2, 3)]

    content = reach(rest, submit(rest, instances, Permissive=True), "Success", "Failure")["Content"]

    assert (content["InstancesCount"], content["FailedInstancesCount"]) == (3, 1)
    destination.received(3)


@suite.case("JOB-006", ref="Orthanc Book: REST API, synchronous and asynchronous")
def test_synchronous_call_is_a_job(rest: Rest, make: Maker, destination: StorageScp) -> None:
    """A synchronous call is also listed as a job, with the content of the answer."""
    before = rest.json("/jobs")

    answer = rest.post(f"{LOCAL}/store", {"Resources": [instance_of(rest, make)]}).json()

    [job] = [each for each in rest.json("/jobs") if each not in before]
    content = rest.json(f"/jobs/{job}")["Content"]
    assert (content["InstancesCount"], answer["InstancesCount"]) == (1, 1)
    assert content["RemoteAet"] == answer["RemoteAet"] == destination.ae_title


@suite.case(
    "JOB-007", ref="Orthanc: release notes of 1.12.9", covers="Orthanc.test_jobs_user_data",
    needs="orthanc>=1.12.9",
)  # fmt: skip
@pytest.mark.parametrize("data", ["text", {"a": ["b", 1]}], ids=["text", "object"])
@pytest.mark.parametrize("kind", ["modify", "archive", "move", "store"])
def test_user_data_of_a_job(rest: Rest, stored: Stored, kind: str, data: object) -> None:
    """The UserData of a request, a text or an object, is in the description of the job."""
    sample = stored.instance()
    ids = orthanc_ids(sample)
    study = {"StudyInstanceUID": sample.study_instance_uid}
    orders: dict[str, tuple[str, dict[str, Any]]] = {
        "modify": (f"{ids.path('study')}/modify", {"Replace": {"StudyDescription": "new"}}),
        "archive": ("/tools/create-archive", {"Resources": [ids.study]}),
        "move": (f"{LOCAL}/move", {"Level": "Study", "Resources": [study]}),
        "store": (f"{LOCAL}/store", {"Resources": [ids.study]}),
    }
    path, order = orders[kind]

    job = rest.post(path, {**order, "Asynchronous": True, "UserData": data}).json()["ID"]

    assert rest.json(f"/jobs/{job}")["UserData"] == data


# Running and waiting


@suite.case("JOB-008", ref="Orthanc Book: configuration, ConcurrentJobs")
@pytest.mark.parametrize(
    "most",
    [pytest.param(1, marks=ONE_AT_A_TIME), pytest.param(2, marks=configured(ConcurrentJobs=2))],
    ids=["one", "two"],
)
def test_one_job_too_many_waits(rest: Rest, make: Maker, gate: Gate, most: int) -> None:
    """With one job at a time, the second is pending until the first has ended, and then runs."""
    instance = instance_of(rest, make)
    jobs = [submit(rest, [instance]) for _ in range(most + 1)]
    for _ in range(most):
        assert gate.waiting.acquire(timeout=5)

    states = [rest.json(f"/jobs/{each}")["State"] for each in jobs]
    assert states == ["Running"] * most + ["Pending"]

    gate.let(most + 1)
    *first, last = [reach(rest, each, "Success")["CompletionTime"] for each in jobs]
    assert min(first) <= last


@suite.case("JOB-010", ref="Orthanc REST API: GET /jobs/{id}, Progress")
@ONE_AT_A_TIME
def test_progress_grows(rest: Rest, make: Maker, gate: Gate) -> None:
    """The progress of a job that sends four objects is the fraction already sent."""
    job = submit(rest, [instance_of(rest, make, number) for number in range(1, 5)])

    progress = []
    for _ in range(4):
        assert gate.waiting.acquire(timeout=5)
        progress.append(rest.json(f"/jobs/{job}")["Progress"])
        gate.let(1)

    assert progress == [0, 25, 50, 75]
    assert reach(rest, job, "Success")["Progress"] == 100


@suite.case("JOB-011", ref="Orthanc Book: REST API, jobs, Priority")
@ONE_AT_A_TIME
def test_jobs_run_by_priority(rest: Rest, make: Maker, gate: Gate) -> None:
    """Pending jobs run by priority, the highest first, and then in the order of submission."""
    instances = [instance_of(rest, make, number) for number in range(1, 7)]
    submit(rest, instances[:1])
    assert gate.waiting.acquire(timeout=5)
    priorities = [0, -5, 10, 0, 10]
    for instance, priority in zip(instances[1:], priorities, strict=True):
        submit(rest, [instance], Priority=priority)

    gate.let(6)

    order = [int(each.dataset.InstanceNumber) for each in gate.received(6)]
    by_priority = sorted(zip(priorities, range(2, 7), strict=True), key=lambda each: -each[0])
    assert [order[0], *sorted(order[1:3]), *sorted(order[3:5]), order[5]] == [
        1, *(number for _, number in by_priority)
    ]  # fmt: skip


# Cancelling, pausing, resuming, resubmitting


@suite.case("JOB-012", ref="Orthanc REST API: POST /jobs/{id}/cancel")
@ONE_AT_A_TIME
def test_pending_job_is_cancelled(rest: Rest, make: Maker, gate: Gate) -> None:
    """A pending job that is cancelled fails at once, with the corresponding code, and sends nothing."""
    first = submit(rest, [instance_of(rest, make, 1)])
    doomed = submit(rest, [instance_of(rest, make, 2)])
    assert gate.waiting.acquire(timeout=5)

    assert rest.post(f"/jobs/{doomed}/cancel").json() == {}

    info = rest.json(f"/jobs/{doomed}")
    assert (info["State"], info["ErrorCode"]) == ("Failure", CANCELED_JOB)
    gate.let(2)
    reach(rest, first, "Success")
    assert [int(each.dataset.InstanceNumber) for each in gate.received(1)] == [1]


@suite.case("JOB-013", ref="Orthanc REST API: POST /jobs/{id}/cancel")
@ONE_AT_A_TIME
def test_running_job_is_cancelled(rest: Rest, make: Maker, gate: Gate) -> None:
    """A running job that is cancelled ends after the current object, and sends no others."""
    job = submit(rest, [instance_of(rest, make, number) for number in (1, 2, 3)])
    assert gate.waiting.acquire(timeout=5)

    rest.post(f"/jobs/{job}/cancel")
    gate.let(3)

    assert reach(rest, job, "Failure", "Success")["ErrorCode"] == CANCELED_JOB
    assert len(gate.received(1)) == 1


@suite.case("JOB-014", ref="Orthanc REST API: POST /jobs/{id}/pause")
@ONE_AT_A_TIME
def test_pending_job_is_paused_and_resumed(rest: Rest, make: Maker, gate: Gate) -> None:
    """A paused pending job does not run when its turn comes, but only after it is resumed."""
    instance = instance_of(rest, make)
    first, second = submit(rest, [instance]), submit(rest, [instance])
    assert gate.waiting.acquire(timeout=5)

    rest.post(f"/jobs/{second}/pause")
    gate.let(2)
    reach(rest, first, "Success")
    assert rest.json(f"/jobs/{second}")["State"] == "Paused"

    rest.post(f"/jobs/{second}/resume")
    reach(rest, second, "Success")


@suite.case("JOB-015", ref="Orthanc REST API: POST /jobs/{id}/pause")
@ONE_AT_A_TIME
def test_running_job_is_paused_and_resumed(rest: Rest, make: Maker, gate: Gate) -> None:
    """A running job is paused after the current object, and sends the others when it is resumed."""
    job = submit(rest, [instance_of(rest, make, number) for number in (1, 2, 3)])
    assert gate.waiting.acquire(timeout=5)

    rest.post(f"/jobs/{job}/pause")
    gate.let(3)
    assert reach(rest, job, "Paused", "Success")["State"] == "Paused"
    sent = len(gate.received(1))

    rest.post(f"/jobs/{job}/resume")
    reach(rest, job, "Success")
    assert sent == 1
    assert sorted(int(each.dataset.InstanceNumber) for each in gate.received(3)) == [1, 2, 3]


@suite.case("JOB-016", ref="Orthanc REST API: POST /jobs/{id}/resubmit")
def test_failed_job_is_submitted_again(rest: Rest, make: Maker, destination: StorageScp) -> None:
    """A job that failed because of its destination succeeds when it is resubmitted after that is fixed."""
    destination.expect(destination.ae_title, answers=[0xA700])
    job = submit(rest, [instance_of(rest, make)])
    reach(rest, job, "Failure")

    rest.post(f"/jobs/{job}/resubmit")

    info = reach(rest, job, "Success")
    assert (info["ErrorCode"], info["Progress"]) == (0, 100)
    assert len(destination.received(2)) == 2


@suite.case("JOB-017", ref="Orthanc REST API: POST /jobs/{id}/resubmit")
@pytest.mark.parametrize("action", ["resubmit", "resume"])
def test_job_that_succeeded_does_not_run_again(
    rest: Rest, make: Maker, destination: StorageScp, action: str
) -> None:
    """A successful job can be neither resumed nor resubmitted."""
    job = submit(rest, [instance_of(rest, make)])
    reach(rest, job, "Success")

    rest.post(f"/jobs/{job}/{action}", expect=400)

    assert rest.json(f"/jobs/{job}")["State"] == "Success"
    assert len(destination.received(1)) == 1


@suite.case("JOB-018", ref="Orthanc REST API: POST /jobs/{id}/cancel")
@pytest.mark.parametrize("action", ["cancel", "pause"])
def test_job_that_succeeded_stays_so(
    rest: Rest, make: Maker, destination: StorageScp, action: str
) -> None:
    """Cancelling or pausing a successful job has no effect."""
    job = submit(rest, [instance_of(rest, make)])
    before = reach(rest, job, "Success")

    rest.post(f"/jobs/{job}/{action}")

    after = rest.json(f"/jobs/{job}")
    assert (after["State"], after["ErrorCode"], after["CompletionTime"]) == (
        "Success", 0, before["CompletionTime"],
    )  # fmt: skip
    destination.received(1)


# The history


@suite.case("JOB-019", ref="Orthanc Book: configuration, JobsHistorySize")
@configured(JobsHistorySize=2, ConcurrentJobs=1)
def test_history_keeps_the_last_jobs(rest: Rest, make: Maker, destination: StorageScp) -> None:
    """The history keeps the configured number of finished jobs: the last ones."""
    instance = instance_of(rest, make)
    jobs = []
    for _ in range(4):
        jobs.append(submit(rest, [instance]))
        reach(rest, jobs[-1], "Success")

    assert sorted(rest.json("/jobs")) == sorted(jobs[2:])
    rest.get(f"/jobs/{jobs[0]}", expect=404)
    destination.received(4)


@suite.case("JOB-020", ref="Orthanc Book: configuration, JobsHistorySize")
@configured(JobsHistorySize=2, ConcurrentJobs=1)
def test_history_does_not_count_what_waits(rest: Rest, make: Maker, gate: Gate) -> None:
    """Running and pending jobs are kept, however short the history is."""
    instance = instance_of(rest, make)
    before = rest.json("/jobs")
    jobs = [submit(rest, [instance]) for _ in range(5)]
    assert gate.waiting.acquire(timeout=5)

    assert sorted(each for each in rest.json("/jobs") if each not in before) == sorted(jobs)

    gate.let(5)
    gate.received(5)


@suite.case("JOB-021", ref="Orthanc Book: configuration, SaveJobs", needs="server.restart")
@configured(SaveJobs=True, ConcurrentJobs=1)
def test_paused_job_goes_on_after_a_restart(
    rest: Rest, remote: Party, make: Maker, gate: Gate
) -> None:
    """With SaveJobs, a paused job is still paused after a restart, and sends everything when resumed."""
    first = submit(rest, [instance_of(rest, make, 1)])
    paused = submit(rest, [instance_of(rest, make, number) for number in (2, 3)], Priority=7)
    assert gate.waiting.acquire(timeout=5)
    rest.post(f"/jobs/{paused}/pause")
    gate.let(3)
    reach(rest, first, "Success")

    with remote.stopped():
        pass

    info = rest.json(f"/jobs/{paused}")
    assert (info["State"], info["Priority"]) == ("Paused", 7)
    rest.post(f"/jobs/{paused}/resume")
    reach(rest, paused, "Success")
    assert sorted(int(each.dataset.InstanceNumber) for each in gate.received(3)) == [1, 2, 3]


@suite.case("JOB-022", ref="Orthanc Book: configuration, SaveJobs", needs="server.restart")
@configured(SaveJobs=False)
def test_jobs_are_forgotten_at_a_restart(
    rest: Rest, remote: Party, make: Maker, destination: StorageScp
) -> None:
    """Without SaveJobs, no job is known after a restart."""
    reach(rest, submit(rest, [instance_of(rest, make)]), "Success")
    destination.received(1)

    with remote.stopped():
        pass

    assert rest.json("/jobs") == []


@suite.case("JOB-023", ref="Orthanc REST API: GET /tools/metrics-prometheus")
@configured(JobsHistorySize=50, ConcurrentJobs=1)
def test_jobs_are_counted(rest: Rest, make: Maker, gate: Gate) -> None:
    """The metrics count running and pending jobs."""
    instance = instance_of(rest, make)
    jobs = [submit(rest, [instance]) for _ in range(3)]
    assert gate.waiting.acquire(timeout=5)

    assert _counts(rest) == {"running": 1, "pending": 2}

    gate.let(3)
    reach(rest, jobs[2], "Success")
    assert _counts(rest) == {"running": 0, "pending": 0}


def _counts(rest: Rest) -> dict[str, int]:
    """Return the metrics of jobs by their state."""
    lines = rest.get("/tools/metrics-prometheus").text.splitlines()
    found = dict(line.split()[:2] for line in lines if line.startswith("orthanc_jobs_"))
    return {
        name: int(float(found.get(f"orthanc_jobs_{name}", "-1"))) for name in ("running", "pending")
    }
