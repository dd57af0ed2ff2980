"""Ways to change what the scripted server sends and receives: PDUs parsed and built again."""

from collections.abc import Callable, Iterator
from typing import Final

from dcm.errors import RemoteProtocolError
from dcm.wire import Abort, AssociateAC, AssociateRJ, AssociateRQ, PDataTF, raw, split_pdvs
from support.archive import Archive
from support.faults import Fault
from support.scripted import Talk

Change = Callable[[bytes], bytes]
Item = tuple[int, bytes]
Items = list[Item]
NONSENSE: Final = raw.pdu(0x0B)
"""What a server receives in place of a PDU that it must refuse: it answers with an A-ABORT."""
USER_INFORMATION: Final = 0x50
COMMAND: Final = 1
ITEMS: Final = 74  # where they begin in association PDUs


def fault(name: str, behaviour: Callable[[], Archive], *fails: str) -> Fault:
    """Return a fault with its name, the server that has it, and the cases that must notice it."""
    return Fault(name, behaviour, frozenset(fails))


class Bending(Archive):
    """Changes sent and received PDUs, on associations that it accepts or requests."""

    def __init__(self, *, says: Change = bytes, hears: Change = bytes) -> None:
        super().__init__()
        self._says, self._hears = says, hears

    def says(self, pdu: bytes) -> bytes:
        """Change a PDU to be sent."""
        return self._says(pdu)

    def hears(self, pdu: bytes) -> bytes:
        """Change a received PDU."""
        return self._hears(pdu)

    says_away = says
    hears_away = hears


def says(name: str, change: Change, *fails: str) -> Fault:
    """Return a fault: a server that sends something else."""
    return fault(name, lambda: Bending(says=change), *fails)


def hears(name: str, change: Change, *fails: str) -> Fault:
    """Return a fault: a server that receives something else."""
    return fault(name, lambda: Bending(hears=change), *fails)


def answers(
    name: str, when: Callable[[AssociateRQ], object], answer: AssociateRJ, *fails: str
) -> Fault:
    """Return a fault: a server that rejects some association requests."""

    class Rejecting(Archive):
        def answer(self, request: AssociateRQ) -> AssociateAC | AssociateRJ:
            return answer if when(request) else super().answer(request)

    return fault(name, Rejecting, *fails)


def unmoved(name: str, by: Callable[[Talk, RemoteProtocolError], bool], *fails: str) -> Fault:
    """Return a fault: a server that does not abort if the peer breaks the protocol."""

    class Unmoved(Archive):
        def offended(self, talk: Talk, error: RemoteProtocolError) -> None:
            if by(talk, error):
                talk.connection.data_to_send()
            else:
                super().offended(talk, error)

    return fault(name, Unmoved, *fails)


def of_type(kind: int, change: Change) -> Change:
    """Change PDUs of one type only."""
    return lambda pdu: change(pdu) if pdu[0] == kind else pdu


def refused(when: Callable[[bytes], object]) -> Change:
    """Replace a PDU by nonsense."""
    return lambda pdu: NONSENSE if when(pdu) else pdu


def items_of(data: bytes) -> Items:
    """Split a list of items."""
    found, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((data[at], data[at + 4 : end]))
        at = end
    return found


def joined(items: Items) -> bytes:
    """Encode a list of items."""
    return b"".join(raw.item(*each) for each in items)


def bent_items(change: Callable[[Items], Items], kind: int = AssociateAC.TYPE) -> Change:
    """Change the items of an association PDU."""

    def bend(pdu: bytes) -> bytes:
        body = pdu[6:ITEMS] + joined(change(items_of(pdu[ITEMS:])))
        return raw.pdu(kind, body)

    return of_type(kind, bend)


def bent_user(change: Callable[[Items], Items], kind: int = AssociateAC.TYPE) -> Change:
    """Change the user information of an association PDU."""
    return bent_items(
        lambda items: [
            (each, joined(change(items_of(body))) if each == USER_INFORMATION else body)
            for each, body in items
        ],
        kind,
    )


def bent_pdvs(change: Callable[[int, int, bytes], tuple[int, int, bytes]]) -> Change:
    """Change context ID, control header and fragment of each PDV."""

    def bend(pdu: bytes) -> bytes:
        return raw.p_data(*(raw.pdv(*change(*each)) for each in pdvs_of(pdu)))

    return of_type(PDataTF.TYPE, bend)


def bent_command(change: Change) -> Change:
    """Change command sets, each of which is whole in its PDV."""
    return bent_pdvs(
        lambda context, control, data: (
            context, control, change(data) if control & COMMAND else data,
        )
    )  # fmt: skip


def pdvs_of(pdu: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield context ID, control header and fragment of each PDV of a P-DATA-TF."""
    if pdu[0] == PDataTF.TYPE:
        for context, control, data in split_pdvs(memoryview(pdu)[6:]):
            yield context, control, bytes(data)


def abort(source: int, reason: int) -> Change:
    """Change source and reason of an A-ABORT."""
    return of_type(Abort.TYPE, lambda pdu: pdu[:8] + bytes((source, reason)))
