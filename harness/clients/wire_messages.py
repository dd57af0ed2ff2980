"""Contexts, items of a request, and messages that several cases send with `wire`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from pydicom.uid import ImplicitVRLittleEndian

from dcm.data.identifier import write_identifier
from dcm.wire import (
    Abort,
    AssociateAC,
    CGetRQ,
    CGetRSP,
    Command,
    CStoreRQ,
    CStoreRSP,
    Message,
    PDataTF,
    Received,
    Response,
    RoleSelection,
    UserItem,
    build_message,
    raw,
    split_pdvs,
)
from harness.clients.dimse import FIND, GET, MOVE, Status, is_failure
from harness.clients.wire import ECHO, PENDING, Association, Context, Incoming, ProtocolBroken
from harness.corpus import Sample

IMPLICIT: Final = (str(ImplicitVRLittleEndian),)
FIND_STUDIES, MOVE_STUDIES, GET_STUDIES = [
    (str(models["study"]), IMPLICIT) for models in (FIND, MOVE, GET)
]
"""Presentation contexts in the default transfer syntax."""

ECHO_ITEMS: Final = (
    raw.application_context(),
    raw.context(1, ECHO[0].encode(), [ImplicitVRLittleEndian.encode()]),
    raw.user_information(),
)
"""The items of a request for an association with the context `ECHO`, for `Wire.bent_request`."""

COMMAND, LAST = 1, 2
"""Bits of a message control header (PS3.8 E.2): a command fragment, and the last fragment."""

P_DATA: Final = PDataTF.TYPE


def results(answer: AssociateAC) -> dict[int, int]:
    """Return the result of each presentation context by its ID (PS3.8 9.3.3.2); 0 is acceptance."""
    return {each.context_id: each.result for each in answer.presentation_contexts}


def identifier(level: str, keys: dict[str, str]) -> bytes:
    """Encode the identifier of a query or a retrieval in the default transfer syntax."""
    return write_identifier({"QueryRetrieveLevel": level, **keys}, ImplicitVRLittleEndian)


def study_identifier(sample: Sample) -> bytes:
    """Encode the identifier that names the study of `sample`."""
    return identifier("STUDY", {"StudyInstanceUID": str(sample.study_instance_uid)})


def whole(message: Message) -> bytes:
    """Return the P-DATA-TF with a command set in one fragment, on context 1."""
    return raw.p_data(raw.pdv(1, COMMAND | LAST, build_message(message)))


def pdvs_of(pdus: Iterable[bytes]) -> list[tuple[int, int, bytes]]:
    """Return context ID, control header and fragment of each PDV in the P-DATA-TF of `pdus`."""
    return [
        (context_id, control, bytes(data))
        for pdu in pdus
        if pdu[0] == P_DATA
        for context_id, control, data in split_pdvs(memoryview(pdu)[6:])
    ]


def stored_response(request: CStoreRQ, status: int = 0x0000) -> CStoreRSP:
    """Return the response to a C-STORE request."""
    return CStoreRSP(
        message_id_being_responded_to=request.message_id,
        status=status,
        affected_sop_class_uid=request.affected_sop_class_uid,
        affected_sop_instance_uid=request.affected_sop_instance_uid,
    )


def store_request(sample: Sample, message_id: int = 1, **fields: Any) -> CStoreRQ:
    """Return the C-STORE request for the data set of `sample`."""
    return CStoreRQ(
        message_id=message_id,
        affected_sop_class_uid=str(sample.sop_class_uid),
        affected_sop_instance_uid=str(sample.sop_instance_uid),
        **fields,
    )


def receiving(sample: Sample) -> tuple[Sequence[Context], Sequence[UserItem]]:
    """Return the contexts and the role for retrieving `sample` with C-GET."""
    role = RoleSelection(str(sample.sop_class_uid), scu=False, scp=True)
    return [GET_STUDIES, sample.context], [role]


def get_study(association: Association, sample: Sample, message_id: int = 1) -> None:
    """Send the C-GET request for the study of `sample`, on the first context."""
    request = CGetRQ(message_id=message_id, affected_sop_class_uid=GET_STUDIES[0])
    association.send_message(request, study_identifier(sample), context_id=1)


def sub_operations(association: Association) -> Iterator[Incoming]:
    """Yield the messages that follow a C-GET, up to the final response.

    The caller answers each C-STORE. Raises `ProtocolBroken` for a message that is neither a C-STORE
    request nor a C-GET response.
    """
    while True:
        incoming = association.receive()
        if not isinstance(incoming.message, CStoreRQ | CGetRSP):
            raise ProtocolBroken(f"a C-GET was answered by {incoming.message.NAME}")
        yield incoming
        if isinstance(incoming.message, CGetRSP) and incoming.message.status not in PENDING:
            return


def status_of(message: Message) -> Status | str:
    """Return the status of a response, or the name of any other message."""
    return Status(message.status) if isinstance(message, Response) else message.NAME


def answered_id(message: Message) -> int | str:
    """Return the message ID that a response answers, or the name of any other message."""
    return message.message_id_being_responded_to if isinstance(message, Response) else message.NAME


def assert_refused(association: Association, event: Received) -> None:
    """Assert that an event is an abort or a failure response; the association is then over."""
    association.line.over = True
    if isinstance(event, Abort):
        return
    assert isinstance(event, Command), "received neither a response nor an abort"
    status = status_of(event.message)
    assert isinstance(status, Status), f"{status} is not a response"
    assert is_failure(status), f"status {status}"
