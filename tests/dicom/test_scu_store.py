"""The remote as SCU of C-ECHO and C-STORE towards the local server, asked for by REST."""

from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from harness.cases import Corpus, Maker, Party, Rest, StorageScp, Stored, Suite, values, wait_until

LOCAL = "/modalities/orthanctest"
TEMPORARY = "/modalities/temporary"
STORE = "Orthanc REST API: POST /modalities/{id}/store"

suite = Suite(level="product", needs=("rest", "local.rest"), ref=STORE)

NATIVE = [ImplicitVRLittleEndian, ExplicitVRLittleEndian]


# C-ECHO


@suite.case(
    "SECHO-001", ref="Orthanc REST API: POST /modalities/{id}/echo", covers="Orthanc.test_echo"
)
@pytest.mark.parametrize("body", [b"", b"{}"], ids=["no-body", "empty-object"])
def test_echo(rest: Rest, body: bytes) -> None:
    """A C-ECHO to a modality succeeds, with an empty object for options and without a body."""
    assert rest.post(f"{LOCAL}/echo", body).json() == {}


@suite.case("SECHO-002", ref="Orthanc REST API: POST /modalities/{id}/echo")
def test_echo_that_nobody_answers(rest: Rest) -> None:
    """A C-ECHO to a modality behind whose port nobody listens is an error."""
    with rest.temporary(TEMPORARY, ["NOBODY", "127.0.0.1", 1]):
        rest.post(f"{TEMPORARY}/echo", expect=500)


@suite.case(
    "SECHO-003",
    ref="Orthanc REST API: POST /tools/dicom-echo",
    covers="Orthanc.test_echo",
    needs="orthanc>=1.8.1",
)
def test_echo_to_a_modality_in_the_body(rest: Rest) -> None:
    """A C-ECHO goes to the modality in the body, given as it is configured or as a short list."""
    modality = rest.json(f"{LOCAL}/configuration")

    for body in (modality, [modality["AET"], modality["Host"], modality["Port"]]):
        assert rest.post("/tools/dicom-echo", body).json() == {}


# C-STORE


@suite.case("SSTORE-001", covers="Orthanc.test_storescu")
@pytest.mark.parametrize("level", ["patients", "studies", "series", "instances"])
def test_store_and_its_export(
    rest: Rest, stored: Stored, destination: StorageScp, level: str
) -> None:
    """A resource of any level, named in the body, is sent, and noted among the exports."""
    (one,) = stored.study()
    (resource,) = rest.json(f"/{level}")

    rest.post(f"{LOCAL}/store", resource)

    arrived = [each.dataset for each in destination.received(1)]
    assert values(arrived, "SOPInstanceUID") == [one.sop_instance_uid]
    exported = [(each["RemoteModality"], each["Path"]) for each in rest.json("/exports")["Exports"]]
    assert exported == [("orthanctest", f"/{level}/{resource}")]


@suite.case("SSTORE-002", covers="Orthanc.test_bulk_storescu")
def test_store_of_a_list(rest: Rest, local_rest: Rest, make: Maker) -> None:
    """A list of resources of several levels is sent, and each instance is at the local server then."""
    study = [rest.upload(each.data) for each in make.study(PatientID="A", series=2, instances=2)]
    series = [rest.upload(each.data) for each in make.study(PatientID="B", series=2)]

    answer = rest.post(f"{LOCAL}/store", [study[0]["ParentStudy"], series[0]["ParentSeries"]])

    told = answer.json()
    assert (told["InstancesCount"], told["FailedInstancesCount"]) == (5, 0)
    expected = sorted(each["ID"] for each in [*study, series[0]])
    assert sorted(local_rest.json("/instances")) == expected


@suite.case(
    "SSTORE-003",
    ref="PS3.4 B.4.1.1",
    covers=("Orthanc.test_bitbucket_issue_169", "Orthanc.test_pilates"),
    level="must",
)
def test_objects_are_sent_as_they_are(rest: Rest, corpus: Corpus, destination: StorageScp) -> None:
    """Objects of several classes, sent in turn, arrive with every attribute."""
    samples = [corpus[name] for name in ("p02", "t01-known-vr", "m01-native", "h03-sr", "p08")]
    resources = [rest.upload(each.data)["ID"] for each in samples]

    rest.post(f"{LOCAL}/store", resources)

    arrived = {each.dataset.SOPInstanceUID: each.dataset for each in destination.received(5)}
    assert {uid: each.to_json_dict() for uid, each in arrived.items()} == {
        each.sop_instance_uid: each.dataset().to_json_dict() for each in samples
    }


@suite.case("SSTORE-011", covers=("Orthanc.test_storescu_jpeg", "Orthanc.test_bitbucket_issue_4"))
@pytest.mark.parametrize("name", ["p12-jpeg-lossless", "p09-rle-gray", "p12-jpeg-2000"])
def test_compressed_object_is_sent_in_its_syntax(
    rest: Rest, stored: Stored, destination: StorageScp, name: str
) -> None:
    """A compressed object is sent in its own transfer syntax where the destination accepts it."""
    sample = stored.sample(name)
    (resource,) = rest.json("/instances")

    rest.post(f"{LOCAL}/store", resource)

    (arrived,) = [each.dataset for each in destination.received(1)]
    assert arrived.file_meta.TransferSyntaxUID == sample.transfer_syntax
    assert arrived.to_json_dict() == sample.dataset().to_json_dict()


