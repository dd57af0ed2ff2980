"""Find out which instances a peer already has: C-FIND at the IMAGE level, series by series."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from dcm.data.account import Account
from dcm.data.header import NotDicom, scan, scan_bytes
from dcm.errors import DcmError
from dcm.instances import Instance, MemoryInstance
from dcm.net.pool import Pool
from dcm.net.query import Archive, finder_of
from dcm.net.uids import STUDY_ROOT_FIND

_LOG: Final = logging.getLogger(__name__)
_SERIES: Final = ("StudyInstanceUID", "SeriesInstanceUID")


async def already_there(pool: Pool | Archive, instances: Sequence[Instance]) -> set[str]:
    """Return the SOP Instance UIDs that the peer lists, querying it on one association.

    After an error, the rest counts as missing: sending too much does no harm.
    """
    there: set[str] = set()
    by_series = await asyncio.to_thread(_by_series, instances)
    if not by_series:
        return there
    identifier = {"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": ""}
    try:
        async with finder_of(pool, [STUDY_ROOT_FIND], Account()) as finder:
            for (study, series), members in by_series.items():
                asked = {**identifier, "StudyInstanceUID": study, "SeriesInstanceUID": series}
                async with aclosing(finder.find(asked)) as answers:
                    listed = {str(each.attributes.get("SOPInstanceUID")) async for each in answers}
                there |= members & listed
    except DcmError as error:
        _LOG.warning(
            "cannot find out what else is already there, so everything else is sent: %s", error
        )
    return there


def _by_series(instances: Sequence[Instance]) -> dict[tuple[str, str], set[str]]:
    grouped: dict[tuple[str, str], set[str]] = defaultdict(set)
    for instance in instances:
        try:
            if isinstance(instance, MemoryInstance):
                header = scan_bytes(instance.data, _SERIES)
            else:
                header = scan(instance.path, _SERIES)
        except (NotDicom, OSError):
            continue  # sending it will report why it cannot be read
        study, series = map(header.text, _SERIES)
        if study and series:
            grouped[study, series].add(instance.sop_instance_uid)
    return grouped
