"""One C-GET on one association, without what a download does around it."""

from collections.abc import AsyncIterator
from pathlib import Path

from net.files import CT
from net.peers import QUICK, US

from dcm.data.match import Attributes
from dcm.net import DcmNode, Remote, TimeLimits
from dcm.net.get import NotKept, get, open_get
from dcm.net.incoming import Folder, ReceivedInstance
from dcm.net.pool import Pool


async def got(
    node: DcmNode, identifier: Attributes, folder: Path, limits: TimeLimits = QUICK
) -> AsyncIterator[ReceivedInstance | NotKept]:
    """Give the instances of class CT as they come into a folder."""
    remote = Remote(node, limits)
    async with Pool(US, remote) as pool, open_get(pool, [CT]) as association:
        async for each in get(association, identifier, Folder(folder)):
            if isinstance(each, ReceivedInstance | NotKept):
                yield each
