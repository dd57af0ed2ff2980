"""Which elements a data set has and which are empty: what its counterparts in two runs have in common.

Values are left out, as UIDs, dates and times differ from run to run.
"""

import zlib
from itertools import islice
from typing import Final

from dcm.data.encoding import ITEM
from harness.evidence.data_set import Walk

MAX_ELEMENTS: Final = 400
"""Most elements read of one data set; no identifier and few objects have more."""


def outline(data: bytes, size: int, transfer_syntax: str | None) -> frozenset[str]:
    """Name the elements of a data set of `size` bytes; `data` is all of it or its beginning.

    The name of an element in a sequence follows that of the sequence: `0040A730.00080100`. Raises
    nothing, whatever the bytes are.
    """
    try:
        walk = Walk(data, size, transfer_syntax)
    except zlib.error:
        return frozenset({"cannot be inflated"})
    names = {
        ".".join(f"{tag:08X}" for tag in (*each.above, each.tag) if tag != ITEM)
        + (" empty" if each.length == 0 and each.value is not None else "")
        for each in islice(walk, MAX_ELEMENTS)
        if each.tag != ITEM
    }
    return frozenset(names | {"bytes that are no element"} if walk.stuck else names)
