"""The sub-items of the user information item (PS3.8 Annex D.1, PS3.7 Annex D.3.3).

51H  maximum length                        55H  implementation version name
52H  implementation class UID              56H  SOP class extended negotiation
53H  asynchronous operations window        57H  SOP class common extended negotiation
54H  SCP/SCU role selection                58H, 59H  user identity, its answer

They are made as all items are, see `items`.
"""

from enum import IntEnum
from typing import ClassVar, Final, Self

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.frozen import Frozen
from dcm.wire.items import RawItem, split_items
from dcm.wire.limits import Limits
from dcm.wire.values import Reader, check_number, check_uid, check_version_name, prefixed


class UserIdentityType(IntEnum):
    """How a user identifies itself (PS3.7 D.3.3.7.1)."""

    USERNAME = 1
    USERNAME_AND_PASSCODE = 2
    KERBEROS = 3
    SAML = 4
    JSON_WEB_TOKEN = 5


class MaximumLength(Frozen):
    """The largest PDU length of a P-DATA-TF that its sender wants to receive; 0: any (PS3.8 D.1)."""

    TYPE: ClassVar[int] = 0x51
    length: int

    def __post_init__(self) -> None:
        check_number("maximum length", self.length, 32)

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        return self.length.to_bytes(4, "big")

    @classmethod
    def parse(cls, body: memoryview) -> Self:
        """Read what stands after the item header."""
        reader = Reader("maximum length item", body)
        item = cls(reader.number(4))
        reader.end()
        return item


class ImplementationClassUID(Frozen):
    """The UID of the sender's implementation (PS3.7 D.3.3.2.1)."""

    TYPE: ClassVar[int] = 0x52
    uid: str

    def __post_init__(self) -> None:
        check_uid("implementation class UID", self.uid)

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        return self.uid.encode()

    @classmethod
    def parse(cls, body: memoryview) -> Self:
        """Read what stands after the item header."""
        return cls(Reader("implementation class UID item", body).text(body))


class AsynchronousOperationsWindow(Frozen):
    """How many operations may be under way at once; 0: any number (PS3.7 D.3.3.3)."""

    TYPE: ClassVar[int] = 0x53
    operations_invoked: int
    operations_performed: int

    def __post_init__(self) -> None:
        check_number("maximum number of operations invoked", self.operations_invoked, 16)
        check_number("maximum number of operations performed", self.operations_performed, 16)

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        return (self.operations_invoked << 16 | self.operations_performed).to_bytes(4, "big")

    @classmethod
    def parse(cls, body: memoryview) -> Self:
        """Read what stands after the item header."""
        reader = Reader("asynchronous operations window item", body)
        item = cls(reader.number(2), reader.number(2))
        reader.end()
        return item


class RoleSelection(Frozen):
    """The roles of the requestor for one SOP class, proposed or accepted (PS3.7 D.3.3.4)."""

    TYPE: ClassVar[int] = 0x54
    sop_class_uid: str
    scu: bool
    scp: bool

    def __post_init__(self) -> None:
        check_uid("SOP class UID of a role selection", self.sop_class_uid)

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        return prefixed(self.sop_class_uid) + bytes((self.scu, self.scp))

    @classmethod
    def parse(cls, body: memoryview) -> Self:
        """Read what stands after the item header."""
        reader = Reader("role selection item", body)
        item = cls(reader.text(reader.prefixed()), reader.number(1) == 1, reader.number(1) == 1)
        reader.end()
        return item


class ImplementationVersionName(Frozen):
    """The name of the sender's implementation (PS3.7 D.3.3.2.3)."""

    TYPE: ClassVar[int] = 0x55
    name: str

    def __post_init__(self) -> None:
        check_version_name("implementation version name", self.name)

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        return self.name.encode()

    @classmethod
    def parse(cls, body: memoryview) -> "ImplementationVersionName | RawItem":
        """Read what stands after the item header.

        The name is there for logs: no association is lost for one that is empty or too long; such an item
        is kept as it came.
        """
        try:
            return cls(Reader("implementation version name item", body).text(body))
        except (LocalProtocolError, RemoteProtocolError):
            return RawItem(cls.TYPE, bytes(body))


