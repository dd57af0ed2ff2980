"""C-FIND (PS3.4 C.2.2.2): which keys match which values."""

import pytest

from harness.cases import Dimse, Maker, Stored, Suite, unique_keys, values

suite = Suite(needs=("dimse.store", "dimse.find.study"))


# Single values


@suite.case("CONQM-001", ref="PS3.4 C.2.2.2.1 (2020b)")
@pytest.mark.parametrize(
    ("value", "other"),
    [("A_1", "AB1"), ("A%", "AB"), ("A.1", "AB1"), ("[AB]1", "A1"), ("A'1", "A1"), ('A"1', "A1")],
    ids=["underscore", "percent", "dot", "brackets", "quote", "double-quote"],
)
def test_other_characters_are_no_wild_cards(
    dimse: Dimse, stored: Stored, value: str, other: str
) -> None:
    """What is special to a database or a regular expression is a character like others in a key."""
    stored.study(PatientID="LITERAL", AccessionNumber=value)
    stored.study(PatientID="OTHER", AccessionNumber=other)

    found = dimse.find_studies(PatientID="", AccessionNumber=value)

    assert values(found, "PatientID") == ["LITERAL"]


@suite.case("CONQM-002", ref="PS3.4 C.2.2.2.4 (2020b)")
@pytest.mark.parametrize(
    ("asked", "value", "other"),
    [("A_*", "A_1", "AB1"), ("*%1", "A%1", "AB1"), ("A.?", "A.1", "AB1"), ("[A]*", "[A]1", "A1")],
    ids=["underscore", "percent", "dot", "brackets"],
)
def test_other_characters_beside_a_wild_card(
    dimse: Dimse, stored: Stored, asked: str, value: str, other: str
) -> None:
    """They are no wild cards either where the key has one of the two that there are."""
    stored.study(PatientID="LITERAL", AccessionNumber=value)
    stored.study(PatientID="OTHER", AccessionNumber=other)

    found = dimse.find_studies(PatientID="", AccessionNumber=asked)

    assert values(found, "PatientID") == ["LITERAL"]


@suite.case("CONQM-003", ref="PS3.4 C.2.2.2.5 (2020b)")
def test_hyphen_makes_no_range_of_text(dimse: Dimse, stored: Stored) -> None:
    """In a key that is neither date nor time a hyphen is a character like others."""
    for value in ("A1", "A2", "A1-A3"):
        stored.study(PatientID=value, AccessionNumber=value)

    found = dimse.find_studies(PatientID="", AccessionNumber="A1-A3")

    assert values(found, "PatientID") == ["A1-A3"]


@suite.case("CONQM-004", ref="PS3.5 6.2 (2020b)")
@pytest.mark.parametrize(
    ("keyword", "value"), [("AccessionNumber", "A1"), ("StudyID", "S1"), ("PatientID", "P1")]
)
def test_trailing_spaces_do_not_matter(
    dimse: Dimse, stored: Stored, keyword: str, value: str
) -> None:
    """A key with trailing spaces matches the value without them."""
    stored.study(PatientName="Wanted", **{keyword: value})
    stored.study(PatientName="Other")

    found = dimse.find_studies(**{"PatientName": "", keyword: value + "  "})

    assert values(found, "PatientName") == ["Wanted"]


@suite.case("CONQM-005", ref="PS3.4 C.4.1.3.1.1 (2020b)")
def test_all_keys_are_to_match(dimse: Dimse, stored: Stored) -> None:
    """Only what matches each key of the request is answered."""
    for name, patient_id, date in (
        ("Muller^Anna", "A", "20240115"),
        ("Muller^Bob", "B", "20240116"),
        ("Schmidt^Eve", "C", "20240115"),
    ):
        stored.study(PatientName=name, PatientID=patient_id, StudyDate=date)

    found = dimse.find_studies(PatientID="", PatientName="Muller*", StudyDate="20240115")

    assert values(found, "PatientID") == ["A"]


# Lists of UIDs


