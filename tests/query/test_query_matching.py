"""C-FIND (PS3.4 C.2.2.2): which values each key matches."""

import pytest

from harness.cases import UNKNOWN_UID, Dimse, Maker, Stored, Suite, several, unique_keys, values

suite = Suite(needs=("dimse.store", "dimse.find.study"))


# Single values


@suite.case("CONQM-001", ref="PS3.4 C.2.2.2.1 (2020b)")
@pytest.mark.parametrize(
    ("value", "other"),
    [("A_1", "AB1"), ("A%", "AB"), ("A.1", "AB1"), ("[AB]1", "A1"), ("A'1", "A1"), ('A"1', "A1")],
    ids=["underscore", "percent", "dot", "brackets", "quote", "double-quote"],
)
def test_other_characters_are_literal(dimse: Dimse, stored: Stored, value: str, other: str) -> None:
    """Characters that are special in a database or a regular expression match only themselves."""
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
def test_other_characters_are_literal_beside_a_wild_card(
    dimse: Dimse, stored: Stored, asked: str, value: str, other: str
) -> None:
    """Such characters match only themselves, even in a key with a star or a question mark."""
    stored.study(PatientID="LITERAL", AccessionNumber=value)
    stored.study(PatientID="OTHER", AccessionNumber=other)

    found = dimse.find_studies(PatientID="", AccessionNumber=asked)

    assert values(found, "PatientID") == ["LITERAL"]


@suite.case("CONQM-003", ref="PS3.4 C.2.2.2.5 (2020b)")
def test_hyphen_in_text_is_literal(dimse: Dimse, stored: Stored) -> None:
    """A hyphen matches itself in a key that is neither date nor time."""
    for value in ("A1", "A2", "A1-A3"):
        stored.study(PatientID=value, AccessionNumber=value)

    found = dimse.find_studies(PatientID="", AccessionNumber="A1-A3")

    assert values(found, "PatientID") == ["A1-A3"]


@suite.case("CONQM-004", ref="PS3.5 6.2 (2020b)")
@pytest.mark.parametrize(
    ("keyword", "value"), [("AccessionNumber", "A1"), ("StudyID", "S1"), ("PatientID", "P1")]
)
def test_trailing_spaces_are_ignored(
    dimse: Dimse, stored: Stored, keyword: str, value: str
) -> None:
    """A key with trailing spaces matches the value without them."""
    stored.study(PatientName="Wanted", **{keyword: value})
    stored.study(PatientName="Other")

    found = dimse.find_studies(**{"PatientName": "", keyword: value + "  "})

    assert values(found, "PatientName") == ["Wanted"]


@suite.case("CONQM-005", ref="PS3.4 C.4.1.3.1.1 (2020b)")
def test_all_keys_must_match(dimse: Dimse, stored: Stored) -> None:
    """Only studies that match each key of the request are returned."""
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
    """A list of UIDs matches each series, or each instance, that it names, and no other one."""
    if level == "SERIES":
        objects, key = stored.study(series=3), "SeriesInstanceUID"
    else:
        objects, key = stored.study(instances=3), "SOPInstanceUID"
    uids = [str(unique_keys(each, level)[key]) for each in objects]

    found = dimse.find(
        level, **{**unique_keys(objects[0], level), key: [uids[0], UNKNOWN_UID, uids[2]]}
    )

    assert values(found.datasets, key) == sorted([uids[0], uids[2]])


@suite.case("CONQM-018", ref="PS3.4 C.2.2.2.2 (2020b)")
def test_long_list_of_uids_is_matched_to_its_end(dimse: Dimse, stored: Stored) -> None:
    """A list of 100 UIDs, with more than 4,000 characters, matches the study of its last UID."""
    (wanted,), _ = stored.study(PatientID="A"), stored.study(PatientID="B")
    others = [f"2.25.{404 + number:036}".replace(".0", ".1", 1) for number in range(99)]

    found = dimse.find_studies(StudyInstanceUID=[*others, wanted.study_instance_uid])

    assert values(found, "StudyInstanceUID") == [wanted.study_instance_uid]


@suite.case("CONQM-019", ref="PS3.4 C.2.2.2.2 (2020b)", level="should")
def test_empty_uid_in_a_list_is_not_universal(dimse: Dimse, stored: Stored) -> None:
    """A list whose last UID is empty, after a trailing backslash, matches no other studies.

    Universal matching is for a key "specified with zero length" (C.2.2.2.3), which this one is not.
    """
    (wanted,), _ = stored.study(PatientID="A"), stored.study(PatientID="B")

    found = dimse.find_studies(StudyInstanceUID=[wanted.study_instance_uid, ""])

    assert values(found, "StudyInstanceUID") == [wanted.study_instance_uid]


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
    """Star and question mark are wild cards anywhere in a key of VR LO or SH."""
    wanted, other = stored_values
    stored.study(PatientName="Wanted", **{keyword: wanted})
    stored.study(PatientName="Other", **{keyword: other})

    found = dimse.find_studies(**{"PatientName": "", keyword: asked})

    assert values(found, "PatientName") == ["Wanted"]


@suite.case("CONQM-009", ref="PS3.4 C.2.2.2.4 (2020b)")
def test_wild_card_in_a_code(dimse: Dimse, stored: Stored, make: Maker) -> None:
    """A star is a wild card in Modality, whose VR CS has no star in its own repertoire."""
    ct, mr = (make.instance(series=one, Modality=one) for one in ("CT", "MR"))
    stored.these(ct, mr)

    found = dimse.find("SERIES", **unique_keys(ct, "STUDY"), SeriesInstanceUID="", Modality="C*")

    assert values(found.datasets, "SeriesInstanceUID") == [ct.series_instance_uid]


