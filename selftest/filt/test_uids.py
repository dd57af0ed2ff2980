"""`dcm.filt.uids`: new UIDs for old ones, and back."""

import re
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from filt.conftest import Make, made, sample
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.uid import UID_dictionary

from dcm.data.plan import CannotEdit
from dcm.filt.files import FileEditor
from dcm.filt.uid_map import MemoryUids, SqliteUids, UidMap
from dcm.filt.uids import UidFilter, hashed_uid, is_known_to_all, keeps_its_uids, read_key
from dcm.instances import data_of, instance_of

__all__ = ["made", "sample"]

KEY = b"a key that is long enough"


@given(st.binary(min_size=16, max_size=64), st.text("0123456789.", min_size=1, max_size=64))
def test_new_uids_are_uuids(key: bytes, old: str) -> None:
    """PS3.5 B.2: `2.25.` and at most 39 digits without a leading zero: a UUID of version 4."""
    new = hashed_uid(key, old)
    assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", new)
    number = uuid.UUID(int=int(new[5:]))
    assert (number.version, number.variant) == (4, uuid.RFC_4122)
    assert hashed_uid(key, old) == new


def test_another_key_makes_other_uids() -> None:
    """Another UID gives another result, too."""
    found = {hashed_uid(key, old) for key in (KEY, KEY + b"2") for old in ("1.2.3", "1.2.4")}
    assert len(found) == 4


def uids(data_set: Dataset) -> list[str]:
    """Return all UIDs at any depth, in order."""
    return [
        str(value)
        for element in data_set.iterall()
        if element.VR == "UI" and element.value
        for value in ([element.value] if isinstance(element.value, str) else element.value)
    ]


def test_references_hold_at_any_depth(sample: str, tmp_path: Path) -> None:
    """Each UID is replaced; classes and other known ones are kept; all else is the same."""
    remap = UidFilter(KEY)
    target = str(tmp_path / "target.dcm")
    FileEditor(remap).into(sample, target)
    before, after = dcmread(sample), dcmread(target)
    assert uids(after) == [
        uid if uid in UID_dictionary else hashed_uid(KEY, uid) for uid in uids(before)
    ]
    assert after.SOPClassUID == before.SOPClassUID
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
    same = [element for element in before.iterall() if element.VR not in ("UI", "SQ")]
    assert [element for element in after.iterall() if element.VR not in ("UI", "SQ")] == same


def test_it_can_be_led_back(sample: str) -> None:
    """With the map, the result is the original byte for byte."""
    remap = UidFilter()
    instance = instance_of(sample)
    there = remap.apply(instance)
    assert there.sop_instance_uid != instance.sop_instance_uid
    back = remap.inverse().apply(there)
    assert data_of(back) == data_of(instance)
    assert back.sop_instance_uid == instance.sop_instance_uid


@pytest.mark.parametrize("keyword", [
    "SOPClassUID", "ReferencedSOPClassUID", "ReferencedSOPClassUIDInFile", "SOPClassesInStudy",
    "CodingSchemeUID", "ContextUID", "MappingResourceUID", "ReferencedTransferSyntaxUIDInFile",
    "OriginalSpecializedSOPClassUID",
    "EncryptedContentTransferSyntaxUID", "SOPClassesSupported", "ImplementationClassUID",
])  # fmt: skip
def test_uids_of_classes_and_codes_stay(keyword: str, made: Make) -> None:
    """Also private ones, which no dictionary has: they identify a kind, not an object."""
    data_set = Dataset()
    setattr(data_set, keyword, "1.3.12.2.1107.5.9.1")
    tag = next(iter(data_set.keys()))
    assert keeps_its_uids(tag)
    assert UidFilter(KEY).forward({keyword: "1.3.12.2.1107.5.9.1"}) == {
        keyword: "1.3.12.2.1107.5.9.1"
    }


def test_private_classes_stay_in_files(made: Make) -> None:
    """A receiving server must know the class."""
    path, private = made(), "1.3.12.2.1107.5.9.1"
    data_set, item = dcmread(path), Dataset()
    data_set.SOPClassUID = item.ReferencedSOPClassUID = private
    item.ReferencedSOPInstanceUID = "1.2.3"
    data_set.ReferencedImageSequence = [item]
    data_set.save_as(path)
    FileEditor(UidFilter(KEY)).in_place(path)
    found = dcmread(path)
    assert found.SOPClassUID == found.ReferencedImageSequence[0].ReferencedSOPClassUID == private
    assert found.ReferencedImageSequence[0].ReferencedSOPInstanceUID == hashed_uid(KEY, "1.2.3")


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.4.1.1", "1.2.840.10008.999.1", ""]
)
def test_uids_of_the_standard_stay_wherever_they_are(uid: str) -> None:
    """For example well-known frames of reference, also those of a newer edition."""
    assert is_known_to_all(uid)
    assert UidFilter(KEY).new(uid) == uid


