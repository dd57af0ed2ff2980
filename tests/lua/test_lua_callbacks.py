"""Lua callbacks: when each is called, with which arguments, and the effect of its return value."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ImplicitVRLittleEndian, JPEGLosslessSV1

from harness.cases import LOCAL_MODALITY as LOCAL
from harness.cases import (
    AETitle,
    Dimse,
    Maker,
    Party,
    Rest,
    StorageScp,
    Stored,
    Suite,
    configured,
    file_of,
    orthanc_ids,
    values,
    wait_until,
)

suite = Suite(level="product", needs="rest", ref="Orthanc Book: server-side scripting with Lua")

SCRIPTS = [str(Path(__file__).parent / name) for name in ("filters.lua", "more.lua")]
scripted = configured(LuaScripts=SCRIPTS)
"""The filters of incoming objects are read only from the scripts of the configuration."""


# Stored objects


@suite.case("LUA-101", ref="Orthanc Book: Lua, callbacks to react to events")
def test_stored_instance_is_announced_once(lua: Any, rest: Rest, make: Maker) -> None:
    """OnStoredInstance is called once, with the identifier, the tags, the metadata and the origin."""
    lua.record("OnStoredInstance")
    sample = make.instance(PatientName="Muller^Anna", StudyDescription="Thorax")

    rest.upload(sample.data)
    rest.upload(make.instance(PatientName="Next").data)

    (name, instance, tags, metadata, origin), following = lua.calls(2)
    assert (name, instance) == ("OnStoredInstance", orthanc_ids(sample).instance)
    assert (tags["PatientName"], tags["StudyDescription"]) == ("Muller^Anna", "Thorax")
    assert metadata["TransferSyntax"] == sample.transfer_syntax
    assert origin == {"RemoteIp": "127.0.0.1", "RequestOrigin": "RestApi", "Username": rest.user}
    assert following[2]["PatientName"] == "Next"


@suite.case("LUA-102", ref="Orthanc Book: Lua, origin of the instances")
def test_origin_of_an_object_by_dicom(lua: Any, dimse: Dimse, make: Maker, remote: Party) -> None:
    """The origin of an object received by C-STORE has both AE titles and the address."""
    lua.record("OnStoredInstance")

    replace(dimse, calling=AETitle("SENDER")).store_all([make.instance()])

    [[*_, origin]] = lua.calls(1)
    assert origin == {
        "CalledAet": remote.ae_title,
        "RemoteAet": "SENDER",
        "RemoteIp": "127.0.0.1",
        "RequestOrigin": "DicomProtocol",
    }


@suite.case("LUA-103")
def test_calls_come_in_the_order_of_what_happened(lua: Any, rest: Rest, make: Maker) -> None:
    """Twenty uploads are announced in their order, each once."""
    lua.record("OnStoredInstance")
    samples = make.study(instances=20)

    rest.upload_all(samples)

    told = [call[1] for call in lua.calls(20)]
    assert told == [orthanc_ids(each).instance for each in samples]


@suite.case("LUA-104")
def test_error_in_a_callback_stays_there(lua: Any, rest: Rest, make: Maker) -> None:
    """An error in OnStoredInstance neither undoes the upload nor prevents the next call."""
    lua.run(
        "calls = {} function OnStoredInstance(id, tags) "
        "table.insert(calls, {'OnStoredInstance', id}) error('on purpose') end"
    )
    samples = make.study(instances=2)

    rest.upload_all(samples)

    expected = [orthanc_ids(each).instance for each in samples]
    assert [each[1] for each in lua.calls(2)] == expected
    assert sorted(rest.json("/instances")) == sorted(expected)


@suite.case("LUA-105")
def test_repeated_upload_is_announced_again(lua: Any, rest: Rest, make: Maker) -> None:
    """An object that overwrites itself is announced twice."""
    lua.record("OnStoredInstance")
    sample = make.instance()

    rest.upload(sample.data)
    rest.upload(sample.data)

    assert [each[1] for each in lua.calls(2)] == [orthanc_ids(sample).instance] * 2


# Changed and deleted objects


@suite.case("LUA-106")
@pytest.mark.parametrize("level", ["patient", "study", "series", "instance"])
@pytest.mark.parametrize(
    "what", ["metadata/1024", "attachments/1024"], ids=["metadata", "attachment"]
)
def test_update_is_announced(lua: Any, rest: Rest, stored: Stored, level: str, what: str) -> None:
    """OnUpdated of the level is called with the identifier when metadata or an attachment is set."""
    ids = orthanc_ids(stored.instance())
    callbacks = [f"OnUpdated{each}" for each in ("Patient", "Study", "Series", "Instance")]
    lua.record(*callbacks)

    rest.put(f"{ids.path(level)}/{what}", "value")

    assert lua.calls(1) == [[f"OnUpdated{level.capitalize()}", ids.at(level)]]


@suite.case("LUA-107")
def test_deletion_is_announced_for_each_level(lua: Any, rest: Rest, stored: Stored) -> None:
    """OnDeleted of a level is called for each deleted resource, including parents that become empty."""
    one, two = stored.study(instances=2)
    callbacks = [f"OnDeleted{each}" for each in ("Patient", "Study", "Series", "Instance")]
    lua.record(*callbacks)

    rest.delete(orthanc_ids(one).path("instance"))
    assert lua.calls(1) == [["OnDeletedInstance", orthanc_ids(one).instance]]

    rest.delete(orthanc_ids(two).path("instance"))
    ids = orthanc_ids(two)
    assert sorted(lua.calls(5)[1:]) == [
        ["OnDeletedInstance", ids.instance],
        ["OnDeletedPatient", ids.patient],
        ["OnDeletedSeries", ids.series],
        ["OnDeletedStudy", ids.study],
    ]


@suite.case("LUA-108", ref="Orthanc Book: configuration, StableAge", waits=2)
@configured(StableAge=1)
def test_stable_resources_are_announced(lua: Any, stored: Stored) -> None:
    """OnStable of each level is called once with identifier, tags and metadata, after StableAge seconds."""
    callbacks = [f"OnStable{each}" for each in ("Patient", "Study", "Series")]
    lua.record(*callbacks)

    ids = orthanc_ids(stored.study(PatientName="Muller^Anna", instances=2)[0])

    calls = {name: arguments for name, *arguments in lua.calls(3)}
    assert {name: arguments[0] for name, arguments in calls.items()} == {
        "OnStablePatient": ids.patient,
        "OnStableStudy": ids.study,
        "OnStableSeries": ids.series,
    }
    assert calls["OnStablePatient"][1]["PatientName"] == "Muller^Anna"
    assert "LastUpdate" in calls["OnStableStudy"][2]


# Jobs


@suite.case("LUA-109", ref="Orthanc Book: Lua, OnJobSubmitted")
def test_success_of_a_job_is_announced(
    lua: Any, rest: Rest, stored: Stored, destination: StorageScp
) -> None:
    """OnJobSubmitted, then OnJobSuccess are called with the identifier of the job."""
    lua.record("OnJobSubmitted", "OnJobSuccess", "OnJobFailure")
    stored.instance()
    before = rest.json("/jobs")

    rest.post(f"{LOCAL}/store", rest.json("/instances"))
    destination.received(1)

    [job] = [each for each in rest.json("/jobs") if each not in before]
    assert lua.calls(2) == [["OnJobSubmitted", job], ["OnJobSuccess", job]]


@suite.case("LUA-110", ref="Orthanc Book: Lua, OnJobSubmitted")
def test_failure_of_a_job_is_announced(
    lua: Any, rest: Rest, stored: Stored, destination: StorageScp
) -> None:
    """OnJobSubmitted, then OnJobFailure are called with the identifier of the job."""
    lua.record("OnJobSubmitted", "OnJobSuccess", "OnJobFailure")
    destination.expect(destination.ae_title, answers=[0xA700])
    stored.instance()
    before = rest.json("/jobs")

    rest.post(f"{LOCAL}/store", rest.json("/instances"), expect=500)

    [job] = [each for each in rest.json("/jobs") if each not in before]
    assert lua.calls(2) == [["OnJobSubmitted", job], ["OnJobFailure", job]]


# Filters of requests


@suite.case("LUA-111", ref="Orthanc Book: Lua, filtering incoming REST requests")
def test_filter_of_http_requests_has_their_arguments(lua: Any, rest: Rest) -> None:
    """IncomingHttpRequestFilter gets method, path, address, user and headers with names in lower case."""
    lua.record("IncomingHttpRequestFilter", result="true")

    rest.get("/statistics?a=b", headers={"X-Mine": "Yes"})

    name, method, uri, address, user, headers = lua.calls(1)[0]
    assert (name, method, uri) == ("IncomingHttpRequestFilter", "GET", "/statistics")
    assert (address, user, headers["x-mine"]) == ("127.0.0.1", rest.user, "Yes")


@suite.case("LUA-112", ref="Orthanc Book: Lua, filtering incoming REST requests")
def test_filter_refuses_http_requests(lua: Any, rest: Rest, stored: Stored) -> None:
    """A request for which IncomingHttpRequestFilter returns false is refused with 403; others are served."""
    ids = orthanc_ids(stored.instance())
    lua.run(
        "function IncomingHttpRequestFilter(method, uri, ip, user, headers) "
        "return not (method == 'DELETE' or uri == '/statistics') end"
    )

    rest.delete(ids.path("patient"), expect=403)
    rest.get("/statistics", expect=403)

    assert rest.json("/patients") == [ids.patient]


@suite.case(
    "LUA-113", ref="Orthanc Book: Lua, filtering incoming REST requests", needs="plugin.dicomweb"
)
def test_filter_refuses_requests_to_plugins(lua: Any, rest: Rest) -> None:
    """IncomingHttpRequestFilter also applies to the routes of plugins and of WebDAV."""
    lua.run(
        "function IncomingHttpRequestFilter(method, uri) "
        "return string.sub(uri, 1, 10) ~= '/dicom-web' and string.sub(uri, 1, 7) ~= '/webdav' end"
    )

    rest.get("/dicom-web/studies", expect=403)
    rest.request("PROPFIND", "/webdav/", headers={"Depth": "0"}, expect=403)
    assert rest.json("/patients") == []


@suite.case("LUA-114", ref="Orthanc Book: Lua, filtering incoming C-FIND requests")
def test_filter_of_queries_has_their_arguments(
    lua: Any, dimse: Dimse, stored: Stored, remote: Party
) -> None:
    """IncomingFindRequestFilter gets the query by tags, and the requestor."""
    stored.instance(PatientID="A")
    lua.record("IncomingFindRequestFilter", result="(...)")

    dimse.find_studies(PatientID="A")

    [[_, query, origin]] = lua.calls(1)
    assert query == {"0008,0052": "STUDY", "0010,0020": "A"}
    assert (origin["RemoteAet"], origin["CalledAet"]) == (dimse.calling, remote.ae_title)


@suite.case("LUA-115", ref="Orthanc Book: Lua, filtering incoming C-FIND requests")
@pytest.mark.parametrize(
    ("change", "expected"),
    [("query['0010,0020'] = 'B'", ["B"]), ("query['0010,0020'] = ''", ["A", "B"]), ("", ["A"])],
    ids=["other", "all", "same"],
)
def test_filter_changes_a_query(
    lua: Any, dimse: Dimse, stored: Stored, change: str, expected: list[str]
) -> None:
    """The server answers the query that IncomingFindRequestFilter returns."""
    stored.instance(PatientID="A")
    stored.instance(PatientID="B")
    lua.run(f"function IncomingFindRequestFilter(query, origin) {change} return query end")

    assert values(dimse.find_studies(PatientID="A"), "PatientID") == expected


@suite.case(
    "LUA-116", ref="Orthanc Book: Lua, filtering outgoing C-FIND requests", needs="local.rest"
)
def test_filter_changes_an_outgoing_query(
    lua: Any, rest: Rest, local_rest: Rest, make: Maker, local: Party
) -> None:
    """OutgoingFindRequestFilter gets query and modality, and the query that it returns is sent."""
    local_rest.upload_all([make.instance(PatientID="A"), make.instance(PatientID="B")])
    lua.run(
        "calls = {} function OutgoingFindRequestFilter(query, modality) "
        "table.insert(calls, {query['0010,0020'], modality}) query['0010,0020'] = 'B' return query end"
    )

    query = rest.post(f"{LOCAL}/query", {"Level": "Study", "Query": {"PatientID": "A"}}).json()

    answers = rest.json(f"/queries/{query['ID']}/answers?expand&simplify")
    assert [each["PatientID"] for each in answers] == ["B"]
    assert lua.value("calls") == [["A", local.ae_title]]


# Filters of objects, which are in the scripts of the configuration


@suite.case("LUA-117", ref="Orthanc Book: Lua, filtering incoming DICOM instances")
@scripted
@pytest.mark.parametrize(
    ("patient", "stored_by"),
    [
        ("Filter^All", ""),
        ("Filter^Rest", "dicom"),
        ("Filter^Dicom", "rest"),
        ("Filter^Caller", "dicom, rest"),
        ("Nobody", "dicom, rest"),
    ],
)
def test_filter_of_objects(
    rest: Rest, dimse: Dimse, make: Maker, patient: str, stored_by: str
) -> None:
    """ReceivedInstanceFilter decides by tags and origin what is stored, by REST and by DICOM."""
    by = {
        "dicom": make.instance(PatientName=patient, number=1),
        "rest": make.instance(PatientName=patient, number=2),
    }

    dimse.store(by["dicom"])
    rest.upload(by["rest"].data)

    there = rest.json("/instances")
    assert ", ".join(name for name in by if orthanc_ids(by[name]).instance in there) == stored_by


@suite.case("LUA-118", ref="Orthanc Book: Lua, filtering incoming DICOM instances")
@scripted
def test_filtered_upload_is_told(rest: Rest, make: Maker) -> None:
    """An upload that the filter rejects is answered with the status FilteredOut."""
    assert rest.upload(make.instance(PatientName="Filter^All").data)["Status"] == "FilteredOut"
    assert rest.upload(make.instance(PatientName="Nobody").data)["Status"] == "Success"


@suite.case("LUA-119", ref="Orthanc Book: Lua, filtering incoming DICOM instances")
@scripted
def test_filter_of_objects_knows_the_caller(rest: Rest, dimse: Dimse, make: Maker) -> None:
    """ReceivedInstanceFilter gets the AE title of the sender."""
    refused, kept = (make.instance(PatientName="Filter^Caller", number=each) for each in (1, 2))

    replace(dimse, calling=AETitle("FILTERED")).store(refused)
    replace(dimse, calling=AETitle("OTHER")).store(kept)

    assert rest.json("/instances") == [orthanc_ids(kept).instance]


@suite.case("LUA-120", ref="Orthanc Book: Lua, filtering incoming DICOM instances")
@scripted
@pytest.mark.parametrize("patient", ["Filter^Pixels", "Filter^Syntax"])
def test_filter_of_objects_knows_the_file(rest: Rest, make: Maker, patient: str) -> None:
    """ReceivedInstanceFilter gets the transfer syntax, and whether there are pixels."""
    refused = make.instance(PatientName=patient, transfer_syntax=ImplicitVRLittleEndian)
    kept = make.instance(PatientName=patient, pixels=False, number=2)

    statuses = [rest.upload(each.data)["Status"] for each in (refused, kept)]

    assert statuses == ["FilteredOut", "Success"]


@suite.case(
    "LUA-121", ref="Orthanc: release notes of 1.10.0", needs=("orthanc>=1.10.0", "dimse.store")
)
@configured(LuaScripts=[str(Path(__file__).parent / "status.lua")])
@pytest.mark.parametrize(
    ("patient", "caller", "status"),
    [
        ("Status^Refused", "OTHER", 0xA700),
        ("Status^Caller", "FILTERED", 0x0124),
        ("Status^Caller", "OTHER", 0x0000),
    ],
    ids=["refused", "caller", "other-caller"],
)
def test_filter_chooses_the_status_of_a_store(
    rest: Rest, dimse: Dimse, make: Maker, patient: str, caller: str, *, status: int
) -> None:
    """The return value of ReceivedCStoreInstanceFilter is the C-STORE status; only 0 stores the object."""
    sample = make.instance(PatientName=patient)

    assert replace(dimse, calling=AETitle(caller)).store(sample) == [status]
    assert len(rest.json("/instances")) == (status == 0)


@suite.case("LUA-122")
@scripted
def test_scripts_share_what_they_define(lua: Any) -> None:
    """Configured scripts run in order: the second sees and can replace definitions of the first."""
    assert (
        lua.run("print(first) print(second)") == "of more.lua\nof filters.lua, seen by more.lua\n"
    )


@suite.case("LUA-123")
@scripted
def test_callback_of_a_script_of_the_configuration(lua: Any, rest: Rest, make: Maker) -> None:
    """A callback in a configured script is called until another script replaces it."""
    lua.run("calls = {}")  # left by earlier cases
    one, two = make.study(instances=2)

    rest.upload(one.data)
    assert lua.calls(1) == [["OnStoredInstance", orthanc_ids(one).instance]]

    lua.run("function OnStoredInstance(id) table.insert(calls, {'replaced', id}) end")
    rest.upload(two.data)
    assert lua.calls(2)[1] == ["replaced", orthanc_ids(two).instance]


# Routing


@suite.case(
    "LUA-124",
    ref="Orthanc Book: Lua, auto-routing of DICOM images",
    covers="Orthanc.test_autorouting",
)
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("true", ["A", "B"]),
        ("string.find(string.lower(tags['PatientName']), 'knee') ~= nil", ["A"]),
    ],
    ids=["all", "some"],
)
def test_routing_sends_and_deletes(
    lua: Any,
    rest: Rest,
    make: Maker,
    destination: StorageScp,
    condition: str,
    *,
    expected: list[str],
) -> None:
    """A callback sends some instances to a modality before deleting them, and only deletes the others."""
    lua.run(
        "function OnStoredInstance(id, tags, metadata) "
        f"if {condition} then Delete(SendToModality(id, 'orthanctest')) else Delete(id) end end"
    )

    rest.upload(make.instance(PatientID="A", PatientName="KNEE^Left").data)
    rest.upload(make.instance(PatientID="B", PatientName="Brain").data)

    arrived = destination.received(len(expected))
    wait_until(lambda: rest.json("/instances") == [], what="the deletion of all that was stored")
    assert values((each.dataset for each in arrived), "PatientID") == expected


@suite.case(
    "LUA-125",
    ref="Orthanc Book: Lua, modification before routing",
    covers="Orthanc.test_autorouting",
)
def test_routing_modifies(lua: Any, rest: Rest, make: Maker, destination: StorageScp) -> None:
    """A callback modifies what it sends: it replaces a value, and removes an element and private elements."""
    lua.run(
        "function OnStoredInstance(id, tags, metadata) "
        "if metadata['ModifiedFrom'] == nil and metadata['AnonymizedFrom'] == nil then "
        "local modified = ModifyInstance(id, {StationName = 'routed'}, {'MilitaryRank'}, true) "
        "Delete(SendToModality(modified, 'orthanctest')) end end"
    )
    draft = make.instance(StationName="before", MilitaryRank="Major", PatientName="Kept").dataset()
    block = draft.private_block(0x0051, "dicom-harness", create=True)
    block.add_new(0x01, "LO", "private")

    rest.upload(file_of(draft))

    [arrival] = destination.received(1)
    assert arrival.dataset.get("StationName") == "routed"
    assert arrival.dataset.get("PatientName") == "Kept"
    assert "MilitaryRank" not in arrival.dataset
    assert [each.tag for each in arrival.dataset if each.tag.is_private] == []


@suite.case("LUA-126", ref="Orthanc Book: Lua, auto-routing of DICOM images", needs="local.rest")
def test_routing_to_a_peer(lua: Any, rest: Rest, local_rest: Rest, make: Maker) -> None:
    """SendToPeer sends an object to an Orthanc over HTTP, where it arrives as it was."""
    lua.run("function OnStoredInstance(id) SendToPeer(id, 'peer') end")
    sample = make.instance()

    rest.upload(sample.data)

    path = f"/instances/{orthanc_ids(sample).instance}"
    wait_until(lambda: local_rest.json("/instances") != [], what="the object at the peer")
    assert local_rest.get(f"{path}/file").content == sample.data
    assert rest.get(f"{path}/file").content == sample.data


@suite.case("LUA-127", covers="Orthanc.test_lua_deadlock")
def test_callback_replaces_what_was_stored(lua: Any, rest: Rest, dimse: Dimse, make: Maker) -> None:
    """A callback that transcodes, deletes and uploads over the REST API does not stop the server."""
    lua.run(
        "function OnStoredInstance(id, tags, metadata, origin) "
        "if origin['RequestOrigin'] ~= 'Lua' then "
        f"local order = {{Transcode = '{JPEGLosslessSV1}', Keep = {{'SOPInstanceUID'}}, Force = true}} "
        "local data = RestApiPost('/instances/' .. id .. '/modify', DumpJson(order, true)) "
        "RestApiDelete('/instances/' .. id) RestApiPost('/instances', data) end end"
    )
    samples = make.study(instances=2)

    dimse.store_all(samples)

    def syntaxes() -> list[str]:
        paths = [f"/instances/{each}/metadata/TransferSyntax" for each in rest.json("/instances")]
        return [rest.get(each, expect=(200, 404)).text for each in paths]

    wait_until(lambda: syntaxes() == [JPEGLosslessSV1] * 2, what="both objects in the other syntax")
    assert sorted(rest.json("/instances")) == sorted(orthanc_ids(each).instance for each in samples)
