"""A sync in one call, over places or their names.

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
"""A place, or its name as on the command line: of the configuration, an address, a URL or a path."""


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
    """Copy what the destinations lack of what a source has; return what became of each instance.

    query: what is copied, by keys or as the result of an earlier query; None: everything.
    level: of the query, instead of that of its keys. trust_level: the level at which entities with equal
    numbers of instances count as equal. force_all: copy everything, whatever the destinations have.
    through: a filter on the way (`dcm.filt`). method, validators, keep_errors, quarantine, verify, journal,
    pace, on_copied: see `SyncManager`.
    opener: finds places by their names; None: with the user's configuration, if there is one.

    Raises `DcmError` for what cannot be done as it is asked for. Whatever goes wrong later is in the report.
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
    """Copy from several sources at the same time, otherwise as `sync`."""
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