@suite.case(
    "SSTORE-004",
    ref="PS3.5 10.1",
    covers=("Orthanc.test_storescu_transcoding", "Orthanc.test_bitbucket_issue_4"),
    level="should",
)
def test_object_is_decompressed_for_who_refuses_its_syntax(
    rest: Rest, corpus: Corpus, local_rest: Rest
) -> None:
    """An RLE object reaches a server that takes native syntaxes only, and keeps every pixel."""
    sample = corpus["p09-rle-gray"]
    instance = rest.upload(sample.data)["ID"]

    with local_rest.setting("/tools/accepted-transfer-syntaxes", NATIVE):
        rest.post(f"{LOCAL}/store", instance)

    syntax = local_rest.get(f"/instances/{instance}/metadata/TransferSyntax").text
    assert syntax in NATIVE
    raw = local_rest.get(f"/instances/{instance}/frames/0/raw").content
    assert raw == sample.frame(0).tobytes()


@suite.case(
    "SSTORE-005",
    ref="Orthanc configuration: AllowTranscoding of a modality",
    covers="Orthanc.test_storescu_transcoding",
)
def test_transcoding_can_be_forbidden(rest: Rest, corpus: Corpus, local_rest: Rest) -> None:
    """Where a modality forbids transcoding, a store in a syntax that it refuses is an error."""
    instance = rest.upload(corpus["p09-rle-gray"].data)["ID"]
    modality = {**rest.json(f"{LOCAL}/configuration"), "AllowTranscoding": False}

    with (
        local_rest.setting("/tools/accepted-transfer-syntaxes", NATIVE),
        rest.temporary(TEMPORARY, modality),
    ):
        rest.post(f"{TEMPORARY}/store", instance, expect=500)

    assert local_rest.json("/instances") == []


@suite.case("SSTORE-006", covers="Orthanc.test_storescu_custom_aet")
def test_calling_ae_title(
    rest: Rest, stored: Stored, destination: StorageScp, remote: Party
) -> None:
    """The server calls itself by its own AE title, or by the `LocalAet` of the request."""
    stored.study()
    resources = rest.json("/instances")

    rest.post(f"{LOCAL}/store", {"Resources": resources})
    rest.post(f"{LOCAL}/store", {"Resources": resources, "LocalAet": "OTHER"})

    assert [each.calling for each in destination.received(2)] == [remote.ae_title, "OTHER"]


@suite.case(
    "SSTORE-007",
    ref="Orthanc REST API: POST /modalities/{id}/store-straight",
    covers="Orthanc.test_store_straight",
)
def test_store_straight(rest: Rest, make: Maker, destination: StorageScp) -> None:
    """A file in the body is passed on by C-STORE, and not stored on the way."""
    sample = make.instance()

    answer = rest.post(f"{LOCAL}/store-straight", sample.data)

    assert answer.json() == {
        "SOPClassUID": sample.sop_class_uid,
        "SOPInstanceUID": sample.sop_instance_uid,
    }
    arrived = [each.dataset.to_json_dict() for each in destination.received(1)]
    assert arrived == [sample.dataset().to_json_dict()]
    assert rest.json("/instances") == []


@suite.case(
    "SSTORE-008",
    ref="Orthanc REST API: POST /modalities/{id}/store-straight",
    covers="Orthanc.test_store_straight",
)
def test_store_straight_of_no_dicom(rest: Rest) -> None:
    """A body that is no DICOM file is refused as a bad request."""
    assert rest.post(f"{LOCAL}/store-straight", b"none", expect=None).status_code == 400


@suite.case("SSTORE-009")
def test_refusal_by_the_destination_is_an_error(
    rest: Rest, stored: Stored, destination: StorageScp
) -> None:
    """Where the destination answers an object with A700, the store is an error."""
    destination.expect(destination.ae_title, answers=[0xA700])
    stored.study()

    rest.post(f"{LOCAL}/store", rest.json("/instances"), expect=500)


@suite.case("SSTORE-010", covers="Orthanc.test_storescu_custom_aet")
def test_store_as_a_job(rest: Rest, stored: Stored, destination: StorageScp) -> None:
    """An asynchronous store is a job, which succeeds and says how many instances it sent."""
    stored.study(instances=3)
    order = {"Resources": rest.json("/studies"), "Synchronous": False}

    job = rest.post(f"{LOCAL}/store", order).json()

    def ended() -> Any:
        state = rest.json(job["Path"])
        return state if state["State"] in {"Success", "Failure"} else None

    outcome = wait_until(ended, what="the end of the job")
    assert (outcome["State"], outcome["Content"]["InstancesCount"]) == ("Success", 3)
    assert len(destination.received(3)) == 3
