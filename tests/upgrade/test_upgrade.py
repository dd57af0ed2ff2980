"""What the release before has stored, after the release under test has taken its place."""

from collections.abc import Callable

from harness.cases import (
    Dimse,
    Maker,
    Rest,
    Stored,
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
    """Each object is there after the upgrade, as the bytes that were stored."""
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
    """One query finds what was stored before the upgrade, and what was stored after it."""
    stored.study(PatientName="Before^Anna", StudyDate="20240115")

    upgrade()

    dimse.store(make.instance(study="new", PatientName="Behind^Bob", StudyDate="20240116"))
    found = dimse.find_studies(PatientName="Be*", StudyDate="20240101-20240131")
    assert sorted(values(found, "PatientName")) == ["Before^Anna", "Behind^Bob"]


@suite.case("UPGR-003")
def test_metadata_and_attachments_stay(rest: Rest, stored: Stored, upgrade: Upgrade) -> None:
    """A metadatum and an attachment that a user has added are there after the upgrade."""
    patient = orthanc_ids(stored.instance()).patient
    rest.put(f"/patients/{patient}/metadata/1024", "from before")
    rest.put(f"/patients/{patient}/attachments/1025", b"some bytes")

    upgrade()

    assert rest.get(f"/patients/{patient}/metadata/1024").text == "from before"
    assert rest.get(f"/patients/{patient}/attachments/1025/data").content == b"some bytes"


@suite.case("UPGR-004")
def test_changes_go_on(rest: Rest, make: Maker, stored: Stored, upgrade: Upgrade) -> None:
    """The numbers of changes go on where the release before has ended, so that no listener misses one."""
    stored.instance()
    last = rest.json("/changes?last")["Last"]

    upgrade()

    rest.upload(make.instance(study="new").data)
    changes = rest.json(f"/changes?since={last}&limit=100")["Changes"]
    assert "NewInstance" in [each["ChangeType"] for each in changes]
    assert [each["Seq"] for each in changes if each["Seq"] <= last] == []
