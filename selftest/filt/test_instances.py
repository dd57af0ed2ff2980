"""`dcm.filt.instance`: headers are edited, bulk data is not changed."""

import asyncio
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest
from filt.conftest import Make, made, sample
from net.files import SYNTAXES, data_sets, make
from net.peers import storescp
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dcm.data.header import scan
from dcm.data.plan import DELETE, CannotEdit, Change, Plan
from dcm.data.target import Target
from dcm.filt.instance import EditedInstance, edited
from dcm.filt.uids import UidFilter
from dcm.instances import (
    FileInstance,
    Instance,
    MemoryInstance,
    UnusableInstance,
    data_of,
    instance_of,
    same_object,
    without_data,
)
from dcm.net import LocalEntity
from harness.corpus import corpus

__all__ = ["made", "sample"]

MB = 1 << 20


def plan(**changes: object) -> Plan:
    """Make a plan from keywords."""
    return Plan(Change(Target.of(key), value) for key, value in changes.items())  # type: ignore[arg-type]


def in_file(path: Path) -> FileInstance:
    """Return an instance that is read from its file each time, even if it is small."""
    header = scan(path, ())
    kind = header.sop_class_uid, header.transfer_syntax_uid
    return FileInstance(kind, header.sop_instance_uid, str(path), header.data_set_offset)


def in_slices(instance: Instance, size: int) -> bytes:
    """Return the data set in small slices; only the last slice is marked as last."""
    found = [(bytes(part), last) for part, last in instance.slices(bytearray(size), [])]
    assert [last for _, last in found] == [False] * (len(found) - 1) + [True]
    return b"".join(part for part, _ in found)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_each_transfer_syntax(syntax: str, tmp_path: Path) -> None:
    """The result is the same in a file and in memory, and for pydicom; the pixels are unchanged."""
    path = make(tmp_path, 1, syntax, size=60_000)
    before = dcmread(path)
    wanted = plan(PatientID="EDITED", PatientName="A^B", StudyDate="20200101", StudyID=DELETE)
    result = edited(in_file(path), wanted)
    small = make(tmp_path, 2, syntax, size=600)
    assert isinstance(instance_of(small), MemoryInstance)
    if syntax == DeflatedExplicitVRLittleEndian:
        data = zlib.decompress(data_of(result), -zlib.MAX_WBITS)
        assert len(data_of(result)) % 2 == 0
        assert b"EDITED" in data
    else:
        assert isinstance(result, EditedInstance)
        assert data_of(edited(instance_of(small), wanted)) == data_of(
            edited(in_file(small), wanted)
        )
        for size in (1 << 16, 997, 64):
            assert in_slices(result, size) == data_of(result)
        head = path.read_bytes()[: in_file(path).offset]
        (tmp_path / "edited.dcm").write_bytes(head + data_of(result))
        after = dcmread(tmp_path / "edited.dcm")
        assert (after.PatientID, after.PatientName, after.StudyDate) == (
            "EDITED",
            "A^B",
            "20200101",
        )
        assert "StudyID" not in after
        assert after.PixelData == before.PixelData
    assert (result.kind, result.sop_instance_uid, result.path) == (
        in_file(path).kind, "1.2.3.1", str(path),
    )  # fmt: skip


def test_nothing_changed_is_the_same_instance(sample: str) -> None:
    """A sender can then use the file itself."""
    instance = instance_of(sample)
    assert edited(instance, plan(PatientID=scan(sample).text("PatientID"))) is instance
    assert edited(instance, plan(StationName=DELETE, EthnicGroup=DELETE)) is instance


def test_an_edited_instance_can_be_edited(tmp_path: Path) -> None:
    """The result is as if the first edit had been written to a file."""
    instance = in_file(make(tmp_path, 1, size=60_000))
    first = edited(instance, plan(PatientID="FIRST", StudyDescription="longer than before"))
    second = edited(first, plan(PatientID="SECOND!", StudyDescription=DELETE, StudyID="77"))
    at_once = edited(instance, plan(PatientID="SECOND!", StudyID="77"))
    assert data_of(second) == data_of(at_once)
    assert in_slices(second, 100) == data_of(at_once)


