"""What a peer has already, so that it need not be sent: C-FIND at the level of images, series by series."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from dcm.data.scan import NotDicom, scan
from dcm.errors import DcmError
from dcm.net.find import find
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.outgoing import OutgoingFile

_LOG: Final = logging.getLogger(__name__)


async def already_there(
    local: DcmNode, remote: DcmNode, files: Sequence[OutgoingFile], limits: TimeLimits
) -> set[int]:
    """Give the numbers of the files whose instances the peer has.

    What it cannot be asked about it does not have: to send too much loses nothing.
    """
    there: set[int] = set()
    for (study, series), members in _by_series(files).items():
        identifier = {
            "QueryRetrieveLevel": "IMAGE",
            "StudyInstanceUID": study,
            "SeriesInstanceUID": series,
            "SOPInstanceUID": "",
        }
        try:
            found = {
                answer.attributes.get("SOPInstanceUID")
                async for answer in find(local, remote, identifier, limits)
            }
        except DcmError as error:
            _LOG.warning("what is already there is not known, and sent again: %s", error)
            return there
        there |= {file.number for file in members if file.sop_instance_uid in found}
    return there


def _by_series(files: Sequence[OutgoingFile]) -> dict[tuple[str, str], list[OutgoingFile]]:
    grouped: dict[tuple[str, str], list[OutgoingFile]] = defaultdict(list)
    for file in files:
        try:
            header = scan(file.path, ("StudyInstanceUID", "SeriesInstanceUID"))
        except (NotDicom, OSError):
            continue  # who sends it will say why it cannot be read
        place = (header.text("StudyInstanceUID"), header.text("SeriesInstanceUID"))
        if all(place):
            grouped[place].append(file)
    return grouped
