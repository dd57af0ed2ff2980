"""Archives as jobs: created in the background, fetched when ready, replaced and deleted."""

from typing import Any

import pytest

from harness.cases import Rest, Sample, Stored, Suite, entries_of, header, orthanc_ids, wait_until

suite = Suite(level="product", needs="rest", ref="Orthanc Book: jobs, archives")

Job = dict[str, Any]


def ended(rest: Rest, answer: Job) -> Job:
    """Wait for the end of the job named in an answer, and return its state."""

    def is_over() -> bool:
        return rest.json(answer["Path"])["State"] in {"Success", "Failure"}

    wait_until(is_over, what="the end of the archive's job")
    job: Job = rest.json(answer["Path"])
    return job


def made(rest: Rest, path: str, **body: object) -> Job:
    """Create an archive in a job, and return the job's state when it has succeeded."""
    job = ended(rest, rest.post(path, {"Synchronous": False, **body}).json())
    assert job["State"] == "Success", f"the job has ended with {job['ErrorDescription']!r}"
    return job


def of_series(rest: Rest, sample: Sample, kind: str = "archive", **body: object) -> Job:
    """Create the archive of the series of a sample in a job."""
    return made(rest, f"{orthanc_ids(sample).path('series')}/{kind}", **body)


@suite.case("ARCJ-001", covers="Orthanc.test_async_archive")
@pytest.mark.parametrize("body", [{"Synchronous": False}, {"Asynchronous": True}], ids=str)
@pytest.mark.parametrize("level", ["patients", "studies", "series"])
def test_job_makes_the_archive(
    rest: Rest, stored: Stored, level: str, body: dict[str, bool]
) -> None:
    """An archive created by a job has the files of the resource, byte for byte."""
    samples = stored.study(instances=2)

    job = ended(rest, rest.post(f"{orthanc_ids(samples[0]).path(level)}/archive", body).json())

    answer = rest.get(f"/jobs/{job['ID']}/archive")
    assert sorted(entries_of(answer).values()) == sorted(each.data for each in samples)
    assert header(answer, "Content-Type") == "application/zip"


@suite.case("ARCJ-002", covers="Orthanc.test_async_archive", needs="orthanc>=1.8.1")
@pytest.mark.parametrize(
    ("kind", "type_"), [("archive", "Archive"), ("media", "Media")], ids=["archive", "media"]
)
def test_job_describes_the_archive(rest: Rest, stored: Stored, kind: str, type_: str) -> None:
    """The job reports the number of instances, their size, and the size of the archive."""
    samples = stored.study(instances=3)

    job = of_series(rest, samples[0], kind)

    content = job["Content"]
    assert (job["Type"], job["Progress"], job["ErrorCode"]) == (type_, 100, 0)
    assert (content["InstancesCount"], content["UncompressedSizeMB"]) == (3, 0)
    assert content["UncompressedSize"] == str(sum(len(each.data) for each in samples))


@suite.case("ARCJ-003", covers="Orthanc.test_async_archive", needs="orthanc>=1.11.0")
def test_size_of_the_archive(rest: Rest, stored: Stored) -> None:
    """The size of the archive that the job reports is that of the download."""
    job = of_series(rest, stored.instance())

    answer = rest.get(f"/jobs/{job['ID']}/archive")

    assert job["Content"]["ArchiveSize"] == str(len(answer.content))
    assert header(answer, "Content-Length") == str(len(answer.content))


@suite.case("ARCJ-004", covers="Orthanc.test_async_archive")
@pytest.mark.parametrize(
    ("route", "directories"),
    [("create-archive", 0), ("create-media", 1), ("create-media-extended", 1)],
)
def test_job_for_several_resources(
    rest: Rest, stored: Stored, route: str, directories: int
) -> None:
    """An archive of two series, created by a job, has the files of both, and media also have a DICOMDIR."""
    samples = stored.study(series=2)
    series = [orthanc_ids(each).series for each in samples]

    job = made(rest, f"/tools/{route}", Resources=series)

    entries = entries_of(rest.get(f"/jobs/{job['ID']}/archive"))
    assert job["Content"]["InstancesCount"] == 2
    assert len(entries) == 2 + directories
    assert {each.data for each in samples} <= set(entries.values())