def test_identity_follows_the_edit(made: Make) -> None:
    """SOP class and instance UID are those sent in the command."""
    result = edited(
        instance_of(made()), plan(SOPInstanceUID="1.2.3", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    )
    assert result.sop_instance_uid == "1.2.3"
    assert result.kind[0] == "1.2.840.10008.5.1.4.1.1.4"


def test_an_edit_of_a_file_is_another_object_than_the_file(made: Make) -> None:
    """Even if its data set is no longer in memory: a sender compares objects with the same UID."""
    instance = instance_of(made())
    one, other = (edited(instance, plan(PatientID=value)) for value in ("A", "B"))
    assert one.path == instance.path
    assert not same_object(without_data(one), other)
    assert not same_object(without_data(one), instance)
    assert same_object(without_data(one), edited(instance, plan(PatientID="A")))


def test_a_dicomdir_is_not_edited() -> None:
    """PS3.3 F.3.2: its records are found by their positions, which would change."""
    directory = MemoryInstance(("1.2.840.10008.1.3.10", "1.2.840.10008.1.2.1"), "1.2", b"")
    with pytest.raises(CannotEdit, match="a DICOMDIR cannot be edited"):
        edited(directory, plan(PatientID="X"))


@pytest.mark.parametrize("syntax", SYNTAXES[:2])
def test_an_edited_instance_is_sent_like_any_other(syntax: str, tmp_path: Path) -> None:
    """The edited object arrives, from a file or from a data set in memory."""
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    files = [
        make(tmp_path / "source", 1, syntax, size=60_000),
        make(tmp_path / "source", 2, syntax, size=600),
    ]
    remap = UidFilter(b"k" * 16)
    instances = [remap.apply(edited(instance_of(file), plan(PatientID="X"))) for file in files]
    with storescp(tmp_path / "target") as node:
        report = asyncio.run(LocalEntity("US").store(node, instances))
    assert report.complete
    assert data_sets(tmp_path / "target") == {
        instance.sop_instance_uid: data_of(instance) for instance in instances
    }


def test_odd_values_are_padded_as_in_a_file_that_is_not_edited(tmp_path: Path) -> None:
    """PS3.5 7.1.1; also if the value of odd length is the one being replaced."""
    uids = b"\x08\0\x16\0UI\x1a\x001.2.840.10008.5.1.4.1.1.2\0" + b"\x08\0\x18\0UI\x06\x001.2.3\0"
    odd = b"\x08\0\x30\x10LO\x03\0odd" + b"\x10\0\x20\0LO\x03\0one"
    path = tmp_path / "odd.dcm"
    path.write_bytes(bytes(128) + b"DICM" + _meta() + uids + odd)
    remarks: list[str] = []
    result = edited(in_file(path), plan(PatientID="1234", PatientName="X"))
    parts = b"".join(bytes(part) for part, _ in result.slices(bytearray(64), remarks))
    assert parts == uids + (
        b"\x08\0\x30\x10LO\x04\0odd " + b"\x10\0\x10\0PN\x02\0X " + b"\x10\0\x20\0LO\x04\x001234"
    )
    assert any("StudyDescription" in remark for remark in remarks)
    behind = edited(in_file(path), plan(PatientBirthDate="20200101"))
    assert data_of(behind) == uids + (
        b"\x08\0\x30\x10LO\x04\0odd \x10\0\x20\0LO\x04\0one \x10\0\x30\0DA\x08\x0020200101"
    )


def _meta() -> bytes:
    syntax = b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"
    return b"\x02\0\0\0UL\x04\0" + struct.pack("<I", len(syntax)) + syntax


def test_zeros_behind_the_last_element_are_left_out(made: Make) -> None:
    """As without an edit; added elements come before them."""
    path = made(pixels=False)
    with Path(path).open("ab") as file:
        file.write(bytes(512))
    result = edited(in_file(Path(path)), plan(RescaleType="HU", PatientID="1"))
    assert not data_of(result).endswith(bytes(100))


def test_a_file_that_was_cut_is_found_out(tmp_path: Path) -> None:
    """The error is raised before anything is sent."""
    path = make(tmp_path, 1, size=60_000)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1000)
    result = edited(in_file(path), plan(PatientID="X"))
    with pytest.raises(UnusableInstance, match="1000 of 60000 bytes are missing"):
        next(result.slices(bytearray(1 << 16), []))


def test_a_deflated_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    """Inflating shows it."""
    path = make(tmp_path, 1, DeflatedExplicitVRLittleEndian)
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    with pytest.raises((CannotEdit, UnusableInstance), match=r"cut|ends in the middle"):
        edited(in_file(path), plan(PatientID="X"))


def test_samples_with_faults_are_edited_or_refused() -> None:
    """Only two exceptions are raised."""
    for id_ in [each for each in corpus if each.startswith("x")]:
        try:
            path_free = MemoryInstance(
                ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"), "1", corpus[id_].data
            )
            edited(path_free, plan(PatientID="X"))
        except (CannotEdit, UnusableInstance):
            pass


BIG = """
import sys
from dcm.data.plan import DELETE, Change, Plan
from dcm.data.target import Target
from dcm.filt.instance import edited
from dcm.filt.uids import UidFilter
from dcm.instances import instance_of
kind, path = sys.argv[1:]
if kind == "uids":
    instance = UidFilter(b"k" * 16).apply(instance_of(path))
elif kind == "behind":
    changes = [Change(Target.of("FFFC,FFFC"), DELETE), Change(Target.of("PatientID"), "1")]
    instance = edited(instance_of(path), Plan(changes))
else:
    instance = edited(instance_of(path), Plan([Change(Target.of("PatientID"), "EDITED")]))
memory = bytearray(1 << 20)
size = sum(len(part) for part, _ in instance.slices(memory, []))
status = open("/proc/self/status").read()
print(size, int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image with 500 sparse fragments of 1 MB, and padding after them."""
    folder = tmp_path_factory.mktemp("big")
    data = make(folder, 1, SYNTAXES[3], size=1000).read_bytes()
    at = data.index(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff") + 12
    path = folder / "big.dcm"
    with path.open("wb") as file:
        file.write(data[:at] + b"\xfe\xff\0\xe0\0\0\0\0")
        for _ in range(500):
            file.write(b"\xfe\xff\0\xe0" + struct.pack("<I", MB))
            file.seek(MB, 1)
        file.write(b"\xfe\xff\xdd\xe0\0\0\0\0" + b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0" + bytes(4))
    return path


@pytest.mark.parametrize("kind", ["id", "behind", "uids"])
def test_half_a_gigabyte_needs_no_memory(kind: str, big: Path) -> None:
    """Encapsulated pixels are skipped, and sent in slices: less than 100 MB for the process."""
    done = subprocess.run(
        [sys.executable, "-c", BIG, kind, str(big)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    size, peak = map(int, done.stdout.split())
    assert size > 500 * MB
    assert peak < 100


def test_an_edit_reads_only_the_header(big: Path) -> None:
    """Nothing of the size of the pixels is allocated."""
    instance = instance_of(str(big))
    tracemalloc.start()
    try:
        edited(instance, plan(PatientID="EDITED"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MB // 2
