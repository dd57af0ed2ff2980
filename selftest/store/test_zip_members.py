"""Members of zip archives: read in slices in place; damaged ones are never taken for complete."""

import io
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from net.files import data_set, make
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGBaseline8Bit

from dcm.data.header import NotDicom
from dcm.data.source import Source
from dcm.instances import UnusableInstance, data_of, instance_of
from dcm.store import zip_members
from dcm.store.zip_members import BadMember, Member, UnusableArchive, ZipInstance, members

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
LARGE = 20_000_000


def archive(folder: Path, *files: Path, compression: int = DEFLATED) -> Path:
    """Put files into an archive under their own names."""
    path = folder / "archive.zip"
    with zipfile.ZipFile(path, "w", compression) as made:
        for each in files:
            made.write(each, f"in/{each.name}")
    return path


def only(path: Path) -> Member:
    """Return the only member of an archive."""
    [found] = members(str(path))
    assert isinstance(found, Member), found
    return found


def instance(path: Path) -> ZipInstance:
    """Return the instance in the only member of an archive."""
    member = only(path)
    header = member.header(())
    kind = header.sop_class_uid, header.transfer_syntax_uid
    return member.instance(kind, header.sop_instance_uid, header.data_set_offset)


def bad(path: Path) -> str:
    """Return why the only member of an archive cannot be read."""
    [found] = members(str(path))
    assert isinstance(found, BadMember)
    return found.words


@pytest.mark.parametrize("compression", [STORED, DEFLATED])
@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit]
)
@pytest.mark.parametrize("size", [0, 40_000, LARGE])
def test_instance_is_what_it_is_in_a_file(
    tmp_path: Path, compression: int, syntax: str, size: int
) -> None:
    """Data sets have the same bytes and notes, shorter or longer than the buffer."""
    file = make(tmp_path, 7, syntax, size=size or 2)
    there, here = instance(archive(tmp_path, file, compression=compression)), instance_of(file)
    assert (there.kind, there.sop_instance_uid) == (here.kind, here.sop_instance_uid)
    assert there.path == f"{tmp_path}/archive.zip/in/00007.dcm"
    assert data_of(there) == data_of(here)


@pytest.mark.parametrize("compression", [STORED, DEFLATED])
def test_large_instance_comes_in_slices(tmp_path: Path, compression: int) -> None:
    """No slice is longer than the given memory, and the last one is marked as last."""
    file = make(tmp_path, 7, size=LARGE)
    found, memory = instance(archive(tmp_path, file, compression=compression)), bytearray(1 << 16)
    parts = [(bytes(part), last) for part, last in found.slices(memory, [])]
    assert b"".join(part for part, _ in parts) == data_set(file)
    assert max(len(part) for part, _ in parts) <= len(memory)
    assert [last for _, last in parts] == [False] * (len(parts) - 1) + [True]


@pytest.mark.parametrize("size", [200, LARGE])
def test_value_of_odd_length_is_padded(tmp_path: Path, size: int) -> None:
    """Values that violate PS3.5 are corrected during reading, as in a file."""
    file = make(tmp_path, 7, size=size)
    padding = struct.pack("<HH2s2xI", 0xFFFC, 0xFFFC, b"OB", 3) + b"abc"
    file.write_bytes(file.read_bytes() + padding)
    there, here = instance(archive(tmp_path, file)), instance_of(file)
    remarks: list[list[str]] = [[], []]
    memory = bytearray(1 << 20)
    data = [
        b"".join(bytes(part) for part, _ in each.slices(memory, said))
        for each, said in zip((there, here), remarks, strict=True)
    ]
    assert data[0] == data[1] == data_of(here)
    assert remarks[0] == remarks[1]
    assert len(remarks[0]) == 1


@pytest.mark.parametrize("compression", [STORED, DEFLATED])
@pytest.mark.parametrize("size", [40_000, LARGE])
def test_damage_is_seen_before_anything_is_sent(
    tmp_path: Path, compression: int, size: int
) -> None:
    """One changed byte is enough."""
    path = archive(tmp_path, make(tmp_path, 7, size=size), compression=compression)
    found = instance(path)
    content = bytearray(path.read_bytes())
    content[found.member.start + found.member.packed - 9] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnusableInstance, match="it is damaged"):
        next(iter(found.slices(bytearray(1 << 16), [])))


def test_data_set_that_was_cut_is_not_sent(tmp_path: Path) -> None:
    """It was truncated before it was archived, so the checksum is right."""
    file = make(tmp_path, 7)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(UnusableInstance, match="it ends within PixelData"):
        data_of(instance(archive(tmp_path, file)))


def test_archive_that_became_shorter(tmp_path: Path) -> None:
    """It was truncated after it was listed."""
    path = archive(tmp_path, make(tmp_path, 7))
    found = instance(path)
    path.write_bytes(path.read_bytes()[: found.member.start + 100])
    with pytest.raises(UnusableInstance, match="it is damaged"):
        data_of(found)


def test_encrypted_member(tmp_path: Path) -> None:
    """Its name is known, and the error says that it is encrypted."""
    path = archive(tmp_path, make(tmp_path, 7))
    patch_listed(path, 8, struct.pack("<H", 1))
    assert bad(path) == "it is encrypted"


