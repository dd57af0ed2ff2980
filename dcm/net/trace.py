"""Log what happens on an association, for `--debug`. Text is only produced if it will be logged.

Each line names the peer. UIDs are shown with their names, a response with its status and the milliseconds
since its request.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Final

from dcm.data.uids import name_of
from dcm.wire import (
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    Buffer,
    Command,
    ContextResult,
    DataFragment,
    ImplementationClassUID,
    ImplementationVersionName,
    Message,
    ReleaseRP,
    ReleaseRQ,
    Response,
    RoleSelection,
    Sent,
    describe,
)

_LOG: Final = logging.getLogger(__name__)
_RESULTS: Final = {
    result.value: result.name.lower().replace("_", " ") for result in ContextResult
} | {ContextResult.USER_REJECTION.value: "rejected by the user"}
_MENTIONED: Final = (
    "affected_sop_class_uid",
    "requested_sop_class_uid",
    "affected_sop_instance_uid",
    "requested_sop_instance_uid",
    "move_destination",
)
_COUNTED: Final = ("remaining", "completed", "failed", "warning")


class Trace:
    """Logs the traffic on one association."""

    def __init__(self, remote: str) -> None:
        self._remote: Final = remote
        self._began: Final[dict[int, float]] = {}
        self._sent = self._received = 0

    def proposed(self, request: AssociateRQ) -> None:
        """Log what is requested."""
        self._log(
            "%s calls %s, %s", request.calling_ae_title, request.called_ae_title, _software(request)
        )
        for context in request.presentation_contexts:
            syntaxes = ", ".join(map(name_of, context.transfer_syntaxes))
            self._log(
                "proposed: context %d: %s: %s",
                context.context_id, _named(context.abstract_syntax), syntaxes,
            )  # fmt: skip
        self._roles("proposed", request)

    def negotiated(self, request: AssociateRQ, answer: AssociateAC) -> None:
        """Log the result of the negotiation."""
        proposed = {each.context_id: each.abstract_syntax for each in request.presentation_contexts}
        for context in answer.presentation_contexts:
            what = name_of(proposed.get(context.context_id, ""))
            if context.accepted:
                said = f"accepted: {name_of(context.transfer_syntax or '')}"
            else:
                said = f"not accepted: {_RESULTS.get(context.result, f'result {context.result}')}"
            self._log("context %d: %s: %s", context.context_id, what, said)
        self._roles("accepted", answer)
        self._log(
            "accepted by %s, PDUs of up to %d bytes", _software(answer), answer.maximum_length
        )

    def sent(self, events: Iterable[Sent]) -> None:
        """Log messages, and the length of a data set when it has been sent."""
        for event in events:
            match event:
                case Command():
                    self._command("sent", event)
                    if not isinstance(event.message, Response):
                        self._began[_number(event.message)] = time.perf_counter()
                case DataFragment():
                    self._sent += len(event.data)
                    if event.last:
                        self._log("sent a data set of %d bytes", self._sent)
                        self._sent = 0
                case ReleaseRQ() | ReleaseRP() | Abort() | AssociateRJ():
                    self._log("sent %s", event.NAME)
                case _:
                    pass

    def received(self, command: Command) -> None:
        """Log a message."""
        self._command("received", command)

    def fragments_received(self, found: Sequence[Buffer], *, last: bool) -> None:
        """Log the length of a data set when all of it has been received."""
        self._received += sum(map(len, found))
        if last:
            self._log("received a data set of %d bytes", self._received)
            self._received = 0

    def _command(self, way: str, command: Command) -> None:
        message = command.message
        words = [f"{way} {message.NAME} {_number(message)}"]
        words += [
            name_of(value) if "class" in name else value
            for name in _MENTIONED
            if (value := getattr(message, name, None))
        ]
        if isinstance(message, Response):
            words.append(self._outcome(message))
        self._log("%s", ", ".join(words))

    def _outcome(self, response: Response) -> str:
        words = str(describe(response.status, type(response)))
        for name in _COUNTED:
            count = getattr(response, f"number_of_{name}_suboperations", None)
            words += f", {count} {name}" if count is not None else ""
        if response.error_comment:
            words += f", comment: {response.error_comment}"
        began = self._began.get(response.message_id_being_responded_to)
        if began is not None:
            words += f", after {(time.perf_counter() - began) * 1000:.1f} ms"
        return words

    def _roles(self, way: str, pdu: AssociateRQ | AssociateAC) -> None:
        for role in pdu.items(RoleSelection):
            roles = [name for name, taken in (("SCU", role.scu), ("SCP", role.scp)) if taken]
            self._log("%s: requestor as %s of %s", way, " and ".join(roles) or "nothing",
                      name_of(role.sop_class_uid))  # fmt: skip

    def _log(self, words: str, *values: object) -> None:
        _LOG.debug(f"%s: {words}", self._remote, *values)


def _named(uid: str) -> str:
    name = name_of(uid)
    return uid if name == uid else f"{name} ({uid})"


def _number(message: Message) -> int:
    """Return the message ID; for a response, that of its request."""
    for name in ("message_id", "message_id_being_responded_to"):
        if hasattr(message, name):
            return int(getattr(message, name))
    return 0


def _software(pdu: AssociateRQ | AssociateAC) -> str:
    uids = [item.uid for item in pdu.items(ImplementationClassUID)]
    names = [item.name for item in pdu.items(ImplementationVersionName)]
    return " ".join([*names, *(f"({uid})" for uid in uids)]) or "unnamed software"
