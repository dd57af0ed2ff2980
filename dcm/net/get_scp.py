"""C-GET as SCP (PS3.4 C.4.3): instances are sent on the association of the request."""

import asyncio
from typing import Final

from dcm.errors import DcmError
from dcm.instances import SLICE, FileInstance, Instance
from dcm.net.asked import Unanswerable, take
from dcm.net.association import Association
from dcm.net.performing import Cancelled, CatalogueFailed, Slots
from dcm.net.retrieve_scp import SubOperations, counted, log_failed, refuse
from dcm.net.uids import NATIVE
from dcm.outcome import InstanceResult, Outcome
from dcm.store.catalogue import Catalogue
from dcm.wire import (
    CCancelRQ,
    CGetRQ,
    Command,
    CStoreRSP,
    DataFragment,
    StatusClass,
    describe,
    store_request,
)

_AT_ONCE: Final = 200
"""The number of instances looked up at a time."""
_OUTCOMES: Final = {StatusClass.SUCCESS: Outcome.STORED, StatusClass.WARNING: Outcome.WARNING}


class GetService:
    """Sends the instances for a C-GET: each as it is if the peer accepts that, otherwise decompressed."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue: Final = catalogue
        self._slots: Final = Slots()

    async def answer(self, association: Association, command: Command) -> None:
        """Perform a C-GET request."""
        request = command.message
        assert isinstance(request, CGetRQ)
        try:
            asked = await take(association, command)
            async with counted(self._catalogue, asked, self._slots) as (total, found):
                progress = SubOperations(association, command, total)
                sending = _Sending(association, request, progress)
                try:
                    while batch := await found.next(_AT_ONCE):
                        for instance in batch:
                            await sending.send(instance)
                except Cancelled:
                    await progress.finish(cancelled=True)
                except CatalogueFailed as error:
                    log_failed(association, error)
                    await progress.finish(failed=True)
                else:
                    await progress.finish()
        except Unanswerable as error:
            await refuse(association, command, error)


class _Sending:
    """The instances sent for one request."""

    def __init__(self, association: Association, request: CGetRQ, progress: SubOperations) -> None:
        self._association: Final = association
        self._request: Final = request
        self._progress: Final = progress
        self._memory: Final = bytearray(SLICE)
        self._contexts: Final = {
            (each.abstract_syntax, each.transfer_syntax): each
            for each in association.accepted_contexts()
            if each.scu  # allowed by the peer's role as SCP (PS3.4 C.5.3)
        }
        self._said: list[Command] = []
        """A pending response, which is sent together with the next message."""
        self._cancelled = False

    async def send(self, instance: FileInstance) -> None:
        """Send an instance and wait for the response. Raises `Cancelled` if the peer has cancelled."""
        progress = self._progress
        outcome, words = await self._outcome(instance)
        uid = instance.sop_instance_uid
        progress.count(InstanceResult(instance.path, uid, outcome, words))
        if progress.done < progress.total:
            self._said = [progress.pending()]
        if self._cancelled:
            raise Cancelled

    async def _outcome(self, instance: FileInstance) -> tuple[Outcome, str]:
        sop_class, syntax = instance.kind
        context = self._contexts.get(instance.kind)
        converting = context is None
        for native in NATIVE if context is None else ():
            context = context or self._contexts.get((sop_class, native))
        if context is None:
            return Outcome.FAILED, f"no context for {sop_class} with the peer as SCP"
        to_send: Instance = instance
        if converting:
            try:
                to_send = await asyncio.to_thread(_converted, instance, context.transfer_syntax)
            except (OSError, DcmError) as error:
                return Outcome.FAILED, f"no context for {sop_class} in {syntax}, and it {error}"
        begun, association = False, self._association
        message_id = association.next_message_id()
        request = store_request(message_id, sop_class, instance.sop_instance_uid)
        head, self._said = [*self._said, Command(context.context_id, request)], []
        association.doing = f"C-STORE of {instance.path} for a C-GET"
        try:
            for data, last in to_send.slices(self._memory, []):
                begun = True
                await association.send(*head, DataFragment(context.context_id, data, last))
                head = []
        except (OSError, DcmError) as error:
            if begun:  # a partly sent data set can only be aborted
                raise
            return Outcome.FAILED, str(error)
        status = describe((await self._response(message_id)).status, CStoreRSP)
        return _OUTCOMES.get(status.kind, Outcome.FAILED), status.words

    async def _response(self, message_id: int) -> CStoreRSP:
        """Return the response to a C-STORE; a cancel request may arrive before it."""
        association = self._association
        while True:
            command = await association.command()
            if command is None:
                raise association.lost("it released the association before answering")
            if not isinstance(message := command.message, CCancelRQ):
                return association.expect(command, CStoreRSP, message_id)
            asked = message.message_id_being_responded_to == self._request.message_id
            self._cancelled = self._cancelled or asked


def _converted(instance: FileInstance, syntax: str) -> Instance:
    from dcm.net.convert import converted  # noqa: PLC0415 - rarely needed

    return converted(instance, syntax)
