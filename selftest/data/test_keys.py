"""Keys of queries: every type that Python and pydicom use for a value, and invalid ones."""

import enum
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, Sequence
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.uid import UID, CTImageStorage
from pydicom.valuerep import DA, DT, IS, TM, DSdecimal, DSfloat, PersonName

from dcm.data import BadKey, Level, UnknownElement, attributes_of, read_identifier, write_identifier
from dcm.data.moments import span

EXPLICIT = "1.2.840.10008.1.2.1"
CET = timezone(timedelta(hours=1))


class Modality(enum.StrEnum):
    """A text type of a program."""

    CT = "CT"


@pytest.mark.parametrize(
    ("keyword", "value", "text"),
    [
        ("PatientName", "Mul*", "Mul*"),
        ("PatientName", None, ""),
        ("PatientName", PersonName("Yamada^Tarou=山田^太郎"), "Yamada^Tarou=山田^太郎"),
        ("PatientID", 1234, "1234"),
        ("Modality", Modality.CT, "CT"),
        ("ModalitiesInStudy", ["CT", "SR"], "CT\\SR"),
        ("ModalitiesInStudy", {"SR": 1, "CT": 2}.keys(), "CT\\SR"),
        ("SeriesNumber", 1, "1"),
        ("SeriesNumber", IS("07"), "7"),
        ("SeriesNumber", 2.0, "2"),
        ("SeriesNumber", [1, "2"], "1\\2"),
        ("PatientWeight", 70.5, "70.5"),
        ("PatientWeight", 1 / 3, "0.33333333333333"),
        ("PatientWeight", Decimal("70.50"), "70.50"),
        ("PatientWeight", DSfloat("70.5"), "70.5"),
        ("PatientWeight", DSdecimal("70.5"), "70.5"),
        ("Rows", 512, "512"),
        ("RecommendedDisplayFrameRateInFloat", 12.5, "12.5"),
        ("FrameIncrementPointer", Tag(0x0018, 0x1063), "00181063"),
        ("StudyInstanceUID", UID("1.2.3"), "1.2.3"),
        ("StudyInstanceUID", [UID("1.2.3"), "1.2.4"], "1.2.3\\1.2.4"),
        ("StudyInstanceUID", ("1.2.3", "1.2.4"), "1.2.3\\1.2.4"),
        ("StudyInstanceUID", MultiValue(UID, ["1.2.3", "1.2.4"]), "1.2.3\\1.2.4"),
        ("StudyDate", date(2024, 2, 3), "20240203"),
        ("StudyDate", date(24, 2, 3), "00240203"),
        ("StudyDate", DA("20240203"), "20240203"),
        ("StudyDate", datetime(2024, 2, 3, 12, tzinfo=UTC), "20240203"),
        ("StudyDate", (date(2024, 2, 3), date(2024, 3, 1)), "20240203-20240301"),
        ("StudyDate", (date(2024, 2, 3), None), "20240203-"),
        ("StudyDate", ("", "20240203"), "-20240203"),
        ("StudyDate", (None, None), ""),
        ("StudyDate", "20240101-20241231", "20240101-20241231"),
        ("StudyTime", time(9, 30), "093000"),
        ("StudyTime", time(9, 30, 1, 500), "093001.000500"),
        ("StudyTime", TM("0930"), "0930"),
        ("StudyTime", (time(9), time(10, 30)), "090000-103000"),
        ("AcquisitionDateTime", datetime(2024, 2, 3, 4, 5, 6, tzinfo=CET), "20240203040506+0100"),
        ("AcquisitionDateTime", date(2024, 2, 3), "20240203"),
        ("AcquisitionDateTime", DT("202402030405"), "202402030405"),
        ("QueryRetrieveLevel", Level.SERIES, "SERIES"),
        ("ReferencedStudySequence", None, []),
        ("ReferencedStudySequence", "", []),
        ("ReferencedStudySequence", [], []),
        ("ReferencedStudySequence", {"ReferencedSOPClassUID": None}, [{"ReferencedSOPClassUID": ""}]),
        ("00091010", None, ""),
    ],
    ids=str,
)  # fmt: skip
def test_any_value_is_a_key(keyword: str, value: object, text: object) -> None:
    """It can be written, reads as the same text, and is not changed a second time."""
    found = attributes_of({keyword: value})
    assert found == {keyword: text}
    assert attributes_of(found) == found
    read = read_identifier(write_identifier(found, EXPLICIT), EXPLICIT)
    read.pop("SpecificCharacterSet", None)
    assert read == found


