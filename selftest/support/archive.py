"""The services of the scripted server: echo, storage, query, retrieval. Objects are in memory."""

import io
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.filereader import read_dataset

from dcm.data.identifier import read_identifier, write_identifier
from dcm.data.levels import Level
from dcm.data.match import matches
from dcm.net.admission import is_storage
from dcm.wire import (
    DATA_SET,
    DICOM_APPLICATION_CONTEXT,
    NO_DATA_SET,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    Buffer,
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CGetRSP,
    CMoveRQ,
    CMoveRSP,
    CStoreRQ,
    CStoreRSP,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    NGetRQ,
    NGetRSP,
    Response,
    RoleSelection,
    answer_contexts,
)
from dcm.wire.items import PresentationContextAC
from harness.clients.wire import (
    Association,
    Closed,
    Incoming,
    Line,
    ProtocolBroken,
    Silence,
    Unreadable,
    Wire,
)
from harness.model import AETitle, Endpoint
from support.scripted import Behaviour, Talk, pdus_of

VERIFICATION: Final = "1.2.840.10008.1.1"
ROOT: Final = "1.2.840.10008.5.1.4.1.2."
MODELS: Final = tuple(f"{ROOT}{root}.{service}" for root in (1, 2) for service in (1, 2, 3))
IMPLICIT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
NATIVE: Final = (EXPLICIT, IMPLICIT)
SUCCESS, PENDING, CANCELLED = 0x0000, 0xFF00, 0xFE00
NO_SUCH_CLASS, UNRECOGNIZED, UNABLE, NOBODY, SOME_FAILED = 0x0122, 0x0211, 0xC000, 0xA801, 0xB000
UNKNOWN_MODEL: Final = 0xA900


@dataclass(frozen=True)
class Kept:
    """A stored object: the bytes as received, and its text attributes."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    data_set: bytes
    attributes: Mapping[str, str]


@dataclass
class Counts:
    """Sub-operations of a retrieval."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warning: int = 0

    def add(self, status: int | None) -> None:
        """Count a sub-operation that has ended; a status of None means it could not be started."""
        self.remaining -= 1
        if status == SUCCESS:
            self.completed += 1
        elif status is not None and status >> 12 == 0xB:
            self.warning += 1
        else:
            self.failed += 1

    def elements(self, *, final: bool) -> dict[str, int | None]:
        """Return the counts of a response; a final one has no Remaining (PS3.4 C.4.2.1.6)."""
        return {
            "number_of_remaining_suboperations": None if final else self.remaining,
            "number_of_completed_suboperations": self.completed,
            "number_of_failed_suboperations": self.failed,
            "number_of_warning_suboperations": self.warning,
        }

    @property
    def status(self) -> int:
        """The status of the final response (PS3.4 C.4.2.1.5)."""
        return SUCCESS if self.failed + self.warning == 0 else SOME_FAILED


