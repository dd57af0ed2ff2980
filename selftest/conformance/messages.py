"""Faults in messages: command sets, responses, cancellation, and requests made by the server."""

import struct
from collections.abc import Callable, Iterator

from support.archive import Archive, Kept
from support.bending import (
    NONSENSE,
    Bending,
    Change,
    Items,
    bent_command,
    bent_items,
    bent_user,
    fault,
    hears,
    of_type,
    refused,
    says,
)
from support.faults import HONEST, OPTIONS, Fault
from support.lies import Group
from support.scripted import Talk

from dcm.errors import RemoteProtocolError
from dcm.frozen import replace
from dcm.wire import (
    NO_DATA_SET,
    Abort,
    AssociateRQ,
    CEchoRSP,
    CFindRSP,
    CMoveRQ,
    CStoreRQ,
    ImplementationClassUID,
    MaximumLength,
    Response,
    build,
    build_message,
    raw,
)
from harness.clients.wire import Association, Incoming
from harness.model import Endpoint

Element = tuple[int, bytes]
SUCCESS, CANCELLED = 0x0000, 0xFE00
KINDS = {0x0000: "0000", 0x0102: "0102", 0xFEFE: "FEFE"}


def _command(change: Callable[[list[Element]], list[Element]], *, length: int = 0) -> Change:
    """Change the elements of command sets; add `length` to the group length."""

    def bend(data: bytes) -> bytes:
        elements, at = [], 12
        while at < len(data):
            _, number, size = struct.unpack_from("<HHI", data, at)
            elements.append((number, data[at + 8 : at + 8 + size]))
            at += 8 + size
        body = b"".join(
            struct.pack("<HHI", 0, number, len(value)) + value for number, value in change(elements)
        )
        return struct.pack("<HHII", 0, 0, 4, len(body) + length) + body

    return bent_command(bend)


def _same(elements: list[Element]) -> list[Element]:
    return elements


def _responding(name: str, change: Callable[[Response], Response], *fails: str) -> Fault:
    """Return a fault: a server with other responses."""

    class Responding(Archive):
        def respond(
            self, talk: Talk, heard: Incoming, response: Response, data_set: bytes = b""
        ) -> None:
            super().respond(talk, heard, change(response), data_set)

    return fault(name, Responding, *fails)


class FirstContext(Archive):
    """Responds on the first context, whichever one the request used."""

    def respond(
        self, talk: Talk, heard: Incoming, response: Response, data_set: bytes = b""
    ) -> None:
        """Ignore the context of the request."""
        super().respond(talk, replace(heard, context_id=1), response, data_set)


class AnyClass(Archive):
    """Stores an instance of any SOP class."""

    def keep(self, talk: Talk, heard: Incoming, request: CStoreRQ) -> int:
        """Check the context only."""
        context = talk.connection.contexts[heard.context_id]
        return super().keep(
            talk, heard, replace(request, affected_sop_class_uid=context.abstract_syntax)
        )


class AnyOperation(Archive):
    """Answers every operation with success."""

    def unrecognized(self, talk: Talk, heard: Incoming) -> None:
        """Respond with success."""
        self.respond(talk, heard, CEchoRSP(message_id_being_responded_to=1, status=SUCCESS))


class LateCancel(Archive):
    """Responds to a C-CANCEL for an operation that has already ended."""

    def cancel(self, talk: Talk, heard: Incoming) -> None:
        """Respond that the operation is cancelled."""
        self.respond(talk, heard, CFindRSP(message_id_being_responded_to=1, status=CANCELLED))


class Deaf(Archive):
    """Continues a cancelled retrieval."""

    def send_back(self, talk: Talk, each: Kept, number: int) -> tuple[int | None, bool]:
        """Ignore the cancellation."""
        return super().send_back(talk, each, number)[0], False


class AnyCommand(Archive):
    """Treats an invalid message as a C-ECHO."""

    def offended(self, talk: Talk, error: RemoteProtocolError) -> None:  # noqa: ARG002
        """Answer it."""
        talk.connection.data_to_send()
        echo = CEchoRSP(message_id_being_responded_to=1, status=SUCCESS)
        talk.blurt(_whole(echo))


class NoIdentifier(Archive):
    """Sends pending C-FIND responses without an identifier."""

    def respond(
        self, talk: Talk, heard: Incoming, response: Response, data_set: bytes = b""
    ) -> None:
        """Remove it."""
        if isinstance(response, CFindRSP):
            response, data_set = replace(response, command_data_set_type=NO_DATA_SET), b""
        super().respond(talk, heard, response, data_set)


class OtherOriginator(Archive):
    """Names itself as the originator of a C-MOVE."""

    def send_one(
        self, association: Association, each: Kept, number: int, request: CMoveRQ, originator: str
    ) -> int | None:
        """Ignore the real originator."""
        del originator
        return super().send_one(association, each, number, request, "SCRIPTED")


class OtherMessage(Archive):
    """Names a different C-MOVE."""

    def send_one(
        self, association: Association, each: Kept, number: int, request: CMoveRQ, originator: str
    ) -> int | None:
        """Use its own message ID."""
        return super().send_one(
            association, each, number, replace(request, message_id=number), originator
        )


