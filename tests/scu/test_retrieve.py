"""The remote as SCU of C-FIND and C-MOVE, with the local server as SCP, requested by REST."""

from typing import Any

import pytest

from harness.cases import LOCAL_MODALITY as LOCAL
from harness.cases import (
    UNKNOWN_UID,
    AETitle,
    Maker,
    Party,
    Rest,
    Sample,
    StorageScp,
    Suite,
)

QUERY = "Orthanc REST API: POST /modalities/{id}/query"

suite = Suite(level="product", needs=("rest", "local.rest"), ref=QUERY)

RETRIEVE = "Orthanc REST API: POST /queries/{id}/retrieve"
NETWORK_PROTOCOL = 9  # Orthanc's error code


# C-FIND


@suite.case("SFIND-001", covers=("Orthanc.test_rest_query_retrieve", "Orthanc.test_findscu"))
@pytest.mark.parametrize(
    ("constraint", "patients"),
    [
        ({}, ["A", "B", "C"]),
        ({"PatientName": "*mar*"}, ["A", "B"]),
        ({"PatientName": "?oe^*"}, ["C"]),
        ({"StudyDate": "20240110-"}, ["B", "C"]),
        ({"StudyDate": "-20240109"}, ["A"]),
        ({"ModalitiesInStudy": "US\\MR"}, ["C"]),
        ({"PatientID": "NOBODY"}, []),
    ],
    ids=["all", "star", "question-mark", "from", "until", "modalities", "none"],
)
def test_query(
    rest: Rest, local_rest: Rest, make: Maker, constraint: dict[str, str], patients: list[str]
) -> None:
    """A query by REST sends a C-FIND, and its answers are the studies found by the modality."""
    local_rest.upload_all(
        [
            make.instance(PatientID="A", PatientName="Omar^One", StudyDate="20240109"),
            make.instance(PatientID="B", PatientName="Marta^Two", StudyDate="20240110"),
            make.instance(
                PatientID="C", PatientName="Zoe^Three", StudyDate="20240110", Modality="MR"
            ),
        ]
    )

    answers = _answers(rest, _query(rest, "Study", constraint))

    assert sorted(each["PatientID"] for each in answers) == patients


@suite.case("SFIND-002", covers="Orthanc.test_query_retrieve_format")
@pytest.mark.parametrize(
    ("form", "patient_id"),
    [
        ("", ("0010,0020", {"Name": "PatientID", "Type": "String", "Value": "A"})),
        ("short", ("0010,0020", "A")),
        ("simplify", ("PatientID", "A")),
    ],
    ids=["full", "short", "simplify"],
)
def test_answer_has_three_formats(
    rest: Rest, local_rest: Rest, make: Maker, form: str, patient_id: tuple[str, Any]
) -> None:
    """An answer can be full, short or simplified, alone or in the expanded list."""
    local_rest.upload_all([make.instance(PatientID="A")])
    path = _query(rest, "Study")
    arguments = {form: ""} if form else {}

    listed = rest.json(f"{path}/answers", expand="", **arguments)
    alone = rest.json(f"{path}/answers/0/content", **arguments)

    name, value = patient_id
    assert listed == [alone]
    assert alone[name] == value


@suite.case("SFIND-003", covers="Orthanc.test_rest_query_retrieve")
def test_query_exists_until_deleted(rest: Rest) -> None:
    """A query keeps its level, modality and constraints until it is deleted."""
    path = _query(rest, "Series", {"PatientName": "*NE*", "StudyDate": "20240101-"})

    told = (
        rest.get(f"{path}/level").text,
        rest.get(f"{path}/modality").text,
        rest.json(f"{path}/query", simplify=""),
    )
    rest.delete(path)

    assert told == ("Series", "orthanctest", {"PatientName": "*NE*", "StudyDate": "20240101-"})
    assert path.removeprefix("/queries/") not in rest.json("/queries")


@suite.case("SFIND-004", covers="Orthanc.test_queries_hierarchy")
@pytest.mark.parametrize(
    ("level", "child", "count"),
    [
        ("Patient", "studies", 1),
        ("Patient", "series", 2),
        ("Patient", "instances", 4),
        ("Study", "series", 2),
        ("Study", "instances", 4),
        ("Series", "instances", 2),
    ],
)
@pytest.mark.usefixtures("two_patients_at_local")
def test_child_queries(rest: Rest, level: str, child: str, count: int) -> None:
    """A query for the children of an answer finds them, and not those of another answer."""
    parent = _query(rest, level, {"PatientID": "A"})

    asked = rest.post(f"{parent}/answers/0/query-{child}", {"Query": {}}).json()

    answers = _answers(rest, asked["Path"])
    assert [each["PatientID"] for each in answers] == ["A"] * count


