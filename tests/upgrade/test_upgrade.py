"""Data stored by the previous release, after an upgrade to the release under test."""

from collections.abc import Callable

import pytest

from harness.cases import (
    DATABASES,
    Dimse,
    Maker,
    Rest,
    Sample,
    Stored,
    Story,
    Suite,
    configured,
    orthanc_ids,
    values,
)

suite = Suite(level="product", ref="Orthanc Book: upgrading Orthanc", needs="rest")
pytestmark = configured(previous=True)

Upgrade = Callable[[], None]


@suite.case("UPGR-001")
def test_files_are_the_same(rest: Rest, stored: Stored, upgrade: Upgrade) -> None:
    """Each object exists after the upgrade, byte for byte."""
    samples = [stored.sample(name) for name in ("h01-ct-1-1", "h03-sr", "m01-jpeg", "p05")]

    upgrade()

    assert sorted(rest.json("/instances")) == sorted(orthanc_ids(each).instance for each in samples)
    for each in samples:
        file = rest.get(f"/instances/{orthanc_ids(each).instance}/file").content
        assert file == each.data


@suite.case("UPGR-002", needs="dimse.find.study")
def test_old_and_new_are_found_together(
    dimse: Dimse, make: Maker, stored: Stored, upgrade: Upgrade
) -> None:
    """A query finds both what was stored before the upgrade and what was stored after it."""
    stored.study(PatientName="Before^Anna", StudyDate="20240115")

    upgrade()

    dimse.store(make.instance(study="new", PatientName="Behind^Bob", StudyDate="20240116"))
    found = dimse.find_studies(PatientName="Be*", StudyDate="20240101-20240131")
    assert sorted(values(found, "PatientName")) == ["Before^Anna", "Behind^Bob"]


@suite.case("UPGR-003")
def test_metadata_and_attachments_stay(rest: Rest, stored: Stored, upgrade: Upgrade) -> None:
    """Metadata and attachments added by a user exist after the upgrade."""
    patient = orthanc_ids(stored.instance()).patient
    rest.put(f"/patients/{patient}/metadata/1024", "from before")
    rest.put(f"/patients/{patient}/attachments/1025", b"some bytes")

    upgrade()

    assert rest.get(f"/patients/{patient}/metadata/1024").text == "from before"
    assert rest.get(f"/patients/{patient}/attachments/1025/data").content == b"some bytes"


@suite.case("UPGR-004")
def test_changes_go_on(rest: Rest, make: Maker, stored: Stored, upgrade: Upgrade) -> None:
    """The numbering of changes continues after the upgrade, so that no listener misses any."""
    stored.instance()
    last = rest.json("/changes?last")["Last"]

    upgrade()

    rest.upload(make.instance(study="new").data)
    changes = rest.json(f"/changes?since={last}&limit=100")["Changes"]
    assert "NewInstance" in [each["ChangeType"] for each in changes]
    assert [each["Seq"] for each in changes if each["Seq"] <= last] == []


lives = ("server.configure", "server.restart", "server.upgrade")


@suite.case("UPGR-005", needs=lives, thorough=True)
def test_downgrade_reads_what_was_stored(story: Story, rest: Rest, stored: Stored) -> None:
    """The previous release, restarted after the one under test, has what both have stored."""
    old = stored.instance(study="old")
    story.end("SIGTERM")
    story.start()
    new = stored.instance(study="new")

    story.end("SIGTERM")
    story.start(previous=True)

    assert sorted(rest.json("/instances")) == sorted(
        orthanc_ids(each).instance for each in (old, new)
    )
    for each in (old, new):
        assert rest.get(f"{orthanc_ids(each).path('instance')}/file").content == each.data


@suite.case("UPGR-006", needs=lives, thorough=True)
def test_downgrade_deletes_and_stores(story: Story, rest: Rest, stored: Stored) -> None:
    """After a downgrade, everything can be deleted completely, and stored again."""
    stored.study(series=2, instances=2)
    story.end("SIGTERM")
    story.start()
    story.end("SIGTERM")
    story.start(previous=True)

    for each in rest.json("/patients"):
        rest.delete(f"/patients/{each}")
    assert int(rest.json("/statistics")["TotalDiskSize"]) == 0
    assert story.stored_files() == []
    again = stored.instance(study="again")

    assert rest.json("/instances") == [orthanc_ids(again).instance]


