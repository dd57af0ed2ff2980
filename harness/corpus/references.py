"""Objects that refer to images: presentation states, segmentations, structure sets."""

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    GrayscaleSoftcopyPresentationStateStorage,
    RTStructureSetStorage,
    SegmentationStorage,
)

from harness.corpus.modules import DATE, TIME, code, general, image, item
from harness.corpus.place import Place, uid

STUDY_COMPONENT_MANAGEMENT = (
    "1.2.840.10008.3.1.2.3.2"  # retired, but required by RT Referenced Study
)


def reference(of: Dataset) -> Dataset:
    """Return an item that refers to an object (PS3.3 10.8)."""
    return item(ReferencedSOPClassUID=of.SOPClassUID, ReferencedSOPInstanceUID=of.SOPInstanceUID)


def referring_image(ds: Dataset, scope: str) -> None:
    """Add references to nonexistent objects: images, source images, a series of another study."""
    away = [
        item(
            ReferencedSOPClassUID=ds.SOPClassUID, ReferencedSOPInstanceUID=uid(scope, "away", each)
        )
        for each in range(4)
    ]
    ds.ReferencedImageSequence = away[:3]
    ds.SourceImageSequence = away[3:]
    ds.RelatedSeriesSequence = [
        item(
            StudyInstanceUID=uid(scope, "away", "study"),
            SeriesInstanceUID=uid(scope, "away", "series"),
            PurposeOfReferenceCodeSequence=[],
        )
    ]


def presentation_state(place: Place, images: list[Dataset]) -> Dataset:
    """Return a Grayscale Softcopy Presentation State of `images` of one series (PS3.3 A.33.1)."""
    ds = general(place, GrayscaleSoftcopyPresentationStateStorage, "PR")
    ds.Laterality = None
    ds.PresentationCreationDate, ds.PresentationCreationTime = DATE, TIME
    ds.ContentLabel, ds.ContentDescription, ds.ContentCreatorName = "STATE", None, None
    ds.ReferencedSeriesSequence = [_series(images)]
    ds.DisplayedAreaSelectionSequence = [
        item(
            ReferencedImageSequence=[reference(each) for each in images],
            DisplayedAreaTopLeftHandCorner=[1, 1],
            DisplayedAreaBottomRightHandCorner=[16, 16],
            PresentationSizeMode="SCALE TO FIT",
            PresentationPixelAspectRatio=[1, 1],
        )
    ]
    ds.PresentationLUTShape = "IDENTITY"
    return ds


def _series(images: list[Dataset]) -> Dataset:
    return item(
        SeriesInstanceUID=images[0].SeriesInstanceUID,
        ReferencedImageSequence=[reference(each) for each in images],
    )