class SOPClassExtendedNegotiation(Frozen):
    """What two peers agree on for one SOP class, in the words of its service (PS3.7 D.3.3.5)."""

    TYPE: ClassVar[int] = 0x56
    sop_class_uid: str
    service_class_application_information: bytes

    def __post_init__(self) -> None:
        check_uid("SOP class UID of an extended negotiation", self.sop_class_uid)

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        return prefixed(self.sop_class_uid) + self.service_class_application_information

    @classmethod
    def parse(cls, body: memoryview) -> Self:
        """Read what stands after the item header."""
        reader = Reader("extended negotiation item", body)
        return cls(reader.text(reader.prefixed()), bytes(reader.rest()))


class SOPClassCommonExtendedNegotiation(Frozen):
    """The service class of a SOP class, and what it specializes (PS3.7 D.3.3.6)."""

    TYPE: ClassVar[int] = 0x57
    sop_class_uid: str
    service_class_uid: str
    related_general_sop_classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_uid("SOP class UID of a common extended negotiation", self.sop_class_uid)
        check_uid("service class UID of a common extended negotiation", self.service_class_uid)
        for uid in self.related_general_sop_classes:
            check_uid("related general SOP class UID", uid)

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        related = b"".join(map(prefixed, self.related_general_sop_classes))
        uids = prefixed(self.sop_class_uid) + prefixed(self.service_class_uid)
        return uids + len(related).to_bytes(2, "big") + related

    @classmethod
    def parse(cls, body: memoryview) -> Self:
        """Read what stands after the item header; later versions may add fields at its end."""
        reader = Reader("common extended negotiation item", body)
        sop_class, service_class = reader.text(reader.prefixed()), reader.text(reader.prefixed())
        inner = Reader("list of related general SOP classes", reader.prefixed())
        related = []
        while inner.more:
            related.append(inner.text(inner.prefixed()))
        return cls(sop_class, service_class, tuple(related))


class UserIdentityRQ(Frozen, secret=("primary_field", "secondary_field")):
    """Who the user is, in a request; its fields are secrets and never shown (PS3.7 D.3.3.7.1)."""

    TYPE: ClassVar[int] = 0x58
    user_identity_type: int
    primary_field: bytes
    secondary_field: bytes = b""
    positive_response_requested: bool = False

    def __post_init__(self) -> None:
        check_number("user identity type", self.user_identity_type, 8)
        check_number("length of the user identity's primary field", len(self.primary_field), 16)
        check_number("length of the user identity's secondary field", len(self.secondary_field), 16)

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        head = bytes((self.user_identity_type, self.positive_response_requested))
        fields = (self.primary_field, self.secondary_field)
        return head + b"".join(len(each).to_bytes(2, "big") + each for each in fields)

    @classmethod
    def parse(cls, body: memoryview) -> Self:
        """Read what stands after the item header."""
        reader = Reader("user identity item", body)
        kind, response = reader.number(1), reader.number(1)
        item = cls(kind, bytes(reader.prefixed()), bytes(reader.prefixed()), response == 1)
        reader.end()
        return item


class UserIdentityAC(Frozen, secret=("server_response",)):
    """The acceptor's answer to a user identity (PS3.7 D.3.3.7.2)."""

    TYPE: ClassVar[int] = 0x59
    server_response: bytes = b""

    def __post_init__(self) -> None:
        check_number("length of the user identity's response", len(self.server_response), 16)

    def body(self) -> bytes:
        """Return the bytes after the item header."""
        return len(self.server_response).to_bytes(2, "big") + self.server_response

    @classmethod
    def parse(cls, body: memoryview) -> Self:
        """Read what stands after the item header."""
        reader = Reader("user identity item", body)
        item = cls(bytes(reader.prefixed()))
        reader.end()
        return item


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
        MaximumLength,
        ImplementationClassUID,
        AsynchronousOperationsWindow,
        RoleSelection,
        ImplementationVersionName,
        SOPClassExtendedNegotiation,
        SOPClassCommonExtendedNegotiation,
        UserIdentityRQ,
        UserIdentityAC,
    )
}
_IDENTITIES: Final = (UserIdentityRQ.TYPE, UserIdentityAC.TYPE)


def parse_user_information(data: memoryview, limits: Limits) -> tuple[UserItem, ...]:
    """Read the sub-items of a user information item (PS3.8 9.3.2.3), in the order in which they stand."""
    found: list[UserItem] = []
    for kind, body in split_items(data, limits):
        if kind in _IDENTITIES and len(body) > limits.user_identity:
            raise RemoteProtocolError(
                f"a user identity of {len(body)} bytes is beyond the limit of {limits.user_identity}"
            )
        known = _USER_ITEMS.get(kind)
        found.append(RawItem(kind, bytes(body)) if known is None else known.parse(body))
    return tuple(found)