@suite.case("CONQM-007", ref="PS3.4 C.2.2.2.2 (2020b)")
@pytest.mark.parametrize("level", ["SERIES", "IMAGE"])
def test_list_of_uids_below_the_study(dimse: Dimse, stored: Stored, level: str) -> None:
    """A list of UIDs matches each series, or each instance, that it names, and no other."""
    if level == "SERIES":
        objects, key = stored.study(series=3), "SeriesInstanceUID"
    else:
        objects, key = stored.study(instances=3), "SOPInstanceUID"
    uids = [str(unique_keys(each, level)[key]) for each in objects]

    found = dimse.find(
        level, **{**unique_keys(objects[0], level), key: [uids[0], "2.25.404", uids[2]]}
    )

    assert values(found.datasets, key) == sorted([uids[0], uids[2]])


# Wild cards


@suite.case("CONQM-008", ref="PS3.4 C.2.2.2.4 (2020b)")
@pytest.mark.parametrize(
    ("keyword", "asked", "stored_values"),
    [
        ("PatientID", "P?1*", ("PA1", "PA2")),
        ("AccessionNumber", "*9", ("A19", "A91")),
        ("StudyID", "S*1", ("S001", "S1X")),
    ],
    ids=["LO", "SH-first", "SH-middle"],
)
def test_wild_cards_in_text(
    dimse: Dimse, stored: Stored, keyword: str, asked: str, stored_values: tuple[str, str]
) -> None:
    """Star and question mark stand anywhere in a key of VR LO and SH."""
    wanted, other = stored_values
    stored.study(PatientName="Wanted", **{keyword: wanted})
    stored.study(PatientName="Other", **{keyword: other})

    found = dimse.find_studies(**{"PatientName": "", keyword: asked})

    assert values(found, "PatientName") == ["Wanted"]


@suite.case("CONQM-009", ref="PS3.4 C.2.2.2.4 (2020b)")
def test_wild_card_in_a_code(dimse: Dimse, stored: Stored, make: Maker) -> None:
    """Star matches in Modality, which has VR CS, although no such value can have one."""
    ct, mr = (make.instance(series=one, Modality=one) for one in ("CT", "MR"))
    stored.these(ct, mr)

    found = dimse.find("SERIES", **unique_keys(ct, "STUDY"), SeriesInstanceUID="", Modality="C*")

    assert values(found.datasets, "SeriesInstanceUID") == [ct.series_instance_uid]


@suite.case("CONQM-010", ref="PS3.4 C.2.2.2.4 (2020b)")
@pytest.mark.parametrize("keyword", ["AccessionNumber", "PatientName"])
def test_lone_star_matches_the_empty_value(dimse: Dimse, stored: Stored, keyword: str) -> None:
    """A star alone asks for all, those with an empty value as well."""
    (one,) = stored.study(PatientID="A", **{keyword: ""})
    (two,) = stored.study(PatientID="B", **{keyword: "FULL"})

    found = dimse.find_studies(**{"StudyInstanceUID": "", keyword: "*"})

    expected = sorted([one.study_instance_uid, two.study_instance_uid])
    assert values(found, "StudyInstanceUID") == expected


@suite.case("CONQM-011", ref="PS3.4 C.2.2.2.1 (2020b)")
@pytest.mark.parametrize("asked", ["{}*", "*", "?.25*"], ids=["end", "alone", "question-mark"])
def test_no_wild_cards_in_uids(dimse: Dimse, stored: Stored, asked: str) -> None:
    """A UID is compared as it stands: one with a star or a question mark is nobody's."""
    (one,) = stored.study()

    found = dimse.find("STUDY", StudyInstanceUID=asked.format(one.study_instance_uid[:10]))

    assert found.datasets == []


@suite.case("CONQM-006", ref="PS3.4 C.2.2.2.4 (2020b)")
def test_question_mark_stands_for_an_umlaut(dimse: Dimse, stored: Stored) -> None:
    """A question mark stands for any single character, one beyond ASCII as well."""
    assert _found_by_question_marks(dimse, stored, "ISO_IR 100") == ["A"]


@suite.case("CONQM-012", ref="PS3.4 C.2.2.2.4 (2020b)")
def test_question_mark_is_a_character_and_no_byte(dimse: Dimse, stored: Stored) -> None:
    """A question mark stands for one character, though it has two bytes in UTF-8."""
    assert _found_by_question_marks(dimse, stored, "ISO_IR 192") == ["A"]


