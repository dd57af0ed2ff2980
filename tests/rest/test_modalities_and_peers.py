"""Modalities and Orthanc peers: setting, changing, listing and removing them, and sending to peers."""

from typing import Any

import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1

from harness.cases import (
    Corpus,
    Dcmtk,
    Maker,
    Party,
    Rest,
    Stored,
    Suite,
    configured,
    orthanc_ids,
    single,
)

suite = Suite(level="product", needs="rest", ref="Orthanc REST API: PUT /modalities/{id}")
PEERS = "Orthanc REST API: PUT /peers/{id}"

MODALITY, PEER = "/modalities/added", "/peers/added"


# Modalities


@suite.case("MODAL-001", covers="Orthanc.test_update_modalities")
@pytest.mark.parametrize(
    "definition",
    [
        ["TITLE", "host.example", 4242],
        ["TITLE", "host.example", 4242, "Generic"],
        {"AET": "TITLE", "Host": "host.example", "Port": 4242},
        {"AET": "TITLE", "Host": "host.example", "Port": 4242, "Manufacturer": "Generic"},
    ],
    ids=["list", "list-of-four", "object", "object-with-manufacturer"],
)
def test_modality_is_set(rest: Rest, definition: Any) -> None:
    """A modality set as a list or an object is listed, with the values that were set."""
    before = rest.json("/modalities")

    rest.put(MODALITY, definition)

    assert sorted(rest.json("/modalities")) == sorted([*before, "added"])
    configuration = rest.json(f"{MODALITY}/configuration")
    told = {each: configuration[each] for each in ("AET", "Host", "Port", "Manufacturer")}
    assert told == {"AET": "TITLE", "Host": "host.example", "Port": 4242, "Manufacturer": "Generic"}
    assert rest.json("/modalities?expand")["added"] == configuration


@suite.case("MODAL-002", covers="Orthanc.test_update_modalities")
@pytest.mark.parametrize(
    "manufacturer",
    ["Generic", "GenericNoWildcardInDates", "GenericNoUniversalWildcard", "Vitrea", "GE"],
)
def test_manufacturer_of_a_modality(rest: Rest, manufacturer: str) -> None:
    """Each documented manufacturer is kept."""
    rest.put(MODALITY, ["TITLE", "host.example", 4242, manufacturer])

    assert rest.json(f"{MODALITY}/configuration")["Manufacturer"] == manufacturer


@suite.case("MODAL-003", covers="Orthanc.test_update_modalities")
@pytest.mark.parametrize(
    "definition",
    [
        [],
        ["TITLE"],
        ["TITLE", "host.example"],
        ["TITLE", "host.example", "port"],
        ["TITLE", "host.example", 70000],
        ["TITLE", "host.example", 0],
        ["TITLE", "host.example", 104, "NoSuchManufacturer"],
        {"AET": "TITLE", "Port": 104},
        {"AET": "TITLE", "Host": "host.example"},
        "text",
    ],
    ids=[
        "empty", "title-only", "no-port", "port-text", "port-too-great", "port-0", "manufacturer",
        "no-host", "object-without-port", "text",
    ],
)  # fmt: skip
def test_malformed_modality_changes_nothing(rest: Rest, definition: Any) -> None:
    """A malformed definition is rejected, and the modality is unchanged."""
    rest.put(MODALITY, ["BEFORE", "host.example", 4242])
    before = rest.json("/modalities?expand")

    answer = rest.put(MODALITY, definition, expect=None)

    assert answer.status_code in range(400, 600)
    assert answer.json()["OrthancStatus"] > 0
    assert rest.json("/modalities?expand") == before


@suite.case("MODAL-004", covers="Orthanc.test_update_modalities")
def test_modality_is_changed(rest: Rest) -> None:
    """A modality that is set again has only the new values, and others are unchanged."""
    others = rest.json("/modalities?expand")
    rest.put(MODALITY, {"AET": "OLD", "Host": "old.example", "Port": 1, "AllowEcho": False})

    rest.put(MODALITY, {"AET": "NEW", "Host": "new.example", "Port": 2})

    listed = dict(rest.json("/modalities?expand"))
    changed = listed.pop("added")
    assert (changed["AET"], changed["Host"], changed["Port"]) == ("NEW", "new.example", 2)
    assert changed.get("AllowEcho", True) is True
    assert listed == others


