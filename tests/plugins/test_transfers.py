"""The transfers accelerator: peers that have it, pulls and pushes, and the reports of jobs."""

from collections.abc import Mapping
from typing import Any

import pytest

from harness.cases import Rest, Stored, Suite, configured, orthanc_ids, wait_until

suite = Suite(
    level="product", needs=("rest", "local.rest"), ref="Orthanc Book: transfers accelerator plugin"
)
pytestmark = configured(plugins="transfers")

ENDED = ("Success", "Failure")


def finished(rest: Rest, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Wait for the end of the job named in an answer, and return the job."""
    path = f"/jobs/{answer['ID']}"
    wait_until(lambda: rest.json(path)["State"] in ENDED, what="the end of the transfer")
    job: dict[str, Any] = rest.json(path)
    return job


def resource(sample_id: str, level: str = "Instance") -> dict[str, str]:
    """Return a resource in the form used in requests."""
    return {"Level": level, "ID": sample_id}


@suite.case("XFER-001", covers="Transfers.test_list_peers")
def test_peers_and_what_they_can(rest: Rest) -> None:
    """Each peer is listed as having no such plugin, having it, or being able to pull."""
    assert rest.json("/transfers/peers") == {
        "peer": "disabled",
        "self": "installed",
        "transfers-bidirectional": "bidirectional",
        "transfers-simple": "installed",
    }


@suite.case("XFER-002", covers="Transfers.test_pull")
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_pull(rest: Rest, stored: Stored, compression: str) -> None:
    """A pull is a job with a priority that counts instances, and each arrives byte by byte."""
    sample = stored.instance()
    ids = orthanc_ids(sample)

    started = rest.post(
        "/transfers/pull",
        {"Compression": compression, "Peer": "transfers-simple",
         "Resources": [resource(ids.instance)], "Priority": 10},
    ).json()  # fmt: skip
    job = finished(rest, started)

    assert (job["State"], job["Type"], job["Priority"]) == ("Success", "PullTransfer", 10)
    told = {each: job["Content"][each] for each in ("Compression", "Peer", "TotalInstances")}
    assert told == {"Compression": compression, "Peer": "transfers-simple", "TotalInstances": 1}
    assert job["Content"]["CompletedHttpQueries"] == 1
    assert rest.get(f"{ids.path('instance')}/file").content == sample.data


@suite.case("XFER-003", covers="Transfers.test_send_push")
def test_push_to_a_peer_that_cannot_pull(rest: Rest, stored: Stored) -> None:
    """Instances for a peer that does not know us are pushed by a job of ours."""
    ids = orthanc_ids(stored.instance())

    started = rest.post(
        "/transfers/send",
        {"Compression": "gzip", "Peer": "transfers-simple",
         "Resources": [resource(ids.instance)], "Priority": -10},
    ).json()  # fmt: skip
    job = finished(rest, started)

    assert (job["State"], job["Type"], job["Priority"]) == ("Success", "PushTransfer", -10)
    told = {each: job["Content"][each] for each in ("Compression", "Peer", "TotalInstances")}
    assert told == {"Compression": "gzip", "Peer": "transfers-simple", "TotalInstances": 1}


@suite.case("XFER-004", covers="Transfers.test_send_bidirectional")
def test_peer_that_knows_us_pulls(rest: Rest, stored: Stored) -> None:
    """Instances for a peer that knows us are pulled by a job of that peer, whatever the priority here."""
    ids = orthanc_ids(stored.instance())

    answer = rest.post(
        "/transfers/send",
        {"Compression": "gzip", "Peer": "transfers-bidirectional",
         "Resources": [resource(ids.instance)], "Priority": 42},
    ).json()  # fmt: skip

    assert sorted(answer) == ["Peer", "RemoteJob", "URL"]
    assert answer["Peer"] == "transfers-bidirectional"
    job = finished(rest, {"ID": answer["RemoteJob"]})  # that peer is this server
    assert (job["State"], job["Type"], job["Priority"]) == ("Success", "PullTransfer", 0)


@suite.case("XFER-005")
@pytest.mark.parametrize("level", ["Patient", "Study", "Series"])
def test_levels_are_taken_apart(rest: Rest, stored: Stored, level: str) -> None:
    """A resource of any level represents all its instances, and is looked up in the index."""
    study = stored.study(series=2, instances=2)
    ids = orthanc_ids(study[0])

    found = rest.post(
        "/transfers/lookup", {"Resources": [resource(ids.at(level.lower()), level)]}
    ).json()

    expected = study[:2] if level == "Series" else study
    assert sorted(each["ID"] for each in found["Instances"]) == sorted(
        orthanc_ids(each).instance for each in expected
    )
    assert int(found["CountInstances"]) == len(expected)


@suite.case("XFER-006")
def test_what_does_not_exist_is_not_sent(rest: Rest) -> None:
    """A resource that does not exist is rejected, and no job is started."""
    before = rest.json("/jobs")

    rest.post(
        "/transfers/send",
        {"Compression": "gzip", "Peer": "transfers-simple", "Resources": [resource("nope")]},
        expect=(400, 404),
    )

    assert rest.json("/jobs") == before
