"""REST basics: the identity of the server, its statistics, and its answers to wrong requests."""

from collections.abc import Iterator

import pytest

from harness.cases import Maker, Party, Rest, Stored, Suite, header, orthanc_ids, xml

suite = Suite(level="product", needs="rest")


@suite.case("RSYS-001", ref="Orthanc REST API: GET /system", covers="Orthanc.test_system")
def test_system_names_the_configured_ae_title(rest: Rest, remote: Party) -> None:
    """`/system` has the AE title that the server was configured with."""
    assert rest.json("/system")["DicomAet"] == remote.ae_title


@suite.case("RSYS-002", ref="Orthanc REST API: GET /statistics", covers="Orthanc.test_system")
def test_empty_server_uses_no_space(rest: Rest) -> None:
    """The statistics of an empty server are 0; sizes are numbers written as strings."""
    statistics = rest.json("/statistics")

    assert statistics["CountInstances"] == 0
    assert statistics["TotalDiskSize"] == "0"
    assert statistics["TotalUncompressedSize"] == "0"


@suite.case("RSYS-003", ref="Orthanc REST API: GET /statistics", covers="Orthanc.test_statistics")
def test_statistics_count_each_level(rest: Rest, stored: Stored) -> None:
    """The statistics count patients, studies, series and instances, and add up the sizes of the files."""
    # Without pixels, because a compressing server stores the elements before them a second time.
    first = stored.study(PatientName="Muller^Anna", series=2, instances=3, pixels=False)
    second = stored.study(PatientName="Mulder^Bob", study="1", pixels=False)
    third = stored.study(PatientName="Mulder^Bob", study="2", pixels=False)

    statistics = rest.json("/statistics")

    counts = {name: statistics[f"Count{name}"] for name in ("Patients", "Studies", "Series")}
    assert counts == {"Patients": 2, "Studies": 3, "Series": 4}
    assert statistics["CountInstances"] == 8
    size = sum(len(each.data) for each in first + second + third)
    assert statistics["TotalUncompressedSize"] == str(size)


@suite.case(
    "RSYS-004",
    ref="Orthanc REST API: GET /patients/{id}/statistics",
    covers=("Orthanc.test_dicom_disk_size", "Orthanc.test_statistics"),
    needs="orthanc>=1.9.1",
)
def test_statistics_of_a_patient_leave_out_the_others(rest: Rest, stored: Stored) -> None:
    """The statistics of a patient count only the files of this patient."""
    own = stored.study(PatientName="Muller^Anna", series=2, instances=2)
    stored.study(PatientName="Mulder^Bob")

    statistics = rest.json(f"/patients/{orthanc_ids(own[0]).patient}/statistics")

    counts = {name: statistics[f"Count{name}"] for name in ("Studies", "Series", "Instances")}
    assert counts == {"Studies": 1, "Series": 2, "Instances": 4}
    assert statistics["DicomUncompressedSize"] == str(sum(len(each.data) for each in own))


@suite.case("RSYS-005", ref="RFC 9110 15.5.5", covers="Orthanc.test_auto_directory")
@pytest.mark.parametrize("path", ["/nope", "/nope/nope.html", "/tools/nope"])
def test_unknown_path_is_not_found(rest: Rest, path: str) -> None:
    """A path that the server does not have is not found."""
    rest.get(path, expect=404)


@suite.case(
    "RSYS-006", ref="RFC 9110 15.5.6", covers="Orthanc.test_error_codes_content_type", level="must"
)
def test_refused_method_names_the_allowed_ones(rest: Rest) -> None:
    """A method that a resource does not support is rejected with 405, and Allow lists the supported ones."""
    answer = rest.put("/system", expect=405)

    assert header(answer, "Allow") == "GET"


@suite.case(
    "RSYS-007",
    ref="Orthanc: release notes of 1.12.2",
    covers="Orthanc.test_error_codes_content_type",
)
def test_error_page_is_no_html(rest: Rest) -> None:
    """The answer to an unknown path that contains a script is plain text, and forbids content sniffing."""
    answer = rest.get("/nope/%3Cscript%3Ealert(1)%3C/script%3E", expect=404)

    assert header(answer, "Content-Type").partition(";")[0] == "text/plain"
    assert header(rest.get("/system"), "X-Content-Type-Options") == "nosniff"


@suite.case(
    "RSYS-008",
    ref="Orthanc Book: REST API, faking PUT and DELETE",
    covers=("Orthanc.test_faking_ruby_put", "Orthanc.test_protection"),
)
def test_query_argument_makes_get_a_put(rest: Rest, stored: Stored) -> None:
    """GET with `_method=PUT` is a PUT."""
    protected = f"/patients/{orthanc_ids(stored.instance()).patient}/protected"

    rest.get(protected, params={"_method": "PUT"}, data=b"1")

    assert rest.get(protected).text == "1"


@suite.case(
    "RSYS-009",
    ref="Orthanc Book: REST API, faking PUT and DELETE",
    covers=("Orthanc.test_faking_google_put", "Orthanc.test_protection"),
)
def test_header_makes_post_a_put(rest: Rest, stored: Stored) -> None:
    """POST with `X-HTTP-Method-Override: PUT` is a PUT."""
    protected = f"/patients/{orthanc_ids(stored.instance()).patient}/protected"

    rest.post(protected, "1", headers={"X-HTTP-Method-Override": "PUT"})

    assert rest.get(protected).text == "1"


