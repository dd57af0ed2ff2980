"""The seven PDUs (PS3.8 9.3), as frozen values that are checked when created."""

from typing import ClassVar, Final, TypeVar

from dcm.errors import LocalProtocolError
from dcm.frozen import Frozen
from dcm.wire.declared import Fields, UInt8
from dcm.wire.items import PresentationContextAC, PresentationContextRQ, RawItem
from dcm.wire.user_items import MaximumLength, UserItem
from dcm.wire.values import Buffer, check_ae_title, check_context_id, check_number, check_uid

DICOM_APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
"""The only application context name of DICOM (PS3.7 A.2.1)."""

_USUAL_MAXIMUM_LENGTH: Final = 16384

_Item = TypeVar("_Item", bound=UserItem)


class PDV(Frozen):
    """A presentation data value: a fragment of a message, with its control header (PS3.8 9.3.5.1, E.2)."""

    context_id: int
    command: bool
    last: bool
    data: Buffer

    def __post_init__(self) -> None:
        check_context_id(self.context_id)
        check_number("length of a PDV", len(self.data) + 2, 32)


class _Associate(Frozen, kw_only=True):
    """The common part of A-ASSOCIATE-RQ and -AC."""

    called_ae_title: str
    calling_ae_title: str
    presentation_contexts: tuple[PresentationContextRQ, ...] | tuple[PresentationContextAC, ...]
    user_information: tuple[UserItem, ...]
    application_context_name: str = DICOM_APPLICATION_CONTEXT
    protocol_version: int = 1
    other_items: tuple[RawItem, ...] = ()
    reserved: bytes = bytes(32)
    """Bytes 43 to 74, which are never tested; the acceptor returns them unchanged (PS3.8 9.3.3)."""

    def __post_init__(self) -> None:
        if len(self.reserved) != 32:
            raise LocalProtocolError("the reserved field of an association has 32 bytes")
        for what, title in (("called", self.called_ae_title), ("calling", self.calling_ae_title)):
            if title:
                check_ae_title(f"{what} AE title", title)
        check_uid("application context name", self.application_context_name)
        check_number("protocol version", self.protocol_version, 16)
        contexts = self.presentation_contexts
        if len({context.context_id for context in contexts}) < len(contexts):
            raise LocalProtocolError("two presentation contexts have the same ID")

    def check_titles(self) -> None:
        """Raise `LocalProtocolError` unless both AE titles can be sent."""
        check_ae_title("called AE title", self.called_ae_title)
        check_ae_title("calling AE title", self.calling_ae_title)

    def items(self, kind: type[_Item]) -> tuple[_Item, ...]:
        """Return the sub-items of one type from the user information."""
        return tuple(item for item in self.user_information if isinstance(item, kind))

    @property
    def maximum_length(self) -> int:
        """The largest PDU length of a P-DATA-TF that its sender wants to receive; 0: any.

        The standard requires the item (PS3.8 D.1). If it is missing, the usual 16384 is a safe assumption.
        """
        found = self.items(MaximumLength)
        return found[0].length if found else _USUAL_MAXIMUM_LENGTH


class AssociateRQ(_Associate, kw_only=True):
    """A-ASSOCIATE-RQ: the requestor asks for an association (PS3.8 9.3.2).

    An AE title is empty if the peer sent an invalid one: blanks, control characters, bytes above 7FH. The
    acceptor can then reject the request and name the invalid title. An empty title cannot be sent.
    """

    TYPE: ClassVar[int] = 1
    NAME: ClassVar[str] = "A-ASSOCIATE-RQ"
    presentation_contexts: tuple[PresentationContextRQ, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.presentation_contexts:
            raise LocalProtocolError("an association needs at least one presentation context")


class AssociateAC(_Associate, kw_only=True):
    """A-ASSOCIATE-AC: the acceptor accepts the association (PS3.8 9.3.3).

    The AE titles are copied from the request. They are not tested when received: an invalid AE title is read
    as an empty string.
    """

    TYPE: ClassVar[int] = 2
    NAME: ClassVar[str] = "A-ASSOCIATE-AC"
    presentation_contexts: tuple[PresentationContextAC, ...]


class AssociateRJ(Fields):
    """A-ASSOCIATE-RJ: the acceptor rejects the association (PS3.8 9.3.4), see `status.rejection`."""

    TYPE: ClassVar[int] = 3
    NAME: ClassVar[str] = "A-ASSOCIATE-RJ"
    RESERVED: ClassVar[int] = 1
    result: UInt8
    source: UInt8
    reason: UInt8


class PDataTF(Frozen):
    """P-DATA-TF: fragments of a message (PS3.8 9.3.5).

    For bulk data use `message_writer.fragments`, which does not copy it.
    """

    TYPE: ClassVar[int] = 4
    NAME: ClassVar[str] = "P-DATA-TF"
    pdvs: tuple[PDV, ...]

    def __post_init__(self) -> None:
        if not self.pdvs:
            raise LocalProtocolError("a P-DATA-TF carries at least one PDV")


class ReleaseRQ(Fields):
    """A-RELEASE-RQ: its sender asks to end the association (PS3.8 9.3.6)."""

    TYPE: ClassVar[int] = 5
    NAME: ClassVar[str] = "A-RELEASE-RQ"
    RESERVED: ClassVar[int] = 4


class ReleaseRP(Fields):
    """A-RELEASE-RP: the association is released (PS3.8 9.3.7)."""

    TYPE: ClassVar[int] = 6
    NAME: ClassVar[str] = "A-RELEASE-RP"
    RESERVED: ClassVar[int] = 4


class Abort(Fields):
    """A-ABORT: the association ends at once (PS3.8 9.3.8), see `status.describe_abort`."""

    TYPE: ClassVar[int] = 7
    NAME: ClassVar[str] = "A-ABORT"
    RESERVED: ClassVar[int] = 2
    source: UInt8 = 0
    reason: UInt8 = 0


PDU = AssociateRQ | AssociateAC | AssociateRJ | PDataTF | ReleaseRQ | ReleaseRP | Abort
SHORT: Final = {kind.TYPE: kind for kind in (AssociateRJ, ReleaseRQ, ReleaseRP, Abort)}
NAMES: Final = {
    kind.TYPE: kind.NAME for kind in (AssociateRQ, AssociateAC, PDataTF, *SHORT.values())
}
