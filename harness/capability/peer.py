"""The DICOM port of the probed server: associations, and single exchanges on them.

Whatever goes wrong in an exchange is told as `Trouble`, in words. When the server does not answer an echo
after that either, it is `Gone`, and the probe ends with what was found until then.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from dcm.data.identifier import BadIdentifier, read_identifier, write_identifier
from dcm.data.match import Attributes, Value
from dcm.errors import DcmError
from dcm.net.association import Association
from dcm.net.echo import echo
from dcm.net.errors import ConnectionFailed, NetworkError
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.wire import (
    CFindRQ,
    CFindRSP,
    Command,
    CStoreRQ,
    CStoreRSP,
    DataFragment,
    PresentationContextRQ,
    StatusClass,
    UserItem,
    describe,
)
from harness.capability.notebook import Gone, Trouble
from harness.capability.target import Target
from harness.corpus import Sample
from harness.corpus.part10 import data_set_offset

Proposal = tuple[str, tuple[str, ...]]
"""An abstract syntax and the transfer syntaxes that are proposed for it."""

MOST_CONTEXTS = 127  # of 128 (PS3.8 9.3.2.2): one is left for Verification
_RELEASE = 2.0  # seconds


@dataclass(frozen=True)
class Found:
    """What a C-FIND gave: its final status, the pending ones, and the matches."""

    status: int
    pending: frozenset[int] = frozenset()
    matches: list[dict[str, Value]] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether it ended with Success."""
        return self.status == 0

    def distinct(self, keyword: str) -> int:
        """Count the matches with different values of an element."""
        return len({str(each.get(keyword)) for each in self.matches})

    @property
    def words(self) -> str:
        """The final status, for people."""
        return str(describe(self.status, CFindRSP))


class Peer:
    """Speaks with the server as `target.calling`."""

    def __init__(self, target: Target, limit: float | None = None) -> None:
        limit = limit or target.limits.exchange
        self.target = target
        self.limits = TimeLimits(limit, limit, limit, limit, min(limit, _RELEASE))
        self.local = DcmNode("127.0.0.1", target.calling, 0)
        self.remote = DcmNode(target.dicom.host, target.ae_title, target.dicom.port)

    def with_patience(self, seconds: float) -> "Peer":
        """Return the same with a shorter time limit."""
        return Peer(self.target, min(seconds, self.target.limits.exchange))

    async def request(
        self,
        proposals: Sequence[Proposal],
        *information: UserItem,
        called: str | None = None,
        calling: str | None = None,
    ) -> Association:
        """Ask for an association with a context per proposal. Raises `DcmError`."""
        contexts = [
            PresentationContextRQ(2 * place + 1, abstract, transfer)
            for place, (abstract, transfer) in enumerate(proposals)
        ]
        remote = DcmNode(self.remote.host, called or self.remote.ae_title, self.remote.port)
        local = DcmNode("127.0.0.1", calling or self.local.ae_title, 0)
        return await Association.request(local, remote, contexts, information, self.limits)

    @contextlib.asynccontextmanager
    async def associate(
        self, doing: str, proposals: Sequence[Proposal], *information: UserItem
    ) -> AsyncIterator[Association]:
        """Have an association for the time of a block. Raises `Trouble` and `Gone`."""
        async with self.watched(doing), await self.request(proposals, *information) as association:
            association.doing = doing
            yield association

    @contextlib.asynccontextmanager
    async def watched(self, doing: str) -> AsyncIterator[None]:
        """Turn the errors of a block into `Trouble`, or `Gone` where nobody answers after it."""
        try:
            yield
        except DcmError as error:
            await self._look(doing, error)
            words = _without_address(error)
            raise Trouble(words if words.startswith(doing) else f"{doing}: {words}") from error

    async def _look(self, doing: str, error: DcmError) -> None:
        """Raise `Gone` where the server does not answer an association after an error."""
        try:
            await echo(self.local, self.remote, self.limits)
        except ConnectionFailed:
            words = f"it ended during {doing}: nothing listens at its port any more"
            raise Gone(words) from error
        except NetworkError as second:
            if getattr(second, "permanent", None) is None and "no presentation" not in second.what:
                words = f"{doing}: {_without_address(error)}; and after that it answers no echo"
                raise Gone(f"it stopped answering during {words}: {second.what}") from error
        except DcmError:
            pass  # it answers, if wrongly


def _without_address(error: DcmError) -> str:
    """Say what went wrong; with whom stands at the top of the result."""
    if isinstance(error, NetworkError):
        return f"{error.doing}: {error.what}"
    return str(error).rpartition("): ")[2]


def split(proposals: Sequence[Proposal]) -> list[Sequence[Proposal]]:
    """Cut proposals into what one association can hold, and Verification besides."""
    return [proposals[at : at + MOST_CONTEXTS] for at in range(0, len(proposals), MOST_CONTEXTS)]


async def store(association: Association, stored: Sample) -> tuple[int, str]:
    """Send an object on the context of its class and transfer syntax; give the status, and a comment."""
    context = association.context(stored.sop_class_uid, stored.transfer_syntax)
    message_id = association.next_message_id()
    data = stored.data[data_set_offset(stored.data) :]
    request = CStoreRQ(
        message_id=message_id,
        affected_sop_class_uid=stored.sop_class_uid,
        affected_sop_instance_uid=str(stored.sop_instance_uid),
    )
    await association.send(
        Command(context.context_id, request), DataFragment(context.context_id, data, last=True)
    )
    response = await association.response(CStoreRSP, message_id)
    return response.status, response.error_comment or ""


async def find(association: Association, model: str, identifier: Attributes) -> Found:
    """Send a C-FIND and take all that it gives."""
    context = association.context(model)
    message_id = association.next_message_id()
    data = write_identifier(identifier, context.transfer_syntax)
    await association.send(
        Command(context.context_id, CFindRQ(message_id=message_id, affected_sop_class_uid=model)),
        DataFragment(context.context_id, data, last=True),
    )
    pending: set[int] = set()
    matches: list[dict[str, Value]] = []
    while True:
        response = await association.response(CFindRSP, message_id)
        content = await association.data_set() if response.has_data_set else b""
        if describe(response.status, CFindRSP).kind is not StatusClass.PENDING:
            return Found(response.status, frozenset(pending), matches)
        pending.add(response.status)
        try:
            matches.append(read_identifier(content, context.transfer_syntax))
        except BadIdentifier as error:
            raise association.broken(str(error)) from error


def text_of(match: Mapping[str, Value], keyword: str) -> str | None:
    """Return the text of an element; None where it is not there; a sequence is told by its length."""
    value = match.get(keyword)
    if value is None or isinstance(value, str):
        return value
    return f"{len(value)} items" if value else ""
