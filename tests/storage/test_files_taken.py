"""Unusual but valid encodings of an object: it is the same after storing and retrieving."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import _config

from harness.cases import (
    SUCCESS,
    DicomWeb,
    Dimse,
    Maker,
    Sample,
    Suite,
    data_set_offset,
    differences,
    instance_path,
    needs,
    single,
)

suite = Suite()


PIXEL_DATA = b"\xe0\x7f\x10\x00OW\0\0"
UNDEFINED = b"\xff\xff\xff\xff"
ITEM_END, SEQUENCE_END = b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)

RoundTrip = Callable[[Sample, bytes], Dataset]


def by_dimse(request: pytest.FixtureRequest) -> RoundTrip:
    """Store by C-STORE, with the data set byte for byte as in the file, and retrieve by C-GET."""
    dimse: Dimse = request.getfixturevalue("dimse")
    folder: Path = request.getfixturevalue("tmp_path")
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")

    def round_trip(sample: Sample, file: bytes) -> Dataset:
        path = folder / "sent.dcm"
        path.write_bytes(file)
        with patch.context() as setting:
            setting.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
            with dimse.associate([sample.context]) as association:
                status = association.send_c_store(path)
        assert status.get("Status") == SUCCESS
        return dimse.get_instance(sample)

    return round_trip


def by_web(request: pytest.FixtureRequest) -> RoundTrip:
    """Store the file by STOW-RS, and retrieve it by WADO-RS."""
    web: DicomWeb = request.getfixturevalue("web")

    def round_trip(sample: Sample, file: bytes) -> Dataset:
        web.stow([file])
        return single(web.wado(instance_path(sample), transfer_syntax="*"), "part").dataset()

    return round_trip


WEB = pytest.param(by_web, id="web", marks=needs("dicomweb.stow", "dicomweb.wado"))
DIMSE = pytest.param(by_dimse, id="dimse", marks=needs("dimse.store", "dimse.get.study"))
by_both_ways = pytest.mark.parametrize("way", [DIMSE, WEB])
by_files = pytest.mark.parametrize("way", [WEB])


@pytest.fixture
def round_trip(request: pytest.FixtureRequest, way: Callable[..., RoundTrip]) -> RoundTrip:
    """Store and retrieve by one of the interfaces that the remote supports."""
    return way(request)


def element(tag: int, vr: str, value: bytes, length: bytes | None = None) -> bytes:
    """Encode an element of a VR with a 32-bit length, little endian."""
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    size = len(value).to_bytes(4, "little") if length is None else length
    return head + vr.encode() + b"\0\0" + size + value


def item(value: bytes, *, defined: bool) -> bytes:
    """Encode an item, with its length or a delimiter."""
    head = b"\xfe\xff\x00\xe0"
    if defined:
        return head + len(value).to_bytes(4, "little") + value
    return head + UNDEFINED + value + ITEM_END


def before_pixels(file: bytes, inserted: bytes) -> bytes:
    """Insert encoded elements between the last element of group 0028 and the pixels."""
    at = file.rindex(PIXEL_DATA)
    return file[:at] + inserted + file[at:]


def with_sequence(value: bytes, *, defined: bool) -> bytes:
    """Encode a private block of group 0077 with a sequence whose items are `value`."""
    creator = b"\x77\x00\x10\x00LO\x08\0" + b"HARNESS "
    if defined:
        return creator + element(0x00771001, "SQ", value)
    return creator + element(0x00771001, "SQ", value + SEQUENCE_END, UNDEFINED)


def text_item(text: bytes) -> bytes:
    """Encode the content of an item: a Text Value, explicit VR."""
    return element(0x0040A160, "UT", text)


def equal(sample: Sample, file: bytes, received: Dataset) -> list[str]:
    """Return the differences between the sent file and the retrieved object."""
    return differences(dcmread(BytesIO(file)), received, sample.picture)


@suite.case("FILE-101", ref="PS3.5 7.5.1, 7.5.2 (2020b)")
@pytest.mark.parametrize("item_defined", [True, False], ids=["item-length", "item-delimiter"])
@pytest.mark.parametrize("defined", [True, False], ids=["length", "delimiter"])
@by_both_ways
def test_sequences_with_lengths_or_delimiters(
    round_trip: RoundTrip, make: Maker, defined: bool, item_defined: bool
) -> None:
    """Sequences and items with a length or a delimiter, in every combination, keep their contents."""
    sample = make.instance()
    inner = with_sequence(item(text_item(b"inner "), defined=not item_defined), defined=not defined)
    items = item(inner, defined=item_defined) + item(text_item(b"second"), defined=item_defined)
    file = before_pixels(sample.data, with_sequence(items, defined=defined))

    received = round_trip(sample, file)

    assert equal(sample, file, received) == []


@suite.case("FILE-102", ref="PS3.5 7.5.1: zero Items, Items without elements (2020b)")
@pytest.mark.parametrize("defined", [True, False], ids=["length", "delimiter"])
@by_both_ways
def test_empty_sequences_and_items(round_trip: RoundTrip, make: Maker, defined: bool) -> None:
    """A sequence without items, and items without elements, keep their number."""
    sample = make.instance()
    nothing = with_sequence(b"", defined=defined)
    items = b"".join(item(each, defined=defined) for each in (b"", nothing, b""))
    file = before_pixels(sample.data, with_sequence(items, defined=defined))

    received = round_trip(sample, file)

    assert equal(sample, file, received) == []


@suite.case("FILE-103", ref="PS3.5 7.2: Group Length, retired (2020b)")
@by_both_ways
def test_group_lengths(round_trip: RoundTrip, make: Maker) -> None:
    """A data set with group lengths, as in old files, is accepted, and its other elements are kept."""
    sample = make.instance()
    start = data_set_offset(sample.data)
    at = sample.data.index(b"\x10\x00\x10\x00PN")  # the first element of group 0010
    length = (at - start).to_bytes(4, "little")
    head = b"\x08\x00\x00\x00UL\x04\0" + length
    file = sample.data[:start] + head + sample.data[start:]

    assert equal(sample, sample.data, round_trip(sample, file)) == []


@suite.case("FILE-104", ref="PS3.10 7.2: Data Set Trailing Padding (2020b)")
@by_both_ways
def test_trailing_padding(round_trip: RoundTrip, make: Maker) -> None:
    """A data set with trailing padding is accepted, and its other elements are kept."""
    sample = make.instance()
    file = sample.data + element(0xFFFCFFFC, "OB", bytes(300))

    assert equal(sample, sample.data, round_trip(sample, file)) == []


@suite.case("FILE-105", ref="PS3.10 7.1: File Preamble (2020b)")
@pytest.mark.parametrize("begin", [b"II*\0\x08\0\0\0", b"\xff" * 128], ids=["tiff", "anything"])
@by_files
def test_preamble_can_have_any_content(round_trip: RoundTrip, make: Maker, begin: bytes) -> None:
    """A file with any content in its preamble is accepted."""
    sample = make.instance()
    file = begin + sample.data[len(begin) :]

    assert equal(sample, sample.data, round_trip(sample, file)) == []


@suite.case("FILE-106", ref="PS3.10 7.1, Table 7.1-1: Private Information (2020b)")
@by_files
def test_private_file_meta_information(round_trip: RoundTrip, make: Maker) -> None:
    """A file with optional and private elements in its file meta information is accepted."""
    sample = make.instance()
    start = data_set_offset(sample.data)
    more = b"\x02\x00\x16\x00AE\x06\0SENDER" + b"\x02\x00\x00\x01UI\x06\0" + b"2.25.7"
    more += element(0x00020102, "OB", b"\0\1\2\3")
    length = int.from_bytes(sample.data[140:144], "little") + len(more)
    meta = sample.data[:140] + length.to_bytes(4, "little") + sample.data[144:start] + more
    file = meta + sample.data[start:]

    assert equal(sample, sample.data, round_trip(sample, file)) == []


@suite.case("FILE-107", ref="PS3.5 6.2.2: Unknown VR of undefined length (2020b)")
@by_both_ways
def test_sequence_of_unknown_vr(round_trip: RoundTrip, make: Maker) -> None:
    """A private sequence with VR UN and undefined length, with items in implicit VR, keeps its items."""
    sample = make.instance()
    inner = b"\x40\x00\x60\xa1" + (6).to_bytes(4, "little") + b"hidden"
    items = item(inner, defined=True) + SEQUENCE_END
    creator = b"\x77\x00\x10\x00LO\x08\0" + b"HARNESS "
    file = before_pixels(sample.data, creator + element(0x00771001, "UN", items, UNDEFINED))

    received = round_trip(sample, file)

    assert equal(sample, file, received) == []


@suite.case("FILE-108", ref="PS3.5 9.1: 64 characters, a component of 0 (2020b)")
@by_both_ways
def test_longest_uid(round_trip: RoundTrip, make: Maker) -> None:
    """A UID of 64 characters, with a component 0, is kept completely."""
    uid = "1.2.840.0." + "1234567890" * 5 + ".123"
    sample = make.instance(SOPInstanceUID=uid)

    received = round_trip(sample, sample.data)

    assert received.get("SOPInstanceUID") == uid
    assert equal(sample, sample.data, received) == []


@suite.case("FILE-109", ref="PS3.5 6.2, 7.1.2: VRs with a length of 32 bits (2020b)")
@by_both_ways
def test_long_values(round_trip: RoundTrip, make: Maker) -> None:
    """Values of more than 65,534 bytes, of text or bytes, are kept completely."""
    content = bytes(range(256)) * 300
    sample = make.instance(
        transfer_syntax=ExplicitVRLittleEndian,
        EncryptedAttributesSequence=Sequence([encrypted(content)]),
        TextValue="long " * 20_000,
    )

    received = round_trip(sample, sample.data)

    assert equal(sample, sample.data, received) == []


def encrypted(content: bytes) -> Dataset:
    """Make an item with a long byte value."""
    made = Dataset()
    made.EncryptedContentTransferSyntaxUID = ExplicitVRLittleEndian
    made.EncryptedContent = content
    return made
