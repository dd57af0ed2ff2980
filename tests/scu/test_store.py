"""The remote as SCU of C-ECHO and C-STORE, with the local server as SCP, requested by REST."""

from typing import Any

import pytest
from pydicom.uid import (
    UID,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RTPlanStorage,
    XRayRadiofluoroscopicImageStorage,
)

from harness.cases import LOCAL_MODALITY as LOCAL
from harness.cases import (
    Corpus,
    Maker,
    Party,
    Rest,
    StorageScp,
    Stored,
    Suite,
    orthanc_ids,
    single,
    wait_until,
)

TEMPORARY = "/modalities/temporary"
STORE = "Orthanc REST API: POST /modalities/{id}/store"

suite = Suite(level="product", needs=("rest", "local.rest"), ref=STORE)

NATIVE = [ImplicitVRLittleEndian, ExplicitVRLittleEndian]


levels = pytest.mark.parametrize("level", ["patients", "studies", "series", "instances"])


# C-ECHO


@suite.case(
    "SECHO-001", ref="Orthanc REST API: POST /modalities/{id}/echo", covers="Orthanc.test_echo"
)
@pytest.mark.parametrize("body", [b"", b"{}"], ids=["no-body", "empty-object"])
def test_echo(rest: Rest, body: bytes) -> None:
    """A C-ECHO to a modality succeeds, with an empty object of options or without a body."""
    assert rest.post(f"{LOCAL}/echo", body).json() == {}


@suite.case("SECHO-002", ref="Orthanc REST API: POST /modalities/{id}/echo")
def test_echo_without_an_answer(rest: Rest) -> None:
    """A C-ECHO to a modality that does not listen is an error."""
    with rest.temporary(TEMPORARY, ["NOBODY", "127.0.0.1", 1]):
        rest.post(f"{TEMPORARY}/echo", expect=500)


@suite.case(
    "SECHO-003",
    ref="Orthanc REST API: POST /tools/dicom-echo",
    covers="Orthanc.test_echo",
    needs="orthanc>=1.8.1",
)
def test_echo_to_a_modality_in_the_body(rest: Rest) -> None:
    """A C-ECHO reaches a modality given in the body, as its configuration or as a list of three."""
    modality = rest.json(f"{LOCAL}/configuration")

    for body in (modality, [modality["AET"], modality["Host"], modality["Port"]]):
        assert rest.post("/tools/dicom-echo", body).json() == {}


# C-STORE


@suite.case("SSTORE-001", covers="Orthanc.test_storescu")
@levels
def test_store_resource(rest: Rest, stored: Stored, destination: StorageScp, level: str) -> None:
    """A resource of any level, named in the body, is sent."""
    (one,) = stored.study()
    resource = single(rest.json(f"/{level}"), "resource")

    rest.post(f"{LOCAL}/store", resource)

    assert destination.received_uids(1) == [one.sop_instance_uid]


@suite.case("SSTORE-016", ref="PS3.8 9.3.2.2", covers="Orthanc.test_storescu_rf")
@pytest.mark.parametrize(
    "sop_class",
    [XRayRadiofluoroscopicImageStorage, EnhancedMRImageStorage, RTPlanStorage],
    ids=["xrf", "enhanced-mr", "rt-plan"],
)
def test_context_for_the_class_is_proposed(
    rest: Rest, stored: Stored, local_rest: Rest, sop_class: UID
) -> None:
    """An object of a class not seen before is sent: its presentation context is proposed."""
    sample = stored.instance(SOPClassUID=sop_class)

    rest.post(f"{LOCAL}/store", single(rest.json("/instances"), "instance"))

    tags = local_rest.json(f"{orthanc_ids(sample).path('instance')}/tags?simplify")
    assert (tags["SOPClassUID"], tags["SOPInstanceUID"]) == (sop_class, sample.sop_instance_uid)


@suite.case("SSTORE-012", ref="Orthanc REST API: GET /exports", covers="Orthanc.test_storescu")
@levels
def test_store_is_listed_among_the_exports(
    rest: Rest, stored: Stored, destination: StorageScp, level: str
) -> None:
    """A sent resource of any level is listed among the exports, with its modality."""
    stored.study()
    resource = single(rest.json(f"/{level}"), "resource")

    rest.post(f"{LOCAL}/store", resource)

    exported = [(each["RemoteModality"], each["Path"]) for each in rest.json("/exports")["Exports"]]
    assert exported == [("orthanctest", f"/{level}/{resource}")]
    destination.received(1)


