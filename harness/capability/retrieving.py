"""C-GET and C-MOVE at each level of each root, and storage commitment: all of them bring or need objects."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dcm.data.match import Value
from dcm.net.commitment import commit
from dcm.net.errors import OperationFailed, TimedOut
from dcm.net.get import get, open_get
from dcm.net.incoming import Folder, ReceivedInstance
from dcm.net.listener import Listener
from dcm.net.move import move_one, open_move
from dcm.net.node import DcmNode
from dcm.net.suboperations import SubOperations
from dcm.wire import StatusClass
from harness.capability import objects
from harness.capability.associations import Negotiated
from harness.capability.keys import LEVELS, UNIQUE, Level
from harness.capability.known_classes import COMMITMENT, GET, MOVE, name_of
from harness.capability.notebook import Notebook
from harness.capability.peer import Peer
from harness.corpus.place import uid

_NOBODY = "HARNESS-NOBODY"


@dataclass(frozen=True)
class _Way:
    """A service at a level of a root."""

    name: str
    root: str
    level: Level
    model: str

    @property
    def id(self) -> str:
        """The id of its finding."""
        return f"retrieve/{self.name}/{self.root}/{self.level}"

    @property
    def clause(self) -> str:
        """What it must do."""
        return "PS3.4 C.4.2.3.1" if self.name == "C-MOVE" else "PS3.4 C.4.3.3.1"

    def __str__(self) -> str:
        return f"{self.name}, {self.root} root, level {self.level}"


class _Arrivals:
    """What comes to our listener: SOP Instance UIDs."""

    def __init__(self) -> None:
        self.uids: set[str] = set()
        self._changed = asyncio.Event()

    async def keep(self, received: ReceivedInstance) -> None:
        """Take note of an instance."""
        self.uids.add(received.sop_instance_uid)
        self._changed.set()

    async def expect(self, wanted: set[str], within: float) -> None:
        """Wait for these instances, which some servers send after they have answered."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not wanted <= self.uids:
                    self._changed.clear()
                    await self._changed.wait()


