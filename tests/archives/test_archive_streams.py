"""The transfer of archives: streamed while they are created, or sent when they are complete."""

import pytest

from harness.cases import (
    Rest,
    Stored,
    Suite,
    configured,
    entries_of,
    orthanc_ids,
)

suite = Suite(
    level="product", needs="orthanc>=1.10.0", ref="Orthanc configuration: SynchronousZipStream"
)


@suite.case("ARCS-001", covers="ZipStreams.simple_download")
@pytest.mark.parametrize(
    "streams",
    [
        pytest.param(True, marks=configured(SynchronousZipStream=True), id="stream"),
        pytest.param(False, marks=configured(SynchronousZipStream=False), id="file"),
    ],
)
def test_archive_arrives_whole(rest: Rest, stored: Stored, streams: bool) -> None:
    """An archive has every byte, whether it is streamed while it is created or sent when it is complete."""
    samples = stored.study(instances=3)

    answer = rest.get(f"{orthanc_ids(samples[0]).path('study')}/archive")

    assert sorted(entries_of(answer).values()) == sorted(each.data for each in samples)
    is_streamed = "Content-Length" not in answer.headers
    assert is_streamed == streams