@suite.case("SSTORE-002", covers="Orthanc.test_bulk_storescu")
def test_store_of_a_list(rest: Rest, local_rest: Rest, make: Maker) -> None:
    """A list of resources of several levels is sent, and each instance reaches the local server."""
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

    arrived = {each.dataset.get("SOPInstanceUID"): each.dataset for each in destination.received(5)}
    assert {uid: each.to_json_dict() for uid, each in arrived.items()} == {
        each.sop_instance_uid: each.dataset().to_json_dict() for each in samples
    }


@suite.case("SSTORE-011", covers=("Orthanc.test_storescu_jpeg", "Orthanc.test_bitbucket_issue_4"))
@pytest.mark.parametrize("name", ["p12-jpeg-lossless", "p09-rle-gray", "p12-jpeg-2000"])
def test_compressed_object_is_sent_in_its_syntax(
    rest: Rest, stored: Stored, destination: StorageScp, name: str
) -> None:
    """A compressed object is sent in its own transfer syntax if the destination accepts it."""
    sample = stored.sample(name)

    rest.post(f"{LOCAL}/store", rest.json("/instances"))

    arrived = single(destination.received(1), "object").dataset
    assert arrived.file_meta.TransferSyntaxUID == sample.transfer_syntax
    assert arrived.to_json_dict() == sample.dataset().to_json_dict()


@suite.case(
    "SSTORE-004",
    ref="PS3.5 10.1",
    covers=("Orthanc.test_storescu_transcoding", "Orthanc.test_bitbucket_issue_4"),
    level="should",
)
def test_object_is_decompressed_for_a_native_destination(
    rest: Rest, corpus: Corpus, local_rest: Rest
) -> None:
    """An RLE object reaches a destination that accepts only native syntaxes, with every pixel."""
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
    """If transcoding is off for a modality, a store in a syntax that it does not accept is an error."""
    instance = rest.upload(corpus["p09-rle-gray"].data)["ID"]
    modality = {**rest.json(f"{LOCAL}/configuration"), "AllowTranscoding": False}

    with (
        local_rest.setting("/tools/accepted-transfer-syntaxes", NATIVE),
        rest.temporary(TEMPORARY, modality),
    ):
        rest.post(f"{TEMPORARY}/store", instance, expect=500)

    assert local_rest.json("/instances") == []


@suite.case("SSTORE-006", covers="Orthanc.test_storescu_custom_aet")
def test_local_aet_is_the_calling_title(
    rest: Rest, stored: Stored, destination: StorageScp
) -> None:
    """The server uses the `LocalAet` of the request as its AE title."""
    stored.study()

    rest.post(f"{LOCAL}/store", {"Resources": rest.json("/instances"), "LocalAet": "OTHER"})

    assert [each.calling for each in destination.received(1)] == ["OTHER"]


@suite.case("SSTORE-013", covers="Orthanc.test_storescu_custom_aet")
def test_own_title_is_the_calling_title(
    rest: Rest, stored: Stored, destination: StorageScp, remote: Party
) -> None:
    """Without `LocalAet` in the request, the server uses its own AE title."""
    stored.study()

    rest.post(f"{LOCAL}/store", {"Resources": rest.json("/instances")})

    assert [each.calling for each in destination.received(1)] == [remote.ae_title]


@suite.case(
    "SSTORE-007",
    ref="Orthanc REST API: POST /modalities/{id}/store-straight",
    covers="Orthanc.test_store_straight",
)
def test_store_straight(rest: Rest, make: Maker, destination: StorageScp) -> None:
    """A file in the body is sent by C-STORE, but not stored by the server."""
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
def test_store_straight_of_invalid_file(rest: Rest) -> None:
    """A body that is not a DICOM file is rejected as a bad request."""
    assert rest.post(f"{LOCAL}/store-straight", b"none", expect=None).status_code == 400


@suite.case("SSTORE-009")
def test_refusal_by_the_destination_is_an_error(
    rest: Rest, stored: Stored, destination: StorageScp
) -> None:
    """If the destination answers an object with A700, the store is an error."""
    destination.expect(destination.ae_title, answers=[0xA700])
    stored.study()

    rest.post(f"{LOCAL}/store", rest.json("/instances"), expect=500)


@suite.case("SSTORE-010", covers="Orthanc.test_storescu_custom_aet")
def test_store_as_a_job(rest: Rest, stored: Stored, destination: StorageScp) -> None:
    """An asynchronous store is a job, which succeeds and counts its instances."""
    stored.study(instances=3)
    order = {"Resources": rest.json("/studies"), "Synchronous": False}

    job = rest.post(f"{LOCAL}/store", order).json()

    def ended() -> Any:
        state = rest.json(job["Path"])
        return state if state["State"] in {"Success", "Failure"} else None

    outcome = wait_until(ended, what="the end of the job")
    assert (outcome["State"], outcome["Content"]["InstancesCount"]) == ("Success", 3)
    assert len(destination.received(3)) == 3
