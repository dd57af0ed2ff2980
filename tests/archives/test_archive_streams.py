"""Archives on their way: streams, and clients that leave before the end."""

from typing import Any

import numpy as np
import pytest

from harness.cases import (
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
    level="product", needs="orthanc>=1.10.0", ref="Orthanc configuration: SynchronousZipStream"
)

CANNOT_WRITE_FILE = 14
"""Orthanc's error code of a job whose stream has lost its reader."""


def noise() -> Picture:
    """Return 24 MB that no compression makes smaller: more than what fits between server and client."""
    values = np.random.default_rng(7).integers(0, 65536, (3000, 4000), dtype=np.uint16)
    return Picture((values,), 16)


def archive_job(rest: Rest) -> dict[str, Any]:
    """Wait until the one job of an archive has ended, and return its state."""

    def is_over() -> bool:
        states = [each["State"] for each in rest.json("/jobs?expand")]
        return bool(states) and "Running" not in states and "Pending" not in states

    wait_until(is_over, what="the end of the archive's job", within=10)
    job: dict[str, Any] = max(rest.json("/jobs?expand"), key=lambda each: each["CreationTime"])
    return job


@suite.case("ARCS-001", covers="ZipStreams.simple_download")
@pytest.mark.parametrize(
    "streams",
    [
        pytest.param(True, marks=configured(SynchronousZipStream=True), id="stream"),
        pytest.param(False, marks=configured(SynchronousZipStream=False), id="file"),
    ],
)
def test_archive_arrives_whole(rest: Rest, stored: Stored, streams: bool) -> None:
    """An archive has every byte, whether it is streamed while it is made or sent when it is complete."""
    samples = stored.study(instances=3)

    answer = rest.get(f"{orthanc_ids(samples[0]).path('study')}/archive")

    assert sorted(entries_of(answer).values()) == sorted(each.data for each in samples)
    is_streamed = "Content-Length" not in answer.headers
    assert is_streamed == streams


@suite.case("ARCS-002", covers="ZipStreams.cancel_the_http_client")
@pytest.mark.parametrize(
    "state",
    [
        pytest.param(
            ("Failure", CANNOT_WRITE_FILE), marks=configured(SynchronousZipStream=True), id="stream"
        ),
        pytest.param(("Success", 0), marks=configured(SynchronousZipStream=False), id="file"),
    ],
)
def test_client_leaves_before_the_end(rest: Rest, stored: Stored, state: tuple[str, int]) -> None:
    """If the client leaves, a streamed archive's job fails, and one that was complete before does not."""
    sample = stored.image(noise())
    path = f"{orthanc_ids(sample).path('study')}/archive"

    with rest.get(path, stream=True) as answer:
        assert answer.raw.read(1000)
        answer.raw.close()

    job = archive_job(rest)
    assert (job["State"], job["ErrorCode"]) == state
    assert list(entries_of(rest.get(path)).values()) == [sample.data]
