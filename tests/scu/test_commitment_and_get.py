"""The remote as SCU of storage commitment and C-GET, requested by REST."""

from typing import Any

import pytest

from dcm.wire import AssociateRJ
from harness.cases import LOCAL_MODALITY as LOCAL
from harness.cases import (
    SUCCESS,
    UNKNOWN_UID,
    Dimse,
    Maker,
    Party,
    Rest,
    StorageScp,
    Stored,
    Suite,
    WireScp,
    asked,
    orthanc_ids,
    wait_until,
)

suite = Suite(
    level="product", needs="rest", ref="Orthanc REST API: POST /modalities/{id}/storage-commitment"
)

COMMITMENT = "/modalities/self/storage-commitment"
LOCAL_AET = "OT-FROM-CONFIG"  # the AE title for the modality orthanctest-with-local-aet
NO_SUCH_INSTANCE = 0x0112  # PS3.3 C.14.1.1


def outcome(rest: Rest, transaction: str) -> Any:
    """Wait for the report on a transaction, and return it."""

    def told() -> Any:
        report = rest.json(f"/storage-commitment/{transaction}")
        return report if report["Status"] != "Pending" else None

    return wait_until(told, what="the report on a storage commitment")


@suite.case("COMAPI-001", covers="Orthanc.test_storage_commitment_api")
@pytest.mark.parametrize("form", ["pairs", "objects", "instance", "study", "patient"])
def test_commitment_of_what_is_stored(rest: Rest, stored: Stored, remote: Party, form: str) -> None:
    """A commitment requested by UIDs or by resources succeeds and lists each object."""
    samples = stored.study(instances=2)
    uids = [(str(each.sop_class_uid), str(each.sop_instance_uid)) for each in samples]
    objects = [{"SOPClassUID": one, "SOPInstanceUID": two} for one, two in uids]
    ids = orthanc_ids(samples[0])
    orders: dict[str, dict[str, Any]] = {
        "pairs": {"DicomInstances": uids},
        "objects": {"DicomInstances": objects},
        "instance": {"Resources": [orthanc_ids(each).instance for each in samples]},
        "study": {"Resources": [ids.study]},
        "patient": {"Resources": [ids.patient]},
    }

    answer = rest.post(COMMITMENT, orders[form]).json()

    assert answer["ID"].startswith("2.25.")
    assert answer["Path"] == f"/storage-commitment/{answer['ID']}"
    report = outcome(rest, answer["ID"])
    assert (report["Status"], report["RemoteAET"], report["Failures"]) == (
        "Success", remote.ae_title, [],
    )  # fmt: skip
    committed = [(each["SOPClassUID"], each["SOPInstanceUID"]) for each in report["Success"]]
    assert sorted(committed) == sorted(uids)


@suite.case("COMAPI-002", covers="Orthanc.test_storage_commitment_api")
def test_commitment_of_what_is_missing(rest: Rest, stored: Stored) -> None:
    """If one of two objects is missing, the commitment fails, and lists both correctly."""
    sample = stored.instance()
    known, missing = (
        (str(sample.sop_class_uid), uid) for uid in (str(sample.sop_instance_uid), UNKNOWN_UID)
    )

    transaction = rest.post(COMMITMENT, {"DicomInstances": [missing, known]}).json()["ID"]

    report = outcome(rest, transaction)
    assert report["Status"] == "Failure"
    assert [each["SOPInstanceUID"] for each in report["Success"]] == [known[1]]
    failed = [(each["SOPInstanceUID"], each["FailureReason"]) for each in report["Failures"]]
    assert failed == [(UNKNOWN_UID, NO_SUCH_INSTANCE)]


@suite.case(
    "COMAPI-003",
    ref="Orthanc REST API: POST /storage-commitment/{id}/remove",
    covers="Orthanc.test_storage_commitment_api",
)
def test_nothing_is_removed_after_a_failure(rest: Rest, stored: Stored) -> None:
    """After a failed commitment, nothing can be removed, not even the committed objects."""
    sample = stored.instance()
    pairs = [(str(sample.sop_class_uid), each) for each in (sample.sop_instance_uid, UNKNOWN_UID)]
    transaction = rest.post(COMMITMENT, {"DicomInstances": pairs}).json()["ID"]
    outcome(rest, transaction)

    answer = rest.post(f"/storage-commitment/{transaction}/remove", expect=None)

    assert answer.status_code in range(400, 600)
    assert rest.json("/instances") == [orthanc_ids(sample).instance]


