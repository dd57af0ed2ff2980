"""Orthanc's own behaviour around DICOMweb: methods, addresses behind a proxy, and Orthanc as client."""

from collections.abc import Iterator

import pytest

from harness.cases import (
    DICOM_JSON,
    RETRIEVE_URL,
    STUDY_INSTANCE_UID,
    DicomWeb,
    Rest,
    Stored,
    Suite,
    header,
    instance_path,
    json_value,
    multipart,
    number,
    orthanc_ids,
    single,
    study_path,
)

suite = Suite(level="product", needs=("plugin.dicomweb", "rest"))


SERVERS = "/dicom-web/servers"
SELF = f"{SERVERS}/sample"  # the remote itself, as a DICOMweb server
OPERATIONS = {"get", "retrieve", "stow", "wado", "qido"}


@pytest.fixture
def added(rest: Rest) -> Iterator[str]:
    """Add another DICOMweb server, yield its name, and remove it at the end."""
    rest.put(
        f"{SERVERS}/hello",
        {"Url": "http://127.0.0.1:1/dicom-web/", "HasDelete": True, "Timeout": 66, "Note": "mine"},
    )
    yield "hello"
    rest.delete(f"{SERVERS}/hello", expect=None)  # the case may have removed it


@suite.case("DWEB-001", ref="RFC 9110 15.5.6", covers="DicomWeb.test_allowed_methods", level="must")
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_method_that_studies_do_not_have(rest: Rest, method: str) -> None:
    """Methods other than those for searching and storing are rejected, and Allow lists these two."""
    answer = rest.request(method, "/dicom-web/studies", expect=405)

    allowed = {each.strip() for each in header(answer, "Allow").split(",")}
    assert allowed == {"GET", "POST"}


@suite.case(
    "DWEB-002",
    ref="Orthanc Book: DICOMweb plugin, behind a reverse proxy",
    covers="DicomWeb.test_forwarded_headers",
)
@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"Host": "pacs.example"}, "http://pacs.example"),
        ({"Forwarded": "host=pacs.example;proto=https"}, "https://pacs.example"),
    ],
    ids=["host", "forwarded"],
)
def test_addresses_behind_a_proxy(
    web: DicomWeb, stored: Stored, headers: dict[str, str], base: str
) -> None:
    """The URLs in answers begin with the address that the client, or the proxy, used."""
    written = stored.instance()

    answer = web.get(
        f"{instance_path(written)}/metadata", headers={"Accept": DICOM_JSON, **headers}
    )

    metadata = single(answer.json(), "data set")
    assert metadata["7FE00010"]["BulkDataURI"] == (
        f"{base}/dicom-web{instance_path(written)}/bulk/7fe00010"
    )


@suite.case(
    "DWEB-003",
    ref="Orthanc Book: DICOMweb plugin, behind a reverse proxy",
    covers="DicomWeb.test_forwarded_headers",
    needs="plugin.dicomweb>=1.13.1",
)
def test_x_forwarded_headers(web: DicomWeb, stored: Stored) -> None:
    """The older headers of proxies are used as well."""
    written = stored.instance()
    headers = {"X-Forwarded-Host": "pacs.example", "X-Forwarded-Proto": "https"}

    study = single(web.get("/studies", headers={"Accept": DICOM_JSON, **headers}).json(), "study")

    assert json_value(study, RETRIEVE_URL) == f"https://pacs.example/dicom-web{study_path(written)}"


@suite.case(
    "DWEB-004",
    ref="Orthanc Book: DICOMweb plugin, GET /dicom-web/servers",
    covers="DicomWeb.test_server_get",
)
def test_configured_servers(rest: Rest) -> None:
    """The configured server is listed, with its operations, and without its password."""
    assert rest.json(SERVERS) == ["sample"]
    assert set(rest.json(SELF)) == OPERATIONS
    assert rest.json(SERVERS, expand="true")["sample"]["Password"] is None


@suite.case(
    "DWEB-005",
    ref="Orthanc Book: DICOMweb plugin, PUT /dicom-web/servers/{name}",
    covers="DicomWeb.test_add_server",
)
def test_added_server(rest: Rest, added: str) -> None:
    """An added server is listed with its settings; with HasDelete it has the operation to delete."""
    assert set(rest.json(SERVERS)) == {"sample", added}
    assert set(rest.json(f"{SERVERS}/{added}")) == OPERATIONS | {"delete"}

    shown = rest.json(SERVERS, expand="true")[added]

    assert {key: shown[key] for key in ("Url", "HasDelete", "Timeout", "Note", "Pkcs11")} == {
        "Url": "http://127.0.0.1:1/dicom-web/",
        "HasDelete": "1",
        "Timeout": 66,
        "Note": "mine",
        "Pkcs11": False,
    }


