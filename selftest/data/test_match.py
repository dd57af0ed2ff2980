"""The matching rules of PS3.4 C.2.2.2: examples by clause, and laws against simple oracles."""

import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcm.data.dictionary import UnknownElement
from dcm.data.levels import Level
from dcm.data.match import WORKLIST, attribute_matches, matches

many = settings(max_examples=100, deadline=None, database=None)


@pytest.mark.parametrize(
    ("vr", "key", "stored", "expected"),
    [
        # C.2.2.2.1 single value
        ("SH", "ABC", "ABC", True),
        ("SH", "ABC", "abc", False),
        ("SH", "ABC ", " ABC", True),
        ("LT", " ABC", "ABC", False),
        ("LT", "A\\B", "A\\B", True),
        ("LO", "Müller", "Mu\u0308ller", False),
        ("US", "512", "512", True),
        ("IS", "7", "+007", True),
        ("IS", "7", "8", False),
        ("DS", "1.50", "1.5", True),
        ("DS", "abc", "1.5", False),
        # person names: case, components, groups
        ("PN", "muller^anna", "Muller^Anna", True),
        ("PN", "MÜLLER", "Müller", True),
        ("PN", "Muller^Anna^^^", "Muller^Anna", True),
        ("PN", "Muller ^Anna", "Muller^Anna ", True),
        ("PN", "Muller", "Muller^Anna", False),
        ("PN", "山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
        ("PN", "yamada*", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
        ("PN", "=山田*", "Yamada^Tarou=山田^太郎", True),
        ("PN", "Yamada*=山口*", "Yamada^Tarou=山田^太郎", False),
        ("PN", "Yamada*=山田*", "Yamada^Tarou", False),
        ("PN", "Yamada^Tarou==", "Yamada^Tarou=山田^太郎", True),
        # C.2.2.2.2 list of UIDs
        ("UI", "1.2\\1.3", "1.3", True),
        ("UI", "1.2\\1.3", "1.4", False),
        ("UI", "1.2\0", "1.2", True),
        ("UI", "1.*", "1.2", False),
        # C.2.2.2.3 universal
        ("UI", "", "1.4", True),
        ("CS", "*", "", True),
        ("DA", "", "20240101", True),
        # C.2.2.2.4 wild cards
        ("LO", "A*C", "ABBC", True),
        ("LO", "A*C", "AC", True),
        ("LO", "A?C", "ABC", True),
        ("LO", "A?C", "AC", False),
        ("LO", "a*", "ABC", False),
        ("LO", "A*\\D*", "DEF", True),
        ("LO", "A.C", "ABC", False),
        ("LO", "A\\[", "[", True),
        ("UT", "*two*", "one\r\ntwo\r\nthree", True),
        ("AS", "0?5Y", "035Y", False),
        ("IS", "1*", "12", False),
        ("DA", "2024*", "20240101", False),
        # C.2.2.2.5 ranges and single dates
        ("DA", "20240115-20240116", "20240116", True),
        ("DA", "20240115 - 20240116", "20240115", True),
        ("DA", "-20240115", "20240115", True),
        ("DA", "20240116-", "20240115", False),
        ("DA", "20240116-20240115", "20240115", False),
        ("DA", "20240115", "2024.01.15", True),
        ("DA", "2024", "2024", True),
        ("DA", "20241332", "20240115", False),
        ("DA", "-", "20240115", False),
        ("TM", "1015-1016", "101659.999999", True),
        ("TM", "1015-1016", "1017", False),
        ("TM", "10", "101530", True),
        ("TM", "101530", "10", True),
        ("TM", "10:15:30", "101530", True),
        ("TM", "101530.25", "101530.250000", True),
        ("TM", "101530.25", "101530.26", False),
        ("TM", "2300-0100", "2330", False),
        ("TM", "25", "2530", False),
        ("DT", "202402", "20240301", False),
        ("DT", "202401", "20240131", True),
        ("DT", "2024", "20240630101500", True),
        ("DT", "2023-2024", "20240630", True),
        ("DT", "2023-2024", "2025", False),
        ("DT", "202401-202402", "20240229235959.999999", True),
        ("DT", "20240101120000+0100", "20240101110000+0000", True),
        ("DT", "20240101120000-0500", "20240101170000+0000", True),
        ("DT", "20240101120000-0500", "20240101120000-0500", True),
        ("DT", "20240101120000-0500", "20240102120000-0500", False),
        ("DT", "20240101120000-0500-", "20240102120000", True),
        ("DT", "-20240101120000-0500", "20240101165959+0000", True),
        ("DT", "-20240101120000-0500", "20240101170001+0000", False),
        ("DT", "20240101-0500-20240102-0500", "20240103045959+0000", True),
        ("DT", "20240101-20240102", "20240102235959", True),
        ("DT", "20240101-", "99991231", True),
        ("DT", "20240101-", "20231231", False),
        # C.2.2.1.2 a stored value of zero length is unknown
        ("LO", "ABC", "", True),
        ("DA", "20240101-", "", True),
        # C.2.2.3 several stored values
        ("CS", "CT", "MR\\CT", True),
        ("CS", "PT", "MR\\CT", False),
        ("CS", "MR\\PT", "MR\\CT", True),
    ],
)
def test_examples(vr: str, key: str, stored: str, expected: bool) -> None:
    """One line of the standard each."""
    assert attribute_matches(vr, key, stored) is expected


def test_what_the_service_decides() -> None:
    """A worklist omits items with an unknown value."""
    assert not attribute_matches("LO", "ABC", "", WORKLIST)
    assert attribute_matches("LO", "*", "", WORKLIST)
    assert attribute_matches("SQ", [{"CodeValue": ""}], [], WORKLIST)
    assert not attribute_matches("SQ", [{"CodeValue": "A"}], [], WORKLIST)


STEP = {
    "Modality": "CT",
    "ScheduledStationAETitle": "ONE",
    "ScheduledProcedureStepStartDate": "20240115",
}
OTHER = {"Modality": "MR", "ScheduledStationAETitle": "TWO"}


@pytest.mark.parametrize(
    ("item", "stored", "expected"),
    [
        ([], [STEP], True),
        ([{}], [STEP], True),
        ([{"Modality": ""}], [STEP], True),
        ([{"Modality": "CT"}], [OTHER, STEP], True),
        ([{"Modality": "CT", "ScheduledStationAETitle": "TWO"}], [OTHER, STEP], False),
        ([{"Modality": "CT", "ScheduledStationAETitle": "O*"}], [OTHER, STEP], True),
        ([{"Modality": "CT"}], [], True),
        ([{"ScheduledProtocolCodeSequence": [{"CodeValue": "A"}]}],
         [{"ScheduledProtocolCodeSequence": [{"CodeValue": "B"}, {"CodeValue": "A"}]}], True),
        ([{"ScheduledProtocolCodeSequence": [{"CodeValue": "A"}]}],
         [{"ScheduledProtocolCodeSequence": [{"CodeValue": "B"}]}], False),
    ],
)  # fmt: skip
def test_sequences(
    item: list[dict[str, str]], stored: list[dict[str, str]], expected: bool
) -> None:
    """All keys of the item must match within one stored item (C.2.2.2.6)."""
    query = {"ScheduledProcedureStepSequence": item}
    assert matches(query, {"ScheduledProcedureStepSequence": stored}) is expected


def test_whole_queries() -> None:
    """All keys must match; the keys about the query itself are never matched (C.2.2.2)."""
    stored = {
        "PatientName": "Muller^Anna",
        "StudyDate": "20240115",
        "SpecificCharacterSet": "ISO_IR 192",
    }
    query = {
        "SpecificCharacterSet": "ISO_IR 100",
        "QueryRetrieveLevel": "STUDY",
        "PatientName": "MUL*",
    }

    assert matches(query, stored)
    assert matches(query | {"StudyDate": "2024-"}, stored | {"StudyDate": ""})
    assert not matches(query | {"StudyDate": "20240116-"}, stored)
    assert matches(query | {"00081030": "Head"}, stored)
    with pytest.raises(UnknownElement, match="named 'PatientNane'; did you mean PatientName"):
        matches({"PatientNane": "A"}, stored)


def test_zone_of_the_query_and_of_the_answer() -> None:
    """Timezone Offset From UTC applies to times without an offset (C.2.2.2.5.3)."""
    query = {"AcquisitionDateTime": "20240101120000", "TimezoneOffsetFromUTC": "+0100"}
    stored = {"AcquisitionDateTime": "20240101110000"}

    assert matches(query, stored | {"TimezoneOffsetFromUTC": "+0000"})
    assert not matches(query, stored | {"TimezoneOffsetFromUTC": "+0100"})
    assert matches(query, {"AcquisitionDateTime": "20240101130000+0200"})


@pytest.mark.parametrize(("name", "level"), [("study", Level.STUDY), ("Instance", Level.IMAGE)])
def test_levels_have_names(name: str, level: Level) -> None:
    """Levels are named in any case, in their common and standard forms."""
    assert Level.named(name) is level
    with pytest.raises(
        ValueError, match="'studies' is not a query level: patient, study, series or image"
    ):
        Level.named("studies")


def glob(key: str, text: str) -> bool:
    """Match wildcards character by character: the oracle."""
    if not key:
        return not text
    if key[0] == "*":
        return glob(key[1:], text) or (bool(text) and glob(key, text[1:]))
    return bool(text) and key[0] in ("?", text[0]) and glob(key[1:], text[1:])


@many
@given(st.text("ab*?.[", min_size=1, max_size=7), st.text("ab.[", min_size=1, max_size=9))
def test_wildcards_are_as_their_definition(key: str, stored: str) -> None:
    """`*` is any sequence, `?` is one character, and all else is itself."""
    assert attribute_matches("LO", key, stored) is glob(key, stored)


def test_wildcards_cannot_be_made_slow() -> None:
    """No key takes noticeable time."""
    start = time.process_time()
    assert not attribute_matches("LO", "*a" * 30 + "*b", "a" * 60_000)
    assert time.process_time() - start < 2


days = st.dates(date(1, 1, 1), date(9999, 12, 31))


def da(day: date) -> str:
    """Write a date as VR DA."""
    return f"{day.year:04}{day.month:02}{day.day:02}"


@many
@given(days, days, days)
def test_ranges_of_dates(first: date, last: date, stored: date) -> None:
    """Between, until and from agree with Python's dates."""
    assert attribute_matches("DA", f"{da(first)}-{da(last)}", da(stored)) is (
        first <= stored <= last
    )
    assert attribute_matches("DA", f"-{da(last)}", da(stored)) is (stored <= last)
    assert attribute_matches("DA", f"{da(first)}-", da(stored)) is (first <= stored)
    assert attribute_matches("DA", da(first), da(stored)) is (first == stored)


FULL = ("000000.000000", "235959.999999")
times = st.builds(
    lambda hour, minute, second, fraction, length: f"{hour:02}{minute:02}{second:02}.{fraction:06}"[:length],
    st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999_999),
    st.sampled_from((2, 4, 6, 8, 10, 13)),
)  # fmt: skip


def ends(text: str) -> tuple[str, str]:
    """Complete a partial time: return the first and the last one that it can mean."""
    return text + FULL[0][len(text) :], text + FULL[1][len(text) :]


@many
@given(times, times, times)
def test_ranges_of_times(first: str, last: str, stored: str) -> None:
    """A time of lower precision is a range, on both sides."""
    low, high = ends(stored)
    assert attribute_matches("TM", f"{first}-{last}", stored) is (
        ends(first)[0] <= high and low <= ends(last)[1]
    )
    assert attribute_matches("TM", first, stored) is (
        ends(first)[0] <= high and low <= ends(first)[1]
    )


zones = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1900, 1, 2), datetime(2100, 1, 1), timezones=zones)  # noqa: DTZ001