@suite.case("SFIND-005", covers="Orthanc.test_queries_hierarchy")
@pytest.mark.parametrize(
    ("level", "counts"),
    [
        ("Patient", {"Studies": "1", "Series": "2", "Instances": "4"}),
        ("Study", {"Series": "2", "Instances": "4"}),
        ("Series", {"Instances": "2"}),
    ],
)
@pytest.mark.usefixtures("two_patients_at_local")
def test_counters_of_the_level(rest: Rest, level: str, counts: dict[str, str]) -> None:
    """An answer has the requested counters of its level."""
    keys = [
        *(f"NumberOfPatientRelated{each}" for each in ("Studies", "Series", "Instances")),
        *(f"NumberOfStudyRelated{each}" for each in ("Series", "Instances")),
        "NumberOfSeriesRelatedInstances",
    ]

    path = _query(rest, level, {"PatientID": "A", **dict.fromkeys(keys, "")})

    answer = rest.json(f"{path}/answers/0/content", simplify="")
    counted = {key: value for key, value in answer.items() if key.startswith("NumberOf")}
    assert counted == {f"NumberOf{level}Related{each}": count for each, count in counts.items()}


@suite.case(
    "SFIND-006",
    covers=("Orthanc.test_find_normalize", "Orthanc.test_study_series_find_inconsistency"),
)
@pytest.mark.parametrize(
    ("level", "constraint", "normalized", "as_it_is"),
    [
        ("Instance", {"Rows": "42"}, 1, 0),
        ("Instance", {"Rows": "16"}, 1, 1),
        ("Study", {"SeriesDescription": "no such"}, 1, 0),
        ("Series", {"SeriesDescription": "no such"}, 0, 0),
        ("Series", {"SeriesDescription": "*eries*"}, 1, 1),
    ],
    ids=["other-rows", "rows", "series-key-of-study", "other-description", "description"],
)
@pytest.mark.usefixtures("one_at_local")
def test_normalization(
    rest: Rest, level: str, constraint: dict[str, str], normalized: int, as_it_is: int
) -> None:
    """Constraints that do not belong to the level are removed from a query, unless `Normalize` is false."""
    counts = [
        len(_answers(rest, _query(rest, level, constraint, Normalize=normalize)))
        for normalize in (True, False)
    ]

    assert counts == [normalized, as_it_is]


@suite.case(
    "SFIND-007", ref="PS3.4 C.2.2.2.4", covers="Orthanc.test_study_series_find_inconsistency"
)
@pytest.mark.usefixtures("one_at_local")
def test_star_in_a_uid_is_an_error(rest: Rest) -> None:
    """A query with a wild card in Study Instance UID, which the standard does not allow, fails."""
    query = {"Level": "Study", "Query": {"StudyInstanceUID": "*"}}

    rest.post(f"{LOCAL}/query", query, expect=422)


# C-MOVE


@suite.case(
    "SMOVE-001",
    ref="Orthanc REST API: POST /queries/{id}/answers/{index}/retrieve",
    covers="Orthanc.test_rest_query_retrieve",
)
@pytest.mark.parametrize("content_type", ["text/plain", "application/json"], ids=["text", "json"])
@pytest.mark.usefixtures("two_patients_at_local")
def test_retrieve_one_answer(rest: Rest, remote: Party, content_type: str) -> None:
    """Retrieving one answer sends its series to the AE title in the body, and no other series."""
    path = _query(rest, "Series", {"PatientID": "A"})
    wanted = rest.json(f"{path}/answers/1/content", simplify="")["SeriesInstanceUID"]

    rest.post(f"{path}/answers/1/retrieve", remote.ae_title, headers={"Content-Type": content_type})

    arrived = rest.json("/series", expand="")
    assert [each["MainDicomTags"]["SeriesInstanceUID"] for each in arrived] == [wanted]


@suite.case("SMOVE-002", ref=RETRIEVE, covers="Orthanc.test_bitbucket_issue_131")
@pytest.mark.parametrize(
    ("level", "patients"),
    [("Study", ["A", "B"]), ("Patient", ["A"]), ("Series", ["A"])],
    ids=["study", "patient", "series"],
)
@pytest.mark.usefixtures("shared_study_at_local")
def test_retrieve_where_two_patients_share_a_study(
    rest: Rest, remote: Party, level: str, patients: list[str]
) -> None:
    """A retrieval selects by the unique key of its level: for a shared study, both patients are sent."""
    path = _query(rest, level, {"PatientID": "A"})

    rest.post(f"{path}/retrieve", {"TargetAet": remote.ae_title})

    assert _patients(rest) == patients


