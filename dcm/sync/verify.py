"""Reads back what was delivered to destinations, and compares its digests (`dcm.data.digest`)."""

import asyncio
import tempfile
from collections.abc import Mapping
from typing import Final

from dcm.data.query_result import QueryResult
from dcm.instances import Instance
from dcm.outcome import InstanceResult, Outcome, Report
from dcm.part_file import PartFile
from dcm.sinks import Head, Part
from dcm.store.place import Place
from dcm.sync.relay import Assembly, digest_of

UNREADABLE: Final = "it was stored, but cannot be retrieved"
DIFFERENT: Final = "it was stored, but its content has changed"


async def verify(
    place: Place, what: QueryResult, digests: Mapping[str, bytes]
) -> tuple[list[InstanceResult], Report]:
    """Fetch what was delivered to a place, and compare it with digests by SOP Instance UID.

    Returns a failure for each instance that is missing or has changed, and the report of the
    retrieval. Only instances that are too long for memory are written to disk.
    """
    check = _Check(digests)
    report = await place.fetch(what, check)
    failures = [
        InstanceResult("", uid, Outcome.FAILED, DIFFERENT if uid in check.different else UNREADABLE)
        for uid in digests
        if uid not in check.same
    ]
    return failures, report


class _Check:
    """A sink that compares instances and keeps nothing."""

    def __init__(self, digests: Mapping[str, bytes]) -> None:
        self._digests: Final = digests
        self.same: Final[set[str]] = set()
        self.different: Final[set[str]] = set()

    def begin(self, head: Head) -> Part:
        return Assembly(head, self._done, tempfile.gettempdir())

    def holds(self, sop_instance_uid: str) -> bool:
        """Return whether an instance need not be read, as it was there before."""
        return sop_instance_uid not in self._digests

    def place(self, sop_instance_uid: str) -> str:  # noqa: ARG002 - it keeps nothing
        return ""

    async def _done(self, instance: Instance, size: int, file: PartFile | None) -> None:  # noqa: ARG002
        try:
            found = await asyncio.to_thread(digest_of, instance)
        finally:
            if file is not None:
                file.discard()
        uid = instance.sop_instance_uid
        (self.same if found and found == self._digests[uid] else self.different).add(uid)