async def retrieve(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Get the probe's own study back in each way that was accepted."""
    notes.progress("retrieving")
    for way in _ways("C-GET", GET, found):
        with notes.noting(way.id, way.clause, f"accepts {name_of(way.model)}"):
            async with peer.watched(str(way)):
                await _get(peer, notes, way)
    moves = _ways("C-MOVE", MOVE, found)
    for way in moves:
        if way.level == "STUDY":
            with notes.noting():
                async with peer.watched(f"C-MOVE to an unknown destination, {way.root} root"):
                    await _move_nowhere(peer, notes, way)
    async with _listening(peer) as arrivals:
        if arrivals is None:
            return
        for way in moves:
            with notes.noting(way.id, way.clause, f"accepts {name_of(way.model)}"):
                async with peer.watched(str(way)):
                    await _move(peer, notes, way, arrivals)


def _ways(name: str, models: Mapping[str, str], found: Negotiated) -> list[_Way]:
    return [
        _Way(name, root, level, model)
        for root, model in models.items()
        if model in found.classes
        for level in LEVELS[root]
    ]


async def commitment(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Ask for commitment of an object that is there, and of one that is not (PS3.4 J.3)."""
    if COMMITMENT not in found.classes:
        return
    notes.progress("asking for storage commitment")
    there = objects.study()[0]
    reference = (str(there.sop_class_uid), str(there.sop_instance_uid))
    missing = (str(there.sop_class_uid), str(uid(objects.SCOPE, "missing")))
    for key, subject, asked, right in (
        ("there", "An object that is there", reference, "committed"),
        ("missing", "An object that is not there", missing, "not committed"),
    ):
        with notes.noting(f"commitment/{key}", "PS3.4 J.3.3.1", f"accepts {name_of(COMMITMENT)}"):
            async with peer.watched(f"storage commitment of {subject[0].lower()}{subject[1:]}"):
                words = await _commit(peer, asked)
                notes.declared(f"commitment/{key}", subject, right)
                notes.probed(f"commitment/{key}", subject, words)
                notes.probed(
                    f"sop-class/{COMMITMENT}", name_of(COMMITMENT),
                    "answered" if "committed" in words else words,
                )  # fmt: skip
                if not words.startswith(right) and "no report" not in words:
                    notes.contradiction(
                        f"commitment/{key}", "PS3.4 J.3.3.1", f"accepts {name_of(COMMITMENT)}",
                        f"of {subject[0].lower()}{subject[1:]} it says: {words}",
                    )  # fmt: skip


async def _commit(peer: Peer, reference: tuple[str, str]) -> str:
    async with contextlib.AsyncExitStack() as stack:
        elsewhere = None
        if peer.target.listen is not None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="harness-probe-"))
            listener = Listener(_ourselves(peer), Folder(Path(folder), sync=False), peer.limits)
            elsewhere = (await stack.enter_async_context(listener)).expected
        try:
            report = await commit(
                peer.local, peer.remote, [reference], peer.limits,
                within=peer.limits.response, elsewhere=elsewhere,
            )  # fmt: skip
        except OperationFailed as error:
            return f"refused with {error.status}"
        except TimedOut as error:
            if "no report" not in error.what:
                raise
            return "no report on the same association" + (
                " or to us" if peer.target.listen else "; where else, it was not told"
            )
    [result] = report.results
    return "committed" if result.committed else f"not committed: {result.words}"


async def _get(peer: Peer, notes: Notebook, way: _Way) -> None:
    classes = list(dict.fromkeys(str(each.sop_class_uid) for each in objects.study()))
    came: set[str] = set()
    last: SubOperations | None = None
    with tempfile.TemporaryDirectory(prefix="harness-probe-") as name:
        folder = Folder(Path(name), sync=False)
        async with await open_get(peer.local, peer.remote, classes, peer.limits) as association:
            async for event in get(association, _identifier(way), folder, way.model):
                if isinstance(event, ReceivedInstance):
                    came.add(event.sop_instance_uid)
                elif isinstance(event, SubOperations):
                    last = event
    _note(notes, way, len(came), last)


async def _move(peer: Peer, notes: Notebook, way: _Way, arrivals: _Arrivals) -> None:
    arrivals.uids.clear()
    last = await _last(peer, way, peer.target.calling)
    wanted = _wanted(way.level)
    if last.status.kind is StatusClass.SUCCESS:
        await arrivals.expect(wanted, peer.limits.response)
    _note(notes, way, len(arrivals.uids & wanted), last)


async def _move_nowhere(peer: Peer, notes: Notebook, way: _Way) -> None:
    last = await _last(peer, way, _NOBODY)
    key = f"retrieve/C-MOVE/{way.root}/unknown"
    notes.probed(f"sop-class/{way.model}", name_of(way.model), str(last.status))
    notes.probed(key, f"C-MOVE to an unknown destination, {way.root} root", str(last.status))
    if last.status.code != 0xA801:
        notes.contradiction(
            key, "PS3.4 C.4.2.1.5", f"accepts {name_of(way.model)}",
            f"it answers a move to a destination that nobody has with {last.status}, not with A801H",
        )  # fmt: skip


async def _last(peer: Peer, way: _Way, to: str) -> SubOperations:
    async with await open_move(peer.local, peer.remote, peer.limits) as association:
        responses = [each async for each in move_one(association, _identifier(way), to, way.model)]
    return responses[-1]  # the last one is always given


def _note(notes: Notebook, way: _Way, came: int, last: SubOperations | None) -> None:
    expected = len(_wanted(way.level))
    trouble = last.words if last is not None else ""
    words = f"{came} of {expected} objects" + (f", {trouble}" if trouble else "")
    notes.declared(way.id, str(way), value=True)
    notes.probed(way.id, str(way), words)
    notes.probed(f"sop-class/{way.model}", name_of(way.model), "retrieved" if came else words)
    if came != expected or trouble:
        does = f"at level {way.level} it gives {words}"
        notes.contradiction(way.id, way.clause, f"accepts {name_of(way.model)}", does)


def _identifier(way: _Way) -> dict[str, Value]:
    first = objects.study()[0]
    values = {
        "PatientID": first.patient_id,
        "StudyInstanceUID": str(first.study_instance_uid),
        "SeriesInstanceUID": str(first.series_instance_uid),
        "SOPInstanceUID": str(first.sop_instance_uid),
    }
    levels = LEVELS[way.root]
    unique = [UNIQUE[each] for each in levels[: levels.index(way.level) + 1]]
    return {"QueryRetrieveLevel": way.level, **{name: values[name] for name in unique}}


def _wanted(level: Level) -> set[str]:
    """Return the instances of the probe's study that a retrieval at this level brings."""
    first = objects.study()[0]
    return {
        str(each.sop_instance_uid)
        for each in objects.study()
        if level in ("PATIENT", "STUDY")
        or (each.series_instance_uid == first.series_instance_uid and level == "SERIES")
        or each is first
    }


def _ourselves(peer: Peer) -> DcmNode:
    listen = peer.target.listen
    assert listen is not None  # asked only where the server was told
    return DcmNode(listen.host, peer.target.calling, listen.port)


@contextlib.asynccontextmanager
async def _listening(peer: Peer) -> AsyncIterator[_Arrivals | None]:
    """Listen where the server finds us, and return what comes."""
    if peer.target.listen is None:
        yield None
        return
    arrivals = _Arrivals()
    with tempfile.TemporaryDirectory(prefix="harness-probe-") as folder:
        async with Listener(
            _ourselves(peer), Folder(Path(folder), sync=False), peer.limits, arrivals.keep
        ):
            yield arrivals
