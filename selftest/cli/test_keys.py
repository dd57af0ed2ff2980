"""KEY=VALUE on the command line, and in CSV files."""

from pathlib import Path

import pytest

from dcm.cli.batch import Row, read_rows
from dcm.cli.keys import read_keys
from dcm.cli.usage import UsageError
from dcm.data.dictionary import UnknownElement
from dcm.data.match import limiting


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["PatientID=a=b"], {"PatientID": "a=b"}),
        (["PatientID=", "StudyDate=2020-"], {"PatientID": "", "StudyDate": "2020-"}),
        (["0010,0020=1"], {"PatientID": "1"}),
        (["(0010,0020)=1"], {"PatientID": "1"}),
        (["0x00100020=1"], {"PatientID": "1"}),
        (["ContrastBolusAgent=x"], {"ContrastBolusAgent": "x"}),
        (["RequestAttributesSequence="], {"RequestAttributesSequence": []}),
        (
            [
                "RequestAttributesSequence=",
                "RequestAttributesSequence.ScheduledProcedureStepID=7",
                "0040,0275.RequestedProcedureID=8",
            ],
            {
                "RequestAttributesSequence": [
                    {"ScheduledProcedureStepID": "7", "RequestedProcedureID": "8"}
                ]
            },
        ),
    ],
)
def test_keys_are_read(words: list[str], keys: object) -> None:
    """Keywords, tags, and paths through sequences; a value may contain any character."""
    assert read_keys(words) == keys


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["PatientID"],
            "'PatientID' is not KEY=VALUE; write PatientID= to request it with any value",
        ),
        (["=1"], "the KEY is missing"),
        (["0009,1001=1"], "no such element in the standard"),
        (["20200101=1"], "no such element in the standard"),
        (["PatientID=1", "0010,0020=2"], "0010,0020 is given twice"),
        (["PatientID.StudyID=1"], "PatientID is not a sequence"),
        (
            ["RequestAttributesSequence=1"],
            "is a sequence: write RequestAttributesSequence.KEY=VALUE",
        ),
    ],
)
def test_what_is_no_key_is_refused(words: list[str], said: str) -> None:
    """The error shows the expected form."""
    with pytest.raises(UsageError) as caught:
        read_keys(words)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["PatientIDs", "patientid", "PatinetID"])
def test_an_unknown_keyword_is_refused(name: str) -> None:
    """The error has the nearest keyword: without the key, the query would match too much."""
    with pytest.raises(UnknownElement, match=f"named '{name}'; did you mean PatientID"):
        read_keys([f"{name}=1"])


@pytest.mark.parametrize(
    ("words", "unlimited"),
    [
        ([], True),
        (["PatientID=", "PatientName=*"], True),
        (["RequestAttributesSequence.RequestedProcedureID="], True),
        (["RequestAttributesSequence.RequestedProcedureID=1"], False),
        (["PatientID=", "PatientName=A*"], False),
        (["SpecificCharacterSet=ISO_IR 100"], True),
    ],
)
def test_what_leaves_nothing_out(words: list[str], unlimited: bool) -> None:
    """A query with only these keys matches everything."""
    assert bool(limiting(read_keys(words))) is not unlimited


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("PatientID\n1\n2\n", [{"PatientID": "1"}, {"PatientID": "2"}]),
        ("PatientName\na,b\n", [{"PatientName": "a,b"}]),
        ("\ufeffPatientID,StudyDate\r\n1,2020-\r\n", [{"PatientID": "1", "StudyDate": "2020-"}]),
        ("PatientID;PatientName\n1;A,B\n", [{"PatientID": "1", "PatientName": "A,B"}]),
        ("PatientID\tPatientName\n1\t\n", [{"PatientID": "1", "PatientName": ""}]),
        ('PatientID|PatientName\n"1|2"|A\n', [{"PatientID": "1|2", "PatientName": "A"}]),
        ("0010,0020\n1\n", [{"PatientID": "1"}]),
        ("0010,0020;PatientName\n1;A\n", [{"PatientID": "1", "PatientName": "A"}]),
        ("PatientID\n\n1\n \n", [{"PatientID": "1"}]),
    ],
)
def test_a_row_is_a_query(text: str, rows: list[object], tmp_path: Path) -> None:
    """The delimiter is found from the keys, even if there is only one."""
    path = tmp_path / "batch.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert [row.keys for row in read_rows(path)] == rows


def test_a_row_knows_its_line(tmp_path: Path) -> None:
    """An error can then name it."""
    path = tmp_path / "batch.csv"
    path.write_text("PatientID\n\n1\n")
    assert read_rows(path) == [Row(3, {"PatientID": "1"})]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the first line must name the keys"),
        (b"\nPatientID\n", "the first line must name the keys"),
        (b"PatientID\n", "has no rows below the keys"),
        (b"PatientID,Nonsense\n1,2\n", "no DICOM element named 'Nonsense'"),
        (b"PatientID,PatientID\n1,2\n", "PatientID is given twice"),
        (b"PatientID,StudyDate\n1\n", "line 2: 1 values for 2 keys"),
        (b'PatientID\n"1\n', "is not CSV"),
        (b"PatientID\n\xff\n", "is not UTF-8 text"),
    ],
)
def test_what_is_no_batch_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    """The error names the file, and the line if there is one."""
    path = tmp_path / "batch.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_rows(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
