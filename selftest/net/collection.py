"""A small collection: two patients with two studies, each with a CT and an MR series."""

from pathlib import Path

from net.files import make
from pydicom import dcmread

MR = "1.2.840.10008.5.1.4.1.1.4"
CT = "1.2.840.10008.5.1.4.1.1.2"


def entities(root: str) -> list[dict[str, str]]:
    """Return the attributes of the instances; all UIDs begin with `root`, which must be unique."""
    return [
        {
            "PatientID": f"{root}-{patient}",
            "PatientName": f"Collection^{patient}",
            "StudyInstanceUID": f"{root}.{patient}.{study}",
            "StudyDate": f"2024010{study}",
            "StudyTime": "120000",
            "SeriesInstanceUID": f"{root}.{patient}.{study}.{series}",
            "SeriesNumber": str(series),
            "Modality": ("CT", "MR")[series - 1],
            "SOPClassUID": (CT, MR)[series - 1],
            "SOPInstanceUID": f"{root}.{patient}.{study}.{series}.{instance}",
            "InstanceNumber": str(instance),
        }
        for patient in (1, 2)
        for study in (1, 2)
        for series in (1, 2)
        for instance in (1, 2)
    ]


def files(folder: Path, root: str) -> list[Path]:
    """Write the instances."""
    paths = []
    for number, entity in enumerate(entities(root)):
        path = make(folder, number, size=2_000)
        image = dcmread(path)
        for keyword, value in entity.items():
            setattr(image, keyword, value)
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.save_as(path)
        paths.append(path)
    return paths
