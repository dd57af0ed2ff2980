"""Whether a data set is complete, and what is changed before it is sent."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcm.data.encoding import BIG_ENDIAN, EXPLICIT, IMPLICIT, NATIVE, Encoding
from dcm.data.source import MemorySource
from dcm.data.whole import Check, NotWhole, check, check_deflated, ends_with_pixels
from harness.corpus import corpus

ENCODINGS = [EXPLICIT, IMPLICIT, BIG_ENDIAN]


def element(
    tag: int, vr: str, value: bytes, encoding: Encoding = EXPLICIT, length: int | None = None
) -> bytes:
    """Encode an element with any length."""
    order = "little" if encoding.little_endian else "big"
    size = len(value) if length is None else length
    head = (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order)  # type: ignore[arg-type]
    if not encoding.explicit:
        return head + size.to_bytes(4, order) + value  # type: ignore[arg-type]
    if vr in ("OB", "OW", "UN", "SQ"):
        return head + vr.encode() + b"\0\0" + size.to_bytes(4, order) + value  # type: ignore[arg-type]
    return head + vr.encode() + size.to_bytes(2, order) + value  # type: ignore[arg-type]


def changed(data: bytes, encoding: Encoding = EXPLICIT) -> bytes:
    """Return the data set after all edits of `check`."""
    done, at = b"", 0
    for edit in check(MemorySource(data), 0, len(data), encoding).edits:
        done += data[at : edit.position] + edit.put
        at = edit.position + edit.dropped
    return done + data[at:]


def is_shown_whole(data: bytes, encoding: Encoding = EXPLICIT) -> bool:
    """Return whether the pixels alone show that the data set is complete."""
    return ends_with_pixels(data, len(data), data[-8:], encoding, len(data))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("cut", [1, 2, 3, 8, 10, 11])
def test_pixels_that_are_cut_off(encoding: Encoding, cut: int) -> None:
    """Truncation of the last value by any amount is noticed, and the element is named."""
    whole = element(0x00100010, "PN", b"Doe^Jane", encoding)
    whole += element(0x7FE00010, "OW", bytes(12), encoding)
    assert is_shown_whole(whole, encoding)
    assert check(MemorySource(whole), 0, len(whole), encoding) == Check()
    data = whole[:-cut]
    assert not is_shown_whole(data, encoding)
    with pytest.raises(NotWhole, match=rf"within PixelData \(7FE0,0010\): {cut} of 12 bytes"):
        check(MemorySource(data), 0, len(data), encoding)


@pytest.mark.parametrize("keep", range(20, 52))
def test_fragments_that_are_cut_off(keep: int) -> None:
    """Encapsulated pixels end with a delimiter (PS3.5 A.4)."""
    items = b"\xfe\xff\0\xe0\0\0\0\0" + b"\xfe\xff\0\xe0\x08\0\0\0" + b"\xff" * 8
    data = element(0x00080018, "UI", b"1.2.3.45")
    data += element(0x7FE00010, "OB", items + b"\xfe\xff\xdd\xe0\0\0\0\0", length=0xFFFFFFFF)
    assert is_shown_whole(data)
    assert not is_shown_whole(data[:keep])
    with pytest.raises(NotWhole, match="it ends within"):
        check(MemorySource(data[:keep]), 0, keep, EXPLICIT)


def test_pixels_of_an_icon_are_no_end() -> None:
    """An icon has pixel data as well, and pixels may look like a header."""
    icon = element(0x7FE00010, "OB", bytes(4))
    data = element(0x00880200, "SQ", b"\xfe\xff\0\xe0" + len(icon).to_bytes(4, "little") + icon)
    data += element(0x20500020, "CS", b"IDENTITY")
    assert not is_shown_whole(data)
    assert check(MemorySource(data), 0, len(data), EXPLICIT) == Check()
    assert is_shown_whole(data + element(0x7FE00010, "OW", b"\xe0\x7f\x10\0" * 4))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("tag", "vr", "pad"),
    [(0x7FE00010, "OB", b"\0"), (0x00104000, "LT", b" "), (0x00080018, "UI", b"\0")],
)
def test_odd_values_are_padded(encoding: Encoding, tag: int, vr: str, pad: bytes) -> None:
    """Each value of odd length gets the padding byte of its VR (PS3.5 6.2)."""
    end = element(0x7FE10010, "LO", b"AB", encoding)
    data = element(tag, vr, b"123", encoding) + end
    assert changed(data, encoding) == element(tag, vr, b"123" + pad, encoding) + end


@pytest.mark.parametrize("vr", ["US", "FD", "SQ"])
def test_odd_lengths_that_no_padding_mends(vr: str) -> None:
    """A number of three bytes cannot be repaired."""
    data = element(0x00280010, vr, b"123") + element(0x7FE00010, "OB", b"1")
    with pytest.raises(NotWhole, match=f"odd length of 3 bytes, which its VR {vr} cannot have"):
        check(MemorySource(data), 0, len(data), EXPLICIT)


def test_zeros_behind_the_end_are_left_out() -> None:
    """Writers pad to a multiple of their block size."""
    data = element(0x7FE00010, "OB", b"1234")
    assert changed(data + bytes(100)) == data


@given(st.binary(max_size=2000))
def test_deflated_data_sets(content: bytes) -> None:
    """Deflated data is complete if its last block is (RFC 1951), padded or not."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = packer.compress(content) + packer.flush()
    check_deflated(MemorySource(b"head" + data + b"\0"), 4)
    with pytest.raises(NotWhole, match="ends in the middle of its deflated data set"):
        check_deflated(MemorySource(data[:-1]), 0)


@pytest.mark.parametrize("name", ["p01", "p03", "p09-rle-gray", "p12-jpeg-ls"])
def test_samples_are_shown_whole(name: str) -> None:
    """Not all elements of an image need to be checked."""
    sample = corpus[name]
    encoding = NATIVE.get(sample.transfer_syntax, EXPLICIT)
    assert is_shown_whole(sample.data_set, encoding)
