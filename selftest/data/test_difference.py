"""`dcm.data.difference`: differences between data sets, checked with edits made by pydicom."""

import contextlib
import json
import math
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dcm.data.chosen import Choice
from dcm.data.content import Content, Entry, data_set
from dcm.data.dictionary import UnknownElement
from dcm.data.difference import Difference, Ignored, Kind, Seen, differences
from dcm.data.difference import DifferenceRules as Rules
from dcm.data.dump import lines
from dcm.data.dump_json import json_text
from dcm.data.encoding import EXPLICIT, NATIVE
from dcm.data.header import NotDicom
from dcm.data.pairing import Held, paired
from dcm.data.recode import recode
from harness.corpus import corpus, make
from harness.corpus.part10 import file_of, part10

READABLE = [id_ for id_ in corpus if not id_.startswith(("x", "h08", "w"))]
UNTOUCHED = (0x7FE00010, 0x00080005)
TEXT_VRS = ("LO", "SH", "PN", "CS", "UI", "DA", "TM")


def image(**elements: Any) -> Dataset:
    """An image with two series in a sequence, one of which has two references."""
    made = make.instance(number=1, **elements).dataset()
    made.ReferencedSeriesSequence = [Dataset(), Dataset()]
    for number, series in enumerate(made.ReferencedSeriesSequence):
        series.SeriesInstanceUID = f"1.2.{number}"
    first = made.ReferencedSeriesSequence[0]
    first.ReferencedSOPSequence = [Dataset(), Dataset()]
    for number, reference in enumerate(first.ReferencedSOPSequence):
        reference.ReferencedSOPInstanceUID = f"1.2.0.{number}"
    return made


def content(ds: Dataset, syntax: str = "") -> Content:
    """The content of a data set that pydicom writes."""
    if not syntax:
        return Content.of_bytes(file_of(ds))
    uids = {"sop_class": ds.SOPClassUID, "sop_instance": ds.SOPInstanceUID}
    return Content.of_bytes(part10(ds, syntax, **uids))


def found(change: Callable[[Dataset], Any], **rules: Any) -> list[Difference]:
    """The differences between an image and the same one after a change."""
    changed = image()
    change(changed)
    return [*differences(content(image()), content(changed), Rules(**rules))]


def told(change: Callable[[Dataset], Any], **rules: Any) -> list[tuple[str, str]]:
    """Return path and kind of each difference."""
    return [(each.path, each.kind.value) for each in found(change, **rules)]


@pytest.mark.parametrize("id_", READABLE)
def test_an_object_does_not_differ_from_itself(id_: str) -> None:
    """Whatever it contains, with any options."""
    for rules in (Rules(), Rules(any_order=True, any_encoding=True, meta=True, tolerance=0.5)):
        sides = [Content.of_bytes(corpus[id_].data) for _ in range(2)]
        assert [*differences(sides[0], sides[1], rules)] == []


def _places(ds: Dataset, above: tuple[int, ...] = ()) -> list[tuple[Dataset, tuple[int, ...]]]:
    """Return all texts in a data set, each with its own data set."""
    places = []
    for element in ds:
        where = (*above, int(element.tag))
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                places += _places(item, (*where, number))
        elif element.VR in TEXT_VRS and element.tag != 0x00080005:
            places.append((ds, where))
    return places


