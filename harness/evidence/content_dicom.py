"""What a server sent over DICOM: negotiation results, statuses, and the elements of data sets."""

import re
from functools import lru_cache
from typing import Final

from pydicom.uid import ImplicitVRLittleEndian

from dcm.wire.dimse import Response
from dcm.wire.pdu import AssociateAC, AssociateRQ, PDataTF
from dcm.wire.status import describe
from harness.evidence.associate import Negotiation, negotiated
from harness.evidence.data_set import short_name
from harness.evidence.dimse import Gatherer, Recorded, pdvs
from harness.evidence.outline import outline
from harness.evidence.pdus import Pdu, pdus_of, refusal
from harness.evidence.redact import Redactor
from harness.evidence.template import Said, template
from harness.relay.tape import Direction, Tape, Track

MAX_BYTES: Final = 4 * 2**20
"""Bytes of a connection that are read: what follows mostly repeats them."""
MAX_OUTLINED: Final = 200
"""Messages of one kind whose elements are read."""


def read_dicom(tape: Tape, track: Track, said: Said) -> None:
    """Add what the server under test sent: as acceptor to us, or as requestor to the local server."""
    accepts = track.relay.startswith("remote.")
    spoken = Direction.TO_CLIENT if accepts else Direction.TO_SERVER
    asked, answered = (
        next(pdus_of(tape, track, each), None)
        for each in (Direction.TO_SERVER, Direction.TO_CLIENT)
    )
    negotiation, *lines = _negotiation(
        _body(asked, AssociateRQ.TYPE), _body(answered, AssociateAC.TYPE)
    )
    association = _Association(said, spoken, negotiation, lines[accepts])
    for pdu in pdus_of(tape, track, spoken):
        association.take(pdu)
        if pdu.at > MAX_BYTES:
            break


class _Association:
    """One direction of a connection, while it is read."""

    def __init__(
        self, said: Said, spoken: Direction, negotiation: Negotiation, negotiated: frozenset[str]
    ) -> None:
        self._said = said
        self._as = "" if spoken is Direction.TO_CLIENT else "to the local server: "
        self._negotiation, self._negotiated = negotiation, negotiated
        self._gatherer = Gatherer(spoken)
        self._outlined: dict[str, int] = {}

    def take(self, pdu: Pdu) -> None:
        """Add the content of a PDU."""
        if not pdu.framed:
            self._add(pdu.name)
        elif pdu.missing:
            return  # how much arrived before the connection broke is random
        elif pdu.kind == PDataTF.TYPE:
            for pdv in pdvs(pdu):
                for message in self._gatherer.take(pdv, pdu):
                    self._message(message)
        elif pdu.kind in (AssociateRQ.TYPE, AssociateAC.TYPE):
            self._add(pdu.name, *self._negotiated)
        elif words := refusal(pdu):
            self._add(pdu.name, words)

    def _message(self, recorded: Recorded) -> None:
        message, context = recorded.message, recorded.context_id
        if message is None:
            self._add("a message that cannot be decoded")
            return
        syntax = self._negotiation.transfer_syntax(context)
        head = f"{message.NAME} {short_name(self._negotiation.abstract_syntax(context) or '?')}"
        details: set[str] = set()
        if isinstance(message, Response):
            head += f" {describe(message.status, type(message))}"
            if message.error_comment:
                details.add(f"says {template(message.error_comment)!r}")
        elif recorded.fragments:
            head += f" in {short_name(syntax or '?')}"
        count = self._outlined[head] = self._outlined.get(head, 0) + 1
        if count <= MAX_OUTLINED:
            command = bytes(recorded.command)
            details |= outline(command, len(command), ImplicitVRLittleEndian)
            if recorded.fragments:
                details |= outline(bytes(recorded.data), recorded.data_size, syntax)
        self._add(head, *details)

    def _add(self, head: str, *details: str) -> None:
        self._said[f"{self._as}{head}"].update(details)


def _body(pdu: Pdu | None, kind: int) -> bytes:
    return bytes(pdu.body) if pdu is not None and pdu.framed and pdu.kind == kind else b""


@lru_cache(maxsize=512)
def _negotiation(
    asked: bytes, answered: bytes
) -> tuple[Negotiation, frozenset[str], frozenset[str]]:
    """Decode both PDUs of a negotiation and describe each; cached, as the same bytes recur."""
    negotiation = Negotiation()
    said = []
    for kind, body in ((AssociateRQ.TYPE, asked), (AssociateAC.TYPE, answered)):
        pdu = Pdu(
            Direction.TO_SERVER, 0, 0.0, 0.0, kind, len(body), framed=True, body=bytearray(body)
        )
        lines = negotiated(pdu, negotiation, Redactor(())) if body else []
        # Each context on one line, without its ID.
        whole = "\n".join(lines[1:]).replace("\n  ", " ")
        said.append(frozenset(re.sub(r"(?m)^context \d+: ", "", whole).split("\n")) - {""})
    return negotiation, said[0], said[1]
