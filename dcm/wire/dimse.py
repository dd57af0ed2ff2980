"""The messages of PS3.7 as frozen values: DIMSE-C (9.3) and DIMSE-N (10.3).

Their fields have the names of the standard. A field that is None is not in the message. What a message
carries beyond the fields of its type stands in `other_elements`, so that nothing is lost in reading.
"""

from enum import IntEnum
from typing import ClassVar, Final

from dcm.errors import LocalProtocolError
from dcm.frozen import Frozen, fields
from dcm.wire.command_set import BY_NAME, Element, check_value
from dcm.wire.values import check_number

NO_DATA_SET: Final = 0x0101
"""Command data set type of a message that ends with its command set; all other values: a data set follows."""
DATA_SET: Final = 0x0001
_LARGEST: Final = 0xFFFF


class Priority(IntEnum):
    """How urgent a request is; servers mostly ignore it."""

    LOW = 2
    MEDIUM = 0
    HIGH = 1


class Message(Frozen, kw_only=True):
    """What all messages have."""

    COMMAND_FIELD: ClassVar[int]
    NAME: ClassVar[str]
    command_data_set_type: int = NO_DATA_SET
    other_elements: tuple[tuple[int, bytes], ...] = ()

    def __post_init__(self) -> None:
        for name, element in LAYOUTS[self.COMMAND_FIELD].items():
            value = getattr(self, name)
            # What is right is seen at once: messages come and go with each instance.
            if value is not None and (element.vr != "US" or not 0 <= value <= _LARGEST):
                check_value(element, value)
        for number, value in self.other_elements:
            check_number("number of another element", number, 16)
            if len(value) % 2:
                raise LocalProtocolError(f"(0000,{number:04X}) has an odd length")

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows."""
        return self.command_data_set_type != NO_DATA_SET


class Request(Message, kw_only=True):
    """What all requests have but C-CANCEL."""

    message_id: int


class Response(Message, kw_only=True):
    """What all responses have; three of them go with failures and warnings (PS3.7 Annex C).

    foreign_elements: elements of other groups by tag, which a peer put into the command set. They are not
    allowed there, but Orthanc 1.10.1 sends its Failed SOP Instance UID List so, and what it did is to be
    known all the same. They are read and never built.
    """

    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    offending_element: tuple[int, ...] | None = None
    error_comment: str | None = None
    error_id: int | None = None
    foreign_elements: tuple[tuple[int, bytes], ...] = ()


class _Subject(Response, kw_only=True):
    """A response about one instance."""

    affected_sop_instance_uid: str | None = None


class _Progress(Response, kw_only=True):
    """A response that counts sub-operations (PS3.7 9.1.3 and 9.1.4)."""

    number_of_remaining_suboperations: int | None = None
    number_of_completed_suboperations: int | None = None
    number_of_failed_suboperations: int | None = None
    number_of_warning_suboperations: int | None = None


class CStoreRQ(Request, kw_only=True):
    """C-STORE-RQ: keep this instance (PS3.7 9.3.1.1)."""

    COMMAND_FIELD: ClassVar[int] = 0x0001
    NAME: ClassVar[str] = "C-STORE-RQ"
    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    priority: int = Priority.MEDIUM
    move_originator_application_entity_title: str | None = None
    move_originator_message_id: int | None = None
    command_data_set_type: int = DATA_SET


class CStoreRSP(_Subject, kw_only=True):
    """C-STORE-RSP (PS3.7 9.3.1.2)."""

    COMMAND_FIELD: ClassVar[int] = 0x8001
    NAME: ClassVar[str] = "C-STORE-RSP"


class CFindRQ(Request, kw_only=True):
    """C-FIND-RQ: what matches this identifier? (PS3.7 9.3.2.1)."""

    COMMAND_FIELD: ClassVar[int] = 0x0020
    NAME: ClassVar[str] = "C-FIND-RQ"
    affected_sop_class_uid: str
    priority: int = Priority.MEDIUM
    command_data_set_type: int = DATA_SET


class CFindRSP(Response, kw_only=True):
    """C-FIND-RSP: a match, or the end of the matches (PS3.7 9.3.2.2)."""

    COMMAND_FIELD: ClassVar[int] = 0x8020
    NAME: ClassVar[str] = "C-FIND-RSP"


class CGetRQ(Request, kw_only=True):
    """C-GET-RQ: send me, on this association, what the identifier names (PS3.7 9.3.3.1)."""

    COMMAND_FIELD: ClassVar[int] = 0x0010
    NAME: ClassVar[str] = "C-GET-RQ"
    affected_sop_class_uid: str
    priority: int = Priority.MEDIUM
    command_data_set_type: int = DATA_SET


class CGetRSP(_Progress, kw_only=True):
    """C-GET-RSP (PS3.7 9.3.3.2)."""

    COMMAND_FIELD: ClassVar[int] = 0x8010
    NAME: ClassVar[str] = "C-GET-RSP"


class CMoveRQ(Request, kw_only=True):
    """C-MOVE-RQ: send to the move destination what the identifier names (PS3.7 9.3.4.1)."""

    COMMAND_FIELD: ClassVar[int] = 0x0021
    NAME: ClassVar[str] = "C-MOVE-RQ"
    affected_sop_class_uid: str
    move_destination: str
    priority: int = Priority.MEDIUM
    command_data_set_type: int = DATA_SET


class CMoveRSP(_Progress, kw_only=True):
    """C-MOVE-RSP (PS3.7 9.3.4.2)."""

    COMMAND_FIELD: ClassVar[int] = 0x8021
    NAME: ClassVar[str] = "C-MOVE-RSP"


class CEchoRQ(Request, kw_only=True):
    """C-ECHO-RQ: are you there? (PS3.7 9.3.5.1)."""

    COMMAND_FIELD: ClassVar[int] = 0x0030
    NAME: ClassVar[str] = "C-ECHO-RQ"
    affected_sop_class_uid: str = "1.2.840.10008.1.1"


class CEchoRSP(Response, kw_only=True):
    """C-ECHO-RSP (PS3.7 9.3.5.2)."""

    COMMAND_FIELD: ClassVar[int] = 0x8030
    NAME: ClassVar[str] = "C-ECHO-RSP"


class CCancelRQ(Message, kw_only=True):
    """C-CANCEL-RQ: stop the C-FIND, C-GET or C-MOVE with this message ID (PS3.7 9.3.2.3)."""

    COMMAND_FIELD: ClassVar[int] = 0x0FFF
    NAME: ClassVar[str] = "C-CANCEL-RQ"
    message_id_being_responded_to: int


class NEventReportRQ(Request, kw_only=True):
    """N-EVENT-REPORT-RQ: this happened to the instance (PS3.7 10.3.1.1)."""

    COMMAND_FIELD: ClassVar[int] = 0x0100
    NAME: ClassVar[str] = "N-EVENT-REPORT-RQ"
    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    event_type_id: int


class NEventReportRSP(_Subject, kw_only=True):
    """N-EVENT-REPORT-RSP (PS3.7 10.3.1.2)."""

    COMMAND_FIELD: ClassVar[int] = 0x8100
    NAME: ClassVar[str] = "N-EVENT-REPORT-RSP"
    event_type_id: int | None = None


class NGetRQ(Request, kw_only=True):
    """N-GET-RQ: the values of these attributes, please (PS3.7 10.3.2.1)."""

    COMMAND_FIELD: ClassVar[int] = 0x0110
    NAME: ClassVar[str] = "N-GET-RQ"
    requested_sop_class_uid: str
    requested_sop_instance_uid: str
    attribute_identifier_list: tuple[int, ...] | None = None


class NGetRSP(_Subject, kw_only=True):
    """N-GET-RSP (PS3.7 10.3.2.2)."""

    COMMAND_FIELD: ClassVar[int] = 0x8110
    NAME: ClassVar[str] = "N-GET-RSP"
    attribute_identifier_list: tuple[int, ...] | None = None


class NSetRQ(Request, kw_only=True):
    """N-SET-RQ: change these attributes (PS3.7 10.3.3.1)."""

    COMMAND_FIELD: ClassVar[int] = 0x0120
    NAME: ClassVar[str] = "N-SET-RQ"
    requested_sop_class_uid: str
    requested_sop_instance_uid: str
    command_data_set_type: int = DATA_SET


class NSetRSP(_Subject, kw_only=True):
    """N-SET-RSP (PS3.7 10.3.3.2)."""

    COMMAND_FIELD: ClassVar[int] = 0x8120
    NAME: ClassVar[str] = "N-SET-RSP"
    attribute_identifier_list: tuple[int, ...] | None = None


class NActionRQ(Request, kw_only=True):
    """N-ACTION-RQ: do this to the instance (PS3.7 10.3.4.1)."""

    COMMAND_FIELD: ClassVar[int] = 0x0130
    NAME: ClassVar[str] = "N-ACTION-RQ"
    requested_sop_class_uid: str
    requested_sop_instance_uid: str
    action_type_id: int


class NActionRSP(_Subject, kw_only=True):
    """N-ACTION-RSP (PS3.7 10.3.4.2)."""

    COMMAND_FIELD: ClassVar[int] = 0x8130
    NAME: ClassVar[str] = "N-ACTION-RSP"
    action_type_id: int | None = None


class NCreateRQ(Request, kw_only=True):
    """N-CREATE-RQ: make an instance (PS3.7 10.3.5.1)."""

    COMMAND_FIELD: ClassVar[int] = 0x0140
    NAME: ClassVar[str] = "N-CREATE-RQ"
    affected_sop_class_uid: str
    affected_sop_instance_uid: str | None = None


class NCreateRSP(_Subject, kw_only=True):
    """N-CREATE-RSP (PS3.7 10.3.5.2)."""

    COMMAND_FIELD: ClassVar[int] = 0x8140
    NAME: ClassVar[str] = "N-CREATE-RSP"
    attribute_identifier_list: tuple[int, ...] | None = None


class NDeleteRQ(Request, kw_only=True):
    """N-DELETE-RQ: remove the instance (PS3.7 10.3.6.1)."""

    COMMAND_FIELD: ClassVar[int] = 0x0150
    NAME: ClassVar[str] = "N-DELETE-RQ"
    requested_sop_class_uid: str
    requested_sop_instance_uid: str


class NDeleteRSP(_Subject, kw_only=True):
    """N-DELETE-RSP (PS3.7 10.3.6.2)."""

    COMMAND_FIELD: ClassVar[int] = 0x8150
    NAME: ClassVar[str] = "N-DELETE-RSP"


MESSAGES: Final[dict[int, type[Message]]] = {
    kind.COMMAND_FIELD: kind
    for kind in (
        *(CStoreRQ, CStoreRSP, CFindRQ, CFindRSP, CGetRQ, CGetRSP, CMoveRQ, CMoveRSP),
        *(CEchoRQ, CEchoRSP, CCancelRQ),
        *(NEventReportRQ, NEventReportRSP, NGetRQ, NGetRSP, NSetRQ, NSetRSP),
        *(NActionRQ, NActionRSP, NCreateRQ, NCreateRSP, NDeleteRQ, NDeleteRSP),
    )
}
"""All messages by their command field."""


LAYOUTS: Final[dict[int, dict[str, Element]]] = {
    command_field: {name: BY_NAME[name] for name in fields(kind) if name in BY_NAME}
    for command_field, kind in MESSAGES.items()
}
"""The elements that each message has fields for, by its command field and the name of the field."""
