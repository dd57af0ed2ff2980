"""`dcm.data.edit`: edits have the same result as in pydicom, and all else stays byte for byte."""

import copy
import io
import struct
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as Items

from dcm.data.edit import edit
from dcm.data.encoding import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    ITEM_GROUP,
    NATIVE,
    UNDEFINED,
    Encoding,
    Reader,
    Writer,
)
from dcm.data.header import NotDicom, scan_bytes
from dcm.data.plan import DELETE, KEEP, CannotEdit, Change, Met, Plan
from dcm.data.source import MemorySource
from dcm.data.splices import SplicedSource, grown, spliced_bytes
from dcm.data.target import BadTarget, Target
from harness.corpus import corpus

ENCODINGS = [EXPLICIT, IMPLICIT, BIG_ENDIAN]
CREATOR: Final = "ACME 3.2"
BROKEN: Final = {"x04-cut-in-header", "x04-cut-in-value", "x05"}


def _whole_samples() -> Iterator[tuple[str, bytes, Encoding]]:
    """Yield the data sets of the corpus that are neither deflated nor cut off."""
    for id_ in corpus:
        data = corpus[id_].data
        try:
            header = scan_bytes(data)
        except NotDicom:
            continue
        syntax = header.transfer_syntax_uid
        if syntax not in DEFLATED and id_ not in BROKEN:
            yield id_, data[header.data_set_offset :], NATIVE.get(syntax, EXPLICIT)


SAMPLES: Final = {id_: (data, encoding) for id_, data, encoding in _whole_samples()}


def plan(**changes: Any) -> Plan:
    """Make a plan of keywords."""
    return Plan(Change(Target.of(key), value) for key, value in changes.items())


def of(changes: dict[str, Any]) -> Plan:
    """Make a plan of targets."""
    return Plan(Change(Target.of(key), value) for key, value in changes.items())


def done(data: bytes, encoding: Encoding, wanted: Plan) -> bytes:
    """Edit a data set."""
    source = MemorySource(data)
    splices = edit(source, 0, len(data), encoding, wanted).splices
    edited = spliced_bytes(data, splices)
    spliced = SplicedSource(source, 0, len(data), splices)
    assert spliced.length == len(edited) == len(data) + grown(splices)
    assert spliced.read(0, len(edited) + 1) == edited
    return edited


def encoded(data_set: Dataset, encoding: Encoding) -> bytes:
    """Let pydicom write a data set."""
    written = DicomBytesIO()
    written.is_implicit_VR = not encoding.explicit
    written.is_little_endian = encoding.little_endian
    write_dataset(written, data_set)
    return bytes(written.getvalue())


def decoded(data: bytes, encoding: Encoding) -> Dataset:
    """Let pydicom read a data set."""
    return read_dataset(io.BytesIO(data), not encoding.explicit, encoding.little_endian)


def leaves(data: bytes, encoding: Encoding) -> list[tuple[int, int, bytes, bytes]]:
    """Return depth, tag, header and value of all elements except sequences and group lengths."""
    reader = Reader(data)
    found = []
    for each in reader.walk(0, encoding, len(data), into_sequences=True):
        if each.tag >> 16 == ITEM_GROUP or each.length == UNDEFINED or not each.tag & 0xFFFF:
            continue
        header = data[each.header : each.start]
        if each.vr == b"SQ":
            header = header[:-4]  # its length may have changed
        value = b"" if each.vr == b"SQ" else data[each.start : each.end]
        found.append((each.depth, each.tag, header, value))
    return found


def without(elements: list[tuple[int, int, bytes, bytes]], *tags: int) -> list[Any]:
    """Remove elements of the data set itself."""
    return [each for each in elements if each[0] or each[1] not in tags]


