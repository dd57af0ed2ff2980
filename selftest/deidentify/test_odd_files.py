"""Values are removed from malformed files, or these files are refused."""

import struct
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmwrite

from dcm.data.plan import CannotEdit
from dcm.deidentify import FileDeidentifier, make_deidentify_filter
from dcm.store.layout import Layout
from harness.corpus import Maker

KEY = b"a key of the selftests"
SECRET = b"SECRETNAME"
NAME = b"\x10\0\x10\0"
REFERENCED_SERIES = b"\x08\0\x15\x11"
OPTIONS = (
    "",
    "modified-dates,clean-descriptors,clean-structured,retain-safe-private,retain-device",
)


def element(tag: bytes, vr: bytes, value: bytes) -> bytes:
    """Encode an element in explicit VR little endian."""
    if vr in (b"OB", b"SQ", b"UN", b"UR"):
        return tag + vr + b"\0\0" + struct.pack("<I", len(value)) + value
    return tag + vr + struct.pack("<H", len(value)) + value


def item(value: bytes) -> bytes:
    """Encode an item."""
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(value)) + value


IMPLICIT = NAME + struct.pack("<I", len(SECRET)) + SECRET
ODD = {
    "unknown VR": element(NAME, b"UN", SECRET),
    "binary VR": element(NAME, b"OB", SECRET),
    "twice": element(NAME, b"PN", SECRET) * 2,
    "date of another VR": element(b"\x08\0\x20\0", b"LO", SECRET),
    "UID of another VR": element(b"\x20\0\x52\0", b"LO", SECRET),
    "sequence of unknown VR": element(REFERENCED_SERIES, b"UN", item(IMPLICIT)),
    "sequence of a binary VR": element(REFERENCED_SERIES, b"OB", SECRET),
    "name of VR SQ": element(NAME, b"SQ", item(element(NAME, b"PN", SECRET))),
    "no private creator": element(b"\x09\0\x01\x10", b"LO", SECRET),
    "unknown element": element(b"\x10\0\xff\x0f", b"LO", SECRET),
    "file meta information in the data set": element(b"\x02\0\x16\0", b"AE", SECRET),
    "UID that the table lacks": element(b"\x18\0\x1e\x99", b"UI", SECRET),
    "URL": element(b"\x08\0\x90\x11", b"UR", SECRET),
}


def start(data: bytes) -> bytes:
    """Return a file up to, but without, the Patient's Name."""
    return data[: data.index(NAME + b"PN")]


def original() -> bytes:
    """Make a file."""
    written = BytesIO()
    dcmwrite(written, Maker("DEID-ODD").instance(Modality="CT").dataset())
    return written.getvalue()


def rest(data: bytes) -> bytes:
    """Return everything after the Patient's Name."""
    at = data.index(NAME + b"PN")
    return data[at + 8 + struct.unpack_from("<H", data, at + 6)[0] :]


def result_of(data: bytes, folder: Path, options: str) -> bytes:
    """De-identify a file."""
    source = folder / "source.dcm"
    source.write_bytes(data)
    writer = FileDeidentifier(
        make_deidentify_filter(options, key=KEY), str(folder / "out"), Layout("{SOPInstanceUID}")
    )
    return Path(writer.write(str(source)).file).read_bytes()


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_elements_lose_their_values(odd: bytes, options: str, tmp_path: Path) -> None:
    """In any position."""
    data = original()
    for made in (start(data) + odd + rest(data), data + odd):
        assert SECRET in made
        assert SECRET not in result_of(made, tmp_path, options)


@pytest.mark.parametrize(
    "behind",
    [b"garbage " + SECRET, bytes(100) + SECRET],
    ids=["garbage", "garbage behind zeros"],
)
def test_garbage_behind_the_data_set_is_refused(behind: bytes, tmp_path: Path) -> None:
    """Its meaning is unknown; only zeros are dropped."""
    data = original()
    with pytest.raises(CannotEdit):
        result_of(data + behind, tmp_path, "")
    assert result_of(data + bytes(100), tmp_path, "") == result_of(data, tmp_path, "")


def test_implicit_items_in_an_explicit_data_set_are_refused(tmp_path: Path) -> None:
    """They cannot be read reliably."""
    data = original()
    odd = element(REFERENCED_SERIES, b"SQ", item(IMPLICIT))
    with pytest.raises(CannotEdit, match="unknown VR"):
        result_of(start(data) + odd + rest(data), tmp_path, "")


def test_head_of_the_file_is_made_anew(tmp_path: Path) -> None:
    """Preamble and private information may contain anything."""
    data = original()
    dirty = SECRET.ljust(128, b"x") + data[128:]
    assert result_of(dirty, tmp_path, "")[:132] == bytes(128) + b"DICM"