@pytest.mark.parametrize(
    "keyword", ["FrameOfReferenceUID", "StudyInstanceUID", "UID", "InstanceCreatorUID"]
)
def test_other_uids_do_not_stay(keyword: str) -> None:
    """Several values of one element are replaced one by one."""
    remap = UidFilter(KEY)
    assert remap.forward({keyword: "1.2\\1.3"}) == {
        keyword: f"{remap.new('1.2')}\\{remap.new('1.3')}"
    }


@pytest.mark.parametrize("vr", ["UI", "UN"])
def test_private_uids_are_replaced(vr: str, made: Make) -> None:
    """By their VR, or by pydicom's dictionary of private elements if the file has UN."""
    path = made()
    data_set = dcmread(path)
    block = data_set.private_block(0x0023, "AMICAS0", create=True)
    block.add_new(0x01, vr, b"1.2.3.4\0" if vr == "UN" else "1.2.3.4")
    data_set.save_as(path)
    FileEditor(UidFilter(KEY)).in_place(path)
    assert f"{hashed_uid(KEY, '1.2.3.4')}".encode() in Path(path).read_bytes()
    assert b"1.2.3.4" not in Path(path).read_bytes()


@pytest.fixture(params=["memory", "file"])
def uid_map(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UidMap]:
    """Each kind of map."""
    if request.param == "memory":
        yield MemoryUids()
        return
    with SqliteUids(tmp_path / "map.sqlite") as found:
        yield found


def test_a_map_leads_both_ways(uid_map: UidMap) -> None:
    """Unknown UIDs are not found."""
    uid_map.put({"1.2": "2.25.1", "1.3": "2.25.2"})
    uid_map.put({"1.2": "2.25.1"})
    assert (uid_map.get("1.2"), uid_map.get("1.3"), uid_map.get("1.4")) == (
        "2.25.1",
        "2.25.2",
        None,
    )
    assert (uid_map.old("2.25.2"), uid_map.old("1.2")) == ("1.3", None)


def test_a_map_does_not_change_its_mind(uid_map: UidMap) -> None:
    """Two programs with two keys would produce UIDs that cannot be traced back."""
    uid_map.put({"1.2": "2.25.1"})
    with pytest.raises(CannotEdit, match=r"1\.2 was given a different new UID .* use the same key"):
        uid_map.put({"1.3": "2.25.3", "1.2": "2.25.2"})
    assert uid_map.get("1.2") == "2.25.1"


def test_a_map_goes_before_the_key(uid_map: UidMap) -> None:
    """A UID mapped in an earlier run is the same, even if that run had a random key."""
    first = UidFilter(uids=uid_map).new("1.2.3")
    assert UidFilter(uids=uid_map).new("1.2.3") == first
    assert UidFilter(KEY, uid_map).new("1.2.3") == first


def test_a_map_is_used_by_several_threads_and_processes(tmp_path: Path) -> None:
    """Nothing is lost, and locks are short."""
    path = tmp_path / "map.sqlite"

    def fill(maps: SqliteUids) -> None:
        remap = UidFilter(KEY, maps)
        for number in range(50):
            remap.new(f"1.2.{number}")

    with SqliteUids(path) as one, SqliteUids(path) as other:
        threads = [threading.Thread(target=fill, args=(maps,)) for maps in (one, one, other, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert {one.old(hashed_uid(KEY, f"1.2.{n}")) for n in range(50)} == {
            f"1.2.{n}" for n in range(50)
        }


def test_a_file_that_is_no_map_is_an_error(tmp_path: Path) -> None:
    """The error names the file."""
    path = tmp_path / "map.sqlite"
    path.write_bytes(b"This is not a database, and long enough." * 100)
    with pytest.raises(OSError, match="the UID map cannot be used") as met:
        SqliteUids(path)
    assert met.value.filename == str(path)


def test_a_pair_is_in_the_file_before_the_instance_is_there(tmp_path: Path, made: Make) -> None:
    """After any failure, each instance can be traced back: other processes see pairs at once."""
    path = tmp_path / "map.sqlite"
    with SqliteUids(path) as maps:
        result = UidFilter(KEY, maps).apply(instance_of(made()))
        other = sqlite3.connect(path)
        pairs = dict(other.execute("SELECT new, old FROM uids"))
        other.close()
    assert pairs[result.sop_instance_uid] == instance_of(made()).sop_instance_uid


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """Only its owner can read it; a short key, and an empty file, are refused."""
    path = tmp_path / "key"
    key = read_key(path)
    assert len(key) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path) == key
    path.write_bytes(b"short\n")
    with pytest.raises(CannotEdit, match="a key of 5 bytes is too short"):
        read_key(path)
    with pytest.raises(CannotEdit, match="too short"):
        UidFilter(b"")
