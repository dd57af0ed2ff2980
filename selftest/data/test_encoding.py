"""The walker over encoded elements and the writer: one reads what the other writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcm.data.encoding import (
    BIG_ENDIAN,
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_END,
    ITEM_GROUP,
    SEQUENCE_END,
    UNDEFINED,
    Element,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
    Writer,
)
from dcm.data.header import scan_bytes
from dcm.data.source import MemorySource
from dcm.data.whole import check
from harness.corpus import corpus

SEQUENCE, UID, NAME = 0x00081140, 0x00080018, 0x00100010
NATIVE = {
    "1.2.840.10008.1.2": IMPLICIT,
    "1.2.840.10008.1.2.1": EXPLICIT,
    "1.2.840.10008.1.2.2": BIG_ENDIAN,
}
SAMPLES = [
    id_ for id_ in corpus if corpus[id_].transfer_syntax in NATIVE and id_[0] in "cmptw"
]  # fmt: skip


def walked(data: bytes, encoding: Encoding = EXPLICIT, *, deep: bool = True) -> list[Element]:
    """Return all elements of a data set."""
    return list(Reader(data).walk(0, encoding, len(data), into_sequences=deep))


def copied(data: bytes, encoding: Encoding) -> bytes:
    """Write every element that the walker finds."""
    writer = Writer(encoding)
    for each in walked(data, encoding):
        while writer.depth > each.depth:
            writer.end()
        if each.tag == ITEM or each.vr == b"SQ" or each.length == UNDEFINED:
            writer.begin(each.tag, undefined_length=each.length == UNDEFINED)
        elif each.tag >> 16 != ITEM_GROUP:
            writer.element(each.tag, each.vr, data[each.start : each.end])
    return bytes(writer.finished())


def header(tag: int, vr: bytes = b"", length: int = UNDEFINED) -> bytes:
    """Encode a header in explicit VR little endian."""
    number = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    size = 4 if vr in (b"", b"SQ", b"UN", b"OB") else 2
    return number + vr + bytes(2 if vr and size == 4 else 0) + length.to_bytes(size, "little")


OPEN = header(SEQUENCE, b"SQ") + header(ITEM)
ELEMENT = header(UID, b"UI", 2) + b"1\0"
END, SHUT = header(ITEM_END, length=0), header(SEQUENCE_END, length=0)


@pytest.mark.parametrize("id_", SAMPLES)
def test_samples_are_written_as_they_were_read(id_: str) -> None:
    """Byte for byte: sequences, items and delimiters do not change."""
    sample = corpus[id_]
    data = sample.data[scan_bytes(sample.data).data_set_offset :]
    encoding = NATIVE[sample.transfer_syntax]
    if encoding.explicit:
        assert copied(data, encoding) == data
    assert [each for each in walked(data, encoding, deep=False) if not each.depth] == [
        each for each in walked(data, encoding) if not each.depth
    ]


nested = st.recursive(
    st.binary(max_size=4).map(lambda value: value + bytes(len(value) % 2)),
    lambda inner: st.lists(st.lists(inner, max_size=3), max_size=3),
    max_leaves=12,
)


@given(
    st.lists(nested, max_size=4), st.sampled_from([EXPLICIT, IMPLICIT, BIG_ENDIAN]), st.booleans()
)
def test_what_is_written_is_read(values: list[object], encoding: Encoding, undefined: bool) -> None:
    """Any nesting, with lengths or delimiters, is read at the depth at which it was written."""
    written: list[tuple[int, int]] = []
    writer = Writer(encoding)

    def write(values: list[object]) -> None:
        for value in values:
            tag = SEQUENCE if isinstance(value, list) else UID
            written.append((tag, writer.depth))
            if isinstance(value, bytes):
                writer.element(UID, b"UI", value)
                continue
            assert isinstance(value, list)
            writer.begin(SEQUENCE, undefined_length=undefined)
            for item in value:
                written.append((ITEM, writer.depth))
                writer.begin(ITEM, undefined_length=undefined)
                write(item)
                writer.end()
            writer.end()

    write(values)
    found = walked(bytes(writer.written), encoding)
    assert [
        (each.tag, each.depth) for each in found if each.tag not in (ITEM_END, SEQUENCE_END)
    ] == written


@pytest.mark.parametrize(
    "data",
    [
        OPEN + ELEMENT + END + SHUT + ELEMENT,
        OPEN + ELEMENT + SHUT + ELEMENT,
        header(SEQUENCE, b"SQ") + header(ITEM, length=10) + ELEMENT + END + SHUT + ELEMENT,
    ],
    ids=["as-it-should-be", "no-item-delimiter", "superfluous-item-delimiter"],
)
@pytest.mark.parametrize("deep", [True, False])
def test_delimiters_that_writers_forget_or_add(data: bytes, *, deep: bool) -> None:
    """They do not affect the elements after them."""
    last = walked(data, deep=deep)[-1]
    assert (last.tag, last.depth, last.end) == (UID, 0, len(data))


def test_sequence_of_unknown_vr_is_in_implicit_vr() -> None:
    """PS3.5 6.2.2 note 4; the elements after it are in explicit VR again."""
    inside = b"\x08\0\x18\0" + b"\2\0\0\0" + b"1\0"
    data = header(0x00091010, b"UN") + header(ITEM) + inside + END + SHUT + ELEMENT
    found = [each for each in walked(data) if each.tag == UID]
    assert [(each.vr, each.depth, each.length) for each in found] == [(b"", 2, 2), (b"UI", 0, 2)]


def test_fragments_are_not_entered() -> None:
    """Encapsulated pixels may contain any bytes (PS3.5 A.4)."""
    data = header(0x7FE00010, b"OB") + header(ITEM, length=4) + b"\xff" * 4 + SHUT
    assert [(each.tag, each.depth) for each in walked(data)] == [
        (0x7FE00010, 0),
        (ITEM, 1),
        (SEQUENCE_END, 1),
    ]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (ELEMENT[:6], TruncatedData, "within an element's header, at byte 0"),
        (OPEN + ELEMENT, TruncatedData, "within a sequence, at byte 30"),
        (header(NAME, b"??", 0), MalformedData, "unknown VR b'..' in .0010,0010."),
        (OPEN + header(NAME, b"ZZ", 0), MalformedData, "unknown VR b'ZZ'"),
        (SHUT, MalformedData, "FFFE,E0DD. where an element is due"),
        (header(SEQUENCE, b"SQ") + ELEMENT, MalformedData, "0008,0018. where an item is due"),
        (OPEN + header(ITEM), MalformedData, "FFFE,E000. where an element is due"),
        (header(SEQUENCE, b"SQ", 8) + SHUT, MalformedData, "in a sequence of defined length"),
        (
            header(SEQUENCE, b"SQ", 17) + header(ITEM, length=10) + ELEMENT,
            MalformedData,
            "beyond the end of its container",
        ),
        (OPEN * 66, MalformedData, "more than 64 deep"),
    ],
)
def test_what_is_not_as_the_standard_says(data: bytes, error: type[Exception], words: str) -> None:
    """The error names the element, or the position in the data."""
    with pytest.raises(error, match=words):
        walked(data)


def test_only_zeros_are_padding() -> None:
    """Twelve zeros followed by other data are not the end of a data set: it is sent as it is."""
    assert [each.tag for each in walked(ELEMENT + bytes(40_000))] == [UID]
    data = ELEMENT + bytes(40_000) + b"1\0"
    with pytest.raises(MalformedData):
        walked(data)
    found = check(MemorySource(data), 0, len(data), EXPLICIT)
    assert found.edits == ()
    assert "could not be checked completely" in found.remarks[0]