def test_unknown_compression(tmp_path: Path) -> None:
    """Archives may use methods other than the usual ones."""
    path = archive(tmp_path, make(tmp_path, 7), compression=zipfile.ZIP_BZIP2)
    assert bad(path) == "it is compressed by method 12, which is not supported"


def test_bomb_is_not_inflated(tmp_path: Path) -> None:
    """A member may inflate to at most a thousand times its size."""
    path = archive(tmp_path, make(tmp_path, 7))
    packed = only(path).packed
    patch_listed(path, 24, struct.pack("<I", packed * 2000))
    assert bad(path) == f"it is damaged: {packed} bytes cannot expand to {packed * 2000}"


def test_longer_than_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inflating stops at the declared length."""
    inflated = 0
    parts = zip_members._parts

    def counted(source: Source, *, deflated: bool) -> Iterator[bytes]:
        nonlocal inflated
        for part in parts(source, deflated=deflated):
            inflated += len(part)
            yield part

    monkeypatch.setattr(zip_members, "_parts", counted)
    file = tmp_path / "zeros"
    file.write_bytes(make(tmp_path, 7).read_bytes() + bytes(10_000_000))
    path = archive(tmp_path, file)
    patch_listed(path, 24, struct.pack("<I", 50_000))
    with pytest.raises(UnusableInstance, match="its length differs from the archive's directory"):
        data_of(instance(path))
    assert inflated < 1_000_000


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    """Many identical or overlapping members can form a bomb of any size."""
    files = [make(tmp_path, number) for number in range(3)]
    path = archive(tmp_path, *files)
    starts = [each.start for each in members(str(path)) if isinstance(each, Member)]
    first = starts[0] - 30 - len("in/00000.dcm")
    patch_listed(path, 42, struct.pack("<I", first), entry=1)
    found = list(members(str(path)))
    assert isinstance(found[1], BadMember)
    assert found[1].words == "it is damaged: it is listed twice"
    patch_listed(path, 42, struct.pack("<I", first + 1), entry=1)
    words = [each.words for each in members(str(path)) if isinstance(each, BadMember)]
    assert words[0].startswith("it is damaged: it overlaps")
    assert words[1] == "it is damaged: it is not where the archive's directory says"


def patch_listed(path: Path, offset: int, value: bytes, entry: int = 0) -> None:
    """Change a field of an entry in the directory at the end of an archive."""
    content = bytearray(path.read_bytes())
    at = -1
    for _ in range(entry + 1):
        at = content.index(b"PK\1\2", at + 1)
    content[at + offset : at + offset + len(value)] = value
    path.write_bytes(content)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"not an archive" * 100])
def test_file_that_is_no_archive(tmp_path: Path, content: bytes) -> None:
    """The error says so."""
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(UnusableArchive, match="is not a readable zip archive"):
        list(members(str(path)))


def test_names_are_only_names(tmp_path: Path) -> None:
    """Unsafe paths do not matter, because nothing is written. Folders are left out."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("folder/", "")
        made.writestr("../../etc/x", "a")
        made.writestr("/abs", "a")
    assert [each.name for each in members(str(path))] == ["../../etc/x", "/abs"]


def test_archive_behind_something_else_and_with_64_bit_lengths(tmp_path: Path) -> None:
    """Self-extracting programs begin with other data; streaming writers do not know lengths."""
    file = make(tmp_path, 7)
    buffer = io.BytesIO()
    buffer.write(b"#!/bin/sh\n" * 50)

    class Stream(io.RawIOBase):
        def write(self, data: object) -> int:
            return buffer.write(data)  # type: ignore[arg-type]

        def writable(self) -> bool:
            return True

    with (
        zipfile.ZipFile(Stream(), "w", DEFLATED) as made,  # type: ignore[call-overload]
        made.open("a", "w", force_zip64=True) as member,
    ):
        member.write(file.read_bytes())
    path = tmp_path / "x.zip"
    path.write_bytes(buffer.getvalue())
    assert data_of(instance(path)) == data_set(file)


def test_every_read_gives_what_the_bytes_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward, backward and beyond the end, for a member that can only be inflated."""
    monkeypatch.setattr(zip_members, "_BEHIND", 1000)
    monkeypatch.setattr(zip_members, "_IN_MEMORY", 0)
    monkeypatch.setattr(zip_members, "_STEP", 4096)
    chance = random.Random(1)
    content = chance.randbytes(5000) * 20
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", DEFLATED) as made:
        made.writestr("x", content)
    with only(path).checked() as source:
        for _ in range(200):
            at, size = chance.randrange(len(content) + 10), chance.randrange(9000)
            assert source.read(at, size) == content[at : at + size]


@given(st.data())
def test_any_damage_is_reported(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Only our own errors are raised, and returned data is the original data."""
    folder = tmp_path_factory.getbasetemp() / "damage"
    folder.mkdir(exist_ok=True)
    file = make(folder, 7, size=200)
    path = archive(folder, file, compression=data.draw(st.sampled_from([STORED, DEFLATED])))
    content, expected = bytearray(path.read_bytes()), data_set(file)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        assert data_of(instance(path)) == expected
    except (UnusableArchive, UnusableInstance, NotDicom):
        pass
    except (AssertionError, ValueError):  # another number of members, or a damaged one
        assert not all(isinstance(each, Member) for each in members(str(path)))
