"""A Part 10 file is parsed to the last byte, and misplaced content is named."""

import pytest

from harness.clients.answers import Malformed
from harness.clients.part10 import PIXEL_DATA, only, take_apart, text_of
from harness.corpus import Sample, corpus
from harness.corpus.part10 import data_set_offset

SQ = b"\x40\x00\x30\xa7SQ\0\0"


@pytest.mark.parametrize(
    "sample", [*corpus.group("p"), *corpus.group("t"), *corpus.group("m")], ids=lambda each: each.id
)
def test_every_element_is_found(sample: Sample) -> None:
    """All valid samples are parsed into the elements that pydicom reads, at every level."""
    ds = sample.dataset()

    file = take_apart(sample.data)

    assert [each.tag for each in file.elements] == list(map(int, ds.keys()))
    assert file.transfer_syntax == sample.transfer_syntax
    assert file.meta_length == data_set_offset(sample.data) - 144
    assert text_of(only(file.meta, 0x00020003)) == sample.sop_instance_uid


def test_fragments_are_found() -> None:
    """The items of compressed pixels are the offset table and three frames of two fragments."""
    table, *fragments = take_apart(corpus["p13-offsets"].data).element(PIXEL_DATA).fragments

    assert (len(table), len(fragments)) == (3 * 4, 3 * 2)


def test_items_are_found() -> None:
    """Items nest, and each level has its path."""
    file = take_apart(corpus["t06-nested-10"].data)

    paths = [path for path, _ in file.levels()]
    assert len(paths) == 11
    assert paths[2] == "(0040,A730)[1].(0040,A730)[1]."


def broken(sample: str, at: bytes, shift: int, new: bytes) -> bytes:
    """Overwrite the bytes after the first occurrence of `at`."""
    data = corpus[sample].data
    place = data.index(at) + shift
    return data[:place] + new + data[place + len(new) :]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (corpus["p02"].data[128:], "and not b'DICM'"),
        (corpus["p02"].data[:-3], "beyond the end of the file"),
        (corpus["p02"].data + b"\0\0", "within a header"),
        (broken("p02", b"\x10\x00\x10\x00PN", 4, b"??"), "unknown VR"),
        (broken("p02", b"\x02\x00\x00\x00UL", 2, b"\x01\x00"), "does not begin with its group length"),
        (broken("t06-nested-10", SQ, 8, b"\x02"), "ends"),
        (broken("t06-nested-10", SQ, 14, b"\x01"), "where an item was expected"),
        (broken("p12-jpeg-ls", b"\xe0\x7f\x10\x00OB", 14, b"\x01"), "where a fragment was expected"),
        (corpus["p12-jpeg-ls"].data[:-8], "within a header"),
        (corpus["p12-jpeg-ls"].data[:-4] + b"\1\0\0\0", "a delimiter has the length 1"),
        (corpus["p07"].data[:-9], "not deflated|followed by"),
    ],
    ids=["prefix", "value", "rest", "vr", "length-first", "sequence", "item", "fragment", "open",
         "delimiter", "deflated"],
)  # fmt: skip
def test_what_is_broken_is_named(data: bytes, complaint: str) -> None:
    """A structural error is the server's failure, reported with its place."""
    with pytest.raises(Malformed, match=complaint):
        take_apart(data)
