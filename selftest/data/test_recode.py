"""`dcm.data.recode`: other headers, the same values."""

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from dcm.data.encoding import BIG_ENDIAN, EXPLICIT, IMPLICIT, Encoding
from dcm.data.header import scan_bytes
from dcm.data.recode import CannotRecode, recode
from harness.corpus import corpus

NESTED = ("t01-un", "t03", "t06-nested-10", "t06-nested-40", "h03-sr", "m07")
EXPLICIT_ONES = [
    id_
    for id_ in corpus
    if id_[0] in "chmt" and corpus[id_].transfer_syntax == "1.2.840.10008.1.2.1"
]

_OPEN = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff"
_SHUT = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"


def _encoded(data_set: Dataset, encoding: Encoding) -> bytes:
    """Encode with pydicom."""
    written = DicomBytesIO()
    written.is_implicit_VR = not encoding.explicit
    written.is_little_endian = encoding.little_endian
    write_dataset(written, data_set)
    return bytes(written.getvalue())


def _data_set(id_: str) -> bytes:
    data = corpus[id_].data
    return data[scan_bytes(data).data_set_offset :]


@pytest.mark.parametrize("id_", EXPLICIT_ONES)
def test_big_endian_and_back_is_the_same(id_: str) -> None:
    """Explicit VR keeps all VRs: the round trip loses no byte."""
    data = _data_set(id_)
    assert recode(recode(data, EXPLICIT, BIG_ENDIAN), BIG_ENDIAN, EXPLICIT) == data


@pytest.mark.parametrize("id_", NESTED)
def test_implicit_is_read_by_pydicom_as_the_same(id_: str) -> None:
    """Sequences of any depth, with and without a length, have the same items."""
    original = corpus[id_].dataset()
    data = bytes(recode(_data_set(id_), EXPLICIT, IMPLICIT))
    found = read_dataset(DicomBytesIO(data), is_implicit_VR=True, is_little_endian=True)
    assert [element.tag for element in found.iterall()] == [
        element.tag for element in original.iterall()
    ]
    for element in original:
        if not element.tag.is_private and element.tag != 0x7FE00010:
            assert found[element.tag].value == element.value


@pytest.mark.parametrize("signed", [0, 1])
def test_the_choice_of_us_or_ss_follows_the_pixels(signed: int) -> None:
    """(0028,0106) is US or SS by Pixel Representation, in items too (PS3.5 A.1)."""
    made = Dataset()
    made.PixelRepresentation = signed
    made.add_new("SmallestImagePixelValue", "SS" if signed else "US", 7)
    item = Dataset()
    item.add_new("SmallestImagePixelValue", "SS" if signed else "US", 7)
    made.SourceImageSequence = [item]
    explicit = _encoded(made, EXPLICIT)
    assert recode(recode(explicit, EXPLICIT, IMPLICIT), IMPLICIT, EXPLICIT) == explicit


def test_numbers_of_all_sizes_are_swapped() -> None:
    """The values in pydicom's big endian encoding are those of its little endian one."""
    made = Dataset()
    made.add_new(0x00091010, "US", [1, 2])
    made.add_new(0x00091011, "SL", [-3, 4])
    made.add_new(0x00091012, "FD", 0.1)
    made.add_new(0x00091013, "FL", 1.5)
    made.add_new(0x00091014, "AT", [0x00100020])
    made.add_new(0x00091015, "UV", 1 << 40)
    made.add_new(0x00091016, "LO", "text")
    assert recode(_encoded(made, BIG_ENDIAN), BIG_ENDIAN, EXPLICIT) == _encoded(made, EXPLICIT)


def test_words_are_swapped_and_bytes_are_not() -> None:
    """OW, OL, OV and similar VRs by their unit, OB not at all."""
    data = b"".join(
        b"\x00\x09\x10" + bytes([number]) + vr + b"\0\0\0\0\0\x08" + bytes(range(8))
        for number, vr in ((1, b"OB"), (2, b"OW"), (3, b"OL"), (4, b"OV"))
    )
    recoded = recode(data, BIG_ENDIAN, EXPLICIT)
    values = [bytes(recoded[at : at + 8]) for at in range(12, len(recoded), 20)]
    orders = ["0 1 2 3 4 5 6 7", "1 0 3 2 5 4 7 6", "3 2 1 0 7 6 5 4", "7 6 5 4 3 2 1 0"]
    assert values == [bytes(map(int, order.split())) for order in orders]


def test_a_value_too_long_for_its_vr_is_unknown_in_explicit_vr() -> None:
    """More than 64 KiB in a VR with a length of 16 bits (PS3.5 6.2.2)."""
    length = (70_000).to_bytes(4, "little")
    contour_data = b"\x06\x30\x50\0" + length + b"1" * 70_000
    recoded = recode(contour_data, IMPLICIT, EXPLICIT)
    assert recoded[:12] == b"\x06\x30\x50\0UN\0\0" + length


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x08\0\x18\0UI\x10\0" + bytes(4), "ends in the middle of an element"),
        (b"\x08\0\x18\0UI", "ends in the middle of an element"),
        (b"\x08\0\x18\0??\x02\0ab", "unknown VR"),
        (b"\xfe\xff\0\xe0\0\0\0\0", r"\(FFFE,E000\) where an element is due"),
        (b"\xfe\xff\x0d\xe0\0\0\0\0", r"\(FFFE,E00D\) where an element is due"),
        (b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff", "has no length"),
        (b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff", "ends in the middle of an element"),
        (b"\x08\0\x40\x11SQ\0\0\x08\0\0\0\x08\0\x18\0UI\0\0", "where an item is due"),
        (b"\x28\0\x10\0US\x03\0abc", "has 3 bytes"),
        (b"\x28\0\x03\x01UN\0\0\0\0\0\x7fA ", "claims 2130706432 bytes"),
        (_OPEN * 2000 + _SHUT * 2000, "more than 64 deep"),
    ],
)
def test_what_is_broken_is_refused_in_words(data: bytes, words: str) -> None:
    """Nothing is guessed: an incomplete data set is refused."""
    with pytest.raises(CannotRecode, match=words):
        recode(data, EXPLICIT, BIG_ENDIAN)


def test_padding_at_the_end_is_left_out() -> None:
    """Some writers fill up a block with zeros."""
    data = b"\x08\0\x18\0UI\x02\x001\0"
    assert recode(data + bytes(64), EXPLICIT, IMPLICIT) == b"\x08\0\x18\0\x02\0\0\x001\0"
