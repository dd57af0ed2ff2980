"""Searching by REST: `/tools/find` and `/tools/lookup`."""

import pytest

from harness.cases import Rest, Stored, Suite, orthanc_ids, single

suite = Suite(level="product", needs="rest", ref="Orthanc REST API: POST /tools/find")

LOOKUP = "Orthanc REST API: POST /tools/lookup"
LEVELS = ("Patient", "Study", "Series", "Instance")

# The names that a constraint finds; the keys are the ids of the parameters.
DATES = {
    "20061201": {"Early"},
    "20061201-20061201": {"Early"},
    "20061201-20080819": {"Early", "Late"},
    "20061202-20080818": set(),
    "-20061201": {"Early"},
    "-20061130": set(),
    "20080819-": {"Late"},
    "20080820-": set(),
}
BRACKETS = {"Name[*]": {"Name[x]", "Name[]"}, "Name[?]": {"Name[x]"}, "Name[x]": {"Name[x]"}}
MODALITIES = {
    "": {"Both", "Single"},
    "CT": {"Both", "Single"},
    "MR": {"Both"},
    "US": set(),
    "US\\MR": {"Both"},
    "CT\\MR": {"Both", "Single"},
}


def found_names(rest: Rest, query: dict[str, str], **options: object) -> set[str]:
    """Return the Patient Names of the studies that a query finds."""
    studies = rest.find("Study", query, Expand=True, **options)
    return {each["PatientMainDicomTags"]["PatientName"] for each in studies}


@suite.case("RFND-001", covers="Orthanc.test_rest_find")
@pytest.mark.parametrize("level", LEVELS)
def test_empty_query_finds_all_of_a_level(rest: Rest, stored: Stored, level: str) -> None:
    """A query without constraints finds each resource of the level once."""
    samples = [
        *stored.study(PatientName="Muller^Anna", series=2, instances=2),
        *stored.study(PatientName="Mulder^Bob"),
    ]

    found = rest.find(level, {})

    expected = {orthanc_ids(each).at(level) for each in samples}
    assert sorted(found) == sorted(expected)


@suite.case("RFND-002", covers="Orthanc.test_rest_find")
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("Mul*", {"Muller^Anna", "Mul"}),
        ("*Anna", {"Muller^Anna", "Miller^Anna"}),
        ("M?ller*", {"Muller^Anna", "Miller^Anna"}),
        ("Mul?", set()),
        ("Mul\\Miller^Anna\\Nobody", {"Mul", "Miller^Anna"}),
        ("Mul", {"Mul"}),
    ],
    ids=["beginning", "end", "one", "exactly-one", "list", "exact"],
)
def test_patterns_of_a_name(rest: Rest, stored: Stored, pattern: str, expected: set[str]) -> None:
    """A star matches any characters or none, a question mark one; a backslash separates alternatives."""
    for name in ("Muller^Anna", "Miller^Anna", "Mul"):
        stored.instance(PatientName=name)

    assert found_names(rest, {"PatientName": pattern}) == expected


@suite.case("RFND-003", covers="Orthanc.test_rest_find")
@pytest.mark.parametrize(("dates", "expected"), DATES.items(), ids=DATES)
def test_range_of_dates_includes_its_ends(
    rest: Rest, stored: Stored, dates: str, expected: set[str]
) -> None:
    """A range of dates, open or closed, includes its first and last day, and none outside."""
    stored.instance(PatientName="Early", StudyDate="20061201")
    stored.instance(PatientName="Late", StudyDate="20080819")

    assert found_names(rest, {"StudyDate": dates}) == expected


@suite.case(
    "RFND-004", covers=("Orthanc.test_rest_find", "Orthanc.test_lookup_find_case_sensitivity")
)
@pytest.mark.parametrize(
    ("sensitive", "expected"),
    [(False, {"Muller^Anna", "MULLER^EVA"}), (True, {"Muller^Anna"})],
    ids=["insensitive", "sensitive"],
)
def test_case_sensitivity_can_be_chosen(
    rest: Rest, stored: Stored, sensitive: bool, expected: set[str]
) -> None:
    """Upper and lower case differ only if CaseSensitive is set."""
    stored.instance(PatientName="Muller^Anna")
    stored.instance(PatientName="MULLER^EVA")

    assert found_names(rest, {"PatientName": "Mull*"}, CaseSensitive=sensitive) == expected


