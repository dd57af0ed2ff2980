"""What a peer has already and need not be sent: C-FIND at the IMAGE level, series by series."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from dcm.data.scan import NotDicom, scan
from dcm.errors import DcmError
from dcm.net.find import STUDY_ROOT_FIND, Finder
from dcm.net.outgoing import OutgoingFile
from dcm.net.pool import Pool

_LOG: Final = logging.getLogger(__name__)


async def already_there(pool: Pool, files: Sequence[OutgoingFile]) -> set[int]:
    """Return the numbers of the files whose instances the peer lists, asking on one association.

    After an error the rest counts as missing: sending too much loses nothing.
    """
    there: set[int] = set()
    by_series = _by_series(files)
    if not by_series:
        return there
    try:
        async with Finder(pool, [STUDY_ROOT_FIND]) as finder:
            for (study, series), members in by_series.items():
                listed = await _listed(finder, study, series)
                there |= {file.number for file in members if file.sop_instance_uid in listed}
    except DcmError as error:
        _LOG.warning("what is already there is not known from here on, and is sent: %s", error)
    return there


async def _listed(finder: Finder, study: str, series: str) -> set[object]:
    identifier = {
        "QueryRetrieveLevel": "IMAGE",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "SOPInstanceUID": "",
    }
    async with aclosing(finder.find(identifier)) as answers:
        return {answer.attributes.get("SOPInstanceUID") async for answer in answers}


def _by_series(files: Sequence[OutgoingFile]) -> dict[tuple[str, str], list[OutgoingFile]]:
    grouped: dict[tuple[str, str], list[OutgoingFile]] = defaultdict(list)
    for file in files:
        try:
            header = scan(file.path, ("StudyInstanceUID", "SeriesInstanceUID"))
        except (NotDicom, OSError):
            continue  # sending it reports why it cannot be read
        place = (header.text("StudyInstanceUID"), header.text("SeriesInstanceUID"))
        if all(place):
            grouped[place].append(file)
    return grouped
