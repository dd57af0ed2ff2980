"""The server's logs of changes and of exports."""

import re
from typing import Any

import pytest

from harness.cases import (
    Maker,
    Rest,
    Stored,
    Suite,
    configured,
    first_etag,
    orthanc_ids,
    single,
    wait_until,
)

CHANGES = "Orthanc REST API: GET /changes"

suite = Suite(level="product", needs="rest", ref=CHANGES)

EXPORTS = "Orthanc REST API: GET /exports"
LEVELS = ("Instance", "Series", "Study", "Patient")  # from the lowest
DATE = r"\d{8}T\d{6}"


def changes(rest: Rest, kind: str = "New", **params: int) -> list[dict[str, Any]]:
    """Return the changes whose type begins with `kind`; others may occur in between at any time."""
    logged = rest.json("/changes", **params)["Changes"]
    return [each for each in logged if each["ChangeType"].startswith(kind)]


def logged_after(rest: Rest, count: int) -> list[dict[str, Any]]:
    """Return the `count` changes made by the stored instances; fails the case on any others."""
    logged = changes(rest)
    assert len(logged) == count, f"expected {count} changes, received {len(logged)}"
    return logged


@suite.case("RCHG-001", covers=("Orthanc.test_changes", "Orthanc.test_issue_200"))
@pytest.mark.parametrize("path", ["/changes", "/changes?last"], ids=["all", "last"])
def test_empty_server_has_no_changes(rest: Rest, path: str) -> None:
    """The log of an empty server is empty, and `Done` says that it is complete."""
    log = rest.json(path)

    assert log["Changes"] == []
    assert log["Done"] is True


@suite.case("RCHG-002", covers="Orthanc.test_changes")
def test_new_instance_is_logged_from_below(rest: Rest, stored: Stored) -> None:
    """The first instance of a patient is four changes: a new instance, series, study and patient."""
    ids = orthanc_ids(stored.instance())

    logged = changes(rest)

    assert [(each["ChangeType"], each["ID"]) for each in logged] == [
        ("NewInstance", ids.instance),
        ("NewSeries", ids.series),
        ("NewStudy", ids.study),
        ("NewPatient", ids.patient),
    ]


@suite.case("RCHG-003", covers="Orthanc.test_changes")
def test_next_instance_is_one_change(rest: Rest, stored: Stored) -> None:
    """A further instance of a series is one change."""
    stored.instance(number=1)
    known = max(each["Seq"] for each in logged_after(rest, 4))

    second = orthanc_ids(stored.instance(number=2))

    logged = changes(rest, since=known)
    assert [(each["ChangeType"], each["ID"]) for each in logged] == [
        ("NewInstance", second.instance)
    ]


@suite.case("RCHG-004", covers=("Orthanc.test_changes", "Orthanc.test_issue_200"))
def test_change_says_what_and_when(rest: Rest, stored: Stored) -> None:
    """A change names the resource by type and path, and has a date and an increasing number."""
    ids = orthanc_ids(stored.instance())

    logged = changes(rest)

    assert [each["ResourceType"] for each in logged] == list(LEVELS)
    assert [each["Path"] for each in logged] == [
        f"/instances/{ids.instance}",
        f"/series/{ids.series}",
        f"/studies/{ids.study}",
        f"/patients/{ids.patient}",
    ]
    assert all(re.fullmatch(DATE, each["Date"]) for each in logged)
    numbers = [each["Seq"] for each in logged]
    assert numbers == sorted(set(numbers))


@suite.case("RCHG-005", covers="Orthanc.test_changes")
@pytest.mark.parametrize("limit", [1, 3])
def test_pages_hold_each_change_once(rest: Rest, stored: Stored, limit: int) -> None:
    """Pages read from `Last` on until `Done` contain each change once, in order."""
    stored.study(PatientName="Muller^Anna", series=2, instances=2)
    begin = min(each["Seq"] for each in logged_after(rest, 8)) - 1
    whole = changes(rest, since=begin)

    since, done, collected = begin, False, []
    while not done:
        page = rest.json("/changes", since=since, limit=limit)
        assert len(page["Changes"]) <= limit, f"a page has more than {limit} changes"
        assert page["Last"] > since
        collected += [each["Seq"] for each in page["Changes"]]
        since, done = page["Last"], page["Done"]

    assert collected[: len(whole)] == [each["Seq"] for each in whole]


@suite.case("RCHG-006", covers="Orthanc.test_changes")
def test_last_returns_the_newest_change(rest: Rest, stored: Stored) -> None:
    """`last` returns one change, the newest, and its number as `Last`."""
    stored.instance(number=1)
    newest = orthanc_ids(stored.instance(number=2))

    log = rest.json("/changes?last")

    assert [each["ID"] for each in log["Changes"]] == [newest.instance]
    assert log["Last"] == log["Changes"][0]["Seq"]


@suite.case("RCHG-007", covers="Orthanc.test_changes_2")
def test_number_of_the_last_change_outlives_it(rest: Rest, stored: Stored) -> None:
    """The changes of a deleted resource are removed from the log, but the numbering continues."""
    ids = orthanc_ids(stored.instance())
    before = rest.json("/changes")["Last"]

    rest.delete(f"/patients/{ids.patient}")

    log = rest.json("/changes")
    assert log["Changes"] == []
    assert log["Last"] >= before
    assert rest.json("/changes", since=before + 1000)["Last"] == log["Last"]


