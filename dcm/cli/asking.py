"""Queries a place, for commands that work on the result."""

from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from dcm.cli.logs import LOG
from dcm.cli.progress import Progress
from dcm.cli.selection import Selection
from dcm.data.account import Account
from dcm.data.query_result import QueryResult
from dcm.errors import RemoteProtocolError
from dcm.net.errors import NetworkError
from dcm.net.query_plan import QueryPlan

if TYPE_CHECKING:
    from dcm.store.place import Place


class Asked(NamedTuple):
    """The result of a query, and an account of responses; see `found.incomplete`."""

    found: QueryResult
    account: Account


async def ask(place: "Place", selection: Selection, progress: Progress) -> Asked:
    """Merge the pieces of an answer, and log what is missing and why.

    An error is raised only if nothing was found before it; otherwise the result is incomplete.
    """
    keys, level, within = selection.keys, selection.level, selection.within
    plan = QueryPlan.of(keys, level, None if within is None else within.level)
    found = QueryResult(plan.level, source=place.name)
    account = Account()
    incomplete = "" if within is None else within.incomplete
    pieces = place.queries(keys, level=level, within=within, account=account)
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                if len(found):
                    found |= piece
                else:  # the first piece is not copied
                    found = piece
                progress.done += len(piece)
    except (NetworkError, RemoteProtocolError) as error:
        if not len(found):
            raise
        for problem in [*account.problems()][1:]:  # the first one is in the error
            LOG.error("%s", problem)
        LOG.error("%s", error)
        incomplete = error.what if isinstance(error, NetworkError) else str(error)
    finally:
        for note in account.notes():
            LOG.warning("%s", note)
    found.incomplete = incomplete
    LOG.info("%s has %d %s that match", place, len(found), plan.level.entities)
    return Asked(found, account)
