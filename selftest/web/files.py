"""Instances to store: small studies of several series, and their files."""

from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"


def study(
    folder: Path, series: int = 2, instances: int = 3, *, size: int = 2048, **more: str
) -> list[Path]:
    """Write the files of a study; more: attributes for all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    return list(_written(folder, series, instances, size, more))


def _written(
    folder: Path, series: int, instances: int, size: int, more: dict[str, str]
) -> Iterator[Path]:
    study_uid = generate_uid()
    for number in range(series):
        series_uid = generate_uid()
        for place in range(instances):
            found = pydicom.Dataset()
            found.SOPClassUID, found.SOPInstanceUID = CT, generate_uid()
            found.StudyInstanceUID, found.SeriesInstanceUID = study_uid, series_uid
            found.PatientID, found.PatientName, found.StudyID = "4711", "Muller^Anna", "1"
            found.StudyDate, found.StudyTime, found.AccessionNumber = "20240131", "120000", "A1"
            found.StudyDescription = "Head"
            found.Modality, found.SeriesNumber = "CT", number + 1
            found.InstanceNumber = place + 1
            for name, value in more.items():
                setattr(found, name, value)
            found.Rows, found.Columns, found.BitsAllocated, found.BitsStored = (
                size // 64,
                32,
                16,
                16,
            )
            found.SamplesPerPixel, found.PixelRepresentation, found.HighBit = 1, 0, 15
            found.PhotometricInterpretation = "MONOCHROME2"
            found.PixelData = bytes([place % 256, number % 256]) * (size // 2)
            found.file_meta = FileMetaDataset()
            found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            path = folder / f"{number}-{place}.dcm"
            found.save_as(path, enforce_file_format=True)
            yield path


def uid_of(path: Path) -> str:
    """Return the SOP Instance UID of a file."""
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)