@pytest.mark.parametrize("id_", READABLE)
def test_exactly_the_edited_elements_differ(id_: str) -> None:
    """Texts of each sample are edited by pydicom one by one, at any depth: at least thirty, if there are."""
    read = corpus[id_].dataset()
    count = len(_places(read))  # this decodes all values: pydicom then writes some differently
    original = Content.of_bytes(file_of(read))
    for place in range(0, count, max(1, count // 30)):
        changed = corpus[id_].dataset()
        ds, where = _places(changed)[place]
        vr = ds[where[-1]].VR
        ds[where[-1]].value = {"DA": "19991231", "TM": "235959", "UI": "2.25.1"}.get(vr, "EDITED")
        (difference,) = differences(original, Content.of_bytes(file_of(changed)))
        assert difference.where == where
        assert difference.kind is Kind.VALUE
        assert difference.right == Seen(vr, ds[where[-1]].value)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_removed_elements_are_only_left(data: st.DataObject) -> None:
    """Any element of any sample; with the sides exchanged, it is only on the right."""
    id_ = data.draw(st.sampled_from(["h03-sr", "t06-nested-10", "t03", "h01-ct-1-1", "m07"]))
    changed = corpus[id_].dataset()
    tags = [int(each.tag) for each in changed if each.tag not in UNTOUCHED]
    gone = data.draw(st.sets(st.sampled_from(tags), max_size=5))
    for tag in gone:
        del changed[tag]
    sides = Content.of_bytes(corpus[id_].data), Content.of_bytes(file_of(changed))
    expected = [((tag,), Kind.LEFT) for tag in sorted(gone)]
    assert [(each.where, each.kind) for each in differences(*sides)] == expected
    assert {each.kind for each in differences(*sides[::-1])} <= {Kind.RIGHT}


def test_path_leads_into_items() -> None:
    """A changed element is reported, not its sequence; an item that one side lacks counts once."""

    def change(ds: Dataset) -> None:
        first, second = ds.ReferencedSeriesSequence
        first.ReferencedSOPSequence[1].ReferencedSOPInstanceUID = "1.2.99"
        first.ReferencedSOPSequence.append(Dataset())
        del second.SeriesInstanceUID
        second.Modality = "CT"

    assert told(change) == [
        ("ReferencedSeriesSequence[0].ReferencedSOPSequence[1].ReferencedSOPInstanceUID", "value"),
        ("ReferencedSeriesSequence[0].ReferencedSOPSequence[2]", "only right"),
        ("ReferencedSeriesSequence[1].Modality", "only right"),
        ("ReferencedSeriesSequence[1].SeriesInstanceUID", "only left"),
    ]


def test_long_binary_value_is_told_by_length_digest_and_first_difference() -> None:
    """A short one is shown in full."""

    def change(ds: Dataset) -> None:
        pixels = bytearray(ds.PixelData)
        pixels[300] ^= 1
        ds.PixelData = bytes(pixels)

    original, (difference,) = image().PixelData, found(change)
    assert difference.left == Seen("OW", f"512 bytes, SHA-256 {sha256(original).hexdigest()}")
    assert difference.note == "first difference at byte 300"
    (difference,) = found(lambda ds: setattr(ds, "PixelData", ds.PixelData + b"\1\2"))
    assert difference.note == "first difference at byte 512"
    (difference,) = found(lambda ds: ds.add_new(0x00091001, "OB", b"\1\2"))
    assert (difference.path, difference.right) == ("0009,1001", Seen("OB", "2 bytes: 01 02"))


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["PatientName"], 3),
        (["0010,0010", "0x0009,0x1001"], 2),
        (["Patient*", "*UID"], 2),
        (["0010"], 3),
        (["0x0010"], 3),
        (["0009,xxxx"], 3),
        (["private"], 3),
        (["ReferencedSeriesSequence[*].SeriesInstanceUID"], 3),
        (["ReferencedSeriesSequence[0].SeriesInstanceUID"], 4),
        (["ReferencedSeriesSequence[1].SeriesInstanceUID", "private", "StudyID", "PatientName"], 0),
        (["ReferencedSeriesSequence", "0009", "0010", "0020"], 0),
        (["SeriesInstanceUID"], 3),
    ],
)
def test_what_is_ignored(patterns: list[str], left: int) -> None:
    """Keywords and tags at any depth, with wildcards; groups; private elements; paths."""

    def change(ds: Dataset) -> None:
        ds.PatientName, ds.StudyID = "Other", "9"
        ds.ReferencedSeriesSequence[1].SeriesInstanceUID = "1.2.9"
        ds.add_new(0x00091001, "LO", "private")

    assert len(told(change)) == 4
    assert len(told(change, ignore=tuple(map(Ignored.of, patterns)))) == left


def test_unknown_keyword_is_an_error() -> None:
    """A misspelt one would ignore nothing."""
    with pytest.raises(UnknownElement, match="PatientName"):
        Ignored.of("PatientNam")


@pytest.mark.parametrize(
    ("keyword", "vr", "one", "other", "distance"),
    [
        ("SliceThickness", "DS", "1.5", "1.51", 0.01),
        ("Rows", "US", 16, 18, 2),
        ("ImagePositionPatient", "DS", [1, 2, 3], [1, 2, 3.25], 0.25),
        ("RecommendedDisplayFrameRateInFloat", "FL", 1.0, 1.5, 0.5),
        ("FloatPixelData", "OF", b"\0\0\x80\x3f" * 8, b"\0\0\x90\x3f" * 8, 0.125),
    ],
)
def test_tolerance(keyword: str, vr: str, one: Any, other: Any, distance: float) -> None:
    """Numbers as text and in binary VRs, several values, and arrays of floats."""
    sides = []
    for value in (one, other):
        made = image()
        del made.PixelData
        made.add_new(keyword, vr, value)
        sides.append(content(made))
    for tolerance, same in ((distance * 1.01, True), (distance * 0.99, False), (None, False)):
        assert (not [*differences(*sides, Rules(tolerance=tolerance))]) is same


