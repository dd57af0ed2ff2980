"""Tags, VRs and levels of the most frequent elements in queries and headers (PS3.6, PS3.4 C.6).

All others are looked up in pydicom's dictionary, which is imported only then, since that import takes longer
than a whole query.
"""

import re
from functools import lru_cache

from dcm.data.levels import Level
from dcm.errors import DcmError

Key = str | int  # a keyword, or a tag as one number: "PatientID" or 0x00100020


_DIGITS = re.compile(r"\(?(?:0x)?([0-9a-fA-F]{4}),? ?([0-9a-fA-F]{4})\)?")


class UnknownElement(DcmError):  # noqa: N818 - reads as the sentence it is
    """A keyword that is not in the data dictionary."""


# The attributes that are mainly matched or returned at each level; the rest belongs to no level.
_TABLE: dict[Level | None, str] = {
    Level.PATIENT: """
        00100010 PN PatientName                    00100020 LO PatientID
        00100021 LO IssuerOfPatientID              00100030 DA PatientBirthDate
        00100032 TM PatientBirthTime               00100040 CS PatientSex
        00101000 LO OtherPatientIDs                00101001 PN OtherPatientNames
        00102160 SH EthnicGroup                    00104000 LT PatientComments
        00101002 SQ OtherPatientIDsSequence        00081120 SQ ReferencedPatientSequence
        00201200 IS NumberOfPatientRelatedStudies  00201202 IS NumberOfPatientRelatedSeries
        00201204 IS NumberOfPatientRelatedInstances
        """,
    Level.STUDY: """
        0020000D UI StudyInstanceUID               00080020 DA StudyDate
        00080030 TM StudyTime                      00080050 SH AccessionNumber
        00200010 SH StudyID                        00081030 LO StudyDescription
        00080061 CS ModalitiesInStudy              00080062 UI SOPClassesInStudy
        00080090 PN ReferringPhysicianName         00081060 PN NameOfPhysiciansReadingStudy
        00081080 LO AdmittingDiagnosesDescription  00081032 SQ ProcedureCodeSequence
        00081110 SQ ReferencedStudySequence        00101010 AS PatientAge
        00101020 DS PatientSize                    00101030 DS PatientWeight
        00102180 SH Occupation                     001021B0 LT AdditionalPatientHistory
        00201206 IS NumberOfStudyRelatedSeries     00201208 IS NumberOfStudyRelatedInstances
        """,
    Level.SERIES: """
        0020000E UI SeriesInstanceUID              00080060 CS Modality
        00200011 IS SeriesNumber                   0008103E LO SeriesDescription
        00080021 DA SeriesDate                     00080031 TM SeriesTime
        00180015 CS BodyPartExamined               00181030 LO ProtocolName
        00200060 CS Laterality                     00081050 PN PerformingPhysicianName
        00081070 PN OperatorsName                  00400244 DA PerformedProcedureStepStartDate
        00400245 TM PerformedProcedureStepStartTime
        00400275 SQ RequestAttributesSequence      00200052 UI FrameOfReferenceUID
        00201209 IS NumberOfSeriesRelatedInstances
        """,
    Level.IMAGE: """
        00080018 UI SOPInstanceUID                 00080016 UI SOPClassUID
        00200013 IS InstanceNumber                 00200012 IS AcquisitionNumber
        00080022 DA AcquisitionDate                00080032 TM AcquisitionTime
        00080023 DA ContentDate                    00080033 TM ContentTime
        0008002A DT AcquisitionDateTime            00080008 CS ImageType
        00280008 IS NumberOfFrames                 00280010 US Rows
        00280011 US Columns                        00280100 US BitsAllocated
        00280101 US BitsStored                     00280004 CS PhotometricInterpretation
        00280002 US SamplesPerPixel                00280103 US PixelRepresentation
        0040A043 SQ ConceptNameCodeSequence
        """,
    None: """
        00020002 UI MediaStorageSOPClassUID        00020003 UI MediaStorageSOPInstanceUID
        00020010 UI TransferSyntaxUID              00020012 UI ImplementationClassUID
        00020013 SH ImplementationVersionName      00080005 CS SpecificCharacterSet
        00080052 CS QueryRetrieveLevel             00080054 AE RetrieveAETitle
        00080056 CS InstanceAvailability           00080201 SH TimezoneOffsetFromUTC
        00080058 UI FailedSOPInstanceUIDList
        00080070 LO Manufacturer                   00080080 LO InstitutionName
        00081010 SH StationName                    00081090 LO ManufacturerModelName
        00081150 UI ReferencedSOPClassUID          00081155 UI ReferencedSOPInstanceUID
        00081190 UR RetrieveURL                    00081196 US WarningReason
        00081195 UI TransactionUID                 00081197 US FailureReason
        00081198 SQ FailedSOPSequence              00081199 SQ ReferencedSOPSequence
        00181000 LO DeviceSerialNumber             00880130 SH StorageMediaFileSetID
        00880140 UI StorageMediaFileSetUID         00400100 SQ ScheduledProcedureStepSequence
        00400001 AE ScheduledStationAETitle        00400002 DA ScheduledProcedureStepStartDate
        00400003 TM ScheduledProcedureStepStartTime
        00400006 PN ScheduledPerformingPhysicianName
        00400007 LO ScheduledProcedureStepDescription
        00400009 SH ScheduledProcedureStepID       00400010 SH ScheduledStationName
        00400011 SH ScheduledProcedureStepLocation 00401001 SH RequestedProcedureID
        00401003 SH RequestedProcedurePriority     00321032 PN RequestingPhysician
        00321060 LO RequestedProcedureDescription  00380010 LO AdmissionID
        """,
}

