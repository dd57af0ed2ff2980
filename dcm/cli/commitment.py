"""Request storage commitment from a node for the instances that it was sent (PS3.4 Annex J)."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from dcm.cli.logs import LOG
from dcm.cli.report import Reporter
from dcm.data.header import scan
from dcm.net.admission import Admission
from dcm.net.entity import LocalEntity
from dcm.net.listener import Listener
from dcm.outcome import InstanceResult

if TYPE_CHECKING:
    from dcm.store.node import NodePlace

WITHIN: Final = 60.0
"""How long to wait for the report, in seconds."""


async def require_commitment(
    node: "NodePlace", sent: Sequence[InstanceResult], summary: Reporter
) -> None:
    """Request commitment, and report each instance. Raises `NetworkError` without an answer."""
    paths = {
        (scan(result.path, ()).sop_class_uid, result.sop_instance_uid): result.path
        for result in sent
    }
    async with _listening(node.entity) as listener:
        report = await node.entity.commit(node.remote, paths, within=WITHIN, listener=listener)
    for path, result in zip(paths.values(), report.results, strict=True):
        summary.tell(result._replace(path=path))


@contextlib.asynccontextmanager
async def _listening(entity: LocalEntity) -> AsyncIterator[Listener | None]:
    """Listen for a report on a separate association; on failure, it may come on this one."""
    nothing = Admission(sop_classes=frozenset())
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        listener: Listener | None = None
        try:
            listening = entity.listen(folder, admission=nothing)
            listener = await stack.enter_async_context(listening)
        except OSError as error:
            LOG.info("%s cannot listen: %s", entity.local, error.strerror)
        yield listener
