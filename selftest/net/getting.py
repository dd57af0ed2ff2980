"""Ways to fetch: one C-GET without the rest of a download, and the number of associations."""

from collections.abc import AsyncIterator
from pathlib import Path

from net.files import CT
from net.peers import QUICK, US

from dcm.data.match import Attributes
from dcm.net import DcmNode, Remote, TimeLimits
from dcm.net.errors import NetworkError
from dcm.net.get import get, open_get
from dcm.net.pool import Pool
from dcm.sinks import Folder, NotKept, ReceivedInstance

at_once = 1
"""Set by the fixture of the same name."""


def remote(node: DcmNode, limits: TimeLimits = QUICK) -> Remote:
    """Return the remote at a node, with the number of associations that the test selects."""
    return Remote(node, limits, max_associations=at_once)


async def got(
    node: DcmNode, identifier: Attributes, folder: Path, limits: TimeLimits = QUICK
) -> AsyncIterator[ReceivedInstance | NotKept]:
    """Yield the received instances of class CT, then raise the error if there was one."""
    came: list[ReceivedInstance | NotKept] = []
    failure: NetworkError | None = None
    try:
        async with Pool(US, Remote(node, limits)) as pool, open_get(pool, [CT]) as association:
            await get(association, identifier, Folder(folder), came.append)
    except NetworkError as error:
        failure = error
    for each in came:
        yield each
    if failure is not None:
        raise failure