def test_tolerance_takes_no_other_number_of_values() -> None:
    """Nor a text in place of a number."""
    assert told(lambda ds: setattr(ds, "WindowCenter", [1, 2]), tolerance=math.inf)
    assert told(lambda ds: setattr(ds, "PatientID", "5"), tolerance=math.inf)


def test_any_order() -> None:
    """Items and values in another order are equal; the remaining ones are compared in pairs."""

    def change(ds: Dataset) -> None:
        ds.ReferencedSeriesSequence = [*ds.ReferencedSeriesSequence][::-1]
        ds.ReferencedSeriesSequence[1].ReferencedSOPSequence = [
            *ds.ReferencedSeriesSequence[1].ReferencedSOPSequence
        ][::-1]
        ds.ImageType = [*ds.ImageType][::-1]

    assert len(told(change)) == 5
    assert told(change, any_order=True) == []
    assert told(change, any_order=True, tolerance=0.1) == []

    def change_more(ds: Dataset) -> None:
        change(ds)
        ds.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.9"

    (difference,) = found(change_more, any_order=True)
    assert difference.path == "ReferencedSeriesSequence[1].SeriesInstanceUID"
    assert difference.right == Seen("UI", "1.2.9")


def test_items_in_any_order_within_a_tolerance() -> None:
    """An item equals another one if their numbers are close enough."""
    sides = []
    for weights in ((10, 20, 30), (30.1, 10.1, 20.1)):
        made = image()
        made.ReferencedSeriesSequence = [Dataset() for _ in weights]
        for item, weight in zip(made.ReferencedSeriesSequence, weights, strict=True):
            item.PatientWeight = weight
        sides.append(content(made))
    assert [*differences(*sides, Rules(any_order=True, tolerance=0.2))] == []
    assert len([*differences(*sides, Rules(any_order=True, tolerance=0.05))]) == 3


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("id_", ["h03-sr", "t06-nested-40", "p06", "h01-ct-1-1", "c13"])
def test_encoding_does_not_count_if_it_is_not_to(id_: str, syntax: str) -> None:
    """The transfer syntax is the only difference, and none if only the meaning counts."""
    left = Content.of_bytes(corpus[id_].data)
    assert left.transfer_syntax_uid == ExplicitVRLittleEndian
    right = data_set(bytes(recode(left.data_set(), EXPLICIT, NATIVE[syntax])), syntax)
    assert [each.path for each in differences(left, right)] == ["TransferSyntaxUID"]
    assert [*differences(left, right, Rules(any_encoding=True))] == []


def test_meaning_counts_and_not_its_digits() -> None:
    """Numbers, names, VRs, character sets and group lengths."""
    changed = image()
    changed["WindowCenter"].value = "4.00e1"
    changed.PatientName = f"{changed.PatientName}^^"
    changed.SpecificCharacterSet = "ISO_IR 192"
    data = file_of(changed)
    for old, new in (
        (b"\x20\0\x10\0SH\x02\0001 ", b"\x20\0\x10\0UN\0\0\x02\0\0\0001 "),  # Study ID
        (b"\x10\0\x10\0PN", b"\x10\0\0\0UL\4\0\1\0\0\0\x10\0\x10\0PN"),  # a group length
    ):
        assert data.count(old) == 1
        data = data.replace(old, new)
    sides = content(image()), Content.of_bytes(data)
    assert [(each.path, each.kind) for each in differences(*sides)] == [
        ("SpecificCharacterSet", Kind.RIGHT),
        ("0010,0000", Kind.RIGHT),
        ("PatientName", Kind.VALUE),
        ("StudyID", Kind.VR),
        ("WindowCenter", Kind.VALUE),
    ]
    assert [*differences(*sides, Rules(any_encoding=True))] == []


def test_text_is_compared_by_its_characters() -> None:
    """The same name in two character sets differs in the character set only."""
    sides = []
    for character_set in ("ISO_IR 100", "ISO_IR 192"):
        made = image()
        made.SpecificCharacterSet, made.PatientName = character_set, "Müller^Zoë"
        sides.append(content(made))
    assert [each.path for each in differences(*sides)] == ["SpecificCharacterSet"]


def test_file_meta_information_on_request() -> None:
    """Otherwise only its transfer syntax is compared."""
    sides = []
    for name in ("ONE", "OTHER"):
        made = image()
        data = bytearray(file_of(made))
        at = data.index(b"HARNESS_CORPUS_1")
        data[at : at + 16] = name.encode().ljust(16)
        sides.append(Content.of_bytes(bytes(data)))
    assert [*differences(*sides)] == []
    (difference,) = differences(*sides, Rules(meta=True))
    assert difference.path == "ImplementationVersionName"


