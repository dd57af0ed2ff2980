"""Lies about Orthanc, told to the conformance cases that dcmqrscp cannot pass."""

from lies.services_dcmqrscp import without_default_syntax
from support.lies import Group, SeededLie
from support.messages import Message, MessageLie, command, data, of, pending, present, where

from dcm.wire import CFindRQ, CFindRSP, CGetRQ, NActionRSP, NEventReportRQ
from harness.clients.dimse import unique_keys
from harness.corpus import Maker
from harness.relay import DicomLie, Direction

FIND, FOUND = CFindRQ.COMMAND_FIELD, CFindRSP.COMMAND_FIELD
GET, REPORT = CGetRQ.COMMAND_FIELD, NEventReportRQ.COMMAND_FIELD


def _one_is_missing(message: Message) -> None:
    if message.data_set is not None:
        del message.data_set.ReferencedSOPSequence[-1]


def _another_reason(message: Message) -> None:
    for item in message.data_set.FailedSOPSequence if message.data_set else ():
        item.FailureReason = 0x0110


def _what_was_not_named(message: Message) -> None:
    """Name the instance that the case stored."""
    if message.data_set is not None:
        stored = Maker("CONRT-006").instance()
        for keyword, uid in unique_keys(stored, message.data_set.QueryRetrieveLevel).items():
            setattr(message.data_set, keyword, uid)


def _reported(name: str, case: str, *edits: object) -> SeededLie:
    """Change the report that the server sends to the local server."""
    lie = MessageLie(where(of(REPORT), *edits), Direction.TO_SERVER)  # type: ignore[arg-type]
    return SeededLie(name, "local.dicom", lie, frozenset({case}))


LIES = (
    SeededLie("a request for commitment is refused", "remote.dicom",
              MessageLie(where(of(NActionRSP.COMMAND_FIELD), command(Status=0x0110))),
              frozenset({"CONSC-001"})),
    _reported("an instance is missing in the report", "CONSC-002", _one_is_missing),
    _reported("a failure is reported as a success", "CONSC-003", command(EventTypeID=1)),
    _reported("a failure has another reason", "CONSC-004", _another_reason),
    _reported("a report names another transaction", "CONSC-005", data(TransactionUID="2.25.9")),
    SeededLie("a key is not supported, and nobody says so", "remote.dicom",
              MessageLie(where(of(FIND), data(PatientReligiousPreference=None)), Direction.TO_SERVER),
              frozenset({"CONQR-011"})),
    SeededLie("a study has one instance", "remote.dicom",
              MessageLie(where(pending(FOUND), present(NumberOfStudyRelatedInstances="1"))),
              frozenset({"CONQM-016"})),
    SeededLie("a study has one modality", "remote.dicom",
              MessageLie(where(pending(FOUND), present(ModalitiesInStudy="CT"))),
              frozenset({"CONQM-017[one]", "CONQM-017[list]"})),
    SeededLie("a pattern selects a patient", "remote.dicom",
              MessageLie(where(of(GET), data(PatientID="CONRT1")), Direction.TO_SERVER),
              frozenset({"CONRT-005[star]", "CONRT-005[empty]", "CONRT-005[question-mark]"})),
    SeededLie("an empty key selects all", "remote.dicom",
              MessageLie(where(of(GET), _what_was_not_named), Direction.TO_SERVER),
              frozenset({"CONRT-006[STUDY]", "CONRT-006[SERIES]", "CONRT-006[IMAGE]"})),
    SeededLie("the default syntax is not offered", "local.dicom", DicomLie(without_default_syntax),
              frozenset({"CONRT-036[deflated]", "CONRT-036[rle]"})),
)  # fmt: skip

GROUP = Group(
    "services_orthanc",
    sample=tuple(sorted({case.partition("[")[0] for lie in LIES for case in lie.fails})),
    lies=LIES,
    crosswise=False,
    smoke=False,
)