@suite.case(
    "SMOVE-003",
    ref="Orthanc REST API: POST /modalities/{id}/move",
    covers="Orthanc.test_rest_movescu",
)
@pytest.mark.parametrize(
    ("level", "keywords", "count"),
    [
        ("Patient", ["PatientID"], 4),
        ("Study", ["StudyInstanceUID"], 4),
        ("Series", ["StudyInstanceUID", "SeriesInstanceUID"], 2),
        ("Instance", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"], 1),
    ],
    ids=["patient", "study", "series", "instance"],
)
def test_move_resource(
    rest: Rest, two_patients_at_local: Sample, level: str, keywords: list[str], count: int
) -> None:
    """A C-MOVE by the unique keys of a resource retrieves its instances."""
    dataset = two_patients_at_local.dataset()
    resource = {keyword: str(dataset[keyword].value) for keyword in keywords}

    rest.post(f"{LOCAL}/move", {"Level": level, "Resources": [resource]})

    assert (len(rest.json("/instances")), _patients(rest)) == (count, ["A"])


@suite.case(
    "SMOVE-004",
    ref="Orthanc REST API: POST /modalities/{id}/move",
    covers="Orthanc.test_rest_movescu",
)
@pytest.mark.usefixtures("two_patients_at_local")
def test_move_of_several_patients(rest: Rest) -> None:
    """One request moves all resources in a list."""
    resources = [{"PatientID": "A"}, {"PatientID": "B"}]

    rest.post(f"{LOCAL}/move", {"Level": "Patient", "Resources": resources})

    assert _patients(rest) == ["A", "B"]


@suite.case("SMOVE-005", ref="Orthanc REST API: POST /modalities/{id}/move")
def test_move_with_local_and_target_aet(
    rest: Rest, local_rest: Rest, one_at_local: Sample, storage_scp: StorageScp
) -> None:
    """A C-MOVE uses `LocalAet` as its AE title, and `TargetAet` as its destination."""
    storage_scp.expect(AETitle("TARGET"))
    target = ["TARGET", storage_scp.endpoint.host, storage_scp.endpoint.port]
    study = {"StudyInstanceUID": one_at_local.study_instance_uid}
    order = {"Level": "Study", "Resources": [study], "LocalAet": "OTHER", "TargetAet": "TARGET"}

    with local_rest.temporary("/modalities/target", target):
        rest.post(f"{LOCAL}/move", order)

    assert [each.originator for each in storage_scp.received(1)] == ["OTHER"]


@suite.case("SMOVE-006", ref="Orthanc REST API: POST /modalities/{id}/move")
def test_move_of_an_unknown_study(rest: Rest) -> None:
    """A C-MOVE that the modality answers with a failure is an error of the network protocol.

    Its HTTP status, 422 in 1.10.1 and 500 in 1.12.7, is up to Orthanc; the difference of two runs shows it.
    """
    unknown = {"Level": "Study", "Resources": [{"StudyInstanceUID": UNKNOWN_UID}]}

    error = rest.post(f"{LOCAL}/move", unknown, expect=(422, 500)).json()

    assert error["OrthancStatus"] == NETWORK_PROTOCOL
    assert "DIMSE status" in error["Details"], f"the details are {error['Details']}"


@pytest.fixture
def one_at_local(local_rest: Rest, make: Maker) -> Sample:
    """Put one instance on the local server."""
    sample = make.instance()
    local_rest.upload_all([sample])
    return sample


@pytest.fixture
def two_patients_at_local(local_rest: Rest, make: Maker) -> Sample:
    """Put patient A, a study of two series of two instances, and patient B on the local server."""
    study = make.study(PatientID="A", series=2, instances=2)
    local_rest.upload_all([*study, make.instance(PatientID="B")])
    return study[0]


@pytest.fixture
def shared_study_at_local(local_rest: Rest, make: Maker) -> None:
    """Put two instances with the same Study Instance UID but different patients on the local server."""
    uid = "2.25.123"
    local_rest.upload_all(
        [make.instance(PatientID=each, StudyInstanceUID=uid) for each in ("A", "B")]
    )


def _query(rest: Rest, level: str, constraint: object = None, **options: object) -> str:
    """Query the local server by C-FIND, and return the path of the query."""
    body = {"Level": level, "Query": constraint or {}, **options}
    path: str = rest.post(f"{LOCAL}/query", body).json()["Path"]
    return path


def _answers(rest: Rest, query: str) -> list[dict[str, Any]]:
    """Return the answers to a query, simplified."""
    answers: list[dict[str, Any]] = rest.json(f"{query}/answers", expand="", simplify="")
    return answers


def _patients(rest: Rest) -> list[str]:
    """Return the Patient IDs at the remote."""
    patients = rest.json("/patients", expand="")
    return sorted(each["MainDicomTags"]["PatientID"] for each in patients)
