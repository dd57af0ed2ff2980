"""Settings of the worklist plugin; queries are tested in `tests/worklist`."""

import pytest

from harness.cases import Dimse, Maker, Party, Suite, Worklist, asking, configured

suite = Suite(
    level="product", needs="dimse.worklist", ref="Orthanc Book: modality worklists plugin"
)

EVERYTHING = {"ScheduledStationAETitle": ""}


@pytest.fixture
def two_stations(remote: Party, dimse: Dimse, make: Maker) -> Worklist:
    """Return a worklist with a step for the requesting station, and one for another."""
    worklist = Worklist(remote.worklists, dimse)
    worklist.put(
        make.worklist_item(PatientName="Mine", ScheduledStationAETitle=dimse.calling),
        make.worklist_item(PatientName="Theirs", ScheduledStationAETitle="ANOTHER"),
    )
    return worklist


@suite.case("WLSET-001", covers="Worklists.test_filter_issuer_aet")
@configured(Worklists={"FilterIssuerAet": True})
def test_station_gets_its_own_steps(two_stations: Worklist) -> None:
    """With FilterIssuerAet, a station that requests all steps gets only those scheduled for it."""
    assert two_stations.names(EVERYTHING) == ["Mine"]


@suite.case("WLSET-002", covers="Worklists.test_filter_issuer_aet")
@configured(Worklists={"FilterIssuerAet": False})
def test_station_gets_all_steps(two_stations: Worklist) -> None:
    """Without FilterIssuerAet, a station that requests all steps also gets those of other stations."""
    assert two_stations.names(EVERYTHING) == ["Mine", "Theirs"]


@suite.case("WLSET-003")
@configured(Worklists={"LimitAnswers": 1})
def test_answers_are_limited(two_stations: Worklist) -> None:
    """With LimitAnswers, no more items are returned than that."""
    found = two_stations.dimse.worklist(asking({}, PatientName=""))

    assert len(found.datasets) == 1
