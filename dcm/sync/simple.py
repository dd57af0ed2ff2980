"""A sync in one call, with places or their names.

report = await sync("mypacs", "archive/", query={"StudyDate": "20240101-"})
print(report)
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from dcm.conf import Configuration, default_path
from dcm.data.keys import Query
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.filt.base import Filter
from dcm.opening import Opener
from dcm.store.place import Place
from dcm.sync.check import Validator
from dcm.sync.compare import Comparison
from dcm.sync.journal import Journal
from dcm.sync.manager import Method, SyncManager
from dcm.sync.pace import Pace
from dcm.sync.report import Copied, SyncReport

Named: TypeAlias = Place | str
"""A place, or its name as on the command line: a configured name, an address, a URL or a path."""


async def sync(
    source: Named,
    *destinations: Named,
    query: "Query | QueryResult | None" = None,
    level: Level | None = None,
    trust_level: Level = Level.IMAGE,
    force_all: bool = False,
    through: Filter | None = None,
    method: Method = Method.PROXY,
    validators: Sequence[Validator] = (),
    keep_errors: bool = False,
    quarantine: str = "",
    verify: bool = False,
    journal: Journal | None = None,
    pace: Pace | None = None,
    on_copied: Callable[[Copied], object] | None = None,
    opener: Opener | None = None,
) -> SyncReport:
    """Copy what a source has and the destinations lack; return the outcome of each instance.

    query: what to copy, as keys or as the result of an earlier query; None for everything.
    level: the level of the query, instead of that of its keys. trust_level: the level at which
    entities with equal numbers of instances count as equal. force_all: copy everything, even if the
    destinations have it.
    through: a filter on the way (`dcm.filt`). method, validators, keep_errors, quarantine, verify,
    journal,
    pace, on_copied: see `SyncManager`.
    opener: opens places by their names; None uses the user's configuration, if there is one.

    Raises `DcmError` if it cannot be done as requested. Later errors are in the report.
    """
    return await sync_data(
        [source], destinations, query,
        level=level, trust_level=trust_level, force_all=force_all, through=through, method=method,
        validators=validators, keep_errors=keep_errors, quarantine=quarantine, verify=verify,
        journal=journal, pace=pace, on_copied=on_copied, opener=opener,
    )  # fmt: skip


async def sync_data(
    sources: Sequence[Named],
    destinations: Sequence[Named],
    query: "Query | QueryResult | None" = None,
    *,
    level: Level | None = None,
    trust_level: Level = Level.IMAGE,
    force_all: bool = False,
    through: Filter | None = None,
    method: Method = Method.PROXY,
    validators: Sequence[Validator] = (),
    keep_errors: bool = False,
    quarantine: str = "",
    verify: bool = False,
    journal: Journal | None = None,
    pace: Pace | None = None,
    on_copied: Callable[[Copied], object] | None = None,
    opener: Opener | None = None,
) -> SyncReport:
    """Copy from several sources at the same time; otherwise like `sync`."""
    opens = opener or _opener()
    places = [opens.place(each) if isinstance(each, str) else each for each in sources]
    to = [
        opens.place(each, to_write=True) if isinstance(each, str) else each for each in destinations
    ]
    within = query if isinstance(query, QueryResult) else None
    manager = SyncManager(
        places, to,
        comparison=Comparison(trust_level, force_all, through), method=method, validators=validators,
        keep_errors=keep_errors, quarantine=quarantine, verify=verify, journal=journal, pace=pace,
        paces=opens.paces([*places, *to]), on_copied=on_copied,
    )  # fmt: skip
    async with manager:
        keys = None if isinstance(query, QueryResult) else query
        return await manager.sync(keys, level=level, within=within)


def _opener() -> Opener:
    path = default_path()
    return Opener(Configuration.read(path) if Path(path).exists() else Configuration(path))