@suite.case("MODAL-005", covers="Orthanc.test_update_modalities")
def test_modality_is_removed(rest: Rest) -> None:
    """A removed modality is not listed any more, and cannot be read or used."""
    before = rest.json("/modalities?expand")
    rest.put(MODALITY, ["TITLE", "host.example", 4242])

    rest.delete(MODALITY)

    assert rest.json("/modalities?expand") == before
    rest.get(MODALITY, expect=404)
    rest.get(f"{MODALITY}/configuration", expect=404)
    rest.post(f"{MODALITY}/echo", expect=404)


@suite.case("MODAL-006", covers="Orthanc.test_update_modalities")
@pytest.mark.parametrize("folder", ["modalities", "peers"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/configuration"), ("POST", "/store")],
    ids=["read", "configuration", "store"],
)
def test_unknown_modality_or_peer(rest: Rest, folder: str, method: str, path: str) -> None:
    """A modality or peer that does not exist is not found."""
    rest.request(method, f"/{folder}/nobody{path}", data=b"[]", expect=404)


@suite.case(
    "MODAL-007",
    covers=("Orthanc.test_update_modalities", "Orthanc.test_update_peers"),
    needs="orthanc>=1.12.2",
)
@pytest.mark.parametrize("folder", ["modalities", "peers"])
def test_expand_with_a_value(rest: Rest, folder: str) -> None:
    """`expand=true` is the same as `expand`, and `expand=false` the same as omitting it."""
    assert rest.json(f"/{folder}?expand=true") == rest.json(f"/{folder}?expand")
    assert rest.json(f"/{folder}?expand=false") == rest.json(f"/{folder}")


@suite.case("MODAL-008", ref="Orthanc REST API: PUT /modalities/{id}, permissions")
@pytest.mark.parametrize(
    "setting",
    [
        {"AllowEcho": False}, {"AllowFind": False}, {"AllowGet": False}, {"AllowMove": False},
        {"AllowStore": False}, {"AllowTranscoding": False}, {"UseDicomTls": True},
        {"LocalAet": "OURSELVES"}, {"Timeout": 42},
    ],
    ids=lambda setting: next(iter(setting)),
)  # fmt: skip
def test_setting_of_a_modality_is_kept(rest: Rest, setting: dict[str, Any]) -> None:
    """Each setting of a modality is kept as it was set, and all others have their defaults."""
    rest.put(MODALITY, {"AET": "TITLE", "Host": "host.example", "Port": 4242})
    usual = rest.json(f"{MODALITY}/configuration")

    rest.put(MODALITY, {"AET": "TITLE", "Host": "host.example", "Port": 4242, **setting})

    assert rest.json(f"{MODALITY}/configuration") == {**usual, **setting}


@suite.case(
    "MODAL-009",
    ref="Orthanc Book: configuration, DicomModalitiesInDatabase",
    needs="server.restart",
)
@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(
            True,
            marks=configured(DicomModalitiesInDatabase=True, OrthancPeersInDatabase=True),
            id="database",
        ),
        pytest.param(False, id="memory"),
    ],
)
def test_modality_and_peer_after_a_restart(rest: Rest, remote: Party, kept: bool) -> None:
    """Settings made at run time survive a restart only if they are kept in the database."""
    rest.put(MODALITY, ["TITLE", "host.example", 4242])
    rest.put(PEER, ["http://peer.example/"])

    with remote.stopped():
        pass

    there = ["added" in rest.json("/modalities"), "added" in rest.json("/peers")]
    assert there == [kept, kept]


# Peers