@suite.case("RCHG-008", covers="Orthanc.test_changes_2")
def test_user_metadata_is_a_change(rest: Rest, stored: Stored) -> None:
    """Setting metadata and deleting it are two changes of the resource."""
    instance = orthanc_ids(stored.instance()).instance
    metadata = f"/instances/{instance}/metadata/my-metadata"

    rest.put(metadata, "value")
    rest.delete(metadata, headers={"If-Match": first_etag("value")})

    logged = [each["ID"] for each in changes(rest, "UpdatedMetadata")]
    assert logged == [instance, instance]


@suite.case("RCHG-009", covers="Orthanc.test_series_status")
def test_completed_series_is_a_change(rest: Rest, make: Maker) -> None:
    """A series that states the number of its instances is logged once, when the last one has arrived."""
    samples = [
        make.instance(number=number, ImagesInAcquisition=2, NumberOfTemporalPositions=1)
        for number in (1, 2, 3)
    ]

    counts = []
    for sample in samples:
        rest.upload(sample.data)
        counts.append(len(changes(rest, "CompletedSeries")))

    assert counts == [0, 1, 1]


@suite.case(
    "RCHG-010",
    ref="Orthanc Book: configuration, StableAge",
    covers="Orthanc.test_overwrite_generates_stable_study",
    waits=2,
)
@configured(StableAge=1)
def test_stable_study_is_a_change(rest: Rest, stored: Stored) -> None:
    """A study to which nothing is added for StableAge is logged as stable."""
    ids = orthanc_ids(stored.instance())

    logged = wait_until(lambda: changes(rest, "StableStudy"), what="a stable study", within=8)

    assert [each["ID"] for each in logged] == [ids.study]
    assert rest.json(f"/studies/{ids.study}")["IsStable"] is True


@suite.case("RCHG-011", ref="Orthanc REST API: DELETE /changes")
def test_log_of_changes_can_be_emptied(rest: Rest, stored: Stored) -> None:
    """DELETE empties the log; the stored instances are kept."""
    ids = orthanc_ids(stored.instance())

    rest.delete("/changes")

    assert changes(rest) == []
    assert rest.json("/instances") == [ids.instance]


@suite.case(
    "RCHG-012",
    covers="Orthanc.test_changes_extended",
    needs=("orthanc>=1.12.5", "rest.extended-changes"),
)
def test_changes_of_some_types(rest: Rest, stored: Stored) -> None:
    """`type` selects the changes of one or more types, separated by semicolons."""
    stored.study(instances=2)

    log = rest.json("/changes?type=NewInstance;NewPatient")

    assert sorted(each["ChangeType"] for each in log["Changes"]) == [
        "NewInstance",
        "NewInstance",
        "NewPatient",
    ]


@suite.case("RCHG-013", ref=EXPORTS, covers=("Orthanc.test_storescu", "Orthanc.test_issue_200"))
@pytest.mark.parametrize("path", ["/exports", "/exports?last"], ids=["all", "last"])
def test_empty_server_has_no_exports(rest: Rest, path: str) -> None:
    """The log of exports of a server that has sent nothing is empty."""
    assert rest.json(path) == {"Done": True, "Exports": [], "Last": 0}


@suite.case("RCHG-014", ref=EXPORTS, covers=("Orthanc.test_storescu", "Orthanc.test_issue_200"))
@pytest.mark.parametrize(
    ("level", "identifiers"),
    [
        ("patient", {"PatientID"}),
        ("study", {"PatientID", "StudyInstanceUID"}),
        ("series", {"PatientID", "StudyInstanceUID", "SeriesInstanceUID"}),
        ("instance", {"PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"}),
    ],
    ids=["patient", "study", "series", "instance"],
)
def test_export_says_what_was_sent_where(
    rest: Rest, stored: Stored, level: str, identifiers: set[str]
) -> None:
    """A store is one export, with the modality and the DICOM identifiers down to its level."""
    sample, _ = stored.study(instances=2)
    resource = orthanc_ids(sample).at(level)

    rest.post("/modalities/orthanctest/store", resource)

    export = single(rest.json("/exports")["Exports"], "export")
    assert (export["RemoteModality"], export["ID"]) == ("orthanctest", resource)
    assert export["ResourceType"] == level.capitalize()
    ds = sample.dataset()
    given = {key: export[key] for key in export if key.endswith("UID") or key == "PatientID"}
    assert given == {keyword: str(ds[keyword].value) for keyword in identifiers}


@suite.case("RCHG-015", ref=EXPORTS, covers="Orthanc.test_storescu")
def test_exports_come_in_pages(rest: Rest, stored: Stored) -> None:
    """Exports are read one by one from `Last` on until `Done`, and `last` returns the newest."""
    ids = orthanc_ids(stored.instance())
    for resource in (ids.instance, ids.study):
        rest.post("/modalities/orthanctest/store", resource)

    first = rest.json("/exports", since=0, limit=1)
    second = rest.json("/exports", since=first["Last"], limit=1)
    newest = rest.json("/exports?last")

    assert [each["ID"] for each in first["Exports"]] == [ids.instance]
    assert [each["ID"] for each in second["Exports"]] == [ids.study]
    assert (first["Done"], second["Done"]) == (False, True)
    assert newest["Exports"] == second["Exports"]


@suite.case("RCHG-016", ref="Orthanc REST API: DELETE /exports", covers="Orthanc.test_storescu")
def test_log_of_exports_can_be_emptied(rest: Rest, stored: Stored) -> None:
    """DELETE empties the log of exports."""
    rest.post("/modalities/orthanctest/store", orthanc_ids(stored.instance()).instance)

    rest.delete("/exports")

    assert rest.json("/exports")["Exports"] == []