@suite.case("RFND-005", covers="Orthanc.test_bitbucket_issue_56")
@pytest.mark.parametrize(
    ("name", "sensitive", "expected"),
    [
        ("TeSt-\u00c9*", False, {"Test-\u00e9\u00e8"}),
        ("TeSt-\u00c9*", True, set()),
        ("Test-\u00e9*", True, {"Test-\u00e9\u00e8"}),
        ("Test-e*", False, set()),
    ],
    ids=["other-case", "other-case-sensitive", "same-case-sensitive", "no-accent"],
)
def test_case_of_accented_letters(
    rest: Rest, stored: Stored, name: str, sensitive: bool, expected: set[str]
) -> None:
    """CaseSensitive applies to accented letters, too; accents are always significant."""
    stored.instance(PatientName="Test-\u00e9\u00e8", character_set="ISO_IR 100")

    assert found_names(rest, {"PatientName": name}, CaseSensitive=sensitive) == expected


@suite.case(
    "RFND-006",
    covers=(
        "Orthanc.test_find_patient_name_with_brackets_and_star",
        "Orthanc.test_find_patient_name_with_brackets_only",
    ),
)
@pytest.mark.parametrize(("pattern", "expected"), BRACKETS.items(), ids=BRACKETS)
def test_brackets_match_themselves(
    rest: Rest, stored: Stored, pattern: str, expected: set[str]
) -> None:
    """Brackets match themselves; only a star and a question mark are wildcards."""
    for name in ("Name[x]", "Name[]", "Namex"):
        stored.instance(PatientName=name)

    assert found_names(rest, {"PatientName": pattern}) == expected


@suite.case("RFND-007", covers="Orthanc.test_rest_find")
def test_keys_of_several_levels(rest: Rest, stored: Stored) -> None:
    """Constraints of several levels are combined: on the series of a study and the instances of a series."""
    samples = stored.study(PatientName="Muller^Anna", series=2, instances=2)
    stored.study(PatientName="Mulder^Bob")
    study = {"StudyInstanceUID": samples[0].study_instance_uid}

    series = rest.find("Series", {**study, "PatientName": "Mul*"})
    instances = rest.find(
        "Instance", {**study, "SeriesInstanceUID": samples[0].series_instance_uid}
    )

    assert sorted(series) == sorted({orthanc_ids(each).series for each in samples})
    assert sorted(instances) == sorted(orthanc_ids(each).instance for each in samples[:2])


@suite.case("RFND-008", covers="Orthanc.test_rest_find")
def test_expand_gives_the_main_tags(rest: Rest, stored: Stored) -> None:
    """Expanded answers have the main DICOM tags; those of a study include the patient's."""
    sample = stored.instance(PatientName="Muller^Anna", StudyDescription="Thorax")

    study = single(rest.find("Study", {}, Expand=True), "study")

    assert study["ID"] == orthanc_ids(sample).study
    assert study["MainDicomTags"]["StudyDescription"] == "Thorax"
    assert study["PatientMainDicomTags"]["PatientName"] == "Muller^Anna"


@suite.case("RFND-009", covers=("Orthanc.test_rest_find", "Orthanc.test_googlecode_issue_37"))
@pytest.mark.parametrize("sensitive", [True, False], ids=["sensitive", "insensitive"])
def test_constraint_on_an_element_of_the_file(rest: Rest, stored: Stored, sensitive: bool) -> None:
    """An element that is not a main DICOM tag is matched as well, from the files."""
    wanted = stored.instance(PatientName="Muller^Anna", DeviceSerialNumber="SN4-MP3")
    stored.instance(PatientName="Mulder^Bob", DeviceSerialNumber="SN4-MP4")

    found = rest.find("Series", {"DeviceSerialNumber": "SN4-MP3"}, CaseSensitive=sensitive)

    assert found == [orthanc_ids(wanted).series]


