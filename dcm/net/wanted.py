"""The instances that are to be fetched, found out before they are, and how they are asked for.

Knowing them is what makes it possible to say of each what became of it, to skip those that are here, to go on
after a failure with those that are missing, and to offer the SOP classes that will come. What is known can be
fetched while the rest is still being asked for.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from itertools import groupby
from typing import Final, NamedTuple

from dcm.data.dictionary import level_of
from dcm.data.levels import Level
from dcm.data.match import NEVER_MATCHED, Attributes
from dcm.data.node import Node
from dcm.data.query_result import QueryResult
from dcm.errors import RemoteProtocolError
from dcm.net.errors import NetworkError
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.query import queries
from dcm.net.query_plan import QueryPlan, asks

_BATCH: Final = 1000
_LONG_SERIES: Final = 100
"""So many instances are worth a request of their own before the other series are known."""


class Wanted(NamedTuple):
    """An instance by its unique keys from the patient down, with its SOP class as far as that is known."""

    patient_id: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    sop_class_uid: str


class Batch(NamedTuple):
    """Instances that are fetched together, all of each series.

    cut: studies of which other series are, or may be, in other batches.
    """

    instances: list[Wanted]
    cut: AbstractSet[str]


class Request(NamedTuple):
    """An identifier for C-GET or C-MOVE, and the instances that it stands for."""

    identifier: dict[str, str]
    instances: list[Wanted]


def whole_level(what: QueryResult | Attributes) -> Level:
    """Say from which level down nothing is left out of what was chosen."""
    if isinstance(what, QueryResult):
        return what.level
    keys = {name: value for name, value in what.items() if asks(value)}
    if any(level_of(name) is None for name in keys.keys() - NEVER_MATCHED):
        return Level.IMAGE  # such a key is asked with each instance
    return QueryPlan.of(keys, None).deepest


async def batches(
    local: DcmNode,
    remote: DcmNode,
    limits: TimeLimits,
    what: QueryResult | Attributes,
    *,
    early: bool = False,
) -> AsyncGenerator[Batch, None]:
    """Give the instances in batches of some thousand, no study in two of them. Raises `NetworkError`.

    early: a long series ends its batch, wherever its study does, so that it can be fetched at once.
    """
    batch: list[Wanted] = []
    cut: set[str] = set()
    failure: Exception | None = None
    try:
        async with aclosing(_pieces(local, remote, limits, what)) as pieces:
            async for piece in pieces:
                study_uid = piece[0].study_uid
                if len(batch) >= _BATCH and study_uid != batch[-1].study_uid:
                    yield Batch(batch, cut)
                    batch = []
                batch += piece
                if early and len(piece) >= _LONG_SERIES:
                    cut.add(study_uid)
                    yield Batch(batch, cut)
                    batch = []
    except (NetworkError, RemoteProtocolError) as error:
        failure = error
    if batch:
        yield Batch(batch, cut)
    if failure is not None:
        raise failure


async def _pieces(
    local: DcmNode, remote: DcmNode, limits: TimeLimits, what: QueryResult | Attributes
) -> AsyncGenerator[list[Wanted], None]:
    """Give what is wanted, a series or a study at a time."""
    if isinstance(what, QueryResult):
        if what.level is Level.IMAGE and all(answer.get("SOPClassUID") for answer in what):
            for _, nodes in groupby(what.members(), lambda node: node.path[Level.STUDY]):
                yield list(map(_wanted, nodes))
            return
        found = queries(local, remote, limits, level=Level.IMAGE, within=what, size=None)
    else:
        found = queries(local, remote, limits, what, level=Level.IMAGE, size=None)
    async with aclosing(found):
        async for result in found:
            yield list(map(_wanted, result.members()))


def _wanted(node: Node) -> Wanted:
    sop_class = node.answer.get("SOPClassUID", "")
    patient_id, study_uid, series_uid, sop_instance_uid = node.path
    return Wanted(
        patient_id, study_uid, series_uid, sop_instance_uid,
        sop_class if isinstance(sop_class, str) else "",
    )  # fmt: skip


def requests(
    missing: Collection[Wanted], batch: Batch, whole: Level, list_length: int
) -> Iterator[Request]:
    """Ask for all that is missing of a batch: by study or series where that is the same, else by UIDs."""
    of_study = Counter(each.study_uid for each in batch.instances)
    of_series = Counter(each.series_uid for each in batch.instances)
    for study_uid, study in _grouped(missing, Level.STUDY):
        keys = {"StudyInstanceUID": study_uid}
        in_one = study_uid not in batch.cut and len(study) == of_study[study_uid]
        if whole <= Level.STUDY and in_one:
            yield _request(Level.STUDY, keys, study)
            continue
        for series_uid, series in _grouped(study, Level.SERIES):
            keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
            if whole <= Level.SERIES and len(series) == of_series[series_uid]:
                yield _request(Level.SERIES, keys, series)
                continue
            for at in range(0, len(series), list_length):
                few = series[at : at + list_length]
                uids = "\\".join(each.sop_instance_uid for each in few)
                yield _request(Level.IMAGE, {**keys, "SOPInstanceUID": uids}, few)


def _request(level: Level, keys: dict[str, str], instances: list[Wanted]) -> Request:
    return Request({"QueryRetrieveLevel": level.name, **keys}, instances)


def _grouped(instances: Iterable[Wanted], level: Level) -> Iterable[tuple[str, list[Wanted]]]:
    found: dict[str, list[Wanted]] = {}
    for each in instances:
        found.setdefault(each[level], []).append(each)
    return found.items()


def identifier_for(request: Request, *, patient: bool) -> dict[str, str]:
    """Give the identifier; in the PATIENT root model the patient stands above the study (PS3.4 C.6.1)."""
    if not patient:
        return request.identifier
    return {**request.identifier, "PatientID": request.instances[0].patient_id}
