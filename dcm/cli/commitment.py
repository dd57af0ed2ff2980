"""Whether a node answers for what it was sent (storage commitment, PS3.4 Annex J)."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from dcm.cli.logs import LOG
from dcm.cli.outcomes import Outcomes
from dcm.data.header import scan
from dcm.net.admission import Admission
from dcm.net.entity import LocalEntity
from dcm.net.listener import Listener
from dcm.net.outcome import InstanceResult
from dcm.net.remote import Remote

WITHIN: Final = 60.0  # seconds


async def require_commitment(
    entity: LocalEntity, remote: Remote, sent: Sequence[InstanceResult], outcomes: Outcomes
) -> None:
    """Ask for commitment, and tell of each instance. Raises `NetworkError` where there is no answer."""
    references = {
        (scan(result.path, ()).sop_class_uid, result.sop_instance_uid): result for result in sent
    }
    async with _listening(entity) as listener:
        report = await entity.commit(remote, references, within=WITHIN, listener=listener)
    for each in report.results:
        result = references[each.sop_class_uid, each.sop_instance_uid]
        outcomes.tell_commitment(result, each.words, committed=each.committed)


@contextlib.asynccontextmanager
async def _listening(entity: LocalEntity) -> AsyncIterator[Listener | None]:
    """Listen for a report on an association of its own; it may come on ours where we cannot."""
    nothing = Admission(sop_classes=frozenset())
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        listener: Listener | None = None
        try:
            listener = await stack.enter_async_context(
                entity.listen(Path(folder), admission=nothing)
            )
        except OSError as error:
            LOG.info("%s cannot listen: %s", entity.local, error.strerror)
        yield listener