@suite.case("PEER-001", ref=PEERS, covers="Orthanc.test_update_peers")
@pytest.mark.parametrize(
    ("definition", "told"),
    [
        (["http://peer.example/"], {"Url": "http://peer.example/"}),
        (
            ["http://peer.example/", "user", "word"],
            {"Url": "http://peer.example/", "Username": "user"},
        ),
        (
            {
                "Url": "http://peer.example/",
                "Username": "user",
                "Password": "word",
                "RemoteSelf": "me",
            },
            {"Url": "http://peer.example/", "Username": "user", "RemoteSelf": "me"},
        ),
    ],
    ids=["url", "list-of-three", "object"],
)
def test_peer_is_set(rest: Rest, definition: Any, told: dict[str, str]) -> None:
    """A peer is listed with the values that were set, but without the password."""
    rest.put(PEER, definition)

    configuration = rest.json(f"{PEER}/configuration")
    assert told.items() <= configuration.items()
    assert configuration.get("Password") is None
    assert b"word" not in rest.get("/peers?expand").content.replace(b"Password", b"")
    assert rest.json("/peers?expand")["added"] == configuration


@suite.case("PEER-002", ref=PEERS, covers="Orthanc.test_update_peers")
@pytest.mark.parametrize(
    "definition",
    [
        [],
        ["http://peer.example/", "user"],
        ["http://peer.example/", "user", "word", "more"],
        ["ftp://peer.example/"],
        {"Username": "user"},
        1,
    ],
    ids=["empty", "no-password", "four", "scheme", "no-url", "number"],
)
def test_malformed_peer_changes_nothing(rest: Rest, definition: Any) -> None:
    """A malformed definition is rejected, and the peer is unchanged."""
    rest.put(PEER, ["http://before.example/"])
    before = rest.json("/peers?expand")

    answer = rest.put(PEER, definition, expect=None)

    assert answer.status_code in range(400, 600)
    assert rest.json("/peers?expand") == before


@suite.case("PEER-003", ref=PEERS, covers="Orthanc.test_update_peers")
def test_peer_is_removed(rest: Rest) -> None:
    """A removed peer is not listed any more, and cannot be read."""
    before = rest.json("/peers?expand")
    rest.put(PEER, ["http://peer.example/"])

    rest.delete(PEER)

    assert rest.json("/peers?expand") == before
    rest.get(PEER, expect=404)


# Objects sent to peers


@suite.case(
    "PEER-004",
    ref="Orthanc REST API: POST /peers/{id}/store",
    covers="Orthanc.test_store_peer",
    needs="local.rest",
)
@pytest.mark.parametrize("level", ["patient", "study", "series", "instance"])
def test_resource_is_sent_to_a_peer(
    rest: Rest, local_rest: Rest, stored: Stored, level: str
) -> None:
    """A resource of any level is sent to a peer with all its objects, which arrive byte by byte."""
    samples = stored.study(instances=2)
    stored.study(PatientID="OTHER")
    sent = samples[:1] if level == "instance" else samples

    answer = rest.post("/peers/peer/store", orthanc_ids(samples[0]).at(level)).json()

    assert (answer["InstancesCount"], answer["FailedInstancesCount"]) == (len(sent), 0)
    paths = {orthanc_ids(each).path("instance"): each.data for each in sent}
    assert {each: local_rest.get(f"{each}/file").content for each in paths} == paths
    assert len(local_rest.json("/instances")) == len(sent)
    assert len(rest.json("/instances")) == 3


@suite.case(
    "PEER-005",
    ref="Orthanc REST API: GET /exports",
    covers="Orthanc.test_store_peer",
    needs="local.rest",
)
def test_sending_to_a_peer_is_an_export(rest: Rest, stored: Stored) -> None:
    """Sending to a peer is listed among the exports, and the list can be emptied."""
    ids = orthanc_ids(stored.instance())

    rest.post("/peers/peer/store", ids.instance)

    export = single(rest.json("/exports")["Exports"], "export")
    assert (export["RemoteModality"], export["Path"]) == ("peer", ids.path("instance"))
    rest.delete("/exports")
    assert rest.json("/exports")["Exports"] == []