def dt(moment: datetime) -> str:
    """Write a moment as VR DT."""
    return moment.strftime("%Y%m%d%H%M%S.%f%z")


@many
@given(moments, moments, moments)
def test_ranges_of_moments(first: datetime, last: datetime, stored: datetime) -> None:
    """Offsets are respected, and not taken for the hyphen of a range."""
    assert attribute_matches("DT", f"{dt(first)}-{dt(last)}", dt(stored)) is (
        first <= stored <= last
    )
    assert attribute_matches("DT", f"-{dt(last)}", dt(stored)) is (stored <= last)
    assert attribute_matches("DT", f"{dt(first)}-", dt(stored)) is (first <= stored)
    assert attribute_matches("DT", dt(first), dt(first.astimezone(UTC)))


vrs = st.sampled_from(
    ("AE", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "TM", "UI", "US", "UT")
)


@many
@given(vrs, st.text(max_size=8), st.text(max_size=8))
def test_nothing_raises_and_empty_matches_everything(vr: str, key: str, stored: str) -> None:
    """For any input from a user or a server, the result is True or False."""
    assert attribute_matches(vr, key, stored) in (True, False)
    assert attribute_matches(vr, "", stored)
    assert attribute_matches(vr, key, "")


@many
@given(vrs, st.text("AB12.-", min_size=1, max_size=8))
def test_what_is_the_same_matches(vr: str, value: str) -> None:
    """A value without wildcards and ranges matches itself."""
    if vr not in ("DA", "DT", "TM") or "-" not in value:
        assert attribute_matches(vr, value, value)
