"""The sub-items of the user information item (PS3.8 Annex D.1, PS3.7 Annex D.3.3)."""

from enum import IntEnum
from typing import ClassVar, Final

from dcm.errors import ProtocolError, RemoteProtocolError
from dcm.wire.declared import (
    Fields,
    Flag,
    PrefixedData,
    PrefixedUID,
    PrefixedUIDs,
    Rest,
    UInt8,
    UInt16,
    UInt32,
    WholeUID,
    WholeVersionName,
)
from dcm.wire.items import RawItem, split_items
from dcm.wire.limits import Limits


class UserIdentityType(IntEnum):
    """How a user identifies itself (PS3.7 D.3.3.7.1)."""

    USERNAME = 1
    USERNAME_AND_PASSCODE = 2
    KERBEROS = 3
    SAML = 4
    JSON_WEB_TOKEN = 5


class MaximumLength(Fields):
    """The largest PDU length of a P-DATA-TF that the sender wants to receive; 0: any (PS3.8 D.1)."""

    TYPE: ClassVar[int] = 0x51
    length: UInt32


class ImplementationClassUID(Fields):
    """The UID of the sender's implementation (PS3.7 D.3.3.2.1)."""

    TYPE: ClassVar[int] = 0x52
    uid: WholeUID


class AsynchronousOperationsWindow(Fields):
    """How many operations may be under way at once; 0: any number (PS3.7 D.3.3.3)."""

    TYPE: ClassVar[int] = 0x53
    operations_invoked: UInt16
    operations_performed: UInt16


class RoleSelection(Fields):
    """The roles of the requestor for one SOP class, proposed or accepted (PS3.7 D.3.3.4)."""

    TYPE: ClassVar[int] = 0x54
    sop_class_uid: PrefixedUID
    scu: Flag
    scp: Flag


class ImplementationVersionName(Fields):
    """The name of the sender's implementation (PS3.7 D.3.3.2.3)."""

    TYPE: ClassVar[int] = 0x55
    name: WholeVersionName


class SOPClassExtendedNegotiation(Fields):
    """Application information for one SOP class, defined by its service class (PS3.7 D.3.3.5)."""

    TYPE: ClassVar[int] = 0x56
    sop_class_uid: PrefixedUID
    service_class_application_information: Rest


class SOPClassCommonExtendedNegotiation(Fields):
    """The service class of a SOP class, and its related general SOP classes (PS3.7 D.3.3.6)."""

    TYPE: ClassVar[int] = 0x57
    EXTENSIBLE: ClassVar[bool] = True
    sop_class_uid: PrefixedUID
    service_class_uid: PrefixedUID
    related_general_sop_classes: PrefixedUIDs = ()


class UserIdentityRQ(Fields, secret=("primary_field", "secondary_field")):
    """The user identity in a request; its fields are secret and never shown (PS3.7 D.3.3.7.1)."""

    TYPE: ClassVar[int] = 0x58
    ORDER = "user_identity_type", "positive_response_requested", "primary_field", "secondary_field"
    user_identity_type: UInt8
    primary_field: PrefixedData
    secondary_field: PrefixedData = b""
    positive_response_requested: Flag = False


class UserIdentityAC(Fields, secret=("server_response",)):
    """The acceptor's answer to a user identity (PS3.7 D.3.3.7.2)."""

    TYPE: ClassVar[int] = 0x59
    server_response: PrefixedData = b""


UserItem = (
    MaximumLength
    | ImplementationClassUID
    | AsynchronousOperationsWindow
    | RoleSelection
    | ImplementationVersionName
    | SOPClassExtendedNegotiation
    | SOPClassCommonExtendedNegotiation
    | UserIdentityRQ
    | UserIdentityAC
    | RawItem
)
"""A sub-item of the user information item."""

_USER_ITEMS: Final = {
    kind.TYPE: kind
    for kind in (
        *(MaximumLength, ImplementationClassUID, AsynchronousOperationsWindow, RoleSelection),
        *(ImplementationVersionName, SOPClassExtendedNegotiation),
        *(SOPClassCommonExtendedNegotiation, UserIdentityRQ, UserIdentityAC),
    )
}
_IDENTITIES: Final = (UserIdentityRQ.TYPE, UserIdentityAC.TYPE)


def parse_user_information(data: memoryview, limits: Limits) -> tuple[UserItem, ...]:
    """Read the sub-items of a user information item (PS3.8 9.3.2.3), in their order.

    An implementation version name is only used in logs: if it is empty or too long, it is kept as received
    instead of refusing the association.
    """
    found: list[UserItem] = []
    for kind, body in split_items(data, limits):
        if kind in _IDENTITIES and len(body) > limits.user_identity:
            raise RemoteProtocolError(
                f"a user identity of {len(body)} bytes exceeds the limit of {limits.user_identity}"
            )
        try:
            found.append(_USER_ITEMS[kind].parse(body))
        except (KeyError, ProtocolError):
            if kind in _USER_ITEMS and kind != ImplementationVersionName.TYPE:
                raise
            found.append(RawItem(kind, bytes(body)))
    return tuple(found)
