"""Edit filters, chains of filters, and comparison of filtered instances with their source."""

import pytest
from filt.conftest import Make, made
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence

from dcm.data.header import scan_bytes
from dcm.data.levels import Level
from dcm.data.plan import CannotEdit
from dcm.data.query_result import QueryResult
from dcm.data.target import BadTarget
from dcm.filt import (
    DataTransform,
    Filter,
    MultiFilter,
    Rejected,
    UidFilter,
    make_edit_filter,
    make_reject_filter,
    read_edits,
    selected,
)
from dcm.filt.edits import read_assignment
from dcm.filt.selector_text import read_selector
from dcm.instances import data_of, instance_of

__all__ = ["made"]


def text(instance: object, keyword: str) -> str:
    """Return a value of an instance in explicit VR."""
    data = data_of(instance)  # type: ignore[arg-type]
    meta = b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"
    return scan_bytes(bytes(128) + b"DICM" + meta + data, (keyword,)).text(keyword)


def test_absent_elements_are_made_unless_that_is_not_wanted(made: Make) -> None:
    """An edit must not silently do nothing."""
    instance = instance_of(made())
    assert text(instance, "PerformedLocation") == text(instance, "StationName") == ""
    edit = make_edit_filter(
        {"PerformedLocation": "Room 7"}, if_present={"StationName": "X", "PatientID": "7"}
    )
    edited = edit.apply(instance)
    assert text(edited, "PerformedLocation") == "Room 7"
    assert text(edited, "PatientID") == "7"
    assert b"\x08\0\x10\x10SH" not in data_of(edited)


def test_functions_are_given_the_text(made: Make) -> None:
    """They get the existing value; a filter with functions reads what it writes."""
    edit = make_edit_filter(
        {"PatientID": lambda text: f"{text}-{len(text)}", "StationName": str.upper}
    )
    edited = edit.apply(instance_of(made(PatientID="abc")))
    assert text(edited, "PatientID") == "abc-3"
    assert edit.reads == edit.writes == {"PatientID", "StationName"}
    assert edit.forward({"PatientID": "xy"}) == {"PatientID": "xy-2"}


def test_values_may_hold_an_equals_sign() -> None:
    """So may keys, in the name of a private creator."""
    assert read_assignment("PatientComments=a=b") == ("PatientComments", "a=b")
    assert read_assignment('(0019,"A=B",08):LO = x=y') == ('(0019,"A=B",08):LO', " x=y")
    assert read_assignment("0010,0020=") == ("PatientID", "")
    with pytest.raises(
        CannotEdit, match="'PatientID' is not KEY=VALUE; write PatientID= to make it empty"
    ):
        read_assignment("PatientID")
    with pytest.raises(BadTarget, match="did you mean PatientID"):
        read_assignment("PatientIdd=7")


@pytest.mark.parametrize(
    "document",
    [
        {"PatientID": "7", "StudyID": None, "Rows": 4, "ImageType": ["A", "B"]},
        {
            "set": {"PatientID": "7", "ImageType": ["A", "B"]},
            "set_if_present": {"Rows": 4}, "delete": ["StudyID"],
        },
    ],
)  # fmt: skip
def test_edits_in_json(document: dict[str, object], made: Make) -> None:
    """In both forms."""
    edited = read_edits(document).apply(instance_of(made()))
    assert text(edited, "PatientID") == "7"
    assert text(edited, "ImageType") == "A\\B"
    assert text(edited, "Rows") == "4"
    assert b"\x20\0\x10\0SH" not in data_of(edited)


def test_sequences_in_json(made: Make) -> None:
    """As lists of items, and by path."""
    path = made()
    edit = read_edits({
        "ProcedureCodeSequence": [{"CodeValue": "C1", "CodeMeaning": "One"}, {"CodeValue": "C2"}],
        "RequestAttributesSequence[0].ScheduledProtocolCodeSequence[0].CodeValue": "C3",
    })  # fmt: skip
    edited = edit.apply(instance_of(path))
    from io import BytesIO  # noqa: PLC0415

    from pydicom.filereader import read_dataset  # noqa: PLC0415

    found = read_dataset(BytesIO(data_of(edited)), False, True)
    assert [item.CodeValue for item in found.ProcedureCodeSequence] == ["C1", "C2"]
    request = found.RequestAttributesSequence[0]
    assert request.ScheduledProtocolCodeSequence[0].CodeValue == "C3"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "edits are a JSON object, not []"),
        ({"set": [], "delete": []}, '"set" is []; expected an object'),
        ({"delete": "PatientID"}, '"delete" is \'PatientID\'; expected a list of texts'),
        ({"set": {}, "remove": []}, "'remove' is not known; known keys are set, set_if_present, delete"),
        ({"PatientIdd": "1"}, "did you mean PatientID?"),
        ({"PatientID": True}, "PatientID cannot be True: True is neither a text nor a number"),
        ({"StudyDate": "yesterday"}, "StudyDate cannot be 'yesterday': VR DA allows a date"),
        ({"TransferSyntaxUID": "1.2"}, "TransferSyntaxUID is part of the file meta information"),
        ({"SOPInstanceUID": None}, "SOPInstanceUID cannot be deleted: an object needs it"),
    ],
)  # fmt: skip
def test_faults_in_json(document: object, said: str) -> None:
    """The error comes before anything is edited."""
    with pytest.raises((CannotEdit, BadTarget)) as met:
        read_edits(document)
    assert said in str(met.value)