class Archive(Behaviour):
    """An archive that follows the standard.

    destinations: the addresses of the application entities that a C-MOVE may name.
    kept: the stored objects by SOP Instance UID.
    """

    def __init__(self) -> None:
        self.destinations: dict[str, Endpoint] = {}
        self.kept: dict[str, Kept] = {}

    # Associations

    def answer(self, request: AssociateRQ) -> AssociateAC | AssociateRJ:
        """Accept verification, storage, query and retrieval."""
        if request.application_context_name != DICOM_APPLICATION_CONTEXT:
            return AssociateRJ(1, 1, 2)
        return AssociateAC(
            called_ae_title=request.called_ae_title,
            calling_ae_title=request.calling_ae_title,
            presentation_contexts=self.contexts(request),
            user_information=(
                MaximumLength(16384),
                ImplementationClassUID("2.25.195110618"),
                ImplementationVersionName("SCRIPTED"),
                *self.roles(request),
            ),
            reserved=request.reserved,
        )

    def contexts(self, request: AssociateRQ) -> tuple[PresentationContextAC, ...]:
        """Answer the proposed contexts; for storage, accept the first transfer syntax."""
        supported = dict.fromkeys((VERIFICATION, *MODELS), NATIVE)
        return tuple(
            answer
            for each in request.presentation_contexts
            for answer in answer_contexts(
                [each],
                {each.abstract_syntax: _ours(each.transfer_syntaxes)}
                if is_storage(each.abstract_syntax) and each.abstract_syntax.startswith("1.2.840.")
                else supported,
            )
        )

    def roles(self, request: AssociateRQ) -> tuple[RoleSelection, ...]:
        """Accept the proposed roles."""
        return request.items(RoleSelection)

    # Services

    def serve(self, talk: Talk, heard: Incoming) -> None:
        """Dispatch each request to its service."""
        about = talk.connection.contexts[heard.context_id].abstract_syntax
        match heard.message:
            case CEchoRQ() if about == VERIFICATION:
                self.echo(talk, heard, heard.message)
            case CStoreRQ() if is_storage(about):
                self.store(talk, heard, heard.message)
            case CFindRQ() if about in MODELS:
                self.find(talk, heard, heard.message)
            case CGetRQ() if about in MODELS:
                self.get(talk, heard, heard.message)
            case CMoveRQ() if about in MODELS:
                self.move(talk, heard, heard.message)
            case CCancelRQ():
                self.cancel(talk, heard)
            case _:
                self.unrecognized(talk, heard)

    def respond(
        self, talk: Talk, heard: Incoming, response: Response, data_set: bytes = b""
    ) -> None:
        """Send a response on the context of the request."""
        talk.send_message(heard.context_id, response, data_set)

    def unrecognized(self, talk: Talk, heard: Incoming) -> None:
        """Respond to an operation that the SOP class does not have (PS3.7 C.5.23)."""
        request = heard.message
        kind = NGetRSP if isinstance(request, NGetRQ) else CEchoRSP
        message_id = getattr(request, "message_id", 0)
        self.respond(
            talk, heard, kind(message_id_being_responded_to=message_id, status=UNRECOGNIZED)
        )

    def cancel(self, talk: Talk, heard: Incoming) -> None:
        """Handle a C-CANCEL for an operation that has already ended."""

    def echo(self, talk: Talk, heard: Incoming, request: CEchoRQ) -> None:
        """C-ECHO."""
        self.respond(
            talk,
            heard,
            CEchoRSP(
                message_id_being_responded_to=request.message_id,
                status=SUCCESS,
                affected_sop_class_uid=request.affected_sop_class_uid,
            ),
        )

    def store(self, talk: Talk, heard: Incoming, request: CStoreRQ) -> None:
        """C-STORE."""
        self.respond(
            talk,
            heard,
            CStoreRSP(
                message_id_being_responded_to=request.message_id,
                status=self.keep(talk, heard, request),
                affected_sop_class_uid=request.affected_sop_class_uid,
                affected_sop_instance_uid=request.affected_sop_instance_uid,
            ),
        )

    def keep(self, talk: Talk, heard: Incoming, request: CStoreRQ) -> int:
        """Keep an object, and return the status."""
        context = talk.connection.contexts[heard.context_id]
        if request.affected_sop_class_uid != context.abstract_syntax:
            return NO_SUCH_CLASS
        kept = Kept(
            request.affected_sop_class_uid,
            request.affected_sop_instance_uid,
            context.transfer_syntax,
            heard.data_set,
            _attributes(heard.data_set, context.transfer_syntax),
        )
        self.kept[kept.sop_instance_uid] = kept
        return SUCCESS

    def find(self, talk: Talk, heard: Incoming, request: CFindRQ) -> None:
        """C-FIND."""
        context = talk.connection.contexts[heard.context_id]
        asked = _texts(read_identifier(heard.data_set, context.transfer_syntax))
        status = SUCCESS
        if asked.get("QueryRetrieveLevel", "") not in Level.__members__:
            status = UNKNOWN_MODEL
        else:
            for found in self.found(asked):
                data = write_identifier(found, context.transfer_syntax)
                self.respond(talk, heard, self.found_response(request, PENDING, DATA_SET), data)
        self.respond(talk, heard, self.found_response(request, status, NO_DATA_SET))

    def found_response(self, request: CFindRQ, status: int, following: int) -> CFindRSP:
        """Make a response to a C-FIND."""
        return CFindRSP(
            message_id_being_responded_to=request.message_id,
            status=status,
            affected_sop_class_uid=request.affected_sop_class_uid,
            command_data_set_type=following,
        )

    def found(self, asked: dict[str, str]) -> Iterator[dict[str, str]]:
        """Yield the matches, one for each entity of the level."""
        level = Level.named(asked["QueryRetrieveLevel"])
        keys = {
            name: key
            for name, key in asked.items()
            if name not in ("QueryRetrieveLevel", "SpecificCharacterSet")
        }
        seen = set()
        for each in self.kept.values():
            entity = each.attributes.get(level.unique_key, "")
            if entity not in seen and matches(keys, each.attributes):
                seen.add(entity)
                answer = {name: each.attributes.get(name, "") for name in keys}
                yield {"QueryRetrieveLevel": level.name, **answer}

    def wanted(self, heard: Incoming, transfer_syntax: str) -> list[Kept]:
        """Return the objects that the identifier of a retrieval names."""
        asked = _texts(read_identifier(heard.data_set, transfer_syntax))
        unique = {name: key for name, key in asked.items() if name.endswith(("UID", "ID")) and key}
        return [each for each in self.kept.values() if matches(unique, each.attributes)]

    def get(self, talk: Talk, heard: Incoming, request: CGetRQ) -> None:  # noqa: ARG002
        """C-GET: C-STORE requests on the same association, with a response after each."""
        wanted = self.wanted(heard, talk.connection.contexts[heard.context_id].transfer_syntax)
        counts, failed = Counts(len(wanted)), []
        for number, each in enumerate(wanted, start=1):
            status, cancelled = self.send_back(talk, each, number)
            counts.add(status)
            if cancelled:
                self.progress(talk, heard, counts, CANCELLED)
                return
            if status != SUCCESS:
                failed.append(each.sop_instance_uid)
            if counts.remaining:
                self.progress(talk, heard, counts, PENDING)
        self.progress(talk, heard, counts, counts.status, failed)

    def send_back(self, talk: Talk, each: Kept, number: int) -> tuple[int | None, bool]:
        """Send an object on the C-GET's association; return its status and if C-CANCEL came."""
        context = talk.connection.context_for(each.sop_class_uid, each.transfer_syntax)
        if context is None or not context.scu:
            return None, False
        talk.send_message(
            context.context_id,
            CStoreRQ(
                message_id=number,
                affected_sop_class_uid=each.sop_class_uid,
                affected_sop_instance_uid=each.sop_instance_uid,
            ),
            each.data_set,
        )
        cancelled = False
        while (heard := talk.message()) is not None:
            if isinstance(heard.message, CCancelRQ):
                cancelled = True
            elif isinstance(heard.message, CStoreRSP):
                return heard.message.status, cancelled
        return None, cancelled

    def progress(
        self,
        talk: Talk,
        heard: Incoming,
        counts: Counts,
        status: int,
        failed: Sequence[str] = (),
    ) -> None:
        """Respond to a C-GET or C-MOVE with the counts and the list of failed instances, if any."""
        request = heard.message
        assert isinstance(request, CGetRQ | CMoveRQ)
        kind = CGetRSP if isinstance(request, CGetRQ) else CMoveRSP
        syntax = talk.connection.contexts[heard.context_id].transfer_syntax
        uids = {"FailedSOPInstanceUIDList": "\\".join(failed)}
        response = kind(
            message_id_being_responded_to=request.message_id,
            status=status,
            affected_sop_class_uid=request.affected_sop_class_uid,
            command_data_set_type=DATA_SET if failed else NO_DATA_SET,
            **counts.elements(final=status not in (PENDING, CANCELLED)),
        )
        self.respond(talk, heard, response, write_identifier(uids, syntax) if failed else b"")

    def move(self, talk: Talk, heard: Incoming, request: CMoveRQ) -> None:
        """C-MOVE: C-STORE requests to the destination on a separate association."""
        wanted = self.wanted(heard, talk.connection.contexts[heard.context_id].transfer_syntax)
        counts, failed = Counts(len(wanted)), []
        destination = self.destinations.get(request.move_destination)
        if destination is None:
            self.progress(talk, heard, Counts(0), NOBODY)
            return
        asked = talk.connection.request
        assert asked is not None
        for each, status in self.send_away(
            destination, wanted, request, asked.calling_ae_title.strip()
        ):
            counts.add(status)
            if status != SUCCESS:
                failed.append(each.sop_instance_uid)
            if counts.remaining:
                self.progress(talk, heard, counts, PENDING)
        self.progress(talk, heard, counts, counts.status, failed)

    def send_away(
        self, destination: Endpoint, wanted: list[Kept], request: CMoveRQ, originator: str
    ) -> Iterator[tuple[Kept, int | None]]:
        """Send objects to another application entity; yield each with its status."""
        contexts = {(each.sop_class_uid, (each.transfer_syntax,)): None for each in wanted}
        client = self.client(destination, request.move_destination)
        if not contexts:
            return
        with client.associate(contexts) as association:
            for number, each in enumerate(wanted, start=1):
                yield each, self.send_one(association, each, number, request, originator)

    def client(self, destination: Endpoint, called: str) -> Wire:
        """Return the client for the destination of a C-MOVE."""
        return _Client(self, destination, called)

    def says_away(self, pdu: bytes) -> bytes:
        """Change one PDU sent to the destination of a C-MOVE."""
        return pdu

    def hears_away(self, pdu: bytes) -> bytes:
        """Change one PDU received from the destination of a C-MOVE."""
        return pdu

    def send_one(
        self, association: Association, each: Kept, number: int, request: CMoveRQ, originator: str
    ) -> int | None:
        """Send one object to another application entity; return its status."""
        context = association.connection.context_for(each.sop_class_uid, each.transfer_syntax)
        if context is None or not association.stands:
            return None
        message = CStoreRQ(
            message_id=number,
            affected_sop_class_uid=each.sop_class_uid,
            affected_sop_instance_uid=each.sop_instance_uid,
            move_originator_application_entity_title=originator,
            move_originator_message_id=request.message_id,
        )
        try:
            answer = association.ask(message, each.data_set, context.context_id).message
        except ProtocolBroken:
            return None
        return answer.status if isinstance(answer, CStoreRSP) else None