@suite.case(
    "COMAPI-004",
    ref="Orthanc REST API: POST /storage-commitment/{id}/remove",
    covers="Orthanc.test_storage_commitment_store",
)
def test_what_is_committed_is_removed(rest: Rest, stored: Stored) -> None:
    """A store that requests commitment returns its transaction; committed objects can then be removed."""
    sample = stored.instance(PatientID="A")
    kept = stored.instance(PatientID="B")
    order = {"Resources": [orthanc_ids(sample).instance], "StorageCommitment": True}

    answer = rest.post("/modalities/self/store", order).json()

    transaction = answer["StorageCommitmentTransactionUID"]
    assert transaction.startswith("2.25.")
    report = outcome(rest, transaction)
    assert report["Status"] == "Success"
    assert [each["SOPInstanceUID"] for each in report["Success"]] == [sample.sop_instance_uid]
    rest.post(f"/storage-commitment/{transaction}/remove")
    assert rest.json("/instances") == [orthanc_ids(kept).instance]


@suite.case(
    "COMAPI-005", ref="Orthanc REST API: POST /modalities/{id}/store",
    covers="Orthanc.test_storage_commitment_store", needs="local.rest",
)  # fmt: skip
def test_store_without_commitment(rest: Rest, local_rest: Rest, stored: Stored) -> None:
    """A store without a request for commitment has no transaction."""
    ids = orthanc_ids(stored.instance())

    answer = rest.post(
        f"{LOCAL}/store", {"Resources": [ids.instance], "StorageCommitment": False}
    ).json()

    assert "StorageCommitmentTransactionUID" not in answer
    assert local_rest.json("/instances") == [ids.instance]


@suite.case("COMAPI-006", ref="Orthanc REST API: GET /storage-commitment/{id}")
@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/remove")])
def test_unknown_transaction(rest: Rest, method: str, path: str) -> None:
    """A transaction that does not exist is not found."""
    rest.request(method, f"/storage-commitment/2.25.1{path}", expect=404)


# C-GET


@suite.case(
    "SGET-001", ref="Orthanc REST API: POST /modalities/{id}/get",
    covers=("Orthanc.test_cget_scu", "Orthanc.test_cget_scp", "CGet.test_cget.test_cget"),
    needs=("local.rest", "orthanc>=1.12.6"),
)  # fmt: skip
@pytest.mark.parametrize("level", ["Patient", "Study", "Series", "Instance"])
def test_resource_is_retrieved_by_get(
    rest: Rest, local_rest: Rest, make: Maker, level: str
) -> None:
    """The instances of a resource on a modality are retrieved by C-GET and stored, and no others."""
    samples = make.study(PatientID="A", instances=2)
    local_rest.upload_all([*samples, make.instance(PatientID="B")])
    wanted = samples[:1] if level == "Instance" else samples
    one = samples[0]
    keys = {
        "PatientID": one.patient_id,
        "StudyInstanceUID": one.study_instance_uid,
        "SeriesInstanceUID": one.series_instance_uid,
        "SOPInstanceUID": one.sop_instance_uid,
    }
    depth = ["Patient", "Study", "Series", "Instance"].index(level) + 1
    resource = dict(list(keys.items())[:depth])

    rest.post(f"{LOCAL}/get", {"Level": level, "Resources": [resource]})

    expected = sorted(orthanc_ids(each).instance for each in wanted)
    assert sorted(rest.json("/instances")) == expected


