"""One C-GET on one association, without what a download does around it."""

from collections.abc import AsyncIterator
from pathlib import Path

from net.files import CT
from net.peers import QUICK, US

from dcm.data.match import Attributes
from dcm.net import DcmNode, TimeLimits
from dcm.net.get import NotKept, get, open_get
from dcm.net.incoming import Folder, ReceivedInstance


async def got(
    node: DcmNode, identifier: Attributes, folder: Path, limits: TimeLimits = QUICK
) -> AsyncIterator[ReceivedInstance | NotKept]:
    """Give the instances of class CT as they come into a folder."""
    async with await open_get(US, node, [CT], limits) as association:
        async for each in get(association, identifier, Folder(folder)):
            if isinstance(each, ReceivedInstance | NotKept):
                yield each