@suite.case(
    "PEER-006", ref="Orthanc REST API: POST /peers/{id}/store, Transcode",
    covers="Orthanc.test_store_peer_transcoding", needs="local.rest",
)  # fmt: skip
@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGLosslessSV1],
    ids=["implicit", "explicit", "jpeg-lossless"],
)  # fmt: skip
def test_objects_are_transcoded_for_a_peer(
    rest: Rest, local_rest: Rest, dcmtk: Dcmtk, corpus: Corpus, syntax: str
) -> None:
    """With Transcode, the peer gets the object in this transfer syntax; the source is unchanged."""
    sample = corpus["p02"]
    path = orthanc_ids(sample).path("instance")
    rest.upload(sample.data)

    rest.post("/peers/peer/store", {"Resources": rest.json("/instances"), "Transcode": syntax})

    came = dcmread(DicomBytesIO(local_rest.get(f"{path}/file").content))
    assert came.file_meta.TransferSyntaxUID == syntax
    assert (dcmtk.pixels(came) == sample.frame(0)).all()
    assert rest.get(f"{path}/file").content == sample.data


@suite.case(
    "PEER-007", ref="Orthanc REST API: POST /peers/{id}/store-straight",
    covers="Orthanc.test_peer_store_straight", needs="local.rest",
)  # fmt: skip
def test_file_is_sent_straight_to_a_peer(rest: Rest, local_rest: Rest, make: Maker) -> None:
    """A file in the body is uploaded to the peer and not stored here; the peer's answer is returned."""
    sample = make.instance()
    ids = orthanc_ids(sample)

    answer = rest.post("/peers/peer/store-straight", sample.data).json()

    assert (answer["ID"], answer["Path"], answer["Status"]) == (
        ids.instance, ids.path("instance"), "Success",
    )  # fmt: skip
    assert local_rest.get(f"{ids.path('instance')}/file").content == sample.data
    assert rest.json("/instances") == []


@suite.case(
    "PEER-008",
    ref="Orthanc REST API: GET /peers/{id}/system",
    covers="Orthanc.test_peer_store_straight",
    needs="local.rest",
)
def test_system_of_a_peer(rest: Rest, local_rest: Rest) -> None:
    """`/peers/{id}/system` is the description of the peer by itself."""
    assert rest.json("/peers/peer/system") == local_rest.json("/system")


@suite.case("PEER-009", ref=PEERS, needs="local.rest")
@pytest.mark.parametrize("fault", ["password", "user", "nobody-listens", "path"])
def test_peer_that_does_not_take_it(
    rest: Rest, local_rest: Rest, stored: Stored, fault: str
) -> None:
    """With wrong credentials, a wrong path or without a listener the call fails, and nothing arrives."""
    url, user, password = local_rest.base, local_rest.user, _password(local_rest)
    definition = {
        "password": [f"{url}/", user, "wrong-password"],
        "user": [f"{url}/", "mallory", password],
        "nobody-listens": ["http://127.0.0.1:1/", user, password],
        "path": [f"{url}/nowhere/", user, password],
    }[fault]
    rest.put(PEER, definition)
    instance = orthanc_ids(stored.instance()).instance

    answer = rest.post(f"{PEER}/store", instance, expect=None)

    assert answer.status_code in range(400, 600)
    assert local_rest.json("/instances") == []
    assert rest.json("/instances") == [instance]


@suite.case("PEER-010", ref=PEERS, needs="local.rest")
def test_peer_with_the_right_credentials(rest: Rest, local_rest: Rest, stored: Stored) -> None:
    """A peer with the right credentials can be used at once."""
    rest.put(PEER, [f"{local_rest.base}/", local_rest.user, _password(local_rest)])
    ids = orthanc_ids(stored.instance())

    rest.post(f"{PEER}/store", ids.instance)

    assert local_rest.json("/instances") == [ids.instance]


@suite.case(
    "PEER-011", ref="Orthanc REST API: POST /peers/{id}/store, Permissive", needs="local.rest"
)
def test_unknown_resource_is_not_sent(rest: Rest, local_rest: Rest, stored: Stored) -> None:
    """A list with a resource that does not exist is rejected, and none of it is sent."""
    ids = orthanc_ids(stored.instance())

    rest.post("/peers/peer/store", [ids.instance, "nope"], expect=400)

    assert local_rest.json("/instances") == []


def _password(rest: Rest) -> str:
    """Return the password that the client sends."""
    assert isinstance(rest.session.auth, tuple)
    return str(rest.session.auth[1])