_BY_KEYWORD: dict[str, tuple[int, str]] = {}
_BY_TAG: dict[int, tuple[str, str]] = {}
_LEVELS: dict[str, Level] = {}
for _level, _rows in _TABLE.items():
    _words = _rows.split()
    for _tag, _vr, _keyword in zip(_words[::3], _words[1::3], _words[2::3], strict=True):
        _BY_KEYWORD[_keyword] = (int(_tag, 16), _vr)
        _BY_TAG[int(_tag, 16)] = (_keyword, _vr)
        if _level is not None:
            _LEVELS[_keyword] = _level


@lru_cache(maxsize=4096)
def tag_of(key: Key) -> int:
    """Return a tag as one number; raises `UnknownElement` for an unknown keyword.

    A tag in hexadecimal digits is a key as well, which names elements without a keyword: 00100020, 0010,0020
    or (0010,0020).
    """
    if isinstance(key, int):
        return int(key)
    known = _BY_KEYWORD.get(key)
    if known:
        return known[0]
    digits = _DIGITS.fullmatch(key)
    return int(digits[1] + digits[2], 16) if digits else _looked_up(key)


@lru_cache(maxsize=4096)
def vr_of(key: Key) -> str:
    """Return the VR of an element, the first of several possible ones; `UN` for an unknown element."""
    return vr_choice(tag_of(key))[:2]


@lru_cache(maxsize=4096)
def keyword_of(tag: int) -> str:
    """Return the keyword of a tag, or its eight hexadecimal digits."""
    known = _BY_TAG.get(tag)
    if known:
        return known[0]
    from pydicom.datadict import keyword_for_tag  # noqa: PLC0415 - see the module's docstring

    return str(keyword_for_tag(tag)) or f"{tag:08X}"


def level_of(keyword: str) -> Level | None:
    """Return the level at which an attribute is matched and returned (PS3.4 C.6.1.1); None: any level."""
    return _LEVELS.get(keyword)


def _looked_up(keyword: str) -> int:
    import difflib  # noqa: PLC0415 - see the module's docstring

    from pydicom.datadict import keyword_dict  # noqa: PLC0415

    found = keyword_dict.get(keyword)
    if found is None:
        names = {name.casefold(): name for name in [*keyword_dict, *_BY_KEYWORD]}
        near = [names[each] for each in difflib.get_close_matches(keyword.casefold(), names, n=1)]
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnknownElement(f"there is no DICOM element named {keyword!r}{hint}")
    return int(found)


@lru_cache(maxsize=4096)
def vr_choice(tag: int) -> str:
    """Return the VR of a tag, or all possible ones, as in `US or SS`; `UN` for an unknown tag."""
    if known := _BY_TAG.get(tag):
        return known[1]
    from pydicom.datadict import dictionary_has_tag, dictionary_VR  # noqa: PLC0415

    if tag & 0xFFFF == 0:
        return "UL"  # group length (PS3.5 7.2)
    if tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF:
        return "LO"  # private creator (PS3.5 7.8.1)
    return str(dictionary_VR(tag)) if dictionary_has_tag(tag) else "UN"


@lru_cache(maxsize=4096)
def private_vr(tag: int, creator: str) -> str:
    """Return the VR of a private element if pydicom knows its creator, or else `UN`."""
    from pydicom.datadict import private_dictionary_VR  # noqa: PLC0415 - see the module's docstring

    try:
        return str(private_dictionary_VR(tag, creator))[:2] if creator else "UN"
    except KeyError:
        return "UN"