@suite.case("CONQM-010", ref="PS3.4 C.2.2.2.4 (2020b)")
@pytest.mark.parametrize("keyword", ["AccessionNumber", "PatientName"])
def test_star_alone_matches_the_empty_value(dimse: Dimse, stored: Stored, keyword: str) -> None:
    """A star alone matches every value, the empty one included."""
    (one,) = stored.study(PatientID="A", **{keyword: ""})
    (two,) = stored.study(PatientID="B", **{keyword: "FULL"})

    found = dimse.find_studies(**{"StudyInstanceUID": "", keyword: "*"})

    expected = sorted([one.study_instance_uid, two.study_instance_uid])
    assert values(found, "StudyInstanceUID") == expected


@suite.case("CONQM-011", ref="PS3.4 C.2.2.2.1 (2020b)")
@pytest.mark.parametrize("asked", ["{}*", "*", "?.25*"], ids=["end", "alone", "question-mark"])
def test_wild_cards_in_uids_are_literal(dimse: Dimse, stored: Stored, asked: str) -> None:
    """A UID with a star or a question mark matches no study."""
    (one,) = stored.study()

    found = dimse.find("STUDY", StudyInstanceUID=asked.format(one.study_instance_uid[:10]))

    assert values(found.datasets, "StudyInstanceUID") == []


@suite.case("CONQM-006", ref="PS3.4 C.2.2.2.4 (2020b)")
def test_question_mark_matches_a_character_beyond_ascii(dimse: Dimse, stored: Stored) -> None:
    """A question mark matches any single character, including a non-ASCII one."""
    assert _found_by_question_marks(dimse, stored, "ISO_IR 100") == ["A"]


@suite.case("CONQM-012", ref="PS3.4 C.2.2.2.4 (2020b)")
def test_question_mark_matches_a_character_of_two_bytes(dimse: Dimse, stored: Stored) -> None:
    """A question mark matches one character, even if that has two bytes in UTF-8."""
    assert _found_by_question_marks(dimse, stored, "ISO_IR 192") == ["A"]


def _found_by_question_marks(dimse: Dimse, stored: Stored, character_set: str) -> list[str]:
    """Store values of five and six characters in a character set, and query for five."""
    stored.study(PatientID="A", AccessionNumber="Größe", character_set=character_set)
    stored.study(PatientID="B", AccessionNumber="Grösse", character_set=character_set)
    found = dimse.find_studies(
        SpecificCharacterSet=character_set, PatientID="", AccessionNumber="Gr??e"
    )
    return values(found, "PatientID")


# Dates and times


@suite.case("CONQM-013", ref="PS3.4 C.2.2.2.5 (2020b)")
def test_date_and_time_match_separately(dimse: Dimse, stored: Stored) -> None:
    """Ranges of dates and of times match separately, unless combined matching is negotiated."""
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
def test_range_matches_times_of_any_precision(dimse: Dimse, stored: Stored, time: str) -> None:
    """A range of times matches the times in it, with a fraction of a second or without."""
    stored.study(PatientID="WITHIN", StudyTime=time)
    stored.study(PatientID="BEFORE", StudyTime="101459.999")
    stored.study(PatientID="AFTER", StudyTime="101502")

    found = dimse.find_studies(PatientID="", StudyTime="101500-101501")

    assert values(found, "PatientID") == ["WITHIN"]


# Character sets


@suite.case("CONQM-015", ref="PS3.4 C.2.2.2 (2020b)")
@pytest.mark.parametrize("asked_in", ["ISO_IR 144", "ISO_IR 192"], ids=["cyrillic", "utf-8"])
def test_character_set_is_not_a_key(dimse: Dimse, stored: Stored, asked_in: str) -> None:
    """A request with a Specific Character Set matches an object without one."""
    stored.study(PatientName="Muller^Anna", PatientID="A")

    found = dimse.find_studies(
        SpecificCharacterSet=asked_in, PatientID="", PatientName="Muller^Anna"
    )

    assert values(found, "PatientID") == ["A"]


# Counts


@suite.case("CONQM-016", ref="PS3.4 C.3.4 (2020b)", needs="dimse.find.related")
def test_counts_follow_each_store(dimse: Dimse, stored: Stored, make: Maker) -> None:
    """After each C-STORE, the numbers of series and instances of the study are correct."""
    steps = [
        make.instance(series="1", number=1),
        make.instance(series="1", number=2),
        make.instance(series="2", number=1),
    ]
    counts = ("NumberOfStudyRelatedInstances", "NumberOfStudyRelatedSeries")
    counted = []
    for sample in steps:
        stored.these(sample)
        found = dimse.find_studies(**{"StudyInstanceUID": "", **dict.fromkeys(counts, "")})
        counted.append({keyword: values(found, keyword) for keyword in counts})

    assert counted == [
        dict(zip(counts, ([instances], [series]), strict=True))
        for instances, series in (("1", "1"), ("2", "1"), ("3", "2"))
    ]


@suite.case("CONQM-017", ref="PS3.4 C.2.2.3 (2020b)", needs="dimse.find.related")
@pytest.mark.parametrize("asked", ["MR", ["US", "MR"]], ids=["one", "list"])
def test_one_of_several_values_matches(
    dimse: Dimse, stored: Stored, make: Maker, asked: str | list[str]
) -> None:
    """A study matches by one of its ModalitiesInStudy, and is returned with all of them."""
    stored.these(
        *(make.instance(PatientID="A", series=one, Modality=one) for one in ("CT", "MR")),
        make.instance(PatientID="B", Modality="CT"),
    )

    found = dimse.find_studies(PatientID="", ModalitiesInStudy=asked)

    assert values(found, "PatientID") == ["A"]
    assert [sorted(several(each, "ModalitiesInStudy")) for each in found] == [["CT", "MR"]]
