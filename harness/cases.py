"""What a module of cases imports: `from harness.cases import Suite, Dimse, Stored`."""

from harness.case import Suite, case, needs
from harness.clients import multipart
from harness.clients.answers import header, number, single, xml
from harness.clients.commitment import CommitmentScu, Reference
from harness.clients.dcmtk import Dcmtk
from harness.clients.dicomweb import (
    DICOM,
    DICOM_JSON,
    FAILED_SOP_SEQUENCE,
    FAILURE_REASON,
    OCTET_STREAM,
    PATHS,
    PATIENT_ID,
    PATIENT_NAME,
    REFERENCED_SOP_CLASS_UID,
    REFERENCED_SOP_INSTANCE_UID,
    REFERENCED_SOP_SEQUENCE,
    RETRIEVE_URL,
    SERIES_INSTANCE_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    DicomWeb,
    Identified,
    instance_path,
    json_number,
    json_value,
    json_values,
    person_name,
    series_path,
    study_path,
)
from harness.clients.dimse import (
    FIND,
    GET,
    LEVELS,
    MOVE,
    NATIVE,
    SUCCESS,
    UNASKED,
    UNIQUE_KEYS,
    Dimse,
    Retrieved,
    Root,
    identifier_of,
    unique_keys,
    values,
)
from harness.clients.multipart import Part
from harness.clients.orthanc_ids import FOLDERS, orthanc_ids
from harness.clients.part10 import PIXEL_DATA, Element, Part10, only, take_apart, text_of
from harness.clients.rest import Rest
from harness.clients.revisions import BLIND_CHANGES, REVISIONS, first_etag, if_match, md5
from harness.clients.storage_scp import Arrival, StorageScp
from harness.clients.wire import Association, Closed, Heard, Incoming, Line, Wire, named
from harness.clients.wire_scp import WireScp, accept, asked
from harness.clients.worklist import Worklist, asking, names_of, step_of
from harness.corpus import Corpus, Maker, Sample, modules
from harness.corpus.difference import differences
from harness.corpus.part10 import data_set_offset, file_of
from harness.corpus.registry import catalogue
from harness.corpus.sample import Draft
from harness.model import AETitle, Endpoint
from harness.plugin.stored import Stored
from harness.servers.party import Party
from harness.waiting import wait_until

__all__ = [
    "BLIND_CHANGES",
    "DICOM",
    "DICOM_JSON",
    "FAILED_SOP_SEQUENCE",
    "FAILURE_REASON",
    "FIND",
    "FOLDERS",
    "GET",
    "LEVELS",
    "MOVE",
    "NATIVE",
    "OCTET_STREAM",
    "PATHS",
    "PATIENT_ID",
    "PATIENT_NAME",
    "PIXEL_DATA",
    "REFERENCED_SOP_CLASS_UID",
    "REFERENCED_SOP_INSTANCE_UID",
    "REFERENCED_SOP_SEQUENCE",
    "RETRIEVE_URL",
    "REVISIONS",
    "SERIES_INSTANCE_UID",
    "SOP_INSTANCE_UID",
    "STUDY_INSTANCE_UID",
    "SUCCESS",
    "UNASKED",
    "UNIQUE_KEYS",
    "AETitle",
    "Arrival",
    "Association",
    "Closed",
    "CommitmentScu",
    "Corpus",
    "Dcmtk",
    "DicomWeb",
    "Dimse",
    "Draft",
    "Element",
    "Endpoint",
    "Heard",
    "Identified",
    "Incoming",
    "Line",
    "Maker",
    "Part",
    "Part10",
    "Party",
    "Reference",
    "Rest",
    "Retrieved",
    "Root",
    "Sample",
    "StorageScp",
    "Stored",
    "Suite",
    "Wire",
    "WireScp",
    "Worklist",
    "accept",
    "asked",
    "asking",
    "case",
    "catalogue",
    "data_set_offset",
    "differences",
    "file_of",
    "first_etag",
    "header",
    "identifier_of",
    "if_match",
    "instance_path",
    "json_number",
    "json_value",
    "json_values",
    "md5",
    "modules",
    "multipart",
    "named",
    "names_of",
    "needs",
    "number",
    "only",
    "orthanc_ids",
    "person_name",
    "series_path",
    "single",
    "step_of",
    "study_path",
    "take_apart",
    "text_of",
    "unique_keys",
    "values",
    "wait_until",
    "xml",
]
