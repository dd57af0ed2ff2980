"""Remove what varies between runs from text: UIDs, ids assigned by a server, dates, ports."""

import re
from collections import defaultdict
from functools import lru_cache
from typing import Final

Said = defaultdict[str, set[str]]
"""The lines of messages, by kind of message."""

_VARYING: Final = re.compile(
    r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4,12}){4})(?![0-9a-f])"  # a UUID, or an id of Orthanc's
    r"|(?P<uid>(?<![\d.])(?:2\.25|\d+(?:\.\d+){3,})\.\d+)"
    r"|(?P<tag>(?<![0-9A-Fa-f])[0-9A-Fa-f]{4},?[0-9A-Fa-f]{4}(?![0-9A-Fa-f]))"
    r"|(?P<hex>\b(?=[a-f]*\d)[0-9a-f]{12,}\b)"
    r"|(?P<n>\d{4,})",
)


@lru_cache(maxsize=4096)
def template(text: str) -> str:
    """Replace what varies between runs by `{uid}`, `{id}` and the like."""
    return _VARYING.sub(_name, text)


def _name(found: re.Match[str]) -> str:
    kind = found.lastgroup
    return found.group() if kind == "tag" else f"{{{kind}}}"
