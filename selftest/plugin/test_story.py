"""Cases in which a server is restarted several times, and the report if it loses something."""

import pytest
from support.suites import RunSuite

from harness.servers import disk

pytestmark = pytest.mark.usefixtures("orthanc")
LIVES = """
@case("STO-001", ref="none")
@pytest.mark.parametrize("ending", ["SIGKILL", "SIGTERM", "shutdown"])
def test_lives(story, stored, rest, ending):
    story.start(StorageCompression=True)
    stored.instance(rows=64, columns=64)
    compressed = rest.json("/statistics")["TotalDiskSize"]
    story.end(ending)
    story.start()
    assert rest.json("/statistics")["TotalDiskSize"] == compressed
    assert len(story.stored_files()) >= 1
    assert len(rest.json("/instances")) == 1

@case("STO-002", ref="none")
def test_next_one_is_as_usual(rest, story):
    assert rest.json("/instances") == []
    assert story.stored_files() == []
"""
LOST = """
@case("STO-011", ref="none")
def test_loses_a_file(story, stored, rest):
    stored.instance()
    story.end("SIGKILL")
    story.stored_files()[0].unlink()
    story.start()
    (instance,) = rest.json("/instances")
    rest.get(f"/instances/{instance}/file")

@case("STO-012", ref="none")
def test_does_not_start(story, stored):
    stored.instance()
    story.end("SIGKILL")
    story.start(HttpPort=-1)

@case("STO-013", ref="none")
def test_next_one_is_not_concerned(rest):
    assert rest.json("/instances") == []
"""
DISK = """
@case("STO-021", ref="none")
def test_small_disk(story, make, rest):
    with story.small_disk(4):
        rest.upload_all([make.instance()])
        rest.post("/instances", make.instance(rows=2048, columns=1024, number=2).data, expect=500)
        assert len(rest.json("/instances")) == 1
    assert rest.json("/instances") == []
"""


def test_data_outlives_each_ending(run_suite: RunSuite) -> None:
    """Stored data stays, each start has its own settings; the next case finds the usual server."""
    done = run_suite(LIVES)

    assert set(done.outcomes.values()) == {"passed"}
    assert len(done.outcomes) == 4


def test_what_is_lost_fails_the_case(run_suite: RunSuite) -> None:
    """A lost file, and a server that does not start again, are failures of their own cases."""
    done = run_suite(LOST)

    assert done.outcomes == {"STO-011": "failed", "STO-012": "failed", "STO-013": "passed"}
    assert "while it started" in (done.case("STO-012").why or "")


@pytest.mark.skipif(not disk.is_available(), reason="only root mounts a disk")
def test_small_disk_is_full_soon(run_suite: RunSuite) -> None:
    """A server on a small disk starts empty, runs out of space, then returns to its own disk."""
    done = run_suite(DISK)

    assert done.outcomes == {"STO-021": "passed"}
