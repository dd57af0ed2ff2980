"""The instances to fetch, which are listed first, and the requests for them.

The list makes it possible to report the outcome of each, to skip those that already exist, to continue with
the missing ones after a failure, and to offer the right SOP classes. Instances are fetched while others are
still being listed. A series or study that an archive does not list is fetched as a whole.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from itertools import groupby
from math import ceil
from typing import Final, NamedTuple, Self

from dcm.data.account import Account, Unlisted
from dcm.data.dictionary import level_of
from dcm.data.levels import Level
from dcm.data.match import Attributes, limiting
from dcm.data.node import Node
from dcm.data.query_result import QueryResult
from dcm.errors import RemoteProtocolError
from dcm.net.errors import NetworkError, NotAllFound
from dcm.net.pool import Pool
from dcm.net.query import Archive, queries
from dcm.net.query_plan import QueryPlan

_BATCH: Final = 1000
_LONG_SERIES: Final = 100
"""The number of instances that justifies a separate request before the other series are known."""


class Wanted(NamedTuple):
    """An instance, given by its unique keys from the patient down, with its SOP class if that is known."""

    patient_id: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str


class Batch(NamedTuple):
    """Instances to be fetched together; series are complete.

    cut: studies with series that are, or may be, in other batches. unlisted: series and studies to be fetched
    as a whole, since the archive does not list all of their instances.
    """

    instances: list[Wanted]
    cut: AbstractSet[str]
    unlisted: Sequence[Unlisted] = ()

    def joined(self, others: Iterable[Self]) -> Self:
        """Return this batch joined with others."""
        instances, cut, unlisted = self
        for each in others:
            instances = [*instances, *each.instances]
            cut |= each.cut
            unlisted = [*unlisted, *each.unlisted]
        return self._replace(instances=instances, cut=cut, unlisted=unlisted)


class Request(NamedTuple):
    """An identifier for C-GET or C-MOVE, and the instances that it requests."""

    identifier: dict[str, str]
    instances: list[Wanted]


def whole_level(what: QueryResult | Attributes) -> Level:
    """Return the level from which everything below was selected."""
    if isinstance(what, QueryResult):
        return what.level
    keys = limiting(what)
    if any(level_of(name) is None for name in keys):
        return Level.IMAGE  # the key is queried with each instance
    return QueryPlan.of(keys, None).deepest


async def batches(
    pool: Pool | Archive,
    what: QueryResult | Attributes,
    *,
    early: bool = False,
    account: Account | None = None,
) -> AsyncGenerator[Batch, None]:
    """Yield the instances in batches of a few thousand, without splitting studies.

    early: end a batch after a long series, even within a study, so that it can be fetched at once.
    account: records what happens to the answers. Raises `NetworkError` at the end if some instances are not
    known, except those that are fetched as part of a whole series or study.
    """
    account = Account() if account is None else account
    batch: list[Wanted] = []
    cut: set[str] = set()
    failure: Exception | None = None
    try:
        async with aclosing(_pieces(pool, what, account)) as pieces:
            async for piece in pieces:
                study_uid = piece[0].study_uid
                if len(batch) >= _BATCH and study_uid != batch[-1].study_uid:
                    yield Batch(_distinct(batch), cut)
                    batch = []
                cut |= {each.path[Level.STUDY] for each in _fetched_whole(account)}
                if account.unlisted and account.unlisted[-1].path == piece[0][:3]:
                    continue  # they are fetched with their series
                batch += piece
                if early and len(piece) >= _LONG_SERIES:
                    cut.add(study_uid)
                    yield Batch(_distinct(batch), cut)
                    batch = []
    except NotAllFound:
        pass  # the account has the reason
    except (NetworkError, RemoteProtocolError) as error:
        failure = error
    unlisted = _fetched_whole(account)
    if batch or unlisted:
        yield Batch(_distinct(batch), cut | {each.path[Level.STUDY] for each in unlisted}, unlisted)
    if failure is not None:
        raise failure
    if problems := _lost(account):
        raise NotAllFound(str(pool.remote), problems)


def _lost(account: Account) -> list[str]:
    """Return why some instances are neither listed nor fetched as part of a whole series or study."""
    fetched = {each.why for each in _fetched_whole(account)}
    problems = [each for each in account.problems() if each not in fetched]
    return [*problems, *(f"it does not list {uid}" for uid in account.gone)]


def _distinct(batch: list[Wanted]) -> list[Wanted]:
    """Return each instance only once: it may be listed for each patient of its study."""
    return list({each.sop_instance_uid: each for each in batch}.values())


def _fetched_whole(account: Account) -> list[Unlisted]:
    """Return what is fetched as a whole, since the archive does not list its contents."""
    return [each for each in account.unlisted if each.whole and len(each.path) > Level.STUDY]


async def _pieces(
    pool: Pool | Archive,
    what: QueryResult | Attributes,
    account: Account,
) -> AsyncGenerator[list[Wanted], None]:
    """Yield the instances, a series or a study at a time."""
    keys: Attributes | None = None
    within: QueryResult | None = None
    if not isinstance(what, QueryResult):
        keys = what
    elif what.level is Level.IMAGE and all(answer.get("SOPClassUID") for answer in what):
        for _, nodes in groupby(what.members(), lambda node: node.path[Level.STUDY]):
            yield _wanted(nodes)
        return
    else:
        within = what
    found = queries(pool, keys, level=Level.IMAGE, within=within, size=None, account=account)
    async with aclosing(found):
        async for result in found:
            yield _wanted(result.at(Level.IMAGE))  # in any order


def _wanted(nodes: Iterable[Node]) -> list[Wanted]:
    found: list[Wanted] = []
    for series, members in groupby(nodes, lambda node: node.parent):
        above = series.path if series is not None else ("", "", "")
        for node in members:
            sop_class = node.answer.get("SOPClassUID", "")
            known = sop_class if isinstance(sop_class, str) else ""
            found.append(Wanted(above[0], above[1], above[2], node.uid, known))
    return found


def requests(
    missing: Collection[Wanted], batch: Batch, whole: Level, list_length: int, at_once: int = 1
) -> Iterator[Request]:
    """Iterate over the requests for the missing instances of a batch: by study, by series or by UIDs.

    at_once: the number of associations; no request is for more than its share of the missing instances.
    """
    of_study = Counter(each.study_uid for each in batch.instances)
    of_series = Counter(each.series_uid for each in batch.instances)
    share = ceil(len(missing) / at_once)
    for study_uid, study in _grouped(missing, Level.STUDY):
        keys = {"StudyInstanceUID": study_uid}
        in_one = study_uid not in batch.cut and len(study) == of_study[study_uid]
        if whole <= Level.STUDY and in_one and len(study) <= share:
            yield _request(Level.STUDY, keys, study)
            continue
        for series_uid, series in _grouped(study, Level.SERIES):
            keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
            complete = len(series) == of_series[series_uid]
            if whole <= Level.SERIES and complete and len(series) <= share:
                yield _request(Level.SERIES, keys, series)
                continue
            count = ceil(len(series) / min(share, list_length))
            for place in range(count):  # of equal size
                few = series[place * len(series) // count : (place + 1) * len(series) // count]
                uids = "\\".join(each.sop_instance_uid for each in few)
                yield _request(Level.IMAGE, {**keys, "SOPInstanceUID": uids}, few)


def _request(level: Level, keys: dict[str, str], instances: list[Wanted]) -> Request:
    return Request({"QueryRetrieveLevel": level.name, **keys}, instances)


def request_whole(unlisted: Unlisted) -> Request:
    """Request a series or study whose instances are not listed; one without a UID represents them."""
    level = Level(len(unlisted.path) - 1)
    keys = {each.unique_key: unlisted.path[each] for each in Level if Level.STUDY <= each <= level}
    uids = [*unlisted.path, "", ""][:3]
    return _request(level, keys, [Wanted(uids[0], uids[1], uids[2], "", "")])


def _grouped(instances: Iterable[Wanted], level: Level) -> Iterable[tuple[str, list[Wanted]]]:
    found: dict[str, list[Wanted]] = {}
    for each in instances:
        found.setdefault(each[level], []).append(each)
    return found.items()


def identifier_for(request: Request, *, patient: bool) -> dict[str, str]:
    """Return the identifier; in the PATIENT root model, the patient is above the study (PS3.4 C.6.1)."""
    if not patient:
        return request.identifier
    return {**request.identifier, "PatientID": request.instances[0].patient_id}
