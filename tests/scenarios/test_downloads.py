"""Downloads aborted by clients: the server stops working on them."""

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from harness.cases import (
    Maker,
    NoAnswer,
    Party,
    Picture,
    Rest,
    Stored,
    Suite,
    configured,
    entries_of,
    orthanc_ids,
    wait_until,
)

suite = Suite(
    level="product",
    ref="Orthanc: release notes of 1.12.11",
    needs=("rest", "server.configure"),
    thorough=True,
)
COVERED = "InterruptedDownloads.test_interrupted_downloads"
THREADS = 3
IMAGES = 60
BEGINNING = 4096  # bytes that a client reads before it disconnects
MOMENT = 0.05  # seconds after which a client disconnects
STREAM = "Orthanc configuration: SynchronousZipStream"
SUCCESS, CANNOT_WRITE_FILE, CANCELLED = 0, 14, 37  # Orthanc's error codes
on_each_way = pytest.mark.parametrize(
    "streams",
    [
        pytest.param(True, marks=configured(SynchronousZipStream=True), id="stream"),
        pytest.param(False, marks=configured(SynchronousZipStream=False), id="file"),
    ],
)


@pytest.fixture
def archive(make: Maker, stored: Stored) -> str:
    """Store a study larger than all buffers, and return the path of its archive."""
    noise = np.random.default_rng(2024).integers(0, 65536, (512, 512), dtype=np.uint16)
    picture = Picture((noise,), 16)  # noise cannot be compressed
    study = stored.these(*(make.image(picture, number=each) for each in range(1, IMAGES + 1)))
    return f"{orthanc_ids(study[0]).path('study')}/archive"


def break_off(rest: Rest, path: str) -> None:
    """Start a download, read its beginning, and close the connection."""
    answer = rest.get(path, stream=True)
    assert answer.raw.read(BEGINNING)[:2] == b"PK"
    answer.close()


def under_way(rest: Rest) -> list[str]:
    """Return the unfinished jobs."""
    return [each["ID"] for each in rest.json("/jobs?expand") if each["State"] == "Running"]


def ended(rest: Rest, before: set[str]) -> dict[str, Any] | None:
    """Return the finished job that did not exist before, or None if there is none."""
    for each in rest.json("/jobs?expand"):
        if each["ID"] not in before and each["State"] in ("Success", "Failure"):
            return dict(each)
    return None


@suite.case(
    "INTR-001",
    covers=(
        f"{COVERED}.test_interrupting_a_download_should_cancel_the_archive_job",
        "ZipStreams.cancel_http_client",
    ),
)
@configured(HttpThreadsCount=THREADS)
def test_job_is_given_up(rest: Rest, archive: str) -> None:
    """The job that creates an archive ends when its client disconnects."""
    break_off(rest, archive)

    wait_until(lambda: not under_way(rest), what="the job of the archive to end")


@suite.case("INTR-004", ref=STREAM, needs="orthanc>=1.10.0", covers="ZipStreams.cancel_http_client")
@on_each_way
def test_job_tells_that_the_client_has_gone(
    remote: Party, rest: Rest, archive: str, streams: bool
) -> None:
    """A job that streams fails for what it cannot write; one that makes a file first succeeds."""
    before = set(rest.json("/jobs"))
    if streams:
        break_off(rest, archive)
    else:
        with remote.new_rest(None) as client, pytest.raises(NoAnswer):
            client.get(archive, timeout=MOMENT)

    job = wait_until(lambda: ended(rest, before), what="the job of the archive to end")
    expected = ("Failure", CANNOT_WRITE_FILE) if streams else ("Success", SUCCESS)
    assert (job["State"], job["ErrorCode"]) == expected


@suite.case("INTR-003", ref=STREAM, needs="orthanc>=1.10.0", covers="ZipStreams.cancel_server_job")
@on_each_way
def test_job_that_is_cancelled_spoils_the_download(
    remote: Party, rest: Rest, archive: str, streams: bool
) -> None:
    """Who waits for an archive whose job is cancelled is told by an error, or notices by the archive."""

    def download() -> bytes | None:
        with remote.new_rest(None) as client:
            try:
                answer = client.get(archive, expect=200 if streams else 500)
            except NoAnswer:  # the download was aborted
                return None
        return answer.content

    with ThreadPoolExecutor(1) as clients:
        coming = clients.submit(download)
        (job,) = wait_until(lambda: under_way(rest), what="the job of the archive to run", every=0)
        rest.post(f"/jobs/{job}/cancel", b"{}")
        content = coming.result()

    wait_until(lambda: not under_way(rest), what="the job of the archive to end")
    assert rest.json(f"/jobs/{job}")["ErrorCode"] == CANCELLED
    if streams and content is not None:
        assert not zipfile.is_zipfile(io.BytesIO(content))


@suite.case(
    "INTR-002",
    thorough=False,
    covers=f"{COVERED}.test_interrupting_a_download_should_release_the_http_thread",
)
@configured(HttpThreadsCount=THREADS)
def test_thread_is_free_again(rest: Rest, archive: str) -> None:
    """After more aborted downloads than the server has HTTP threads, it still answers."""
    for _ in range(2 * THREADS):
        break_off(rest, archive)

    content = rest.get(archive).content
    assert len(entries_of(content)) == IMAGES
