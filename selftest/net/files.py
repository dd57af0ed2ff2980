"""Generated files to send, and their data sets."""

import contextlib
from pathlib import Path

from pydicom import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from dcm.data.header import scan

CT = "1.2.840.10008.5.1.4.1.1.2"
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)


def make(
    folder: Path,
    number: int,
    syntax: str = ExplicitVRLittleEndian,
    sop_class: str = CT,
    size: int = 40_000,
    *,
    study: str = "1.2.3.4.1",
    series: int = 2,
) -> Path:
    """Write an instance with `size` bytes of pixels; one in its own study has other UIDs.

    series: the last component of the Series Instance UID, for an own study.
    """
    image = Dataset()
    image.SOPClassUID = sop_class
    own = study != "1.2.3.4.1"
    image.SOPInstanceUID = f"{study}.3.{number}" if own else f"1.2.3.{number}"
    image.PatientID = image.PatientName = "NET"
    image.StudyInstanceUID = study
    image.SeriesInstanceUID = f"{study}.{series}" if own else "1.2.3.4.2"
    image.Modality, image.StudyID = "CT", "1"
    image.Columns = min(1000, size // 2)
    image.Rows = size // 2 // image.Columns
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation, image.SamplesPerPixel = 15, 0, 1
    image.PhotometricInterpretation = "MONOCHROME2"
    pixels = bytes((number + at) % 251 for at in range(251)) * (size // 251 + 1)
    compressed = syntax in (JPEGBaseline8Bit, RLELossless)
    image.PixelData = encapsulate([pixels[:size]]) if compressed else pixels[:size]
    image["PixelData"].VR = "OB" if compressed else "OW"
    image["PixelData"].is_undefined_length = compressed
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    path = folder / f"{number:05}.dcm"
    image.save_as(path, enforce_file_format=True)
    return path


def data_set(path: Path) -> bytes:
    """Return the encoded data set of a file."""
    return path.read_bytes()[scan(path).data_set_offset :]


def data_sets(folder: Path) -> dict[str, bytes]:
    """Return the encoded data set of each file in a folder, by SOP Instance UID."""
    found = {}
    for path in folder.iterdir():
        if path.suffix not in (".log", ".json"):
            header = scan(path)
            found[header.sop_instance_uid] = data_set(path)
    return found


def being_written(folder: Path, pid: int | str = "self") -> int:
    """Count the files in a folder that a process is writing; they have no name yet."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            count += link.readlink().is_relative_to(folder)
    return count
