"""C-FIND by the library alone: `python benchmarks/ours.py HOST:AE_TITLE:PORT KEY=VALUE...`.

It receives the answers without decoding them, like `findscu -q`; `dcm query` makes a tree of them,
and prints it.
"""

import asyncio
import sys

from dcm.net import DcmNode, Listen, LocalEntity


async def find(remote: DcmNode, identifier: dict[str, str]) -> int:
    """Count the matches."""
    local = LocalEntity(Listen("127.0.0.1", "TOOLKIT", 0))
    return sum([1 async for _ in local.find(remote, identifier)])


if __name__ == "__main__":
    keys = dict(key.split("=", 1) for key in sys.argv[2:])
    print(asyncio.run(find(DcmNode.parse(sys.argv[1]), keys)))