class OtherInstance(Archive):
    """Names an instance other than the one it sends."""

    def send_one(
        self, association: Association, each: Kept, number: int, request: CMoveRQ, originator: str
    ) -> int | None:
        """Invent a SOP Instance UID."""
        bent = Kept(each.sop_class_uid, f"2.25.{number}", each.transfer_syntax, each.data_set, {})
        return super().send_one(association, bent, number, request, originator)


class EasilyDiscouraged(Archive):
    """Sends nothing more after a failure."""

    def send_away(
        self, destination: Endpoint, wanted: list[Kept], request: CMoveRQ, originator: str
    ) -> Iterator[tuple[Kept, int | None]]:
        """Stop after the first failure."""
        for each, status in super().send_away(destination, wanted, request, originator):
            yield each, status
            if status != SUCCESS:
                return


def _whole(message: Response) -> bytes:
    return raw.p_data(raw.pdv(1, 3, build_message(message)))


def _asks(change: Change) -> Callable[[], Archive]:
    """Return a server that changes its association requests."""
    return lambda: Bending(says=of_type(AssociateRQ.TYPE, change))


def _even(items: Items) -> Items:
    return [(kind, b"\2" + body[1:] if kind == 0x20 else body) for kind, body in items]


def _unless(kind: int) -> Callable[[Items], Items]:
    return lambda items: [each for each in items if each[0] != kind]


GROUP = Group(
    "messages",
    sample=tuple(
        f"{series}-{number:03}"
        for series, numbers in (
            ("DMSG", range(1, 15)),
            ("ASSOC", range(70, 76)),
            ("DMSG", range(30, 34)),
        )
        for number in numbers
    ),
    honest=HONEST,
    options=OPTIONS,
    crosswise=False,
    lies=(
        says("elements descend", _command(lambda elements: elements[::-1]), "DMSG-001"),
        says("the group length counts itself", _command(_same, length=12), "DMSG-002"),
        _responding("a response names another class",
                    lambda response: replace(response, affected_sop_class_uid="2.25.9"),
                    "DMSG-003", "DMSG-005", "DMSG-006"),
        _responding("another request is answered",
                    lambda response: replace(
                        response, message_id_being_responded_to=(
                            response.message_id_being_responded_to ^ 1)),
                    "DMSG-003", "DMSG-005", "DMSG-006", "DMSG-011", "DMSG-013[0]", "DMSG-013[1]",
                    "DMSG-013[32768]", "DMSG-013[65535]"),
        fault("the first context is answered on", FirstContext, "DMSG-004"),
        _responding("another instance is named as stored",
                    lambda response: replace(response, affected_sop_instance_uid="2.25.9")
                    if response.NAME == "C-STORE-RSP" else response,
                    "DMSG-005"),
        fault("pending responses have no identifier", NoIdentifier, "DMSG-006"),
        *(hears(f"{name} announces no data set",
                _command(lambda elements, kind=kind: [  # type: ignore[misc]
                    (number, b"\1\1" if (number, value) == (0x0800, kind.to_bytes(2, "little"))
                     else value) for number, value in elements]),
                f"DMSG-007[{name}]")
          for kind, name in KINDS.items()),
        hears("a retired element is refused", refused(lambda pdu: b"\0\0\1\0\4\0\0\0" in pdu),
              "DMSG-008"),
        fault("any class is stored", AnyClass, "DMSG-009"),
        fault("any operation succeeds", AnyOperation, "DMSG-010"),
        fault("a late cancellation is answered", LateCancel, "DMSG-011"),
        fault("a cancellation is not heeded", Deaf, "DMSG-012"),
        fault("any message is an echo", AnyCommand, "DMSG-014"),
        fault("context IDs are even", _asks(bent_items(_even, AssociateRQ.TYPE)), "ASSOC-070"),
        fault("no maximum length is asked for",
              _asks(bent_user(_unless(MaximumLength.TYPE), AssociateRQ.TYPE)), "ASSOC-071"),
        fault("the destination has another title",
              _asks(lambda pdu: pdu[:10] + b"SOMEBODY".ljust(16) + pdu[26:]), "ASSOC-072"),
        hears("the maximum of the destination is not heeded",
              of_type(2, lambda pdu: pdu.replace(b"\x51\0\0\4\0\0", b"\x51\0\0\4\0\1")),
              "ASSOC-073"),
        says("a requestor aborts instead of a release", of_type(5, lambda _: build(Abort())),
             "ASSOC-074"),
        hears("a collision is none", of_type(5, lambda _: NONSENSE), "ASSOC-075"),
        fault("nobody implements the requestor",
              _asks(bent_user(_unless(ImplementationClassUID.TYPE), AssociateRQ.TYPE)), "DMSG-030"),
        fault("the originator is another", OtherOriginator, "DMSG-031"),
        fault("the C-MOVE is another", OtherMessage, "DMSG-031"),
        fault("the instance is another", OtherInstance, "DMSG-032"),
        fault("a failure ends the retrieval", EasilyDiscouraged, "DMSG-033"),
    ),
)  # fmt: skip
