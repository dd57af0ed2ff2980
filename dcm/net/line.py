"""Send instances on one association: requests out, responses in."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

from dcm import queued
from dcm.data.header import NotDicom
from dcm.errors import LocalProtocolError
from dcm.instances import SLICE, Instance, UnusableInstance
from dcm.net.association import Association
from dcm.net.uids import NATIVE, STORAGE_COMMITMENT, STUDY_ROOT_FIND
from dcm.outcome import InstanceResult, Outcome
from dcm.wire import (
    AsynchronousOperationsWindow,
    Command,
    CStoreRQ,
    CStoreRSP,
    DataFragment,
    ImplementationVersionName,
    PresentationContextRQ,
    StatusClass,
    describe,
    readable,
    store_request,
)

_DUPLICATE: Final = 0x0111
_WINDOW: Final = 8
"""The most operations in progress on one association, if the peer allows several (PS3.7 D.3.3.3)."""
WINDOW_ASKED: Final = (AsynchronousOperationsWindow(_WINDOW, 1),)
_SHOWING: Final = ((STUDY_ROOT_FIND, NATIVE), (STORAGE_COMMITMENT, NATIVE))
"""Contexts that reveal what kind of peer this is; nothing is sent on them."""
MOST_OFFERS: Final = 128 - len(_SHOWING)  # odd numbers from 1 to 255 (PS3.8 9.3.2.2)
_OUTCOMES: Final = {
    StatusClass.SUCCESS: Outcome.STORED,
    StatusClass.WARNING: Outcome.WARNING,
}

Offer: TypeAlias = tuple[str, tuple[str, ...]]
"""A presentation context: SOP class and transfer syntaxes."""
Accepted: TypeAlias = Mapping[Offer, tuple[int, str] | None]
"""Context ID and transfer syntax for each offer; None: not accepted."""


class Unreadable(Exception):  # noqa: N818 - internal
    """An instance could not be read completely, so its message can only be aborted."""


class Item(queued.Item):
    """An instance to be sent.

    refused: why the peer does not accept it as it is; None if it may. failures: how many associations failed
    while it was sent. alone: whether there was only one association when it was sent last. postponed: whether
    the peer once had no room for it.
    """

    __slots__ = ("alone", "failures", "offer", "postponed", "refused")

    def __init__(self, number: int, instance: Instance) -> None:
        super().__init__(number, instance)
        self.offer: Offer = (instance.kind[0], (instance.kind[1],))
        self.refused: str | None = None
        self.failures = 0
        self.postponed = False
        self.alone = False


class Originator(NamedTuple):
    """The C-MOVE request for which we send: AE title and message ID (PS3.7 9.1.1.1)."""

    ae_title: str
    message_id: int


class Source(Protocol):
    """Provides a line with instances, and receives their outcomes."""

    def next(self, accepted: Accepted) -> Item | None:
        """Return the next instance that can be sent on this association; None: end it."""

    def refuse(self, item: Item) -> None:
        """Take back an instance whose context was not accepted."""

    def answered(self, item: Item, result: InstanceResult) -> None:
        """Process the response of the peer."""

    def tell(self, item: Item, result: InstanceResult) -> None:
        """Process an outcome without a response."""


class Line:
    """Sends instances on one association.

    under_way: instances that the peer has not answered, by message ID.
    one_by_one: whether to wait for each response, even if the peer allows several operations at once.
    originator: the C-MOVE request for which they are sent, if any.
    """

    def __init__(
        self, source: Source, *, one_by_one: bool, originator: Originator | None = None
    ) -> None:
        self.under_way: Final[dict[int, Item]] = {}
        self._source: Final = source
        self._one_by_one: Final = one_by_one
        self._originator: Final = originator
        self._memory: Final = bytearray(SLICE)
        self._remarks: Final[dict[int, list[str]]] = {}

    async def run(self, association: Association, offers: Sequence[Offer]) -> None:
        """Send until nothing is left for this association."""
        source, under_way = self._source, self.under_way
        accepted = _accepted(association, offers)
        window = 1 if self._one_by_one else _window(association)
        while True:
            while len(under_way) < window and (item := source.next(accepted)) is not None:
                await self._begin(association, item, accepted[item.offer])
            if not under_way:
                return
            association.doing = f"C-STORE of {next(iter(under_way.values())).instance.path}"
            command = await association.command()
            if command is None:
                raise association.broken("it released the association before answering")
            response = command.message
            item = under_way.get(getattr(response, "message_id_being_responded_to", 0))
            if item is None or not isinstance(response, CStoreRSP):
                raise association.broken(f"{response.NAME} where a C-STORE-RSP was expected")
            del under_way[response.message_id_being_responded_to]
            remarks = self._remarks.pop(response.message_id_being_responded_to, ())
            source.answered(item, _result(item, response, remarks))

    async def _begin(
        self, association: Association, item: Item, context: tuple[int, str] | None
    ) -> None:
        """Send a request with its data set, or find out why that is impossible."""
        if context is None:
            self._source.refuse(item)
            return
        instance, remarks = item.instance, list[str]()
        context_id, syntax = context
        if syntax != instance.kind[1]:
            from dcm.net.convert import CannotConvert, conversion, converted  # noqa: PLC0415 - rarely needed

            try:
                instance = await asyncio.to_thread(converted, instance, syntax)
            except (OSError, CannotConvert) as error:
                result = item.result(Outcome.FAILED, f"{item.refused}, and it {error}")
                self._source.tell(item, result)
                return
            remarks.append(conversion(item.instance.kind[1], syntax))
        message_id = association.next_message_id()
        association.doing = f"C-STORE of {instance.path}"
        begun = False
        try:
            request = self._request(message_id, instance)
            head = [Command(context_id, request)]
            for data, last in instance.slices(self._memory, remarks):
                begun = True
                self.under_way[message_id] = item
                await association.send(*head, DataFragment(context_id, data, last))
                head = []
        except (OSError, UnusableInstance, NotDicom, LocalProtocolError) as error:
            self.under_way.pop(message_id, None)
            outcome = Outcome.FAILED if begun else Outcome.NOT_TRIED
            self._source.tell(item, item.result(outcome, str(error)))
            if begun:
                raise Unreadable from error
            return
        if remarks:
            self._remarks[message_id] = remarks

    def _request(self, message_id: int, instance: Instance) -> CStoreRQ:
        sop_class, uid = instance.kind[0], instance.sop_instance_uid
        if self._originator is None:
            return store_request(message_id, sop_class, uid)
        return CStoreRQ(
            message_id=message_id,
            affected_sop_class_uid=sop_class,
            affected_sop_instance_uid=uid,
            move_originator_application_entity_title=self._originator.ae_title,
            move_originator_message_id=self._originator.message_id,
        )


def contexts_for(offers: Sequence[Offer]) -> list[PresentationContextRQ]:
    """Propose a context for each offer, so that none replaces another."""
    proposed = [*offers, *_SHOWING]
    return [PresentationContextRQ(2 * place + 1, *offer) for place, offer in enumerate(proposed)]


def loses_what_comes_together(association: Association) -> bool:
    """Return whether the peer is an archive to which only one association may send at a time.

    dcmqrscp of dcmtk (seen with 3.6.7) accepts instances that arrive at the same time, but some of them are
    missing from its index afterwards. storescp of dcmtk, which has no index, does not accept queries;
    archives that only use dcmtk as a library, such as Orthanc, store reliably.
    """
    names = association.answer_pdu.items(ImplementationVersionName)
    accepted = {each.abstract_syntax for each in association.accepted_contexts()}
    return (
        any(each.name.startswith("OFFIS_DCMTK") for each in names)
        and STUDY_ROOT_FIND in accepted
        and STORAGE_COMMITMENT not in accepted
    )


def _accepted(
    association: Association, offers: Sequence[Offer]
) -> dict[Offer, tuple[int, str] | None]:
    """Return context ID and transfer syntax for each offer; None: not accepted.

    Some peers accept only one context for each SOP class, which may be that of another offer.
    """
    by_id = {each.context_id: each for each in association.accepted_contexts()}
    found: dict[Offer, tuple[int, str] | None] = {}
    for place, offer in enumerate(offers):
        context = by_id.get(2 * place + 1)
        others = (
            each
            for each in by_id.values()
            if each.abstract_syntax == offer[0] and each.transfer_syntax in offer[1]
        )
        context = context or next(others, None)
        found[offer] = None if context is None else (context.context_id, context.transfer_syntax)
    return found


def _window(association: Association) -> int:
    """Return how many operations may be in progress at once; 1 unless the peer allows more."""
    for item in association.answer_pdu.items(AsynchronousOperationsWindow):
        return min(item.operations_invoked or _WINDOW, _WINDOW)
    return 1


def _result(item: Item, response: CStoreRSP, remarks: Sequence[str]) -> InstanceResult:
    if not response.status and not remarks and not response.error_comment:
        return item.result(Outcome.STORED, "", 0)
    status = describe(response.status, CStoreRSP)
    words = ": ".join(filter(None, (*remarks, status.words, readable(response.error_comment))))
    outcome = _OUTCOMES.get(status.kind, Outcome.FAILED)
    if status.code == _DUPLICATE:
        outcome = Outcome.ALREADY_THERE
    return item.result(outcome, words, response.status)
