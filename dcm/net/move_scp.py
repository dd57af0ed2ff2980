"""C-MOVE as SCP (PS3.4 C.4.2): instances are sent to a node known by its AE title.

peers = {"WORKSTATION": Remote(DcmNode("10.0.0.7", "WORKSTATION", 11112))}
service = MoveService(catalogue, local, peers)
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

from dcm.instances import FileInstance
from dcm.net.asked import Asked, Unanswerable, take
from dcm.net.association import Association
from dcm.net.line import Originator
from dcm.net.performing import Cancelled, CatalogueFailed, Slots, Watch
from dcm.net.pool import Pool
from dcm.net.remote import Listen, Remote
from dcm.net.retrieve_scp import SubOperations, counted, log_failed, refuse
from dcm.net.sender import Sender
from dcm.outcome import InstanceResult, Outcome
from dcm.store.catalogue import Catalogue
from dcm.wire import CMoveRQ, Command

_UNKNOWN: Final = 0xA801
_AT_ONCE: Final = 1000
"""The number of instances looked up and sent at a time; results are kept for these only."""
_SIGN_OF_LIFE: Final = 10.0
"""Seconds after which a response repeats the same numbers: some peers do not wait longer."""
_TO_STOP: Final = 5.0
"""Seconds for instances in progress when the operation is cancelled."""


class MoveService:
    """Sends the instances for a C-MOVE, on several associations at once.

    local: our identity for the destinations. peers: the destinations by AE title.
    """

    def __init__(self, catalogue: Catalogue, local: Listen, peers: Mapping[str, Remote]) -> None:
        self._catalogue: Final = catalogue
        self._local: Final = local
        self._peers: Final = peers
        self._slots: Final = Slots()

    async def answer(self, association: Association, command: Command) -> None:
        """Perform a C-MOVE request."""
        request = command.message
        assert isinstance(request, CMoveRQ)
        try:
            asked = await take(association, command)
            remote = self._destination(request.move_destination.strip())
            await self._move(association, command, asked, remote)
        except Unanswerable as error:
            await refuse(association, command, error)

    def _destination(self, ae_title: str) -> Remote:
        remote = self._peers.get(ae_title)
        if remote is None:
            raise Unanswerable(_UNKNOWN, f"unknown move destination {ae_title}")
        return remote

    async def _move(
        self, association: Association, command: Command, asked: Asked, remote: Remote
    ) -> None:
        request = command.message
        assert isinstance(request, CMoveRQ)
        originator = Originator(association.ae_titles[0], request.message_id)
        async with (
            counted(self._catalogue, asked, self._slots) as (total, found),
            Pool(self._local, remote) as pool,
            Watch(association, request.message_id) as watch,
        ):
            moving = _Moving(pool, originator, SubOperations(association, command, total))
            try:
                while batch := await found.next(_AT_ONCE, watch):
                    await moving.send(batch, watch)
            except Cancelled:
                await moving.progress.finish(cancelled=True)
            except CatalogueFailed as error:
                log_failed(association, error)
                await moving.progress.finish(failed=True)
            else:
                await moving.progress.finish()


class _Moving:
    """The instances sent for one request."""

    def __init__(self, pool: Pool, originator: Originator, progress: SubOperations) -> None:
        self.progress: Final = progress
        self._pool: Final = pool
        self._originator: Final = originator
        self._given_up: Exception | None = None
        self._changed: Final = asyncio.Event()

    async def send(self, batch: list[FileInstance], watch: Watch) -> None:
        """Send instances, and report progress to the requestor. Raises `Cancelled`, `NetworkError`."""
        if (
            self._given_up is not None
        ):  # the destination cannot be reached: attempts to reach it were given up
            for each in batch:
                result = InstanceResult(
                    each.path, each.sop_instance_uid, Outcome.NOT_TRIED, str(self._given_up)
                )
                self.progress.count(result)
            return
        sender = Sender(self._pool, self._count, again=False, originator=self._originator)
        async with sender:
            for each in batch:
                sender.add(each)
            finishing = asyncio.create_task(sender.finish())
            finishing.add_done_callback(lambda _: self._changed.set())
            try:
                await self._tell(finishing, watch)
            except Cancelled:
                sender.withdraw()
                await asyncio.wait((finishing,), timeout=_TO_STOP)
                raise
            finally:
                finishing.cancel()
                await asyncio.gather(finishing, return_exceptions=True)
            finishing.result()
        self._given_up = sender.given_up

    def _count(self, result: InstanceResult) -> None:
        self.progress.count(result)
        self._changed.set()

    async def _tell(self, finishing: "asyncio.Task[object]", watch: Watch) -> None:
        """Send pending responses whenever sub-operations have ended, until all have."""
        while not finishing.done():
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SIGN_OF_LIFE):
                    await watch.during(self._changed.wait())
            if self.progress.done < self.progress.total:
                await self.progress.send_pending()
