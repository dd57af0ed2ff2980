"""The messages of PS3.7 as frozen values: DIMSE-C (9.3) and DIMSE-N (10.3).

Fields have the names of the standard. A field that is None is not in the message. Elements that are not
fields of its type are in `other_elements`, so that nothing is lost when a message is read.
"""

from enum import IntEnum
from typing import ClassVar, Final, dataclass_transform

from dcm.errors import LocalProtocolError
from dcm.frozen import REQUIRED, Frozen, fields
from dcm.wire.command_set import ELEMENTS, Element, check_value
from dcm.wire.values import check_number

NO_DATA_SET: Final = 0x0101
"""Command data set type of a message without a data set; after any other value, a data set follows."""
DATA_SET: Final = 0x0001
_LARGEST: Final = 0xFFFF


class Priority(IntEnum):
    """The priority of a request, which most servers ignore."""

    LOW = 2
    MEDIUM = 0
    HIGH = 1


MESSAGES: Final[dict[int, "type[Message]"]] = {}
"""The types of messages by command field."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Message(Frozen, kw_only=True):
    """Base of all messages.

    ELEMENTS: the elements for which a message has fields, by the name of the field.
    MANDATORY: the fields that a received message must have. They include the command data set type, which
    has a default value in the messages that we send.
    """

    COMMAND_FIELD: ClassVar[int]
    NAME: ClassVar[str]
    ELEMENTS: ClassVar[dict[str, Element]]
    MANDATORY: ClassVar[set[str]]
    command_data_set_type: int = NO_DATA_SET
    other_elements: tuple[tuple[int, bytes], ...] = ()

    def __init_subclass__(cls, name: str = "", command_field: int = 0) -> None:
        super().__init_subclass__(kw_only=True)
        if name:
            cls.NAME, cls.COMMAND_FIELD = name, command_field
            own = fields(cls)
            cls.ELEMENTS = {each.name: each for each in ELEMENTS if each.name in own}
            cls.MANDATORY = {"command_data_set_type"}
            cls.MANDATORY |= {each for each, default in own.items() if default is REQUIRED}
            MESSAGES[command_field] = cls

    def __post_init__(self) -> None:
        for name, element in self.ELEMENTS.items():
            value = getattr(self, name)
            # Valid numbers skip `check_value`: a message is created for each instance.
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


class Request(Message):
    """Base of all requests except C-CANCEL."""

    message_id: int


class Response(Message):
    """Base of all responses. Three of its fields describe failures and warnings (PS3.7 Annex C).

    foreign_elements: elements of other groups by tag, which a peer put into the command set. They are not
    allowed there, but Orthanc 1.10.1 sends its Failed SOP Instance UID List this way, and the outcome must be
    known nevertheless. They are read but never built.
    """

    message_id_being_responded_to: int
    status: int
    affected_sop_class_uid: str | None = None
    offending_element: tuple[int, ...] | None = None
    error_comment: str | None = None
    error_id: int | None = None
    foreign_elements: tuple[tuple[int, bytes], ...] = ()


class _Subject(Response):
    """A response about one instance."""

    affected_sop_instance_uid: str | None = None


class _Attributes(_Subject):
    """A response that may list attributes."""

    attribute_identifier_list: tuple[int, ...] | None = None


class _Progress(Response):
    """A response that counts sub-operations (PS3.7 9.1.3 and 9.1.4)."""

    number_of_remaining_suboperations: int | None = None
    number_of_completed_suboperations: int | None = None
    number_of_failed_suboperations: int | None = None
    number_of_warning_suboperations: int | None = None


class _Query(Request):
    """A request with an identifier: a data set that contains the query."""

    affected_sop_class_uid: str
    priority: int = Priority.MEDIUM
    command_data_set_type: int = DATA_SET


class _Requested(Request):
    """A request about an existing instance."""

    requested_sop_class_uid: str
    requested_sop_instance_uid: str


class CStoreRQ(Request, name="C-STORE-RQ", command_field=0x0001):
    """Store an instance (PS3.7 9.3.1.1)."""

    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    priority: int = Priority.MEDIUM
    move_originator_application_entity_title: str | None = None
    move_originator_message_id: int | None = None
    command_data_set_type: int = DATA_SET


class CStoreRSP(_Subject, name="C-STORE-RSP", command_field=0x8001):
    """The outcome of a C-STORE (PS3.7 9.3.1.2)."""


class CFindRQ(_Query, name="C-FIND-RQ", command_field=0x0020):
    """Find everything that matches the identifier (PS3.7 9.3.2.1)."""


class CFindRSP(Response, name="C-FIND-RSP", command_field=0x8020):
    """A match, or the end of the matches (PS3.7 9.3.2.2)."""


class CGetRQ(_Query, name="C-GET-RQ", command_field=0x0010):
    """Send the matching instances on this association (PS3.7 9.3.3.1)."""


class CGetRSP(_Progress, name="C-GET-RSP", command_field=0x8010):
    """The progress of a C-GET, or its end (PS3.7 9.3.3.2)."""


class CMoveRQ(_Query, name="C-MOVE-RQ", command_field=0x0021):
    """Send the matching instances to the move destination (PS3.7 9.3.4.1)."""

    move_destination: str


class CMoveRSP(_Progress, name="C-MOVE-RSP", command_field=0x8021):
    """The progress of a C-MOVE, or its end (PS3.7 9.3.4.2)."""


class CEchoRQ(Request, name="C-ECHO-RQ", command_field=0x0030):
    """Verify that the peer answers (PS3.7 9.3.5.1)."""

    affected_sop_class_uid: str = "1.2.840.10008.1.1"


class CEchoRSP(Response, name="C-ECHO-RSP", command_field=0x8030):
    """The answer to a C-ECHO (PS3.7 9.3.5.2)."""


class CCancelRQ(Message, name="C-CANCEL-RQ", command_field=0x0FFF):
    """Stop the C-FIND, C-GET or C-MOVE with this message ID (PS3.7 9.3.2.3)."""

    message_id_being_responded_to: int


class NEventReportRQ(Request, name="N-EVENT-REPORT-RQ", command_field=0x0100):
    """Report an event of an instance (PS3.7 10.3.1.1)."""

    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    event_type_id: int


class NEventReportRSP(_Subject, name="N-EVENT-REPORT-RSP", command_field=0x8100):
    """The answer to an N-EVENT-REPORT (PS3.7 10.3.1.2)."""

    event_type_id: int | None = None


class NGetRQ(_Requested, name="N-GET-RQ", command_field=0x0110):
    """Return the values of attributes (PS3.7 10.3.2.1)."""

    attribute_identifier_list: tuple[int, ...] | None = None


class NGetRSP(_Attributes, name="N-GET-RSP", command_field=0x8110):
    """The values that an N-GET asked for (PS3.7 10.3.2.2)."""


class NSetRQ(_Requested, name="N-SET-RQ", command_field=0x0120):
    """Change attributes (PS3.7 10.3.3.1)."""

    command_data_set_type: int = DATA_SET


class NSetRSP(_Attributes, name="N-SET-RSP", command_field=0x8120):
    """The answer to an N-SET (PS3.7 10.3.3.2)."""


class NActionRQ(_Requested, name="N-ACTION-RQ", command_field=0x0130):
    """Perform an action on an instance (PS3.7 10.3.4.1)."""

    action_type_id: int


class NActionRSP(_Subject, name="N-ACTION-RSP", command_field=0x8130):
    """The answer to an N-ACTION (PS3.7 10.3.4.2)."""

    action_type_id: int | None = None


class NCreateRQ(Request, name="N-CREATE-RQ", command_field=0x0140):
    """Create an instance (PS3.7 10.3.5.1)."""

    affected_sop_class_uid: str
    affected_sop_instance_uid: str | None = None


class NCreateRSP(_Attributes, name="N-CREATE-RSP", command_field=0x8140):
    """The answer to an N-CREATE (PS3.7 10.3.5.2)."""


class NDeleteRQ(_Requested, name="N-DELETE-RQ", command_field=0x0150):
    """Delete an instance (PS3.7 10.3.6.1)."""


class NDeleteRSP(_Subject, name="N-DELETE-RSP", command_field=0x8150):
    """The answer to an N-DELETE (PS3.7 10.3.6.2)."""
