"""Asking a node what it has, for the commands that go on with the answer."""

from contextlib import aclosing

from dcm.cli.logs import LOG
from dcm.cli.progress import Progress
from dcm.cli.selection import Selection
from dcm.data.query_result import QueryResult
from dcm.net.entity import LocalEntity
from dcm.net.node import DcmNode
from dcm.net.query_plan import QueryPlan


async def ask(
    entity: LocalEntity, remote: DcmNode, selection: Selection, progress: Progress
) -> QueryResult:
    """Put the pieces of an answer together, and show how many there are."""
    keys, level, within = selection.keys, selection.level, selection.within
    plan = QueryPlan.of(keys, level, None if within is None else within.level)
    found = QueryResult(plan.level, source=str(remote))
    pieces = entity.queries(remote, keys, level=level, within=within)
    async with aclosing(pieces):
        async for piece in pieces:
            if len(found):
                found |= piece
            else:  # what it holds it need not be told
                found = piece
            progress.advance(len(piece))
    LOG.info("%s has %d %s that match", remote, len(found), plan.level.entities)
    return found