@pytest.mark.parametrize("id_", SAMPLES)
def test_samples_become_what_pydicom_makes_of_them(id_: str) -> None:
    """Set existing and missing elements, and delete; the rest does not change by a byte."""
    data, encoding = SAMPLES[id_]
    wanted = plan(
        PatientID="EDITED-1", StationName=DELETE, StudyDate="20200131", PerformedLocation="Room 7",
        ReferringPhysicianName="Doe^Jane", TableHeight=12.5,
    )  # fmt: skip
    edited = done(data, encoding, wanted)
    expected, found = decoded(data, encoding), decoded(edited, encoding)
    expected.PatientID, expected.StudyDate = "EDITED-1", "20200131"
    expected.PerformedLocation, expected.ReferringPhysicianName = "Room 7", "Doe^Jane"
    expected.TableHeight = "12.5"
    if "StationName" in expected:
        del expected.StationName
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the values of some samples are odd on purpose
        assert list(found.keys()) == sorted(expected.keys()) or id_.startswith("t")
        for element in ("PatientID", "StudyDate", "PerformedLocation", "TableHeight"):
            assert found[element].value == expected[element].value
    tags = [0x00100020, 0x00081010, 0x00080020, 0x00400243, 0x00080090, 0x00181130]
    before, after = leaves(data, encoding), leaves(edited, encoding)
    assert without(before, *tags) == without(after, *tags)


@pytest.mark.parametrize("id_", SAMPLES)
def test_what_is_set_to_what_it_is_changes_nothing(id_: str) -> None:
    """There is no splice, so no file is rewritten needlessly."""
    data, encoding = SAMPLES[id_]
    patient_id = decoded(data, encoding).get_item("PatientID")
    if patient_id is None or not patient_id.value:
        pytest.skip("it has no Patient ID")
    value = bytes(patient_id.value)
    edited = edit(MemorySource(data), 0, len(data), encoding, plan(PatientID=value))
    assert edited.splices == ()
    assert done(data, encoding, of({"**.*": lambda _: KEEP})) == data


@pytest.mark.parametrize("id_", SAMPLES)
def test_a_function_sees_each_element_as_pydicom_does(id_: str) -> None:
    """At any depth; pydicom then reads the returned value there."""
    data, encoding = SAMPLES[id_]
    met: dict[str, str] = {}

    def function(element: Met) -> object:
        met[element.path] = element.text
        return "2.25.7" if element.text else KEEP

    edited = done(data, encoding, of({"**.UI": function}))
    assert met
    for path in met:
        assert path.count(".") == path.count("[")
    for element in decoded(edited, encoding).iterall():
        if element.VR == "UI" and element.value:
            assert element.value == "2.25.7"
    before = [each for each in leaves(data, encoding) if each[2][4:6] != b"UI"]
    after = [each for each in leaves(edited, encoding) if each[2][4:6] != b"UI"]
    if encoding.explicit:
        assert before == after


def nested(*, undefined: bool) -> Dataset:
    """Make a data set with sequences in sequences, and private elements."""
    inner = [Dataset(), Dataset()]
    for number, item in enumerate(inner):
        item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        item.ReferencedSOPInstanceUID = f"1.2.3.{number}"
    outer = Dataset()
    outer.SeriesInstanceUID = "1.2.3.9"
    outer.ReferencedSOPSequence = Items(inner)
    made = Dataset()
    made.SOPInstanceUID = "1.2.3"
    made.ReferencedSeriesSequence = Items([outer, copy.deepcopy(outer)])
    made.PatientID = "1"
    block = made.private_block(0x0019, CREATOR, create=True)
    block.add_new(0x08, "LO", "private")
    below = Dataset()
    below.add_new(0x00080100, "SH", "code")
    block.add_new(0x09, "SQ", Items([below]))
    made.private_block(0x0019, "OTHER", create=True).add_new(0x08, "LO", "other")
    made.StudyDate = "20200101"
    if undefined:
        for element in made.iterall():
            if element.VR == "SQ":
                element.is_undefined_length = True
                for item in element.value:
                    item.is_undefined_length_sequence_item = True
    return made