def structure_set(place: Place, images: list[Dataset]) -> Dataset:
    """Return an RT Structure Set with a contour on each of `images` of one series (PS3.3 A.19)."""
    ds = general(place, RTStructureSetStorage, "RTSTRUCT")
    ds.OperatorsName = None
    ds.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    ds.PositionReferenceIndicator = None
    ds.StructureSetLabel = "CONTOURS"
    ds.StructureSetDate, ds.StructureSetTime = DATE, TIME
    frame = images[0].FrameOfReferenceUID
    series = item(
        SeriesInstanceUID=images[0].SeriesInstanceUID,
        ContourImageSequence=[reference(each) for each in images],
    )
    study = item(
        ReferencedSOPClassUID=STUDY_COMPONENT_MANAGEMENT,
        ReferencedSOPInstanceUID=images[0].StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    ds.ReferencedFrameOfReferenceSequence = [
        item(FrameOfReferenceUID=frame, RTReferencedStudySequence=[study])
    ]
    ds.StructureSetROISequence = [
        item(
            ROINumber=1,
            ReferencedFrameOfReferenceUID=frame,
            ROIName="ROI",
            ROIGenerationAlgorithm="MANUAL",
        )
    ]
    contours = [
        item(
            ContourImageSequence=[reference(each)],
            ContourGeometricType="POINT",
            NumberOfContourPoints=1,
            ContourData=[0, 0, each.ImagePositionPatient[2]],
        )
        for each in images
    ]
    ds.ROIContourSequence = [item(ReferencedROINumber=1, ContourSequence=contours)]
    ds.RTROIObservationsSequence = [
        item(ObservationNumber=1, ReferencedROINumber=1, RTROIInterpretedType="", ROIInterpreter="")
    ]
    ds.ApprovalStatus = "UNAPPROVED"
    return ds


def segmentation(place: Place, images: list[Dataset]) -> Dataset:
    """Return a binary Segmentation with a frame of 16 x 16 for each of `images` (PS3.3 A.51)."""
    ds = image(place, SegmentationStorage, "SEG", "DERIVED", "PRIMARY")
    first = images[0]
    for keyword in ("PatientOrientation", "BodyPartExamined", "AcquisitionDate", "AcquisitionTime"):
        delattr(ds, keyword)
    del ds.AcquisitionNumber
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = first.FrameOfReferenceUID, None
    ds.ContentLabel, ds.ContentDescription, ds.ContentCreatorName = "SEGMENTS", None, None
    ds.LossyImageCompression = "00"
    ds.SegmentationType = "BINARY"
    ds.SegmentSequence = [
        item(
            SegmentNumber=1,
            SegmentLabel="Segment",
            SegmentAlgorithmType="MANUAL",
            SegmentedPropertyCategoryCodeSequence=code("123037004", "SCT", "Anatomical Structure"),
            SegmentedPropertyTypeCodeSequence=code("39607008", "SCT", "Lung"),
        )
    ]
    ds.ReferencedSeriesSequence = [
        item(
            SeriesInstanceUID=first.SeriesInstanceUID,
            ReferencedInstanceSequence=[reference(each) for each in images],
        )
    ]
    _dimensions(ds, place)
    ds.SharedFunctionalGroupsSequence = [
        item(
            PixelMeasuresSequence=[
                item(PixelSpacing=[1, 1], SliceThickness=5, SpacingBetweenSlices=5)
            ],
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=1)],
        )
    ]
    ds.PerFrameFunctionalGroupsSequence = [
        _frame(number, each) for number, each in enumerate(images, 1)
    ]
    _bits(ds, len(images))
    return ds


def _bits(ds: Dataset, frames: int) -> None:
    """Add pixels of one bit: the left half of each frame is in the segment (PS3.5 8.1.1)."""
    ds.NumberOfFrames = frames
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = 16
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = ds.PixelRepresentation = 0
    ds.PixelData = b"\xff\x00" * 16 * frames
    ds["PixelData"].VR = "OB"


def _dimensions(ds: Dataset, place: Place) -> None:
    """Order the frames by their position (PS3.3 C.7.6.17)."""
    organization = uid(place.scope, "dimensions", place.study)
    ds.DimensionOrganizationSequence = [item(DimensionOrganizationUID=organization)]
    ds.DimensionIndexSequence = [
        item(
            DimensionOrganizationUID=organization,
            DimensionIndexPointer=0x00200032,
            FunctionalGroupPointer=0x00209113,
        )
    ]


def _frame(number: int, source: Dataset) -> Dataset:
    purpose = code("121322", "DCM", "Source image for image processing operation")
    origin = reference(source)
    origin.PurposeOfReferenceCodeSequence = purpose
    derivation = code("113076", "DCM", "Segmentation")
    return item(
        FrameContentSequence=[item(DimensionIndexValues=[number])],
        PlanePositionSequence=[item(ImagePositionPatient=source.ImagePositionPatient)],
        DerivationImageSequence=[
            item(SourceImageSequence=Sequence([origin]), DerivationCodeSequence=derivation)
        ],
    )