@pytest.mark.parametrize(
    "key",
    ["PatientID", "00100020", "0010,0020", "(0010,0020)", 0x00100020, (0x0010, 0x0020), Tag("PatientID")],
    ids=repr,
)  # fmt: skip
def test_any_way_to_name_an_element(key: object) -> None:
    """Keywords and tags name the same element, and give the same keyword."""
    assert attributes_of({key: "1"}) == {"PatientID": "1"}


def test_nothing_is_a_query() -> None:
    """It has no keys."""
    assert attributes_of(None) == attributes_of({}) == attributes_of(Dataset()) == {}


def test_data_set_is_a_query() -> None:
    """With nested sequences and empty values, in each form that pydicom uses."""
    step = Dataset()
    step.Modality = "CT"
    step.ScheduledProcedureStepStartDate = date(2024, 2, 3)
    asked = Dataset()
    asked.PatientName = "Mul*"
    asked.SeriesNumber = 3
    asked.ModalitiesInStudy = ["CT", "SR"]
    asked.SOPClassesInStudy = [CTImageStorage]
    asked.StudyDate = ""
    asked.OtherPatientIDs = []
    asked.PatientWeight = None
    asked.ReferencedStudySequence = Sequence()
    asked.ScheduledProcedureStepSequence = Sequence([step])
    expected = {
        "PatientName": "Mul*",
        "SeriesNumber": "3",
        "ModalitiesInStudy": "CT\\SR",
        "SOPClassesInStudy": CTImageStorage,
        "StudyDate": "",
        "OtherPatientIDs": "",
        "PatientWeight": "",
        "ReferencedStudySequence": [],
        "ScheduledProcedureStepSequence": [
            {"Modality": "CT", "ScheduledProcedureStepStartDate": "20240203"}
        ],
    }
    assert attributes_of(asked) == expected
    for items in (step, [step], Sequence([step]), {"Modality": "CT", 0x00400002: date(2024, 2, 3)}):
        found = attributes_of({"ScheduledProcedureStepSequence": items})
        assert found.items() <= expected.items()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"SeriesNumber": 1.5}, "SeriesNumber cannot be 1.5: its VR IS allows a whole number or text"),
        ({"SeriesNumber": True}, "SeriesNumber cannot be True"),
        ({"PatientWeight": float("nan")}, "PatientWeight cannot be nan: its VR DS allows a finite"),
        ({"PatientName": 5}, "PatientName cannot be 5: its VR PN allows text or a PersonName"),
        ({"PatientID": b"1"}, "PatientID cannot be b'1'"),
        ({"PatientID": date(2024, 1, 1)}, "PatientID cannot be datetime.date"),
        ({"PatientID": Level.STUDY}, "PatientID cannot be <Level.STUDY: 1>"),
        ({"StudyDate": 20240203}, "StudyDate cannot be 20240203: its VR DA allows a date"),
        ({"StudyDate": time(9)}, "StudyDate cannot be datetime.time"),
        ({"StudyDate": (date(2024, 1, 1),)}, "StudyDate cannot be .* pair of these, either of which"),
        ({"StudyDate": ("20240101", "tomorrow")}, "StudyDate cannot be .'20240101', 'tomorrow'"),
        ({"StudyDate": (date(2024, 2, 1), date(2024, 1, 1))}, "ends before it begins .swap them"),
        ({"StudyTime": (time(22), time(6))}, "cannot cross midnight"),
        ({"StudyTime": time(9, tzinfo=UTC)}, "StudyTime cannot be .* a time without time zone"),
        ({"StudyInstanceUID": []}, "StudyInstanceUID cannot be an empty list: use None to match everything"),
        ({"StudyInstanceUID": ["1.2", None]}, "StudyInstanceUID cannot be None"),
        ({"PixelData": b"\0\0"}, "its VR OW allows nothing but None|its VR OB allows nothing but None"),
        ({"00091010": "x"}, "00091010 cannot be 'x': its VR UN allows nothing but None"),
        ({"ReferencedStudySequence": "1.2"}, "Sequence cannot be '1.2': expected a mapping or a Dataset"),
        ({"ReferencedStudySequence": 1}, "Sequence cannot be 1: expected a mapping or a Dataset"),
        (
            {"ScheduledProcedureStepSequence": [{"ScheduledProcedureStepStartDate": 5}]},
            "ScheduledProcedureStepSequence.ScheduledProcedureStepStartDate cannot be 5",
        ),
        ({"PatientID": "1", (0x0010, 0x0020): "2"}, "PatientID is given twice"),
        ({1.5: ""}, "1.5 is not a keyword, a tag, or a pair"),
        ({1 << 32: ""}, "4294967296 is not a keyword"),
        (["PatientID"], "a query cannot be ..PatientID..: expected a mapping or a Dataset"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_a_key(query: object, message: str) -> None:
    """The error names the key, its value and what is allowed."""
    with pytest.raises(BadKey, match=message):
        attributes_of(query)  # type: ignore[arg-type]


def test_keyword_that_does_not_exist() -> None:
    """It is also refused in a sequence, and the error has the nearest one."""
    with pytest.raises(UnknownElement, match="did you mean PatientID"):
        attributes_of({"ReferencedPatientSequence": {"PatinetID": ""}})


@given(st.datetimes(timezones=st.none() | st.just(CET)), st.datetimes())
def test_moments_mean_what_they_meant(moment: datetime, other: datetime) -> None:
    """A text is one microsecond, and a pair is the range between its members."""
    text = attributes_of({"AcquisitionDateTime": moment})["AcquisitionDateTime"]
    assert isinstance(text, str)
    found = span("DT", text)
    assert found is not None
    zero = datetime(1, 1, 1, tzinfo=moment.tzinfo)
    assert found.first == moment - zero - (moment.utcoffset() or timedelta())
    first, last = sorted((moment.date(), other.date()))
    pair = attributes_of({"StudyDate": (first, last)})["StudyDate"]
    assert pair == "-".join(each.isoformat().replace("-", "") for each in (first, last))


def test_exports_are_loaded_when_asked_for() -> None:
    """`dcm.data` alone loads no module of its own, and no export needs pydicom."""
    code = """
import sys
import dcm.data
assert [name for name in sys.modules if name.startswith("dcm.data.")] == []
from dcm.data import Attributes, QueryResult, attributes_of, scan
import dcm.data.header
assert dcm.data.scan is scan is dcm.data.header.scan
assert [getattr(dcm.data, name) for name in dcm.data.__all__]
assert attributes_of({"SeriesNumber": 1}) == {"SeriesNumber": "1"}
assert "pydicom" not in sys.modules
try:
    dcm.data.nothing
except AttributeError as error:
    assert "no attribute 'nothing'" in str(error)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.parametrize(
    ("text", "days"),
    [("9999", 365), ("999912", 31), ("99991231", 1), ("2024", 366), ("202402", 29)],
)
def test_span_of_the_last_year_and_of_leap_years(text: str, days: int) -> None:
    """A year and a month last until the next one, which may be beyond the calendar."""
    found = span("DT", text)
    assert found is not None
    assert found.last - found.first == timedelta(days=days, microseconds=-1)