@pytest.fixture(params=[False, True], ids=["with-lengths", "without-lengths"])
def tree(request: pytest.FixtureRequest) -> Dataset:
    """A nested data set."""
    return nested(undefined=request.param)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_elements_in_sequences(tree: Dataset, encoding: Encoding) -> None:
    """By number of the item, in all items, and in a missing item."""
    data = encoded(tree, encoding)
    edited = done(data, encoding, of({
        "ReferencedSeriesSequence[1].ReferencedSOPSequence[0].ReferencedSOPInstanceUID": "1.2.3.4.5.6.77",
        "ReferencedSeriesSequence[*].SeriesInstanceUID": "9.9",
        "ReferencedSeriesSequence[0].ReferencedSOPSequence[*].ReferencedSOPClassUID": DELETE,
        "ReferencedSeriesSequence[*].SeriesDescription": "made",
    }))  # fmt: skip
    first, second = tree.ReferencedSeriesSequence
    second.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3.4.5.6.77"
    for item in (first, second):
        item.SeriesInstanceUID, item.SeriesDescription = "9.9", "made"
    for item in first.ReferencedSOPSequence:
        del item.ReferencedSOPClassUID
    assert edited == encoded(tree, encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_items_are_added(tree: Dataset, encoding: Encoding) -> None:
    """The next item of a sequence, and the first one of a missing sequence."""
    edited = decoded(done(encoded(tree, encoding), encoding, of({
        "ReferencedSeriesSequence[2].SeriesInstanceUID": "5.5",
        "RequestAttributesSequence.RequestedProcedureID": "R1",
        "RequestAttributesSequence.ScheduledProtocolCodeSequence[0].CodeValue": "C1",
        "DerivationCodeSequence[*].CodeValue": "no item, so nothing",
    })), encoding)  # fmt: skip
    assert [item.SeriesInstanceUID for item in edited.ReferencedSeriesSequence] == [
        "1.2.3.9",
        "1.2.3.9",
        "5.5",
    ]
    request = edited.RequestAttributesSequence[0]
    assert request.RequestedProcedureID == "R1"
    assert request.ScheduledProtocolCodeSequence[0].CodeValue == "C1"
    assert len(edited.get("DerivationCodeSequence", ())) == 0
    assert list(edited.keys()) == sorted(edited.keys())


def test_an_item_beyond_the_next_is_an_error(tree: Dataset) -> None:
    """Nothing is silently set elsewhere."""
    data = encoded(tree, EXPLICIT)
    with pytest.raises(CannotEdit, match=r"ReferencedSeriesSequence\[7\] .* it has 2 items"):
        done(data, EXPLICIT, of({"ReferencedSeriesSequence[7].SeriesInstanceUID": "1"}))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_delimiters_that_are_superfluous_or_missing(encoding: Encoding) -> None:
    """Some writers add one after an item with a length, or omit the one of the last item."""
    order = "<" if encoding.little_endian else ">"

    def marker(tag: int, length: int) -> bytes:
        return struct.pack(order + "HHI", tag >> 16, tag & 0xFFFF, length)

    def code(value: bytes) -> bytes:
        writer = Writer(encoding)
        writer.element(0x00080100, b"SH", value)
        return bytes(writer.written)

    def sequence(first: bytes, second: bytes, third: bytes) -> bytes:
        writer = Writer(encoding)
        writer.begin(0x00081032, undefined_length=True)
        writer.written += marker(0xFFFEE000, len(first)) + first + marker(0xFFFEE00D, 0)
        writer.written += marker(0xFFFEE000, len(second)) + second
        writer.written += marker(0xFFFEE000, UNDEFINED) + third
        writer.end()
        writer.element(0x00100020, b"LO", b"12")
        return bytes(writer.finished())

    edited = done(sequence(code(b"11"), code(b"22"), code(b"33")), encoding, of({
        "ProcedureCodeSequence[0].CodeValue": "longer", "ProcedureCodeSequence[1].CodeValue": "2",
        "ProcedureCodeSequence[2].CodingSchemeVersion": "V1", "PatientName": "A",
    }))  # fmt: skip
    version = Writer(encoding)
    version.element(0x00080103, b"SH", b"V1")
    expected = sequence(code(b"longer"), code(b"2 "), code(b"33") + version.written)
    name = Writer(encoding)
    name.element(0x00100010, b"PN", b"A ")
    size = len(code(b"12"))
    assert edited == expected[:-size] + name.written + expected[-size:]
    added = done(
        sequence(code(b"11"), code(b"22"), b""),
        encoding,
        of({"ProcedureCodeSequence[3].CodeValue": "4"}),
    )
    assert added.count(code(b"4 ")) == 1


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_whole_sequences(tree: Dataset, encoding: Encoding) -> None:
    """They are replaced by items, and deleted, whatever they contain."""
    data = encoded(tree, encoding)
    edited = decoded(done(data, encoding, of({
        "ReferencedSeriesSequence": [
            {"SeriesInstanceUID": "7.7", "ReferencedSOPSequence": {"ReferencedSOPInstanceUID": "8.8"}},
            {"SeriesInstanceUID": "7.8"},
        ],
    })), encoding)  # fmt: skip
    first, second = edited.ReferencedSeriesSequence
    assert (first.SeriesInstanceUID, second.SeriesInstanceUID) == ("7.7", "7.8")
    assert first.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "8.8"
    del tree.ReferencedSeriesSequence
    wanted = of({"ReferencedSeriesSequence": DELETE, "**.SeriesInstanceUID": "1"})
    assert done(data, encoding, wanted) == encoded(tree, encoding)
    tree.ReferencedSeriesSequence = Items([])
    emptied = decoded(done(data, encoding, of({"ReferencedSeriesSequence": []})), encoding)
    assert len(emptied.ReferencedSeriesSequence) == 0


@pytest.mark.parametrize("encoding", [EXPLICIT, BIG_ENDIAN])
def test_private_elements(tree: Dataset, encoding: Encoding) -> None:
    """By group and creator, in any block; a missing creator is added."""
    tree.private_block(0x0021, CREATOR, create=True).add_new(0x08, "LO", "elsewhere")
    data = encoded(tree, encoding)
    edited = decoded(done(data, encoding, of({
        f'(0019,"{CREATOR}",08)': "changed",
        '(0019,"OTHER",08)': DELETE,
        f'(0019,"{CREATOR}",09)[0].CodeValue': "nested",
        f'(0019,"{CREATOR}",0A):DS': "1.5",
        '(0019,"NEW",10):LO': "made",
        '(0021,"NEW",10):US': 7,
        'ReferencedSeriesSequence[0].(0019,"NEW",10):LO': "in an item",
    })), encoding)  # fmt: skip
    block = edited.private_block(0x0019, CREATOR)
    assert (block[0x08].value, block[0x0A].value) == ("changed", 1.5)
    assert block[0x09].value[0].CodeValue == "nested"
    assert 0x08 not in edited.private_block(0x0019, "OTHER")
    assert edited.private_block(0x0021, CREATOR)[0x08].value == "elsewhere"
    assert edited.private_block(0x0019, "NEW")[0x10].value == "made"
    assert edited.private_block(0x0021, "NEW")[0x10].value == 7
    item = edited.ReferencedSeriesSequence[0]
    assert item.private_block(0x0019, "NEW")[0x10].value == "in an item"
    assert list(edited.keys()) == sorted(edited.keys())


def test_a_new_creator_takes_a_block_that_nobody_uses() -> None:
    """Elements without a creator also occupy a block, and would become its own."""
    made = Dataset()
    made.add_new(0x00191008, "LO", "orphan")
    edited = decoded(
        done(encoded(made, EXPLICIT), EXPLICIT, of({'(0019,"NEW",10):LO': "x"})), EXPLICIT
    )
    assert [f"{tag:08X}" for tag in edited.keys()] == ["00190011", "00191008", "00191110"]  # noqa: SIM118


def test_private_sequence_in_implicit_vr_is_entered_where_it_is_named() -> None:
    """Nothing in the file shows that it is a sequence: the edit does."""
    tree = nested(undefined=False)
    edited = done(
        encoded(tree, IMPLICIT), IMPLICIT, of({f'(0019,"{CREATOR}",09)[0].CodeValue': "nested"})
    )
    tree.private_block(0x0019, CREATOR)[0x09].value[0].CodeValue = "nested"
    assert edited == encoded(tree, IMPLICIT)


def test_private_element_without_a_known_vr_is_an_error() -> None:
    """The error says how to give the VR."""
    with pytest.raises(CannotEdit, match=r"unknown VR; append it, as in .*:LO"):
        done(encoded(nested(undefined=False), EXPLICIT), EXPLICIT, of({'(0021,"NEW",10)': "1"}))


VALUES: Final[dict[str, tuple[str, Any]]] = {
    "AE": ("RetrieveAETitle", "ARCHIVE"), "AS": ("PatientAge", "042Y"),
    "AT": ("FrameIncrementPointer", "00181063"), "CS": ("ImageType", "DERIVED\\SECONDARY"),
    "DA": ("StudyDate", "20240229"), "DS": ("PixelSpacing", [0.5, 1.25]),
    "DT": ("AcquisitionDateTime", "20240229121314.5+0100"), "FD": ("DiffusionBValue", 0.1),
    "FL": ("SelectorFLValue", 1.5), "IS": ("InstanceNumber", -7), "LO": ("StudyDescription", "Head"),
    "LT": ("PatientComments", "a\\b\r\nc"), "PN": ("PatientName", "A^B=C^D=E^F"),
    "SH": ("StudyID", "S1"), "SL": ("ReferencePixelX0", -3), "SS": ("SelectorSSValue", -3),
    "ST": ("InstitutionAddress", "a\\b"), "TM": ("StudyTime", "121314.5"),
    "UC": ("StrainDescription", "x" * 70000), "UI": ("StudyInstanceUID", "1.2.3.4"),
    "UL": ("SimpleFrameList", [1, 2**32 - 1]), "UR": ("RetrieveURL", "http://a/b"), "US": ("Rows", 512),
    "UT": ("SelectorUTValue", "y" * 70000), "UV": ("SelectorUVValue", 2**63),
    "SV": ("SelectorSVValue", -(2**62)),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("vr", VALUES)
def test_values_of_each_vr(vr: str, encoding: Encoding) -> None:
    """New and replaced values are encoded like pydicom's."""
    keyword, value = VALUES[vr]
    original = Dataset()
    original.SOPInstanceUID, original.PatientID = "1.2", "1"
    expected = copy.deepcopy(original)
    of_pydicom = value.split("\\") if vr == "CS" else int(value, 16) if vr == "AT" else value
    setattr(expected, keyword, of_pydicom)
    assert vr == expected[keyword].VR
    data = encoded(original, encoding)
    edited = done(data, encoding, plan(**{keyword: value}))
    assert edited == encoded(expected, encoding)
    assert done(edited, encoding, plan(**{keyword: DELETE})) == data
    emptied = done(edited, encoding, plan(**{keyword: None}))
    assert decoded(emptied, encoding)[keyword].is_empty
    assert done(emptied, encoding, plan(**{keyword: value})) == edited


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.1 + 0.2, "0.3"), (1e-300 / 3, "3.333333333e-301"), (-1 / 3, "-0.3333333333333")],
)  # fmt: skip
def test_numbers_that_are_too_long_for_ds_are_rounded(number: float, text: str) -> None:
    """PS3.5 6.2: 16 characters."""
    original = encoded(nested(undefined=False), EXPLICIT)
    found = decoded(done(original, EXPLICIT, plan(TableHeight=number)), EXPLICIT)
    assert found.TableHeight.original_string == text