def test_compressed_pixels_are_compared_as_what_they_show() -> None:
    """RLE of the same image is not a difference in pixels; changed samples are counted."""
    compressed = corpus["p09-rle-gray"].dataset()
    plain = corpus["p09-rle-gray"].dataset()
    plain.decompress(generate_instance_uid=False)
    sides = content(compressed), content(plain)
    assert [each.path for each in differences(*sides)] == ["TransferSyntaxUID", "PixelData"]
    rules = Rules(pixels=True, any_encoding=True)
    assert [*differences(*sides, rules)] == []
    pixels = bytearray(plain.PixelData)
    pixels[10] ^= 4
    pixels[20] ^= 1
    plain.PixelData = bytes(pixels)
    (difference,) = differences(content(compressed), content(plain), rules)
    samples = plain.Rows * plain.Columns
    assert difference.kind is Kind.PIXELS
    assert difference.note == f"2 of {samples} samples differ, by at most 4"
    near = Rules(pixels=True, any_encoding=True, tolerance=4)
    assert [*differences(content(compressed), content(plain), near)] == []


def test_table_of_offsets_is_encoding() -> None:
    """The same frames with and without a Basic Offset Table (PS3.5 A.4)."""
    with_table, without = (corpus["p13-offsets"].dataset() for _ in range(2))
    frames = [*generate_frames(with_table.PixelData, number_of_frames=with_table.NumberOfFrames)]
    with_table.PixelData = encapsulate(frames, has_bot=True)
    without.PixelData = encapsulate(frames, has_bot=False)
    sides = content(with_table), content(without)
    assert [each.path for each in differences(*sides)] == ["PixelData"]
    assert [*differences(*sides, Rules(any_encoding=True))] == []


def test_pixels_of_another_size() -> None:
    """The difference shows both shapes."""
    sides = [content(make.instance(number=1, rows=rows).dataset()) for rows in (16, 8)]
    assert [each.note for each in differences(*sides, Rules(pixels=True)) if each.note] == [
        "16 x 16 and 8 x 16 samples"
    ]


def test_what_cannot_be_read_to_its_end_is_an_error() -> None:
    """It is not treated as a data set that lacks the rest."""
    sides = (Content.of_bytes(corpus[id_].data) for id_ in ("x01", "x04-cut-in-value"))
    with pytest.raises(NotDicom):
        [*differences(*sides)]


def _held(*names: str) -> list[Held]:
    """Return a file with UID and name from `1.2/a.dcm`."""
    return [Held(*name.split("/"), f"/folder/{name}") for name in names]


@pytest.mark.parametrize(
    ("left", "right", "pairs"),
    [
        ("1/a 2/b", "2/x 1/y", "1/a=1/y 2/b=2/x"),
        ("1/a 2/b", "3/b 1/c", "1/a=1/c 2/b=3/b"),
        ("1/a 2/b", "2/b", "1/a= 2/b=2/b"),
        ("2/b", "1/a 2/b", "2/b=2/b =1/a"),
        ("1/a 2/b", "2/a 1/b", "1/a=1/b 2/b=2/a"),
        ("1/a 1/b", "1/b 1/a", "1/a=1/a 1/b=1/b"),
        ("1/a 1/b", "1/c 1/b", "1/a=1/c 1/b=1/b"),
        ("1/a 1/b", "1/c", "1/a=1/c 1/b="),
        ("", "", ""),
    ],
)
def test_pairs(left: str, right: str, pairs: str) -> None:
    """By UID, else by name; files with the same UID are paired by name first."""
    made = paired(_held(*left.split()), _held(*right.split()))
    shown = [
        "=".join(f"{each.sop_instance_uid}/{each.name}" if each else "" for each in pair)
        for pair in made
    ]
    assert shown == pairs.split()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*READABLE, "x01", "x02", "x05"]), st.data())
def test_damage_is_an_error_or_data_that_can_be_shown_and_compared(
    id_: str, data: st.DataObject
) -> None:
    """Only `NotDicom` is raised, whatever the bytes, and what was read can be shown."""
    damaged = bytearray(corpus[id_].data)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(128, len(damaged) - 1))
        length = data.draw(st.integers(0, 8))
        damaged[at : at + length] = data.draw(st.binary(max_size=8))
    found: list[Entry] = []
    try:
        left = Content.of_bytes(bytes(damaged))
        found.extend(Choice().of(left))
    except NotDicom:
        pass
    if found:
        assert len([*lines(left, found)]) >= len(found)
        json.loads(json_text(left, [entry for entry in found if entry.tag >> 16 != 2]))
    with contextlib.suppress(NotDicom):
        rules = Rules(any_order=True, any_encoding=True, tolerance=1)
        left, right = Content.of_bytes(bytes(damaged)), Content.of_bytes(corpus["h03-sr"].data)
        assert all(each.path for each in differences(left, right, rules))