@suite.case("UPGR-007", needs=lives)
def test_upgrade_deletes_and_stores(
    story: Story, rest: Rest, stored: Stored, upgrade: Upgrade
) -> None:
    """After an upgrade, all older data can be deleted completely, and stored again."""
    study = stored.study(series=2, instances=2)

    upgrade()

    for each in rest.json("/patients"):
        rest.delete(f"/patients/{each}")
    assert int(rest.json("/statistics")["TotalDiskSize"]) == 0
    assert story.stored_files() == []
    rest.upload_all(study)
    assert len(rest.json("/instances")) == len(study)


@suite.case("UPGR-008", needs=lives, thorough=True)
def test_upgrade_after_a_crash(story: Story, rest: Rest, stored: Stored) -> None:
    """The release under test has everything that the previous one had acknowledged when it was killed."""
    study = stored.study(series=2, instances=5)

    story.end("SIGKILL")
    story.start()

    assert sorted(rest.json("/instances")) == sorted(orthanc_ids(each).instance for each in study)
    for each in study:
        assert rest.get(f"{orthanc_ids(each).path('instance')}/file").content == each.data


@suite.case("UPGR-009", thorough=True)
def test_compressed_files_are_read(rest: Rest, stored: Stored, story: Story) -> None:
    """Files stored compressed by the previous release can be read, with compression on or off."""
    story.start(previous=True, StorageCompression=True)
    sample = stored.instance(rows=64, columns=64)
    for compression in (True, False):
        story.end("SIGKILL")
        story.start(StorageCompression=compression)
        assert rest.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data


# On a database


on_each_database = pytest.mark.parametrize(
    "database", [pytest.param(each, marks=configured(database=each)) for each in DATABASES]
)


def assert_readable(rest: Rest, *objects: Sample) -> None:
    """Fail the case unless exactly these objects are listed and have readable tags and bytes."""
    assert sorted(rest.json("/instances")) == sorted(orthanc_ids(each).instance for each in objects)
    for each in objects:
        path = orthanc_ids(each).path("instance")
        assert rest.json(f"{path}/simplified-tags")["SOPInstanceUID"] == each.sop_instance_uid
        assert rest.get(f"{path}/file").content == each.data


def assert_deleted(rest: Rest) -> None:
    """Delete everything; fail the case unless nothing is left or counted."""
    for each in rest.json("/patients"):
        rest.delete(f"/patients/{each}")
    statistics = rest.json("/statistics")
    assert statistics["CountInstances"] == int(statistics["TotalDiskSize"]) == 0


@on_each_database
@suite.case(
    "UPGR-010",
    ref="Orthanc Book: PostgreSQL and MySQL plugins, upgrades",
    covers="PostgresUpgrades.test_pg_upgrades.test_upgrade_previous_revision_to_current",
)
def test_database_is_upgraded(rest: Rest, stored: Stored, upgrade: Upgrade, database: str) -> None:
    """What the release before has stored in a database is read, deleted without rest, and stored anew."""
    study = stored.study(series=2, instances=5)

    upgrade()

    assert_readable(rest, *study)
    assert_deleted(rest)
    rest.upload_all(study)
    assert_readable(rest, *study)


@configured(database="postgresql")
@suite.case(
    "UPGR-011",
    ref="Orthanc Book: PostgreSQL plugin, downgrades",
    covers="PostgresUpgrades.test_pg_upgrades.test_upgrades_downgrades_with_pg_15",
    needs=lives,
    thorough=True,
)
def test_database_is_downgraded(story: Story, rest: Rest, stored: Stored) -> None:
    """After an upgrade and a downgrade all is read, deleted without rest, and stored anew, twice.

    Plugins whose schemas differ need a script of their makers for that, which no package has.
    """
    old = stored.study(series=2, instances=5)
    story.end("SIGTERM")
    story.start()
    new = stored.study(study="new", instances=2)
    size = rest.json("/statistics")["TotalDiskSize"]

    story.end("SIGTERM")
    story.start(previous=True)

    assert_readable(rest, *old, *new)
    assert rest.json("/statistics")["TotalDiskSize"] == size
    for _ in range(2):
        assert_deleted(rest)
        rest.upload_all(old)
        assert_readable(rest, *old)
