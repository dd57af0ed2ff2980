"""The content of files as entries, compared with pydicom's reading of all samples."""

import io
import tracemalloc
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset
from pydicom.multival import MultiValue
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from dcm.data.content import Content, Entry, data_set, opened
from dcm.data.header import NotDicom, scan_bytes
from harness.corpus import corpus, make
from harness.corpus.part10 import part10

BROKEN = {"x00-text", "x04-cut-in-header", "x04-cut-in-value", "x05"}
READABLE = [id_ for id_ in corpus if id_ not in BROKEN and not id_.startswith("h08")]
END = b"\xfe\xff\xdd\xe0\0\0\0\0"
SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def read(data: bytes) -> FileDataset:
    """Read with pydicom, whatever is missing at the beginning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(io.BytesIO(data), force=True)


def plain(text: str) -> str:
    """Undo what pydicom 3.0 does to names and to ISO-IR 58."""
    return text.replace("\x1b$)A", "").rstrip("= ")


def require_same(content: Content, entries: Iterable[Entry], expected: Dataset) -> int:
    """Compare elements with those of pydicom, and return the number of compared values."""
    found = {entry.tag: entry for entry in entries}
    assert found.keys() == {int(tag) for tag in expected.keys()}  # noqa: SIM118 - no elements
    compared = 0
    for tag, entry in found.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            element = expected[tag]
        if entry.items is not None:
            assert len(entry.items) == len(element.value)
            for item, other in zip(entry.items, element.value, strict=True):
                compared += require_same(content, item, other)
        elif entry.fragments is not None:
            assert content.encoded(entry) == element.value.removesuffix(END)
        elif entry.is_binary:
            assert content.value(entry) == (element.value or b"")
        elif element.VR in ("DS", "IS", "FL", "FD"):
            several = (
                element.value if isinstance(element.value, MultiValue | list) else [element.value]
            )
            numbers = [float(each) for each in several if each is not None]
            assert [float(each) for each in content.text(entry).split("\\") if each] == numbers
        elif element.VR == "AT":
            several = element.value if isinstance(element.value, MultiValue) else [element.value]
            tags = [f"{int(each):08X}" for each in several if each is not None]
            assert content.text(entry) == "\\".join(tags)
        else:
            several = (
                element.value if isinstance(element.value, MultiValue | list) else [element.value]
            )
            text = "\\".join("" if each is None else str(each) for each in several)
            assert plain(content.text(entry)) == plain(text), entry.keyword
        compared += 1
    return compared


@pytest.mark.parametrize("id_", READABLE)
def test_all_values_are_those_of_pydicom(id_: str) -> None:
    """For each element in each sample, at any depth."""
    data = corpus[id_].data
    content, expected = Content.of_bytes(data), read(data)
    assert require_same(content, content.entries(), expected) > 5
    if expected.file_meta:
        tags = {int(element.tag) for element in expected.file_meta}
        assert {each.tag for each in content.meta()} == tags


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("id_", ["h03-sr", "t06-nested-40", "t03", "m07"])
def test_values_are_the_same_in_every_encoding(id_: str, syntax: str, tmp_path: Path) -> None:
    """Implicit VR, big endian and deflated, written by pydicom and read from a file."""
    expected = read(corpus[id_].data)
    if "PixelData" in expected:
        del expected.PixelData
    uids = {"sop_class": expected.SOPClassUID, "sop_instance": expected.SOPInstanceUID}
    (tmp_path / "made.dcm").write_bytes(part10(expected, syntax, **uids))
    with opened(tmp_path / "made.dcm") as content:
        assert content.transfer_syntax_uid == syntax
        assert require_same(content, content.entries(), read((tmp_path / "made.dcm").read_bytes()))


def test_data_set_without_file_meta_information() -> None:
    """As received from a network."""
    sample = corpus["h03-sr"]
    header = scan_bytes(sample.data)
    content = data_set(sample.data[header.data_set_offset :], header.transfer_syntax_uid)
    assert [*content.meta()] == []
    assert require_same(content, content.entries(), sample.dataset())


@pytest.mark.parametrize(
    ("id_", "words"),
    [
        ("x04-cut-in-header", "within an element's header"),
        ("x04-cut-in-value", r"in the middle of the value of PixelData \(7FE0,0010\)"),
    ],
)
def test_cut_file_gives_what_is_left_and_then_an_error(id_: str, words: str) -> None:
    """Everything readable is returned."""
    content = Content.of_bytes(corpus[id_].data, "cut.dcm")
    found: list[Entry] = []
    with pytest.raises(NotDicom, match=rf"^cut\.dcm: .*{words}"):
        found.extend(content.entries())
    assert "PatientName" in {entry.keyword for entry in found}
    assert len(found) > 20


def test_element_that_cannot_be_read_to_its_end_is_given_as_far_as_it_can() -> None:
    """A sequence whose second item is truncated has its first one."""
    made = make.instance(number=1).dataset()
    made.ReferencedImageSequence = [Dataset(), Dataset()]
    for item in made.ReferencedImageSequence:
        item.ReferencedSOPInstanceUID = "1.2.3"
    written = io.BytesIO()
    made.save_as(written)
    data = written.getvalue()
    at = data.rindex(b"1.2.3\0")
    content = Content.of_bytes(data[: at - 4])
    found: list[Entry] = []
    with pytest.raises(NotDicom):
        found.extend(content.entries())
    assert found[-1].keyword == "ReferencedImageSequence"
    assert found[-1].items is not None
    assert [len(item) for item in found[-1].items] == [1, 0]


def test_private_elements_in_implicit_vr_have_the_vr_of_their_creator() -> None:
    """If pydicom knows the creator; else their VR is unknown."""
    made = make.instance(number=1, transfer_syntax=ImplicitVRLittleEndian).dataset()
    made.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
    made.add_new(0x0019100C, "IS", "1000")
    made.add_new(0x00190011, "LO", "NOBODY")
    made.add_new(0x0019110C, "IS", "1000")
    written = io.BytesIO()
    made.save_as(written)
    content = Content.of_bytes(written.getvalue())
    vrs = {entry.tag: entry.vr for entry in content.entries() if entry.is_private}
    assert vrs == {0x00190010: "LO", 0x00190011: "LO", 0x0019100C: "IS", 0x0019110C: "UN"}


def test_sequence_of_unknown_vr_in_big_endian_is_in_little_endian() -> None:
    """Its content is implicit VR little endian (PS3.5 6.2.2 note 4); what follows is not."""
    rows = b"\x28\0\x10\0\2\0\0\0\5\0"
    item = b"\xfe\xff\0\xe0" + len(rows).to_bytes(4, "little") + rows
    data = b"\x00\x09\x10\x01UN\0\0\xff\xff\xff\xff" + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    content = data_set(data + b"\x00\x28\x00\x10US\0\2\0\7", ExplicitVRBigEndian)
    sequence, rows_of_image = content.entries()
    assert sequence.items is not None
    assert [content.text(entry) for entry in sequence.items[0]] == ["5"]
    assert content.text(rows_of_image) == "7"


def test_length_beyond_the_end_takes_no_memory(tmp_path: Path) -> None:
    """A text that claims 4 GB has the existing bytes."""
    path = tmp_path / "long.dcm"
    path.write_bytes(make.instance(number=1).data + b"\xfc\xff\xfc\xffUT\0\0\xf0\xff\xff\xfftext")
    tracemalloc.start()
    with opened(path) as content:
        found: list[Entry] = []
        with pytest.raises(NotDicom, match="middle of the value"):
            found.extend(content.entries())
        assert content.text(found[-1]) == "text"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
