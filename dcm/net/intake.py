"""Receive only the instances that a retrieval requested."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from dcm.data.account import Unlisted
from dcm.sinks import Head, Part, ReceivedInstance, Refused, Sink
from dcm.wire import Buffer, CStoreRQ

_DUPLICATE: Final = 0x0111
_NOT_AUTHORIZED: Final = 0x0124


class Intake:
    """Passes requested instances on to a sink, and rejects all others.

    missing: requested SOP Instance UIDs that have not arrived. came: those that have.
    whole: the series or study that is requested without knowing its instances, if any.
    moves: message IDs of our C-MOVE requests. remarks: what was rejected, and why.
    """

    def __init__(self, sink: Sink, ae_title: str, remarks: list[str]) -> None:
        self.missing: Final[set[str]] = set()
        self.came: Final[set[str]] = set()
        self.whole: Unlisted | None = None
        self.moves: Final[set[int]] = set()
        self._refused: Final[Counter[str]] = Counter()
        self._sink: Final = sink
        self._ae_title: Final = ae_title.strip()
        self._remarks: Final = remarks

    def begin(self, head: Head) -> Part:
        """Begin to receive an instance. Raises `Refused`."""
        request = head.request
        uid = request.affected_sop_instance_uid
        if self.moves and self._is_of_another(request):
            raise self._refusal(uid, _NOT_AUTHORIZED, "received for the C-MOVE of another node")
        if uid in self.missing:
            return self._sink.begin(head)
        if uid in self.came:
            raise self._refusal(uid, _DUPLICATE, "received twice")
        if self.whole is None:
            raise self.stray(uid)
        return _OfWhole(self._sink.begin(head), self, uid, self.whole.path[1:])

    def claims(self, request: CStoreRQ) -> bool:
        """Return whether an instance sent by another node may belong to our C-MOVE requests."""
        expected = self.whole is not None or request.affected_sop_instance_uid in self.missing
        return expected and not self._is_of_another(request)

    def has_refused(self, sop_instance_uid: str) -> bool:
        """Return whether an instance that was not kept was rejected here; each rejection counts once."""
        refused = self._refused[sop_instance_uid] > 0
        self._refused[sop_instance_uid] -= refused
        return refused

    def stray(self, uid: str) -> Refused:
        """Return the rejection of an instance that was not requested."""
        return self._refusal(uid, _NOT_AUTHORIZED, "received without being requested")

    def _is_of_another(self, request: CStoreRQ) -> bool:
        """Return whether it is for the C-MOVE of another node; both fields are optional (PS3.7 9.1.1.1)."""
        title = request.move_originator_application_entity_title
        number = request.move_originator_message_id
        return (title is not None and title.strip() != self._ae_title) or (
            number is not None and number not in self.moves
        )

    def _refusal(self, uid: str, status: int, words: str) -> Refused:
        self._refused[uid] += 1
        self._remarks.append(f"{uid} {words}")
        return Refused(status, words)


class _OfWhole:
    """An instance that is kept if it belongs to the series or study that was requested as a whole."""

    def __init__(self, part: Part, intake: Intake, uid: str, wanted: tuple[str, ...]) -> None:
        self._part: Final = part
        self._intake: Final = intake
        self._uid: Final = uid
        self._wanted: Final = wanted

    @property
    def path(self) -> str:
        return self._part.path

    def write(self, buffers: Sequence[Buffer]) -> None:
        self._part.write(buffers)

    async def commit(self) -> ReceivedInstance:
        from dcm.data.header import NotDicom, scan  # noqa: PLC0415 - rarely needed

        try:
            header = scan(self._part.path, ("StudyInstanceUID", "SeriesInstanceUID"))
        except NotDicom as error:
            raise Refused(0xC000, str(error)) from error
        found = (header.text("StudyInstanceUID"), header.text("SeriesInstanceUID"))
        if found[: len(self._wanted)] != self._wanted:
            raise self._intake.stray(self._uid)
        return await self._part.commit()

    def discard(self) -> None:
        self._part.discard()