@suite.case(
    "SGET-003",
    ref="Orthanc REST API: POST /modalities/{id}/get",
    covers="Orthanc.test_cget_scu",
    needs=("local.rest", "orthanc>=1.13.0"),
)
def test_answer_lists_what_a_get_brought(rest: Rest, local_rest: Rest, make: Maker) -> None:
    """The answer to a C-GET lists the identifiers of the received instances."""
    samples = make.study(instances=2)
    local_rest.upload_all(samples)
    study = {"StudyInstanceUID": samples[0].study_instance_uid}

    answer = rest.post(f"{LOCAL}/get", {"Level": "Study", "Resources": [study]}).json()

    expected = sorted(orthanc_ids(each).instance for each in samples)
    assert sorted(answer["Details"][0]["ReceivedInstancesIds"]) == expected


@suite.case(
    "SGET-002",
    ref="Orthanc REST API: POST /modalities/{id}/get",
    covers="CGet.test_cget.test_cget_not_found",
    needs=("local.rest", "orthanc>=1.12.6"),
)
def test_get_of_what_is_not_there(rest: Rest) -> None:
    """A C-GET of a study that the modality does not have retrieves nothing."""
    rest.post(
        f"{LOCAL}/get",
        {"Level": "Study", "Resources": [{"StudyInstanceUID": UNKNOWN_UID}]},
        expect=None,
        timeout=3,
    )

    assert rest.json("/instances") == []


@suite.case(
    "SGET-004",
    ref="Orthanc Book: configuration, LocalAet of a modality",
    covers="CGet.test_cget.test_cget_local_aet",
    needs="orthanc>=1.12.6",
)
@pytest.mark.parametrize("name", ["orthanctest", "orthanctest-with-local-aet"])
def test_get_calls_by_the_title_for_its_source(
    rest: Rest, remote: Party, local: Party, name: str
) -> None:
    """For a C-GET, the server uses its own AE title, or the LocalAet of the modality."""
    expected = remote.ae_title if name == "orthanctest" else LOCAL_AET
    study = {"StudyInstanceUID": UNKNOWN_UID}
    with WireScp(local.time_limit) as scp:
        local.dicom_relay.target = scp.endpoint
        job = {"Level": "Study", "Resources": [study], "Asynchronous": True}
        rest.post(f"/modalities/{name}/get", job)
        association = asked(scp.take())
        request = association.connection.request
        association.send(AssociateRJ(result=1, source=1, reason=1))
    local.aim_relays()

    assert request is not None
    assert request.calling_ae_title == expected


# C-STORE to a destination other than the modality's


@suite.case(
    "SSTORE-014", ref="Orthanc REST API: POST /modalities/{id}/store, Host and Port",
    covers="Orthanc.test_storescu_custom_host_ip_port", needs=("local.rest", "orthanc>=1.11.3"),
)  # fmt: skip
def test_host_and_port_of_the_request(rest: Rest, local_rest: Rest, stored: Stored) -> None:
    """CalledAet, Host and Port in a request override those of the modality."""
    ids = orthanc_ids(stored.instance())
    local = rest.json(f"{LOCAL}/configuration")
    place = {"CalledAet": local["AET"], "Host": local["Host"], "Port": local["Port"]}

    rest.post("/modalities/self/store", {"Resources": [ids.instance]})
    assert local_rest.json("/instances") == []

    rest.post("/modalities/self/store", {"Resources": [ids.instance], "LocalAet": "MINE", **place})
    assert local_rest.json("/instances") == [ids.instance]
    assert local_rest.get(f"{ids.path('instance')}/metadata/RemoteAET").text == "MINE"


@suite.case(
    "SSTORE-015",
    ref="Orthanc Book: configuration, LocalAet of a modality",
    covers="Orthanc.test_move_scu_local_aet",
    needs=("dimse.move.study", "orthanc>=1.13.0"),
)
def test_move_calls_by_the_title_for_its_destination(
    dimse: Dimse, stored: Stored, local: Party, destination: StorageScp
) -> None:
    """For a C-MOVE to a modality with LocalAet, the server uses this AE title."""
    sample = stored.instance()

    moved = dimse.move(
        "STUDY", f"{local.ae_title[:15]}2", StudyInstanceUID=sample.study_instance_uid
    )

    assert moved.status == SUCCESS
    assert [each.calling for each in destination.received(1)] == [LOCAL_AET]
