"""Test data for transfers: `python benchmarks/images.py FOLDER COUNT large|medium|small`.

CT images in Explicit VR Little Endian. Large: one study of 512 x 512, 0.5 MB each; medium: one
study of 10 kB each; small: one study per image.
This is a separate program, so that pydicom does not enlarge the process that measures the memory of
its children.
"""

import io
import random
import sys
from pathlib import Path

from pydicom import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.8.498.1"
SERIES = 4
SIDES = {"large": 512, "medium": 68, "small": 8}


def image(number: int, side: int, study: int) -> bytes:
    """Encode one image."""
    one = Dataset()
    one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, f"{ROOT}.9.{number}"
    one.PatientID = one.PatientName = f"BENCH{study}"
    one.PatientBirthDate, one.PatientSex, one.StudyDate, one.StudyTime = "", "", "20240102", "1200"
    one.AccessionNumber, one.StudyID, one.ReferringPhysicianName = str(study), str(study), ""
    one.StudyInstanceUID, one.SeriesInstanceUID = (
        f"{ROOT}.{study}",
        f"{ROOT}.{study}.{number % SERIES}",
    )
    one.StudyDescription = "Transfers"
    one.Modality, one.SeriesNumber, one.InstanceNumber = "CT", number % SERIES, number
    one.Rows = one.Columns = side
    one.BitsAllocated = one.BitsStored = 16
    one.HighBit, one.PixelRepresentation, one.SamplesPerPixel = 15, 0, 1
    one.PhotometricInterpretation = "MONOCHROME2"
    one.PixelData = random.Random(number).randbytes(side) * side * 2
    one["PixelData"].VR = "OW"
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    encoded = io.BytesIO()
    one.save_as(encoded, enforce_file_format=True)
    return encoded.getvalue()


def main() -> None:
    """Write the images."""
    folder, count, kind = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    folder.mkdir()
    for number in range(1, count + 1):
        study = number if kind == "small" else 1
        (folder / f"{number:05}.dcm").write_bytes(image(number, SIDES[kind], study))


if __name__ == "__main__":
    main()
