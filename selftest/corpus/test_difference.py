"""Differences between data sets have a path and both values; allowed differences are ignored."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from harness.corpus import Maker, Sample, corpus
from harness.corpus.difference import differences
from harness.corpus.part10 import part10

Change = Callable[[FileDataset], Any]


def written(ds: Dataset, transfer_syntax: str) -> FileDataset:
    """Write a data set in another native transfer syntax, and read it."""
    uids = {"sop_class": ds.SOPClassUID, "sop_instance": ds.SOPInstanceUID}
    return dcmread(BytesIO(part10(ds, transfer_syntax, **uids)))


def found(sample: Sample, change: Change) -> list[str]:
    """Return the differences after a sample was changed."""
    changed = sample.dataset()
    change(changed)
    return differences(sample.dataset(), changed, sample.picture)


@pytest.mark.parametrize("name", [*corpus.group("p"), *corpus.group("t"), *corpus.group("c1")])
def test_an_object_is_the_same_as_itself(name: Sample) -> None:
    """Two readings of one file have no difference, whatever it contains."""
    assert differences(name.dataset(), name.dataset(), name.picture) == []


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("name", ["p05", "p08", "p04", "t01-known-vr", "t06-nested-10"])
def test_another_encoding_is_the_same_object(name: str, syntax: str) -> None:
    """Neither the byte order of pixels nor VRs lost in implicit VR are differences."""
    sample = corpus[name]
    ds = sample.dataset()
    if "PixelData" in ds and sample.picture is not None:
        ds.PixelData = sample.picture.native()

    assert differences(sample.dataset(), written(ds, syntax), sample.picture) == []
    assert differences(written(ds, syntax), sample.dataset(), sample.picture) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda ds: setattr(ds, "PatientName", "Other"),
         "PatientName: expected Sample^Object, received Other"),
        (lambda ds: ds.__delattr__("StudyID"), "StudyID: expected 1, received nothing"),
        (lambda ds: ds.add_new(0x00991004, "LO", "new"), "(0099,1004): expected nothing, received new"),
        (lambda ds: setattr(ds[0x00991002].value[1][0x00991012], "value", "item 3"),
         "(0099,1002)[2].(0099,1012): expected item 2, received item 3"),
        (lambda ds: ds[0x00991002].value.pop(), "(0099,1002): expected 2 items, received 1 items"),
        (lambda ds: setattr(ds[0x00991001], "VR", "ST"),
         "(0099,1001): expected LO private text, received ST private text"),
        (lambda ds: setattr(ds[0x00991003], "value", ["1.50", "2.5"]),
         "(0099,1003): expected [1.5, 2.5], received [1.50, 2.5]"),
        (lambda ds: setattr(ds.file_meta, "MediaStorageSOPInstanceUID", "1.2"),
         "MediaStorageSOPInstanceUID"),
        (lambda ds: setattr(ds, "PixelData", b"\7" + ds.PixelData[1:]),
         "PixelData frame 1, row 0, column 0: expected 0, received 7"),
    ],
    ids=["value", "missing", "added", "nested", "items", "vr", "digits", "meta", "pixel"],
)  # fmt: skip
def test_a_difference_is_told(change: Change, expected: str) -> None:
    """One line has the path of the attribute, the expected value and the received one."""
    lines = found(corpus["t01-known-vr"], change)

    assert len(lines) == 1
    assert lines[0].startswith(expected)


def test_group_lengths_and_padding_do_not_count() -> None:
    """Elements that a writer may add or omit by the standard are not differences."""

    def change(ds: FileDataset) -> None:
        ds.add_new(0x00080000, "UL", 100)
        ds.add_new(0xFFFCFFFC, "OB", bytes(10))
        ds.PatientID += " "

    assert found(corpus["h01-ct-1-1"], change) == []


@pytest.mark.parametrize("name", ["p13-offsets", "p13-no-offsets"])
def test_fragments_and_offsets_do_not_count(name: str) -> None:
    """Frames are compared, not their division into fragments; a changed byte is found."""

    def put(frames: list[bytes]) -> Change:
        return lambda ds: setattr(ds, "PixelData", encapsulate(frames, has_bot=False))

    frames = list(generate_frames(corpus[name].dataset().PixelData, number_of_frames=3))
    assert found(corpus[name], put(frames)) == []

    frames[1] = frames[1][:20] + bytes([frames[1][20] ^ 1]) + frames[1][21:]
    assert found(corpus[name], put(frames))[0].startswith("PixelData frame 2 byte 20: expected")


def test_decoded_pixels_are_compared_with_what_was_drawn() -> None:
    """Each pixel of a decompressed image is compared; the first difference is reported."""
    sample = corpus["p12-jpeg-ls"]
    assert sample.picture is not None
    native = sample.dataset()
    native.PixelData = sample.picture.native()
    native["PixelData"].VR = "OW"
    decoded = written(native, ExplicitVRLittleEndian)

    assert differences(sample.dataset(), decoded, sample.picture) == []
    decoded.PixelData = decoded.PixelData[:-2] + b"\0\0"
    [line] = differences(sample.dataset(), decoded, sample.picture)
    assert line.startswith("PixelData frame 1, row 31, column 31")


def test_many_differences_are_counted() -> None:
    """At most a dozen lines are shown, then a count."""
    one, other = (Maker(scope).instance(PatientID="A").dataset() for scope in "ab")
    for each in range(20):
        other.add_new(0x00990020 + each, "LO", "x")

    lines = differences(one, other)

    assert len(lines) == 13
    assert lines[-1].startswith("and ")


def test_big_endian_is_written_for_the_tests_above() -> None:
    """The big endian sample is in big endian, or the encoding test would prove nothing."""
    assert corpus["p05"].transfer_syntax == ExplicitVRBigEndian
