"""A medium made by dcmtk, and variants of its DICOMDIR as careless writers make them."""

import io
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st
from net.files import make
from net.peers import installed
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

Change = Callable[[Dataset, int], None]

FILES = {
    f"DICOM\\ST{study}\\IM{series}{number}": f"1.2.77.{study}.3.{number + 1 + 10 * series}"
    for study in range(2)
    for series in range(2)
    for number in range(3)
}
"""The File IDs of the medium, and the SOP Instance UIDs in those files."""

_OFFSETS = (
    "OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity",
    "OffsetOfTheNextDirectoryRecord",
    "OffsetOfReferencedLowerLevelDirectoryEntity",
)


def make_medium(root: Path) -> None:
    """Make a medium of one patient, two studies, four series and twelve instances."""
    for name, uid in FILES.items():
        study, number = int(uid.split(".")[3]), int(uid.split(".")[5])
        file = make(root, number, study=f"1.2.77.{study}", series=1 + number // 11, size=2000)
        image = dcmread(file)
        image.SpecificCharacterSet = "ISO_IR 100"
        image.PatientName = "Müller^J"
        image.StudyDate, image.StudyTime = f"2024010{study + 1}", "101500"
        image.SeriesNumber, image.InstanceNumber = 1 + number // 11, number
        path = root.joinpath(*name.split("\\"))
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save_as(path, enforce_file_format=True)
        file.unlink()
    command = [installed("dcmmkdir"), "+r", "+D", "DICOMDIR", "DICOM"]
    subprocess.run(command, cwd=root, check=True, timeout=60, capture_output=True)


def written(
    medium: Path,
    *,
    implicit: bool = False,
    undefined: bool = False,
    offset: Callable[[int], int] | None = None,
    change: Change | None = None,
) -> bytes:
    """Return the DICOMDIR of a medium as another program would write it.

    offset: returns a new value for each offset. change: is called with each record and its number.
    """
    directory = dcmread(medium / "DICOMDIR")
    records = directory.DirectoryRecordSequence
    positions = [record.seq_item_tell for record in records]
    for number, record in enumerate(records):
        if change is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # values that the standard does not allow
                change(record, number)
        record.is_undefined_length_sequence_item = undefined
    directory["DirectoryRecordSequence"].is_undefined_length = undefined
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    directory.file_meta.TransferSyntaxUID = syntax
    moved = dict(zip(positions, _positions(_encoded(directory)), strict=True))
    for part in (directory, *records):
        for name in _OFFSETS:
            if name in part and part[name].value:
                there = moved[part[name].value]
                part[name].value = there if offset is None else offset(there)
    return _encoded(directory)


def _encoded(directory: Dataset) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcmwrite(buffer, directory, enforce_file_format=True)
    return buffer.getvalue()


def _positions(data: bytes) -> list[int]:
    found = dcmread(io.BytesIO(data))
    return [record.seq_item_tell for record in found.DirectoryRecordSequence]


def mutated(content: bytes, data: st.DataObject) -> bytes:
    """Return the bytes with some of them changed or removed."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed[: data.draw(st.integers(len(changed) // 2, len(changed)))])
