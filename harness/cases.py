"""The names that modules of cases import: `from harness.cases import Suite, Dimse, Stored`."""

from harness.case import Suite, apart, case, configured, needs, thorough
from harness.certificates import client_context
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
    instance_path,
    json_number,
    json_value,
    json_values,
    person_name,
    series_path,
    study_path,
)
from harness.clients.dimse import (
    C_STORE_RQ,
    CANCELLED,
    CT,
    FIND,
    GET,
    LEVELS,
    MOVE,
    NATIVE,
    REFUSED,
    SUCCESS,
    UNASKED,
    UNIQUE_KEYS,
    UNKNOWN_UID,
    WARNING,
    Dimse,
    Retrieved,
    Root,
    Status,
    identifier_of,
    instance_uids,
    is_failure,
    several,
    unique_keys,
    values,
)
from harness.clients.modification import (
    changed,
    copied,
    dataset_of,
    files,
    finished_job,
    listed,
    new_uids,
    refused,
)
from harness.clients.multipart import Part
from harness.clients.orthanc import (
    BAD_FILE_FORMAT,
    BAD_REQUEST,
    BAD_TYPE,
    BLIND_CHANGES,
    FOLDERS,
    NOT_SUPPORTED,
    OUT_OF_RANGE,
    REVISIONS,
    UNKNOWN_RESOURCE,
    UNKNOWN_TAG,
    error_of,
    first_etag,
    if_match,
    md5,
    orthanc_ids,
)
from harness.clients.part10 import PIXEL_DATA, Element, Part10, only, take_apart, text_of
from harness.clients.pictures import (
    array_of,
    image_of,
    largest_difference,
    levels_of,
    rgb_of_ybr,
    stretched,
    windowed,
)
from harness.clients.rest import LOCAL_MODALITY, NoAnswer, Rest
from harness.clients.storage_scp import Arrival, StorageScp
from harness.clients.uids import (
    SOP_CLASSES,
    STORAGE_CLASSES,
    STORAGE_FAMILIES,
    TRANSFER_SYNTAXES,
    uid_name,
)
from harness.clients.wire import (
    ECHO,
    Association,
    Closed,
    Heard,
    Incoming,
    Line,
    Wire,
    described,
    named,
)
from harness.clients.wire_messages import (
    COMMAND,
    ECHO_ITEMS,
    FIND_STUDIES,
    GET_STUDIES,
    IMPLICIT,
    LAST,
    MOVE_STUDIES,
    P_DATA,
    answered_id,
    assert_refused,
    get_study,
    identifier,
    pdvs_of,
    receiving,
    results,
    status_of,
    store_request,
    stored_response,
    study_identifier,
    sub_operations,
    whole,
)
from harness.clients.wire_scp import WireScp, accept, asked
from harness.clients.worklist import Worklist, asking, names_of, step_of
from harness.clients.zips import directory_of, entries_of, references_of
from harness.config.settings import USER
from harness.corpus import Corpus, Maker, Sample, confidentiality, corpus, modules
from harness.corpus.difference import differences
from harness.corpus.part10 import data_set_offset, file_of
from harness.corpus.picture import Frame, Picture, colour, gray
from harness.corpus.registry import catalogue
from harness.corpus.sample import Draft
from harness.corpus.tiff import NUMBERS, Photometric, pyramid
from harness.fuzz import dicom as dicom_parts
from harness.fuzz import web as web_parts
from harness.fuzz.conversation import Conversation, Step
from harness.fuzz.objects import bomb, data_set, implicit_element, part10
from harness.fuzz.parts import Part as MessagePart
from harness.fuzz.surviving import Hostile, assert_survives
from harness.measuring import Memory, in_turn, percentile
from harness.model import AETitle, Credentials, Endpoint
from harness.plot import Plot, exponent
from harness.plugin.bench import Bench
from harness.plugin.outcome import Observe
from harness.plugin.stored import Stored
from harness.plugin.story import ENDINGS, DidNotStart, Ending, Story
from harness.servers.authorization import EVERYTHING, AuthorizationService, Profile
from harness.servers.disk import Disk
from harness.servers.party import Party
from harness.servers.wsi_tools import WsiTools
from harness.variant import DATABASES
from harness.waiting import wait_until
