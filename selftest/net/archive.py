"""A small archive that a test makes strict, incomplete or hostile."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Self

from net.peers import QUICK

from dcm.data.dictionary import level_of
from dcm.data.header import scan
from dcm.data.identifier import read_identifier, write_identifier
from dcm.data.levels import Level
from dcm.data.match import Attributes, matches
from dcm.errors import RemoteProtocolError
from dcm.net import DcmNode
from dcm.net.admission import is_storage
from dcm.net.association import Association
from dcm.net.errors import NetworkError
from dcm.net.establish import OUR_INFORMATION
from dcm.net.transport import Transport
from dcm.wire import (
    DATA_SET,
    NO_DATA_SET,
    AcceptedContext,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CGetRSP,
    CMoveRQ,
    CMoveRSP,
    Command,
    CStoreRQ,
    CStoreRSP,
    DataFragment,
    RoleSelection,
    answer_contexts,
)

NATIVE = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
PENDING, NOT_SO, UNABLE, CANCELLED = 0xFF00, 0xA900, 0xC000, 0xFE00

Mover = Callable[[Association, CMoveRQ], AsyncIterator[CMoveRSP]]
Getter = Callable[[Association, CGetRQ, Attributes], AsyncIterator[CGetRSP]]
Entity = dict[str, str]
Identifier = dict[str, str]


class Archive:
    """Answers queries about instances, each given by its attributes of all levels.

    It is strict: a key of a level other than that of the query, except the unique keys above, is
    answered by A900.

    models: the accepted information models.
    forgets: keys that it neither matches nor returns; unheeded: keys that it only returns.
    endless: a query only ends when it is cancelled.
    answers: returns the answers to a query, whatever the entities are.
    pending: the status of each answer; final: the status after them.
    announced: a data set that the final response announces; None: none; empty: it is not sent.
    fails_after: the number of requests after which it fails.
    move, get: return the responses to a C-MOVE or C-GET.
    one_at_a_time: a second concurrent association is rejected; rejected: how many were.
    asked: the model and identifier of each request; heard: an event set by each request.
    associations, released, cancelled: the number of associations, releases and C-CANCELs.
    """

    def __init__(self, entities: Sequence[Entity], models: Collection[str]) -> None:
        self.asked: list[tuple[str, Identifier]] = []
        self.associations = 0
        self.cancelled = 0
        self.released = 0
        self.answers: Callable[[Identifier], Sequence[Identifier]] | None = None
        self.final = 0
        self.pending = PENDING
        self.announced: Identifier | None = None
        self.forgets: Collection[str] = ()
        self.unheeded: Collection[str] = ()
        self.endless = False
        self.closes_after_each = False
        self.lists_are_understood = True
        self.one_at_a_time = False
        self.rejected = 0
        self._open = 0
        self.move: Mover | None = None
        self.get: Getter | None = None
        self.fails_after: int | None = None
        self._entities = entities
        self._models = models
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.heard = asyncio.Event()
        self._tasks.clear()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.node = DcmNode("127.0.0.1", "ARCHIVE", self._server.getsockname()[1])
        self._tasks.add(asyncio.create_task(self._serve()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server.close()
        faults = [each for each in ended if isinstance(each, Exception)]
        if faults:
            raise faults[0]

    async def _serve(self) -> None:
        while True:
            taken, _ = await asyncio.get_running_loop().sock_accept(self._server)
            self._tasks.add(asyncio.create_task(self._converse(taken)))

    async def _accept(self, request: AssociateRQ) -> AssociateAC | AssociateRJ:
        if self.one_at_a_time and self._open:
            self.rejected += 1
            return AssociateRJ(result=2, source=3, reason=2)
        proposed = request.presentation_contexts
        storage = [each.abstract_syntax for each in proposed if is_storage(each.abstract_syntax)]
        supported = dict.fromkeys([*self._models, *storage], NATIVE)
        return AssociateAC(
            called_ae_title=request.called_ae_title,
            calling_ae_title=request.calling_ae_title,
            presentation_contexts=answer_contexts(request.presentation_contexts, supported),
            user_information=(*OUR_INFORMATION, *request.items(RoleSelection)),
        )

    async def _converse(self, taken: socket.socket) -> None:
        with taken, contextlib.suppress(NetworkError, RemoteProtocolError, OSError):
            transport = Transport(taken)
            association = await Association.accept(transport, "the asker", self._accept, QUICK)
            if association is None:
                return
            self.associations += 1
            self._open += 1
            try:
                async with association:
                    await self._serve_one(association)
            finally:
                self._open -= 1

    async def _serve_one(self, association: Association) -> None:
        while (command := await association.command()) is not None:
            await self._answer(association, command)
            if self.closes_after_each:
                await association.abort()
                return
        self.released += 1

    async def _answer(self, association: Association, command: Command) -> None:
        context = association.context_by_id(command.context_id)
        request = command.message
        data = await association.data_set()
        asked = {
            name: value
            for name, value in read_identifier(data, context.transfer_syntax).items()
            if isinstance(value, str)
        }
        self.asked.append((context.abstract_syntax, asked))
        self.heard.set()
        if isinstance(request, CMoveRQ):
            assert self.move is not None
            async for moved in self.move(association, request):
                await association.send(Command(command.context_id, moved))
        elif isinstance(request, CGetRQ):
            assert self.get is not None
            async for got in self.get(association, request, asked):
                await association.send(Command(command.context_id, got))
        else:
            assert isinstance(request, CFindRQ)
            await self._answer_query(association, context, request, asked)

    async def _answer_query(
        self,
        association: Association,
        context: AcceptedContext,
        request: CFindRQ,
        asked: Identifier,
    ) -> None:
        def response(status: int, following: int = NO_DATA_SET) -> Command:
            said = CFindRSP(
                message_id_being_responded_to=request.message_id,
                status=status,
                command_data_set_type=following,
            )
            return Command(context.context_id, said)

        if self.fails_after is not None and len(self.asked) > self.fails_after:
            await association.send(response(UNABLE))
            return
        if self.answers is None and not self._allowed(context.abstract_syntax, asked):
            await association.send(response(NOT_SO))
            return
        for found in self._found(asked) if self.answers is None else self.answers(asked):
            data = write_identifier(found, context.transfer_syntax)
            await association.send(
                response(self.pending, DATA_SET), DataFragment(context.context_id, data, last=True)
            )
        if self.announced is not None:
            await association.send(response(self.final, DATA_SET))
            data = write_identifier(self.announced, context.transfer_syntax)
            if self.announced:
                await association.send(DataFragment(context.context_id, data, last=True))
            else:  # as if it had sent everything: another message follows
                association._connection._writer.unfinished = None
            return
        if self.endless:
            await association.command()
            self.cancelled += 1
        await association.send(response(CANCELLED if self.endless else self.final))

    def _allowed(self, model: str, asked: Identifier) -> bool:
        level = Level.named(asked["QueryRetrieveLevel"])
        study_root = ".5.1.4.1.2.2." in model
        if any("\\" in value for value in asked.values()) and not self.lists_are_understood:
            return False
        for name in asked:
            at = level_of(name)
            patient_of_study = study_root and level is Level.STUDY and at is Level.PATIENT
            above = at is not None and at < level and name == at.unique_key
            if at not in (None, level) and not patient_of_study and not above:
                return False
        needed = [each for each in Level if each < level and not (study_root and each == 0)]
        return all(asked.get(each.unique_key) for each in needed)

    def _found(self, asked: Identifier) -> Iterator[Identifier]:
        level = Level.named(asked["QueryRetrieveLevel"])
        keys = {name: value for name, value in asked.items() if name not in self.forgets}
        heeded = {name: value for name, value in keys.items() if name not in self.unheeded}
        found = dict.fromkeys(
            tuple((name, entity.get(name, "")) for name in keys if name != "QueryRetrieveLevel")
            for entity in self._entities
            if matches(heeded, entity)
        )
        for each in found:
            yield {"QueryRetrieveLevel": level.name, **dict(each)}


async def send(association: Association, path: Path) -> int:
    """Send a file for a C-GET; return the status of the response."""
    header = scan(path)
    context = association.context(header.sop_class_uid, header.transfer_syntax_uid)
    data = await asyncio.to_thread(path.read_bytes)
    request = CStoreRQ(
        message_id=association.next_message_id(),
        affected_sop_class_uid=header.sop_class_uid,
        affected_sop_instance_uid=header.sop_instance_uid,
    )
    await association.send(
        Command(context.context_id, request),
        DataFragment(context.context_id, data[header.data_set_offset :], last=True),
    )
    return (await association.response(CStoreRSP, request.message_id)).status