@suite.case(
    "DWEB-006",
    ref="Orthanc Book: DICOMweb plugin, DELETE /dicom-web/servers/{name}",
    covers="DicomWeb.test_add_server",
)
def test_removed_server(rest: Rest, added: str) -> None:
    """A server that was removed is neither listed nor found."""
    rest.delete(f"{SERVERS}/{added}")

    assert rest.json(SERVERS) == ["sample"]
    rest.get(f"{SERVERS}/{added}", expect=404)


@suite.case(
    "DWEB-007",
    ref="Orthanc Book: DICOMweb plugin, POST /dicom-web/servers/{name}/get",
    covers="DicomWeb.test_server_get",
)
@pytest.mark.parametrize("accept", [DICOM_JSON, "application/json", None])
def test_search_as_client(rest: Rest, stored: Stored, accept: str | None) -> None:
    """A GET through the client returns what the other server answers."""
    written = stored.instance(PatientID="A")
    search = {"Uri": "/studies", "HttpHeaders": {} if accept is None else {"Accept": accept}}

    study = single(rest.post(f"{SELF}/get", search).json(), "study")

    assert json_value(study, STUDY_INSTANCE_UID) == written.study_instance_uid


@suite.case(
    "DWEB-008",
    ref="Orthanc Book: DICOMweb plugin, POST /dicom-web/servers/{name}/get",
    covers="DicomWeb.test_server_get",
)
def test_xml_as_client(rest: Rest, stored: Stored) -> None:
    """A search for XML through the client returns the other server's parts, one for the found study."""
    stored.instance(PatientID="A")
    search = {"Uri": "/studies", "HttpHeaders": {"Accept": "application/dicom+xml"}}

    answer = rest.post(f"{SELF}/get", search)

    assert [part.media_type for part in multipart.parts_of(answer)] == ["application/dicom+xml"]


@suite.case(
    "DWEB-009",
    ref="Orthanc Book: DICOMweb plugin, POST /dicom-web/servers/{name}/retrieve",
    covers="DicomWeb.test_server_retrieve",
)
@pytest.mark.parametrize(("level", "count"), [("study", 4), ("series", 2), ("instance", 1)])
def test_retrieve_as_client(rest: Rest, stored: Stored, level: str, count: int) -> None:
    """The client retrieves a whole study, a whole series, or one instance."""
    first, *_ = stored.study(series=2, instances=2)
    resource = {"Study": first.study_instance_uid}
    if level != "study":
        resource["Series"] = first.series_instance_uid
    if level == "instance":
        resource["Instance"] = first.sop_instance_uid

    answer = rest.post(f"{SELF}/retrieve", {"Resources": [resource], "Synchronous": True})

    assert number(answer.json()["ReceivedInstancesCount"]) == count


@suite.case(
    "DWEB-010",
    ref="Orthanc Book: DICOMweb plugin, POST /dicom-web/servers/{name}/retrieve",
    covers="DicomWeb.test_server_retrieve",
)
@pytest.mark.parametrize(
    ("resource", "status"),
    [({"Study": "1.2.3.4"}, 500), ({"Series": "1.2.3.4"}, 400)],
    ids=["unknown-study", "no-study"],
)
def test_retrieve_of_nothing(rest: Rest, resource: dict[str, str], status: int) -> None:
    """Retrieving a study that the other server lacks is an error; a series without its study is rejected."""
    rest.post(f"{SELF}/retrieve", {"Resources": [resource], "Synchronous": True}, expect=status)


@suite.case(
    "DWEB-011",
    ref="Orthanc Book: DICOMweb plugin, POST /dicom-web/servers/{name}/stow",
    covers="DicomWeb.test_server_stow",
    needs="plugin.dicomweb>=1.13",
)
def test_stow_as_client(rest: Rest, stored: Stored) -> None:
    """The answer names a study once, however many instances were sent."""
    study = stored.study(instances=2)
    ids = [orthanc_ids(each) for each in study]

    answer = rest.post(f"{SELF}/stow", {"Resources": [ids[0].study], "Synchronous": True}).json()

    assert answer["Resources"]["Studies"] == [ids[0].study]
    assert sorted(answer["Resources"]["Instances"]) == sorted(each.instance for each in ids)
