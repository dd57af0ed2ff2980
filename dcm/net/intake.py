"""What a retrieval takes into its folder: only what it asked for."""

import errno
import os
from collections import Counter
from typing import Final

from dcm.data.account import Unlisted
from dcm.frozen import replace
from dcm.net.incoming import Folder
from dcm.wire import CStoreRQ

_DUPLICATE: Final = 0x0111
_NOT_AUTHORIZED: Final = 0x0124

Refusal = tuple[int, str]


class Intake:
    """Decides what comes into the folder of a retrieval; the gate of a `Folder`.

    missing: SOP Instance UIDs that were asked for and have not come. came: those that have.
    whole: the series or study that is asked for without knowing its instances, if one is.
    moves: message IDs of our C-MOVE requests. remarks: what was refused, and why.
    """

    def __init__(self, folder: Folder, ae_title: str, remarks: list[str]) -> None:
        self.folder: Final = replace(folder, gate=self)
        self.missing: Final[set[str]] = set()
        self.came: Final[set[str]] = set()
        self.whole: Unlisted | None = None
        self.moves: Final[set[int]] = set()
        self._refused: Final[Counter[str]] = Counter()
        self._ae_title: Final = ae_title.strip()
        self._remarks: Final = remarks

    def refusal(self, request: CStoreRQ) -> Refusal | None:
        """Return the status and comment that refuse an instance; None if it is to be received."""
        uid = request.affected_sop_instance_uid
        title = request.move_originator_application_entity_title
        number = request.move_originator_message_id
        # Both are optional (PS3.7 9.1.1.1), and mean nothing in a C-GET.
        if self.moves and (
            (title is not None and title.strip() != self._ae_title)
            or (number is not None and number not in self.moves)
        ):
            return self._refuse(uid, _NOT_AUTHORIZED, "came from the C-MOVE of another node")
        if uid in self.missing:
            return None
        if uid in self.came:
            return self._refuse(uid, _DUPLICATE, "came twice")
        if self.whole is None:
            return self._refuse(uid, _NOT_AUTHORIZED, "came though it was not asked for")
        return None

    def check(self, part: str, file: str) -> None:
        """Require that a received file is one of those that were asked for. Raises `OSError` if not."""
        uid = os.path.basename(file).removesuffix(".dcm")  # noqa: PTH119 - for each instance, and quicker
        if self.whole is not None and uid not in self.missing:
            self._check_whole(part, self.whole)

    def has_refused(self, sop_instance_uid: str) -> bool:
        """Return whether an instance that was not kept was refused here; each refusal counts once."""
        refused = self._refused[sop_instance_uid] > 0
        self._refused[sop_instance_uid] -= refused
        return refused

    def _refuse(self, uid: str, status: int, words: str) -> Refusal:
        self._refused[uid] += 1
        self._remarks.append(f"{uid} {words}")
        return status, words

    def _check_whole(self, part: str, whole: Unlisted) -> None:
        """Require that a file belongs to the series or study that was asked for as a whole."""
        from dcm.data.header import NotDicom, scan  # noqa: PLC0415 - rarely needed

        try:
            header = scan(part, ("StudyInstanceUID", "SeriesInstanceUID"))
        except NotDicom as error:
            raise OSError(errno.EINVAL, str(error)) from error
        found = (header.text("StudyInstanceUID"), header.text("SeriesInstanceUID"))
        wanted = whole.path[1:]
        if found[: len(wanted)] != wanted:
            self._refuse(header.sop_instance_uid, 0, "came though it was not asked for")
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