class _Client(Wire):
    """A client for the destination of a C-MOVE; the behaviour changes its PDUs."""

    def __init__(self, archive: Archive, destination: Endpoint, called: str) -> None:
        super().__init__(destination, AETitle(called), AETitle("SCRIPTED"), 5)
        self._archive = archive

    def connect(self) -> Line:
        peer = (self.peer.host, self.peer.port)
        return _BentLine(socket.create_connection(peer, timeout=5), self._archive)


class _BentLine(Line):
    def __init__(self, connected: socket.socket, archive: Archive) -> None:
        super().__init__(connected, 5)
        self._archive = archive

    def say(self, *data: Buffer) -> None:
        super().say(b"".join(map(self._archive.says_away, pdus_of(b"".join(data)))))

    def hear_bytes(self, within: float | None = None) -> bytes | Closed | Silence | Unreadable:
        heard = super().hear_bytes(within)
        return self._archive.hears_away(heard) if isinstance(heard, bytes) else heard


def _ours(proposed: tuple[str, ...]) -> tuple[str, ...]:
    """Return those transfer syntaxes that the standard defines."""
    return tuple(uid for uid in proposed if uid.startswith("1.2.840.10008.1.2"))


def _texts(identifier: Mapping[str, object]) -> dict[str, str]:
    return {name: value for name, value in identifier.items() if isinstance(value, str)}


def _attributes(data_set: bytes, transfer_syntax: str) -> dict[str, str]:
    """Read the text attributes of a data set, without pixels and sequences."""
    found = read_dataset(
        io.BytesIO(data_set),
        is_implicit_VR=transfer_syntax == IMPLICIT,
        is_little_endian=True,
        stop_when=lambda tag, *_: tag >= 0x7FE00000,
    )
    return {
        each.keyword: "\\".join(map(str, each.value)) if each.VM > 1 else str(each.value or "")
        for each in found
        if each.keyword and each.VR != "SQ"
    }