@suite.case("RFND-010", covers="Orthanc.test_rest_find_limit")
@pytest.mark.parametrize(("limit", "expected"), [(3, 3), (4, 4), (9, 4), (0, 4)])
def test_limit_of_a_search(rest: Rest, stored: Stored, limit: int, expected: int) -> None:
    """A search returns no more results than Limit; 0 is no limit."""
    matching = stored.study(PatientName="Muller^Anna", instances=4)
    stored.study(PatientName="Mulder^Bob")

    found = rest.find("Instance", {"PatientName": "Muller*"}, Limit=limit)

    assert set(found) <= {orthanc_ids(each).instance for each in matching}
    assert len(set(found)) == expected, f"received {len(set(found))} of {expected} results"


@suite.case(
    "RFND-011",
    covers=("Orthanc.test_rest_modalities_in_study", "Orthanc.test_rest_modalities_in_study_2"),
)
@pytest.mark.parametrize(("modalities", "expected"), MODALITIES.items(), ids=MODALITIES)
def test_modalities_in_study(
    rest: Rest, stored: Stored, modalities: str, expected: set[str]
) -> None:
    """A study is found by the modality of any of its series."""
    stored.instance(PatientName="Both", series="1", Modality="CT")
    stored.instance(PatientName="Both", series="2", Modality="MR")
    stored.instance(PatientName="Single", Modality="CT")

    assert found_names(rest, {"ModalitiesInStudy": modalities}) == expected


@suite.case("RFND-012", covers="Orthanc.test_patient_ids_collision")
def test_studies_keep_the_name_they_came_with(rest: Rest, stored: Stored) -> None:
    """Two names with the same Patient ID are one patient, and each study is found by its own name."""
    first, second = stored.group("h05")

    patients = rest.find("Patient", {"PatientID": "HIER-SAME-ID"})
    by_name = rest.find("Study", {"PatientName": "Collision^Second"}, Expand=True)

    assert patients == [orthanc_ids(first).patient]
    study = single(by_name, "study")
    assert study["ID"] == orthanc_ids(second).study
    assert study["PatientMainDicomTags"]["PatientName"] == "Collision^Second"


@suite.case("RFND-013")
@pytest.mark.parametrize(
    "body",
    ["no JSON", [], {"Level": "Study"}, {"Query": {}}, {"Level": "Nope", "Query": {}}],
    ids=["text", "list", "no-query", "no-level", "no-such-level"],
)
def test_malformed_query_is_refused(rest: Rest, body: object) -> None:
    """A query that is not a JSON object, or lacks its level or constraints, is rejected with 400."""
    rest.post("/tools/find", body, expect=400)


@suite.case("RFND-014", ref=LOOKUP, covers="Orthanc.test_lookup")
@pytest.mark.parametrize(
    ("level", "identifier"),
    [
        ("Patient", "patient_id"),
        ("Study", "study_instance_uid"),
        ("Series", "series_instance_uid"),
        ("Instance", "sop_instance_uid"),
    ],
    ids=LEVELS,
)
def test_lookup_finds_the_resource(rest: Rest, stored: Stored, level: str, identifier: str) -> None:
    """A DICOM identifier finds the one resource that has it, at its level."""
    sample = stored.instance(PatientName="Muller^Anna")
    stored.instance(PatientName="Mulder^Bob")

    found = rest.post("/tools/lookup", getattr(sample, identifier)).json()

    ids = orthanc_ids(sample)
    assert found == [{"ID": ids.at(level), "Path": ids.path(level), "Type": level}]


@suite.case("RFND-015", ref=LOOKUP, covers="Orthanc.test_lookup")
def test_lookup_of_an_unknown_identifier_is_empty(rest: Rest, stored: Stored) -> None:
    """An unknown identifier, or just the beginning of one, finds nothing."""
    sample = stored.instance()

    assert rest.post("/tools/lookup", "nobody").json() == []
    assert rest.post("/tools/lookup", sample.study_instance_uid[:-1]).json() == []


@suite.case("RFND-016", ref=LOOKUP, covers="Orthanc.test_lookup_find_case_sensitivity")
def test_lookup_ignores_case(rest: Rest, stored: Stored) -> None:
    """A Patient ID is looked up case-insensitively."""
    sample = stored.instance(PatientID="ozp00SjY2xG")

    found = rest.post("/tools/lookup", "OZP00SJY2XG").json()

    assert [each["ID"] for each in found] == [orthanc_ids(sample).patient]
