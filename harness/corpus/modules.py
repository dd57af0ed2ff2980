"""The modules of PS3.3 in the sample objects, filled with fixed values."""

from collections.abc import Mapping
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    MRImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from harness.corpus.place import Place
from harness.errors import CorpusError

DATE, TIME = "20240115", "101500"


def general(place: Place, sop_class: UID, modality: str) -> Dataset:
    """Return Patient, General Study, Series and Equipment, and SOP Common (PS3.3 C.7, C.12.1)."""
    ds = Dataset()
    ds.PatientName = "Sample^Object"
    ds.PatientID = place.patient_id
    ds.PatientBirthDate = "19700102"
    ds.PatientSex = "O"
    ds.StudyDate, ds.StudyTime = DATE, TIME
    ds.ReferringPhysicianName = "Referring^Physician"
    ds.Modality = modality
    ds.Manufacturer = "dicom-harness"
    ds.ManufacturerModelName = "corpus"
    ds.DeviceSerialNumber = "1"
    ds.SoftwareVersions = "1"
    ds.SOPClassUID = sop_class
    ds.InstanceNumber = place.number
    override(ds, place.texts())
    del ds.FrameOfReferenceUID  # `_slice_plane` adds it
    return ds


def image(place: Place, sop_class: UID, modality: str, *image_type: str) -> Dataset:
    """Return an object that also has General Image and General Acquisition (PS3.3 C.7.6.1)."""
    ds = general(place, sop_class, modality)
    ds.ImageType = list(image_type)
    ds.ContentDate, ds.ContentTime = DATE, TIME
    ds.AcquisitionDate, ds.AcquisitionTime = DATE, TIME
    ds.AcquisitionNumber = 1
    ds.PatientOrientation = None
    ds.BodyPartExamined = "CHEST"
    return ds


def _slice_plane(ds: Dataset, place: Place) -> None:
    """Add Frame of Reference and Image Plane: axial slices, 5 mm apart.

    PS3.3 C.7.4.1, C.7.6.2
    """
    ds.FrameOfReferenceUID = place.texts()["FrameOfReferenceUID"]
    ds.PositionReferenceIndicator = None
    ds.PatientPosition = "HFS"
    ds.ImagePositionPatient = [-8, -8, 5 * place.number]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [1, 1]
    ds.SliceThickness = 5
    ds.SliceLocation = 5 * place.number
    del ds.PatientOrientation


def ct_image(place: Place) -> Dataset:
    """Return a CT Image without its pixels (PS3.3 A.3)."""
    ds = image(place, CTImageStorage, "CT", "ORIGINAL", "PRIMARY", "AXIAL")
    _slice_plane(ds, place)
    ds.KVP = 120
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = 40, 400
    return ds


def mr_image(place: Place) -> Dataset:
    """Return an MR Image without its pixels (PS3.3 A.4)."""
    ds = image(place, MRImageStorage, "MR", "ORIGINAL", "PRIMARY", "OTHER")
    _slice_plane(ds, place)
    ds.BodyPartExamined = "HEAD"
    ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = "SE", "NONE", None
    ds.MRAcquisitionType = "2D"
    ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = 500, 15, 1
    ds.MagneticFieldStrength = 1.5
    return ds


def secondary_capture(place: Place, modality: str = "OT") -> Dataset:
    """Return a Secondary Capture Image without its pixels (PS3.3 A.8.1)."""
    ds = image(place, SecondaryCaptureImageStorage, modality, "DERIVED", "SECONDARY")
    ds.ConversionType = "SYN"
    return ds


def grayscale_multiframe_capture(place: Place) -> Dataset:
    """Return a Multi-frame Grayscale Byte Secondary Capture without its pixels (PS3.3 A.8.3)."""
    sop_class = MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    ds = image(place, sop_class, "OT", "DERIVED", "SECONDARY")
    ds.ConversionType = "SYN"
    ds.BurnedInAnnotation = "NO"
    ds.PresentationLUTShape = "IDENTITY"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    _cine(ds)
    return ds


def ultrasound_multiframe(place: Place) -> Dataset:
    """Return an Ultrasound Multi-frame Image without its pixels (PS3.3 A.7)."""
    sop_class = UltrasoundMultiFrameImageStorage
    ds = image(place, sop_class, "US", "ORIGINAL", "PRIMARY", "ABDOMINAL", "0001")
    ds.BodyPartExamined = "ABDOMEN"
    ds.LossyImageCompression = "00"
    _cine(ds)
    return ds


def _cine(ds: Dataset) -> None:
    """Add the attributes of frames that follow each other in time (PS3.3 C.7.6.5, C.7.6.6)."""
    ds.FrameTime = 40
    ds.FrameIncrementPointer = tag_for_keyword("FrameTime")


def item(**elements: Any) -> Dataset:
    """Return a sequence item with these elements."""
    ds = Dataset()
    override(ds, elements)
    return ds


def code(value: str, scheme: str, meaning: str) -> Sequence:
    """Return a code sequence with one item (PS3.3 8.8)."""
    return Sequence([item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)])


def override(ds: Dataset, elements: Mapping[str, Any]) -> None:
    """Set elements by keyword; raises `CorpusError` for one that the standard does not define."""
    for keyword, value in elements.items():
        if tag_for_keyword(keyword) is None:
            raise CorpusError(f"{keyword} is not the keyword of a DICOM element (PS3.6)")
        setattr(ds, keyword, value)