@suite.case(
    "RSYS-010",
    ref="Orthanc Book: REST API, faking PUT and DELETE",
    covers=("Orthanc.test_faking_ruby_delete", "Orthanc.test_faking_google_delete"),
)
@pytest.mark.parametrize(
    ("method", "params", "headers"),
    [
        ("GET", {"_method": "DELETE"}, {}),
        ("POST", {}, {"X-HTTP-Method-Override": "DELETE"}),
    ],
    ids=["argument", "header"],
)
def test_other_methods_fake_a_delete(
    rest: Rest, stored: Stored, method: str, params: dict[str, str], headers: dict[str, str]
) -> None:
    """A GET with the argument and a POST with the header each delete one patient, and no other."""
    doomed = orthanc_ids(stored.instance(PatientName="Muller^Anna"))
    kept = orthanc_ids(stored.instance(PatientName="Mulder^Bob"))

    rest.request(method, f"/patients/{doomed.patient}", params=params, headers=headers)

    assert rest.json("/patients") == [kept.patient]


@suite.case(
    "RSYS-011",
    ref="Orthanc REST API: GET /tools",
    covers=("Orthanc.test_auto_directory", "Orthanc.test_xml"),
)
def test_directory_is_the_same_in_json_and_xml(rest: Rest) -> None:
    """A path with subpaths lists them, as JSON or XML, whichever the client accepts."""
    listed = rest.json("/tools")
    answer = rest.get("/tools", headers={"Accept": "application/xml"})

    assert {"now", "dicom-conformance", "invalidate-tags"} - set(listed) == set()
    assert [item.text for item in xml(answer).findall("item")] == listed


@suite.case(
    "RSYS-012",
    ref="Orthanc REST API: PUT /tools/log-level",
    covers=("Orthanc.test_log_level", "Orthanc.test_log_categories"),
)
@pytest.mark.parametrize("level", ["default", "verbose", "trace"])
@pytest.mark.parametrize("category", ["log-level", "log-level-http"])
def test_log_level_is_read_back(rest: Rest, log_levels: None, category: str, level: str) -> None:
    """A log level can be set and read back, for all categories at once and for one."""
    rest.put(f"/tools/{category}", level)

    assert rest.get(f"/tools/{category}").text == level


@suite.case(
    "RSYS-013",
    ref="Orthanc REST API: PUT /tools/log-level",
    covers=("Orthanc.test_log_level", "Orthanc.test_log_categories"),
)
@pytest.mark.parametrize("category", ["log-level", "log-level-http"])
def test_unknown_log_level_changes_nothing(rest: Rest, category: str) -> None:
    """An unknown log level is rejected with 400, and the current one is unchanged."""
    before = rest.get(f"/tools/{category}").text

    rest.put(f"/tools/{category}", "nope", expect=400)

    assert rest.get(f"/tools/{category}").text == before


@suite.case(
    "RSYS-014", ref="Orthanc REST API: POST /tools/execute-script", covers="Orthanc.test_lua"
)
def test_lua_script_returns_its_output(rest: Rest) -> None:
    """`/tools/execute-script` runs a Lua script and returns its output."""
    assert rest.post("/tools/execute-script", "print(6 * 7)").text == "42\n"


@suite.case(
    "RSYS-015",
    ref="Orthanc REST API: GET /system",
    covers="Orthanc.test_system",
    needs="orthanc>=1.11.0",
)
def test_system_lists_the_main_dicom_tags(rest: Rest) -> None:
    """`/system` lists the main DICOM tags of each level."""
    assert set(rest.json("/system")["MainDicomTags"]) == {"Patient", "Study", "Series", "Instance"}


@suite.case(
    "RSYS-016",
    ref="Orthanc REST API: GET /system",
    covers="Orthanc.test_system",
    needs="orthanc>=1.12.0",
)
def test_system_lists_the_user_metadata(rest: Rest) -> None:
    """`/system` lists the numbers of the configured metadata."""
    assert rest.json("/system")["UserMetadata"]["my-metadata"] == 1098


@suite.case("RSYS-017", ref="RFC 9110 11.6.1, 15.5.2", level="must")
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_request_without_credentials(anonymous: Rest, method: str) -> None:
    """A request without credentials is rejected with 401, and the answer says how to authenticate."""
    answer = anonymous.request(method, "/patients", expect=401)

    assert header(answer, "WWW-Authenticate").lower().startswith("basic ")


@suite.case("RSYS-018", ref="Orthanc Book: configuration, AuthenticationEnabled")
@pytest.mark.parametrize("user", ["known", "unknown"])
def test_request_with_wrong_credentials(anonymous: Rest, rest: Rest, user: str) -> None:
    """A request with a wrong password or an unknown user is rejected with 401."""
    name = rest.user if user == "known" else "mallory"
    anonymous.session.auth = (name, "wrong-password-in-tests")

    anonymous.get("/patients", expect=401)


@suite.case("RSYS-019", ref="Orthanc Book: configuration, AuthenticationEnabled")
def test_refused_upload_is_not_stored(anonymous: Rest, rest: Rest, make: Maker) -> None:
    """An upload without credentials is rejected with 401, and nothing is stored."""
    anonymous.post("/instances", make.instance().data, expect=401)

    assert rest.json("/instances") == []


@pytest.fixture
def anonymous(remote: Party) -> Iterator[Rest]:
    """Return a client of the remote without credentials."""
    with remote.new_rest(None) as client:
        client.session.auth = None
        yield client


@pytest.fixture
def log_levels(rest: Rest) -> Iterator[None]:
    """Restore all log levels after the case."""
    paths = [f"/tools/{name}" for name in rest.json("/tools") if name.startswith("log-level-")]
    before = {path: rest.get(path).text for path in paths}
    try:
        yield
    finally:
        for path, level in before.items():
            rest.put(path, level)
