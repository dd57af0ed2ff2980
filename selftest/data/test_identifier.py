"""Identifiers: pydicom and this package read each other's, and a round trip loses nothing."""

import io
import warnings

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dcm.data.dictionary import UnknownElement, keyword_of
from dcm.data.header import scan_bytes
from dcm.data.identifier import BadIdentifier, read_identifier, write_identifier
from dcm.data.match import Value
from harness.corpus import corpus

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
SAMPLES = ["w01", "w04", "w05", "w06", "c01", "c10", "c11", "c12", "c14", "c15", "c16-gbk", "c18",
           "h03-ko", "h03-sr", "t06-nested-10"]  # fmt: skip


def plain(ds: Dataset) -> dict[str, Value]:
    """Convert a pydicom data set to plain values."""
    return {keyword_of(int(element.tag)): text(element) for element in ds}


def text(element: pydicom.DataElement) -> Value:
    """Return the value of an element in our form."""
    if element.VR == "SQ":
        return [plain(item) for item in element.value]
    values = element.value if element.VM > 1 else [element.value]
    return "\\".join("" if value is None else str(value) for value in values)


@pytest.mark.parametrize("id_", SAMPLES)
def test_read_as_pydicom_reads(id_: str) -> None:
    """All elements of data sets of all character sets, with nested sequences."""
    data = corpus[id_].data[scan_bytes(corpus[id_].data).data_set_offset :]
    if b"\xe0\x7f\x10\x00OB" in data:
        data = data[: data.index(b"\xe0\x7f\x10\x00OB")]
    ours = read_identifier(data, ExplicitVRLittleEndian)
    theirs = plain(read_dataset(io.BytesIO(data), is_implicit_VR=False, is_little_endian=True))
    name = ours["PatientName"]
    if id_ != "c10":  # pydicom 3.0 does not know ISO_IR 203
        assert isinstance(name, str)
        assert ours | {"PatientName": name.rstrip("=")} == theirs
    else:
        assert ours.keys() == theirs.keys()


ITEM = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
NESTED = {
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientName": "Müller^Ännchen",
    "PatientID": "odd",
    "StudyInstanceUID": "1.2.3",
    "Rows": "512\\1",
    "FrameIncrementPointer": "00181063",
    "00091010": "",
    "ScheduledProcedureStepSequence": [
        {"Modality": "CT", "ScheduledProtocolCodeSequence": [{"CodeMeaning": "Kopf für Größe"}, {}]}
    ],
    "ReferencedStudySequence": [],
}


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.keyword)
def test_written_as_pydicom_reads(syntax: UID) -> None:
    """Another reader finds the same values, in ascending order; and so do we."""
    data = write_identifier(NESTED, syntax)

    ds = read_dataset(io.BytesIO(data), syntax.is_implicit_VR, syntax.is_little_endian)

    tags = [int(tag) for tag in ds.keys()]  # noqa: SIM118
    assert tags == sorted(tags)
    assert len(tags) == len(NESTED)
    assert ds.PatientName == "Müller^Ännchen"
    assert ds.Rows == [512, 1]
    assert ds.ScheduledProcedureStepSequence[0].ScheduledProtocolCodeSequence[0].CodeMeaning == (
        "Kopf für Größe"
    )
    assert read_identifier(data, syntax) == NESTED


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.keyword)
def test_both_kinds_of_length(syntax: UID, undefined: bool) -> None:
    """Sequences and items of defined and of undefined length are equivalent (PS3.5 7.5.2)."""
    inner, outer, ds = Dataset(), Dataset(), Dataset()
    inner.CodeValue = "A"
    outer.Modality = "CT"
    outer.ScheduledProtocolCodeSequence = Sequence([inner, inner])
    ds.ScheduledProcedureStepSequence = Sequence([outer])
    ds.PatientName = "Muller"
    for each in (outer["ScheduledProtocolCodeSequence"], ds["ScheduledProcedureStepSequence"]):
        each.is_undefined_length = undefined
        for item in each.value:
            item.is_undefined_length_sequence_item = undefined
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer, ds, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian
    )

    assert read_identifier(buffer.getvalue(), syntax) == plain(ds)


def test_unknown_text_becomes_utf_8() -> None:
    """A query with non-ASCII text names its character set."""
    for query in ({"PatientName": "山田"}, {"RequestAttributesSequence": [{"CodeMeaning": "ü"}]}):
        data = write_identifier(query, ImplicitVRLittleEndian)
        assert read_identifier(data, ImplicitVRLittleEndian) == {
            "SpecificCharacterSet": "ISO_IR 192", **query
        }  # fmt: skip
    ascii_only = write_identifier({"PatientName": "A"}, ImplicitVRLittleEndian)
    assert read_identifier(ascii_only, ImplicitVRLittleEndian) == {"PatientName": "A"}


def test_code_extensions_both_ways() -> None:
    """A name in kanji is written with its escape sequences."""
    query = {"SpecificCharacterSet": "\\ISO 2022 IR 87", "PatientName": "Yamada^Tarou=山田^太郎"}
    data = write_identifier(query, ExplicitVRLittleEndian)
    assert b"\x1b$B" in data
    assert read_identifier(data, ExplicitVRLittleEndian) == query