def test_a_filter_declares_what_it_does() -> None:
    """The attributes that it writes, and whether entities can be traced back."""
    study = make_edit_filter({"StudyDescription": "X", "ReferencedStudySequence[0].StudyID": "1"})
    assert study.writes == {"StudyDescription", "ReferencedStudySequence[0].StudyID"}
    assert study.invertible
    assert study.backward({"StudyDescription": "X", "PatientID": "1"}) == {"PatientID": "1"}
    patient = make_edit_filter({"PatientID": "X"})
    assert not patient.invertible
    assert patient.backward({"PatientID": "X"}) is None
    assert not make_edit_filter({}, delete=["**.PN", "**.LO"]).invertible
    both = MultiFilter([UidFilter(), study])
    assert both.writes == {"**.UI", *study.writes}
    assert both.invertible
    assert not MultiFilter([UidFilter(), patient]).invertible
    assert MultiFilter([make_reject_filter("Modality == SR"), study]).reads == {"Modality"}


def test_filters_follow_each_other(made: Make) -> None:
    """Each one sees the result of the previous one; a rejected instance goes no further."""
    both = MultiFilter([
        make_edit_filter({"Modality": "MR"}), make_reject_filter("Modality == CT"),
        make_edit_filter({"PatientID": lambda text: text + "!"}),
    ])  # fmt: skip
    edited = both.apply(instance_of(made(PatientID="A")))
    assert text(edited, "PatientID") == "A!"
    assert selected(read_selector("PatientID == A!"), edited)
    with pytest.raises(Rejected):
        MultiFilter([*both.filters, make_reject_filter("PatientID == A!")]).apply(
            instance_of(made(PatientID="A"))
        )
    assert both.forward({"Modality": "CT", "PatientID": "A"}) == {
        "Modality": "MR",
        "PatientID": "A!",
    }


def answers() -> list[dict[str, str]]:
    """Return an archive's answers for four instances."""
    return [
        {
            "PatientID": patient, "StudyInstanceUID": f"1.{patient[1]}",
            "SeriesInstanceUID": f"1.{patient[1]}.1", "SOPInstanceUID": f"1.{patient[1]}.1.{number}",
            "Modality": modality,
        }
        for patient, modality in (("P1", "CT"), ("P2", "SR")) for number in (1, 2)
    ]  # fmt: skip


@pytest.mark.parametrize("edit", [
    UidFilter(), make_edit_filter({"PatientID": "ANON", "PatientName": "X"}),
    MultiFilter([UidFilter(), make_edit_filter({"PatientID": lambda text: text + "-A"})]),
])  # fmt: skip
def test_what_was_filtered_compares_with_its_source(edit: Filter) -> None:
    """Half of it exists: the other half is missing, as the source has it."""
    source = QueryResult(Level.IMAGE, answers(), source="pacs:PACS:104")
    transform = DataTransform(edit)
    expected = transform.forward(source)
    assert len(expected) == 4
    assert not expected.paths() & source.paths()
    there = QueryResult(Level.IMAGE, [dict(each) for each in list(expected)[:2]])
    strange = QueryResult(Level.IMAGE, [dict(answers()[0], SOPInstanceUID="9.9")])
    missing = transform.backward(expected - there)
    assert len(missing) == 2
    assert missing.paths() < source.paths()
    assert (missing | transform.backward(there)) == source
    assert missing.source == "pacs:PACS:104"
    assert len(transform.backward(strange)) == 0


def test_entities_that_become_one_are_all_led_back() -> None:
    """Two patients of the source become one: neither is lost on the way back."""
    source = QueryResult(Level.PATIENT, [{"PatientID": "P1"}, {"PatientID": "P2"}])
    transform = DataTransform(make_edit_filter({"PatientID": "ANON"}))
    assert len(transform.forward(source)) == 1
    assert transform.backward(transform.forward(source)) == source


def test_rejected_entities_are_not_expected() -> None:
    """If the answers show that they are rejected; they are listed."""
    source = QueryResult(Level.IMAGE, answers())
    transform = DataTransform(make_reject_filter("Modality == SR"))
    assert {each["PatientID"] for each in transform.forward(source)} == {"P1"}
    assert len(transform.rejected) == 2


def test_uids_of_what_was_filtered_before_this_run_are_led_back() -> None:
    """Only by the map: this transform has not seen the source."""
    remap = UidFilter(b"k" * 16)
    there = DataTransform(remap).forward(QueryResult(Level.IMAGE, answers()))
    assert DataTransform(remap).backward(there) == QueryResult(Level.IMAGE, answers())


def test_nested_references_are_consistent_across_files(made: Make) -> None:
    """A reference in one file is the UID of the other file."""
    one, other = made("1.dcm", number=1), made("2.dcm", number=2)
    data_set, item = dcmread(one), Dataset()
    item.ReferencedSOPClassUID = data_set.SOPClassUID
    item.ReferencedSOPInstanceUID = dcmread(other).SOPInstanceUID
    data_set.ReferencedImageSequence = Sequence([item])
    data_set.save_as(one)
    remap = UidFilter()
    new = remap.apply(instance_of(other)).sop_instance_uid
    assert f"{new}".encode() in data_of(remap.apply(instance_of(one)))