@suite.case(
    "ARCJ-005", ref="Orthanc configuration: MediaArchiveSize", covers="Orthanc.test_async_archive"
)
def test_next_archive_drives_the_last_one_out(rest: Rest, stored: Stored) -> None:
    """With MediaArchiveSize 1, the server keeps only the archive of the last job; all jobs stay listed."""
    samples = stored.study(series=2)
    first = of_series(rest, samples[0])
    second = of_series(rest, samples[1])

    rest.get(f"/jobs/{first['ID']}/archive", expect=404)

    assert list(entries_of(rest.get(f"/jobs/{second['ID']}/archive")).values()) == [samples[1].data]
    assert rest.json(f"/jobs/{first['ID']}")["State"] == "Success"


@suite.case("ARCJ-006", covers="Orthanc.test_async_archive")
def test_archive_can_be_fetched_again(rest: Rest, stored: Stored) -> None:
    """The archive of a job can be fetched a second time, and is the same."""
    job = of_series(rest, stored.instance())

    first, second = (rest.get(f"/jobs/{job['ID']}/archive").content for _ in range(2))

    assert entries_of(first)
    assert first == second


@suite.case(
    "ARCJ-007",
    ref="Orthanc: release notes of 1.12.11",
    covers="Orthanc.test_async_archive",
    needs="orthanc>=1.12.7",
)
@pytest.mark.parametrize("name", ["toto.zip", 'tot"o.zip'], ids=["plain", "quote"])
def test_file_name_of_a_job(rest: Rest, stored: Stored, name: str) -> None:
    """The archive of a job is downloaded under the name of the request, without its quotes."""
    job = of_series(rest, stored.instance(), Filename=name)

    answer = rest.get(f"/jobs/{job['ID']}/archive")

    assert header(answer, "Content-Disposition") == 'filename="toto.zip"'


@suite.case("ARCJ-008", covers="Orthanc.test_archive_job_delete_output", needs="orthanc>=1.12.1")
def test_archive_of_a_job_is_deleted(rest: Rest, stored: Stored) -> None:
    """The archive of a job can be deleted; the job stays, and a second deletion finds nothing."""
    job = of_series(rest, stored.instance())
    output = f"/jobs/{job['ID']}/archive"

    rest.delete(output)

    rest.get(output, expect=404)
    rest.delete(output, expect=404)
    assert rest.json(f"/jobs/{job['ID']}")["State"] == "Success"


@suite.case("ARCJ-009", covers="Orthanc.test_archive_job_delete_output", needs="orthanc>=1.12.2")
@pytest.mark.parametrize("before", ["kept", "deleted"])
def test_job_is_deleted_with_its_archive(rest: Rest, stored: Stored, before: str) -> None:
    """A deleted job is removed from the list, together with its archive if that still exists."""
    job = of_series(rest, stored.instance())
    path = f"/jobs/{job['ID']}"
    if before == "deleted":
        rest.delete(f"{path}/archive")

    rest.delete(path)

    rest.get(path, expect=404)
    rest.get(f"{path}/archive", expect=404)
    assert job["ID"] not in rest.json("/jobs")


@suite.case("ARCJ-010")
def test_job_has_no_other_output(rest: Rest, stored: Stored) -> None:
    """An output that the job of an archive does not have is not found, nor is that of an unknown job."""
    job = of_series(rest, stored.instance())

    rest.get(f"/jobs/{job['ID']}/nope", expect=404)

    rest.get("/jobs/00000000-0000-0000-0000-000000000000/archive", expect=404)


@suite.case("ARCJ-011")
def test_archive_does_not_change_with_the_study(rest: Rest, stored: Stored) -> None:
    """The archive of a job still has an object that was deleted afterwards."""
    sample = stored.instance()
    job = of_series(rest, sample)

    rest.delete(orthanc_ids(sample).path("study"))

    entries = entries_of(rest.get(f"/jobs/{job['ID']}/archive"))
    assert list(entries.values()) == [sample.data]


@suite.case("ARCJ-012")
def test_jobs_at_the_same_time(rest: Rest, stored: Stored) -> None:
    """Two archives that are requested at once are both created."""
    series = [orthanc_ids(each).path("series") for each in stored.study(series=2)]
    answers = [rest.post(f"{path}/archive", {"Synchronous": False}).json() for path in series]

    jobs = [ended(rest, each) for each in answers]

    assert [job["State"] for job in jobs] == ["Success", "Success"]
    assert len({job["ID"] for job in jobs}) == 2