def test_character_sets_one_after_the_other() -> None:
    """Each data set is decoded with its own set, also on the fast path."""
    queries = [
        {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller", "PatientID": "1"},
        {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "山田", "PatientID": "2"},
        {
            "SpecificCharacterSet": "\\ISO 2022 IR 87",
            "PatientName": "Yamada=山田",
            "PatientID": "3",
        },
        {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Люксембург", "PatientID": "4"},
    ]
    for query in [*queries, *queries]:
        data = write_identifier(query, ExplicitVRLittleEndian)
        assert read_identifier(data, ExplicitVRLittleEndian) == query


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"Rows": "many"}, "Rows cannot be 'many'"),
        ({"Rows": "70000"}, "Rows cannot be '70000'"),
        ({"StudyDate": "gestern früh"}, "StudyDate cannot be 'gestern früh'"),
        ({"SpecificCharacterSet": "ISO_IR 100", "PatientName": "山"}, "PatientName cannot be '山'"),
        ({"SpecificCharacterSet": "ISO_IR 6", "PatientName": "ü"}, "PatientName cannot be 'ü'"),
        (
            {"SpecificCharacterSet": "\\ISO 2022 IR 100", "PatientName": "山"},
            "PatientName cannot be '山'",
        ),
        ({"SpecificCharacterSet": "ISO 2022 IR 999", "PatientName": "ü"}, "'ISO 2022 IR 999'"),
        ({"SpecificCharacterSet": "\\hex", "PatientName": "ü"}, "unknown character set 'HEX'"),
        ({"PixelData": "AAAA"}, "PixelData cannot be 'AAAA'"),
        ({"StudyInstanceUID": "1.2\\" * 20_000}, "StudyInstanceUID is 80000 bytes long"),
    ],
)
def test_what_cannot_be_written(query: dict[str, str], message: str) -> None:
    """The error names the element and its value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the default outside of tests
        with pytest.raises(BadIdentifier, match=message):
            write_identifier(query, ExplicitVRLittleEndian)


def test_what_is_not_known() -> None:
    """Unknown keywords and compressed transfer syntaxes are refused."""
    with pytest.raises(UnknownElement, match="'Pacientname'; did you mean PatientName"):
        write_identifier({"Pacientname": "A"}, ExplicitVRLittleEndian)
    with pytest.raises(BadIdentifier, match=r"1\.2\.840\.10008\.1\.2\.4\.50 are not supported"):
        write_identifier({}, "1.2.840.10008.1.2.4.50")


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.keyword)
def test_cut_and_changed_anywhere(syntax: UID) -> None:
    """Broken bytes give values or BadIdentifier, whatever they are."""
    data = write_identifier(NESTED, syntax)
    refused = 0
    for place in range(len(data)):
        try:
            assert read_identifier(data[:place], syntax).items() <= NESTED.items()
        except BadIdentifier:
            refused += 1
        for broken in (data[:place] + b"\xff" + data[place + 1 :], data[place:]):
            try:
                read_identifier(broken, syntax)
            except BadIdentifier:
                refused += 1
    assert refused > len(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x08\0\0\0UL\x04\0\x10\0\0\0" + b"\x10\0\x20\0LO\x02\0A ", {"PatientID": "A"}),
        (b"\x08\0\0\0LO\x02\0A " + b"\x10\0\x20\0LO\x02\0A ", {"PatientID": "A"}),
        (b"\x08\0\0\x01UN\0\0\0\0\0\x7fA ", "claims 2130706432 bytes"),
        (b"\x10\0\x20\0UN\0\0\x02\0\0\0A ", {"PatientID": "A"}),
        (
            b"\x09\0\x10\x10UN\0\0\xff\xff\xff\xff" + ITEM + b"\x08\0\x50\x11\x04\0\0\x001.2\0"
            b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0",
            {"00091010": [{"ReferencedSOPClassUID": "1.2"}]},
        ),
        (b"\x08\0\x10\x11SQ\0\0\x08\0\0\0" + b"\x10\0\x20\0LO\0\0", "where an item is due"),
        (
            b"\x08\0\x10\x11SQ\0\0\x14\0\0\0" + b"\xfe\xff\0\xe0\x0c\0\0\0"
            b"\x08\0\x11\x11SQ\0\0\x08\0\0\0" + b"\xfe\xff\0\xe0\0\0\0\0",
            "an element extends beyond the end of its container",
        ),
    ],
    ids=[
        "group-length",
        "odd-group-length",
        "value-of-gigabytes",
        "unknown-vr",
        "unknown-sequence",
        "no-item",
        "beyond-the-item",
    ],
)
def test_what_writers_do(data: bytes, expected: dict[str, Value] | str) -> None:
    """Odd input is read, wrong input is named in the error."""
    if isinstance(expected, str):
        with pytest.raises(BadIdentifier, match=expected):
            read_identifier(data, ExplicitVRLittleEndian)
    else:
        assert read_identifier(data, ExplicitVRLittleEndian) == expected


def test_depth_has_a_limit() -> None:
    """A thousand nested sequences are refused."""
    deep = b"\x08\0\x10\x11\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 1000
    with pytest.raises(BadIdentifier, match="more than 64 deep"):
        read_identifier(deep, ImplicitVRLittleEndian)


texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\\\0\x1b", exclude_categories=["Cc"])
)
values = texts.map(str.rstrip)


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.dictionaries(
        st.sampled_from(["PatientName", "PatientID", "StudyDescription", "0009100a"]), values
    ),
    st.sampled_from(SYNTAXES),
)
def test_nothing_is_lost(query: dict[str, str], syntax: UID) -> None:
    """What is written is read back."""
    query = {key: value for key, value in query.items() if key != "0009100a" or not value}
    query["SpecificCharacterSet"] = "ISO_IR 192"
    data = write_identifier(query, syntax)
    assert len(data) % 2 == 0
    expected = {key.upper() if key.startswith("0") else key: value for key, value in query.items()}
    assert read_identifier(data, syntax) == expected