def _found_by_question_marks(dimse: Dimse, stored: Stored, character_set: str) -> list[str]:
    """Store two values of five and six characters in this character set, and ask for those with five."""
    stored.study(PatientID="A", AccessionNumber="Größe", character_set=character_set)
    stored.study(PatientID="B", AccessionNumber="Grösse", character_set=character_set)
    found = dimse.find_studies(
        SpecificCharacterSet=character_set, PatientID="", AccessionNumber="Gr??e"
    )
    return values(found, "PatientID")


# Dates and times


@suite.case("CONQM-013", ref="PS3.4 C.2.2.2.5 (2020b)")
def test_date_and_time_are_matched_apart(dimse: Dimse, stored: Stored) -> None:
    """A range of dates beside one of times: each counts for itself where nothing else was negotiated."""
    for patient_id, date, time in (
        ("A", "20240115", "103000"),
        ("B", "20240115", "120000"),
        ("C", "20240116", "103000"),
        ("D", "20240116", "090000"),
    ):
        stored.study(PatientID=patient_id, StudyDate=date, StudyTime=time)

    found = dimse.find_studies(
        PatientID="", StudyDate="20240115-20240116", StudyTime="100000-110000"
    )

    assert values(found, "PatientID") == ["A", "C"]


@suite.case("CONQM-014", ref="PS3.4 C.2.2.2.5.2 (2020b)")
@pytest.mark.parametrize("time", ["101500", "101500.5", "101500.123456"], ids=str)
def test_time_of_another_precision_is_in_the_range(dimse: Dimse, stored: Stored, time: str) -> None:
    """A time lies in the range that holds it, with a fraction of a second or without one."""
    stored.study(PatientID="WITHIN", StudyTime=time)
    stored.study(PatientID="BEFORE", StudyTime="101459.999")
    stored.study(PatientID="AFTER", StudyTime="101502")

    found = dimse.find_studies(PatientID="", StudyTime="101500-101501")

    assert values(found, "PatientID") == ["WITHIN"]


# Character sets


@suite.case("CONQM-015", ref="PS3.4 C.2.2.2 (2020b)")
@pytest.mark.parametrize("asked_in", ["ISO_IR 144", "ISO_IR 192"], ids=["cyrillic", "utf-8"])
def test_character_set_is_no_key(dimse: Dimse, stored: Stored, asked_in: str) -> None:
    """An object without Specific Character Set is found by a request that has one."""
    stored.study(PatientName="Muller^Anna", PatientID="A")

    found = dimse.find_studies(
        SpecificCharacterSet=asked_in, PatientID="", PatientName="Muller^Anna"
    )

    assert values(found, "PatientID") == ["A"]


# What is counted


@suite.case("CONQM-016", ref="PS3.4 C.3.4 (2020b)", needs="dimse.find.related")
def test_counts_follow_each_store(dimse: Dimse, stored: Stored, make: Maker) -> None:
    """The number of instances and of series of a study is right after each C-STORE."""
    steps = [
        make.instance(series="1", number=1),
        make.instance(series="1", number=2),
        make.instance(series="2", number=1),
    ]
    counted = []
    for sample in steps:
        stored.these(sample)
        (study,) = dimse.find_studies(
            StudyInstanceUID="", NumberOfStudyRelatedInstances="", NumberOfStudyRelatedSeries=""
        )
        counted.append(
            (int(study.NumberOfStudyRelatedInstances), int(study.NumberOfStudyRelatedSeries))
        )

    assert counted == [(1, 1), (2, 1), (3, 2)]


@suite.case("CONQM-017", ref="PS3.4 C.2.2.3 (2020b)", needs="dimse.find.related")
@pytest.mark.parametrize("asked", ["MR", ["US", "MR"]], ids=["one", "list"])
def test_one_of_many_values_matches_and_all_are_returned(
    dimse: Dimse, stored: Stored, make: Maker, asked: str | list[str]
) -> None:
    """ModalitiesInStudy matches by one of its values, and comes with all of them."""
    stored.these(
        *(make.instance(PatientID="A", series=one, Modality=one) for one in ("CT", "MR")),
        make.instance(PatientID="B", Modality="CT"),
    )

    found = dimse.find_studies(PatientID="", ModalitiesInStudy=asked)

    assert values(found, "PatientID") == ["A"]
    assert [sorted(each.ModalitiesInStudy) for each in found] == [["CT", "MR"]]