@pytest.mark.parametrize(
    ("keyword", "value", "said"),
    [
        ("StudyDate", "2020-01-01", "VR DA allows a date such as 20240131"),
        ("StudyDate", "20200231", "VR DA"),
        ("StudyTime", "25", "VR TM"),
        ("PixelSpacing", "0.5\\x", "VR DS allows a number"),
        ("InstanceNumber", "1.5", "VR IS allows a whole number"),
        ("StudyInstanceUID", "1.2.a", "VR UI allows numbers with periods"),
        ("StudyInstanceUID", "1.02", "VR UI"),
        ("StudyInstanceUID", "1" * 65, "it has 65 characters; VR UI allows 64"),
        ("Modality", "ct", "VR CS allows capital letters"),
        ("StudyID", "x" * 17, "VR SH allows 16"),
        ("PatientAge", "42", "VR AS allows an age"),
        ("Rows", "70000", "not a value of VR US"),
        ("Rows", "x", "Rows cannot be 'x'"),
        ("Rows", True, "neither a text nor a number"),
        ("RetrieveAETitle", "Ä", "a value of VR AE is ASCII"),
        ("PixelData", "x", "a value of VR OB has no text"),
        ("SOPInstanceUID", "", "an object needs its SOPInstanceUID"),
        ("SOPInstanceUID", DELETE, "an object needs its SOPInstanceUID"),
        ("PatientName", [{"PatientID": "1"}, "x"], "an item is a mapping"),
    ],
)  # fmt: skip
def test_impossible_values_are_refused(keyword: str, value: object, said: str) -> None:
    """The error has what the VR allows."""
    with pytest.raises(CannotEdit, match=said):
        done(encoded(nested(undefined=False), EXPLICIT), EXPLICIT, plan(**{keyword: value}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PatientNam", "character 1: there is no DICOM element named 'PatientNam'; did you mean PatientName"),
        ("ReferencedSeriesSequence[0]", "an item is not an element"),
        ("PatientName[0].PatientID", "PatientName is not a sequence"),
        ("ReferencedSeriesSequence[0].", "character 29: expected a keyword, a tag"),
        ("ReferencedSeriesSequence[x].PatientID", "'\\[x\\].PatientID' cannot follow"),
        ('(0010,"A",08)', "group 0010 is not private"),
        ("UI", r"write \*\*.UI for UI at any depth"),
        ("**.A.B", "there is no DICOM element named 'A'"),
        ("**.ReferencedSeriesSequence.PatientID", "a path with .. has only one step"),
        ('(0019,"A",08):XX', "unknown VR XX"),
        ("", "expected a keyword"),
    ],
)  # fmt: skip
def test_targets_that_are_none_are_refused(text: str, said: str) -> None:
    """The error has the position."""
    with pytest.raises(BadTarget, match=said):
        Target.of(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0010,0010", "PatientName"), ("(0010,0010)", "PatientName"), ("0x0010,0x0010", "PatientName"),
        (" ReferencedSeriesSequence[*].0020,000E ", "ReferencedSeriesSequence[*].SeriesInstanceUID"),
        ("ReferencedSeriesSequence.SeriesInstanceUID",) * 2, ("**.UI",) * 2, ("**.*",) * 2,
        ('(0019, "A B", xx1f):DS', '(0019,"A B",1F):DS'), ("0019,1008", "(0019,1008)"),
    ],
)  # fmt: skip
def test_targets_are_written_in_one_way(text: str, written: str) -> None:
    """Whatever form was parsed."""
    assert str(Target.of(text)) == written
    assert Target.of(written) == Target.of(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_group_lengths_are_mended(encoding: Encoding) -> None:
    """PS3.5 7.2: only those of groups that grow or shrink, also in items."""
    order = "<" if encoding.little_endian else ">"
    writer = Writer(encoding)
    writer.element(0x00080000, b"UL", struct.pack(order + "I", 100))
    writer.begin(0x00081032)
    writer.begin(0xFFFEE000)
    writer.element(0x00080000, b"UL", struct.pack(order + "I", 12))
    writer.element(0x00080100, b"SH", b"1234")
    writer.end()
    writer.end()
    writer.element(0x00100000, b"UL", struct.pack(order + "I", 10))
    writer.element(0x00100020, b"LO", b"12")
    writer.element(0x00200000, b"UL", struct.pack(order + "I", 10))
    writer.element(0x00200010, b"SH", b"34")
    edited = done(bytes(writer.finished()), encoding, of({
        "PatientID": "1234", "ProcedureCodeSequence[0].CodeValue": "12345678", "StudyID": "56",
    }))  # fmt: skip
    lengths = {
        (each.depth, each.tag): struct.unpack(order + "I", edited[each.start : each.end])[0]
        for each in Reader(edited).walk(0, encoding, len(edited), into_sequences=True)
        if each.tag & 0xFFFF == 0 and each.tag >> 16 != ITEM_GROUP
    }
    assert lengths == {
        (0, 0x00080000): 104,
        (2, 0x00080000): 16,
        (0, 0x00100000): 12,
        (0, 0x00200000): 10,
    }


def test_group_lengths_can_be_deleted() -> None:
    """They are retired; a deleted one is not updated."""
    writer = Writer(EXPLICIT)
    writer.element(0x00080000, b"UL", struct.pack("<I", 12))
    writer.element(0x00081030, b"LO", b"Head")
    edited = done(
        bytes(writer.finished()), EXPLICIT, of({"0008,0000": DELETE, "StudyDescription": "Knee L"})
    )
    assert edited == b"\x08\0\x30\x10LO\x06\0Knee L"


def test_un_is_looked_into_where_the_dictionary_knows_it() -> None:
    """PS3.5 6.2.2: its value is implicit VR little endian, even in a big endian data set."""
    item = b"\x08\0\x55\x11" + struct.pack("<I", 8) + b"1.2.3.4\0"
    items = b"\xfe\xff\0\xe0" + struct.pack("<I", len(item)) + item
    head = b"\x08\0\x40\x11UN\0\0" + struct.pack("<I", len(items))
    edited = done(head + items, EXPLICIT, of({"**.UI": "9.9"}))
    assert b"9.9\0" in edited
    assert b"1.2.3.4" not in edited
    assert len(edited) == len(head + items) - 4
    assert decoded(edited, EXPLICIT).ReferencedImageSequence[0].ReferencedSOPInstanceUID == "9.9"
    head = b"\0\x08\x11\x40UN\0\0" + struct.pack(">I", len(items))
    again = done(
        head + items, BIG_ENDIAN, of({"ReferencedImageSequence.ReferencedSOPInstanceUID": "9.9"})
    )
    assert again == head[:-4] + struct.pack(">I", len(items) - 4) + edited[len(head) :]


def test_un_becomes_the_vr_of_the_dictionary_where_it_is_set() -> None:
    """Only then does it contain text."""
    data = b"\x10\0\x20\0UN\0\0" + struct.pack("<I", 2) + b"12"
    assert done(data, EXPLICIT, plan(PatientID="123")) == b"\x10\0\x20\0LO\x04\x00123 "


SETS: Final = {
    "ISO_IR 100": "Müller^Jörg", "ISO_IR 144": "ЖЩЮЯ", "ISO_IR 192": "Müller^山田=山田^太郎",
    "GB18030": "王^小东", "ISO_IR 126": "Διονυσιος", "ISO_IR 13": "ﾔﾏﾀﾞ^ﾀﾛｳ",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "\\ISO 2022 IR 149": "Hong^Gildong=洪^吉洞=홍^길동",
    "ISO 2022 IR 100\\ISO 2022 IR 144": "Müller=ЖЩЮЯ",
}  # fmt: skip


@pytest.mark.parametrize("named", SETS)
def test_texts_are_encoded_in_the_character_set_of_the_data_set(named: str) -> None:
    """In an item with its own character set, that one is used."""
    made = Dataset()
    made.SpecificCharacterSet = named.split("\\")
    made.PatientID = "1"
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 192"
    item.CodeValue = "1"
    made.ProcedureCodeSequence = Items([item])
    text = SETS[named]
    edited = decoded(done(encoded(made, EXPLICIT), EXPLICIT, of({
        "PatientName": text, "ProcedureCodeSequence[0].CodeMeaning": "Größe 山",
    })), EXPLICIT)  # fmt: skip
    edited.decode()
    assert str(edited.PatientName) == text
    assert edited.ProcedureCodeSequence[0].CodeMeaning == "Größe 山"


def test_text_that_the_character_set_lacks_is_an_error() -> None:
    """The error names the set: other texts are not silently re-encoded."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 100"
    made.PatientID = "1"
    with pytest.raises(
        CannotEdit, match=r"PatientName cannot be '山田': .*cannot represent it: ISO_IR 100"
    ):
        done(encoded(made, EXPLICIT), EXPLICIT, plan(PatientName="山田"))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("named", [None, "ISO_IR 6"])
def test_an_ascii_data_set_becomes_utf_8_where_it_must(
    named: str | None, encoding: Encoding
) -> None:
    """No other byte changes, and there is a note."""
    made = nested(undefined=False)
    if named:
        made.SpecificCharacterSet = named
    data = encoded(made, encoding)
    result = edit(MemorySource(data), 0, len(data), encoding, plan(PatientName="山田"))
    assert result.remarks == ("its character set is now ISO_IR 192 (UTF-8)",)
    made.SpecificCharacterSet = "ISO_IR 192"
    made.PatientName = "山田"
    assert spliced_bytes(data, result.splices) == encoded(made, encoding)


def test_a_data_set_that_names_no_set_and_is_not_ascii_stays_as_it_is() -> None:
    """Its other texts would have another meaning in UTF-8."""
    data = b"\x08\0\x30\x10LO\x04\0M\xfcl " + b"\x10\0\x20\0LO\x02\x001 "
    with pytest.raises(CannotEdit, match="ASCII, since it names none"):
        done(data, EXPLICIT, plan(PatientName="山田"))


def test_the_character_set_can_be_set_with_the_texts() -> None:
    """Also if there was none: the new texts are encoded in the new set."""
    made = Dataset()
    made.PatientName, made.StudyDescription = "A", "B"
    edited = done(encoded(made, EXPLICIT), EXPLICIT, plan(
        PatientName="Müller", SpecificCharacterSet="ISO_IR 100", StudyDescription="Größe"
    ))  # fmt: skip
    made.SpecificCharacterSet, made.PatientName = "ISO_IR 100", "Müller"
    made.StudyDescription = "Größe"
    assert edited == encoded(made, EXPLICIT)


def test_elements_out_of_order_are_replaced_where_they_are() -> None:
    """They are not added a second time in the right place."""
    made = Dataset()
    made.PatientID = "1"
    data = encoded(made, EXPLICIT)
    made = Dataset()
    made.StudyDate = "20200101"
    behind = encoded(made, EXPLICIT)
    edited = done(data + behind, EXPLICIT, plan(StudyDate="20210101", PatientName="A"))
    assert edited.count(b"\x08\0\x20\0DA") == 1
    assert b"20210101" in edited
    assert edited.count(b"PN") == 1


@pytest.mark.parametrize("keep", [3, 10, 17, 30])
def test_data_sets_that_are_cut_off_are_refused(keep: int) -> None:
    """An incomplete data set is not edited unnoticed."""
    data = encoded(nested(undefined=False), EXPLICIT)
    with pytest.raises(CannotEdit, match=r"ends within|beyond the end"):
        done(data[: len(data) - keep], EXPLICIT, of({"**.UI": lambda _: KEEP, "PatientID": "7"}))


class Drawn:
    """A random data set, and edits of it that pydicom can do as well."""

    KEYWORDS: Final = (
        "StudyDate",
        "PatientID",
        "PatientName",
        "StudyDescription",
        "InstanceNumber",
        "Rows",
    )
    SEQUENCES: Final = (
        "ReferencedStudySequence",
        "ReferencedSeriesSequence",
        "ProcedureCodeSequence",
    )

    @staticmethod
    def value(draw: Callable[..., Any], keyword: str) -> object:
        """Draw a value."""
        if keyword == "StudyDate":
            return draw(st.sampled_from(["", "20200101", "19991231"]))
        if keyword in ("Rows", "InstanceNumber"):
            return draw(st.integers(0, 65535))
        return draw(st.text("ABC^ xyz", max_size=9)).strip()

    @classmethod
    def data_set(cls, draw: Callable[..., Any], depth: int = 0) -> Dataset:
        """Draw a data set."""
        made = Dataset()
        for keyword in draw(st.lists(st.sampled_from(cls.KEYWORDS), unique=True)):
            setattr(made, keyword, cls.value(draw, keyword))
        if depth < 3:
            for keyword in draw(st.lists(st.sampled_from(cls.SEQUENCES), unique=True, max_size=2)):
                items = [cls.data_set(draw, depth + 1) for _ in range(draw(st.integers(0, 2)))]
                setattr(made, keyword, Items(items))
                made[keyword].is_undefined_length = draw(st.booleans())
                for item in items:
                    item.is_undefined_length_sequence_item = draw(st.booleans())
        return made


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(ENCODINGS))
def test_random_edits_are_those_of_pydicom(data: st.DataObject, encoding: Encoding) -> None:
    """Byte for byte: pydicom writes the result in its own way, with the same lengths."""
    draw = data.draw
    made = Drawn.data_set(draw)
    before = encoded(made, encoding)
    changes: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 4))):
        path, at = "", made
        while draw(st.booleans()):
            there = [name for name in Drawn.SEQUENCES if name in at and len(at[name].value)]
            if not there:
                break
            name = draw(st.sampled_from(there))
            number = draw(st.integers(0, len(at[name].value) - 1))
            path, at = f"{path}{name}[{number}].", at[name].value[number]
        keyword = draw(st.sampled_from(Drawn.KEYWORDS))
        if draw(st.booleans()):
            value = Drawn.value(draw, keyword)
            setattr(at, keyword, value)
            changes[path + keyword] = value
        else:
            if keyword in at:
                delattr(at, keyword)
            changes[path + keyword] = DELETE
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert done(before, encoding, of(changes)) == encoded(made, encoding)
