"""The answers to one step of a query: each is used, or dropped and counted."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol, TypeAlias

from dcm.data.account import Account
from dcm.data.fit import Fit, differing
from dcm.data.identifier import BadIdentifier
from dcm.data.levels import Level
from dcm.data.match import Attributes, Value, limiting
from dcm.data.query_result import QueryResult
from dcm.errors import AnswerError
from dcm.net.errors import KeyIgnored, OperationFailed
from dcm.net.query_plan import REQUIRED, QueryPlan, Step, silent_about
from dcm.net.uids import STUDY_ROOT_FIND

Found: TypeAlias = dict[str, Value]

_HIDDEN: Final = ("QueryRetrieveLevel", "SpecificCharacterSet")


class Match(Protocol):
    """An answer to a query."""

    @property
    def heeds_all_keys(self) -> bool:
        """Whether the archive claims to have matched all keys, including optional ones."""

    @property
    def attributes(self) -> dict[str, Value]:
        """The values by keyword. Raises `BadIdentifier` or `AnswerError`."""


class Finds(Protocol):
    """Sends queries at one level of an archive: `dcm.net.find.Finder`, or that of another protocol."""

    @property
    def model(self) -> str:
        """The information model in use."""

    def find(self, identifier: Attributes, /) -> AsyncGenerator[Match, None]:
        """Yield the matches as they arrive. Raises `NetworkError`."""


class Answers:
    """Runs the steps of one query. Keys that the archive evidently has not matched are matched here."""

    def __init__(self, finder: Finds, source: str, account: Account) -> None:
        self.source: Final = source
        self.account: Final = account
        self._finder: Final = finder
        self._answered: Final[set[str]] = set()

    @property
    def study_root(self) -> bool:
        """Whether the STUDY root model is in use."""
        return self._finder.model == STUDY_ROOT_FIND

    async def below(
        self, step: Step, parents: dict[str, str], uids: frozenset[str] | None = None
    ) -> AsyncGenerator[Found, None]:
        """Yield the entities below a parent, each only once; `uids`: only these.

        Raises `NetworkError`: `KeyIgnored` for a key that the archive does not return.
        """
        key = step.level.unique_key
        seen: dict[str, set[str]] = {}
        silent: set[str] = set()
        only = next(iter(uids)) if uids is not None and len(uids) == 1 else None
        async with aclosing(_matches(self._finder, step.identifier(parents, only), key)) as matches:
            async for match in matches:
                found = self._used(step, match, parents, silent)
                if found is None:
                    continue
                if uids is not None and found[key] not in uids:
                    self.account.filtered[key] += only is not None  # otherwise it was not sent
                    continue
                if self._is_new(step, found, seen):
                    self.account.used += 1
                    yield found
        for name in sorted(silent - self._answered):
            raise KeyIgnored(self.source, name)

    def _used(
        self, step: Step, match: Match, parents: dict[str, str], silent: set[str]
    ) -> Found | None:
        """Return the attributes of an entity from an answer, if it is usable and matches."""
        try:
            found = {**match.attributes}
        except (BadIdentifier, AnswerError) as error:
            self.account.unusable[str(error)] += 1
            return None
        for name in _HIDDEN:
            found.pop(name, None)
        if not self._is_below(step, found, parents) or not self._fits(step, match, found, silent):
            return None
        key = step.level.unique_key
        uid = found.get(key)
        uid = uid.strip(" \0") if isinstance(uid, str) else None
        if uid is None or not (uid or step.level is Level.PATIENT):
            self.account.unusable[f"no {key}"] += 1
            return None
        return {**found, **parents, key: uid}

    def _is_below(self, step: Step, found: Found, parents: dict[str, str]) -> bool:
        for name, value in step.of_parents(parents).items():
            if found.get(name, "") not in ("", value):
                if (
                    value
                ):  # a patient without Patient ID is queried with an empty key, which matches all
                    self.account.filtered[name] += 1
                return False
        return True

    def _fits(self, step: Step, match: Match, found: Found, silent: set[str]) -> bool:
        """Return whether an answer matches the keys that the archive does not claim to have matched."""
        if not step.wanted:
            return True
        nothing_of = silent_about(step.wanted, found)
        self._answered.update(step.wanted.keys() - set(nothing_of))
        if nothing_of:
            silent.update(nothing_of)
            self.account.silent[nothing_of[0]] += 1
            return False
        trusted = None if match.heeds_all_keys else REQUIRED
        return self.account.keep(differing(step.wanted, found), trusted)

    def _is_new(self, step: Step, found: Found, seen: dict[str, set[str]]) -> bool:
        """Return whether an entity was not returned before; a study may belong to two patients."""
        uid = str(found[step.level.unique_key])
        patient = str(found.get("PatientID", "")) if step.level is Level.STUDY else ""
        patients = seen.setdefault(uid, set())
        if patient in patients:
            self.account.repeated += 1
            return False
        patients.add(patient)
        if len(patients) > 1:
            self.account.remarks.append(
                f"StudyInstanceUID {uid} has {len(patients)} patients,"
                f" {' and '.join(sorted(patients))}: its contents are listed for each"
            )
        return True


def fits(step: Step, answer: Attributes) -> bool:
    """Return whether the attributes of an entity in an earlier result match."""
    return Fit.NO not in differing(step.wanted, answer).values()


async def _matches(finder: Finds, identifier: Attributes, key: str) -> AsyncGenerator[Match, None]:
    """Yield the matches; if a server does not understand a list of UIDs, query them one at a time."""
    uids = str(identifier[key]).split("\\")
    understood = len(uids) == 1
    try:
        async with aclosing(finder.find(identifier)) as answers:
            async for answer in answers:
                understood = True
                yield answer
    except OperationFailed:
        if understood:
            raise
    for uid in () if understood else uids:
        async with aclosing(finder.find({**identifier, key: uid})) as answers:
            async for answer in answers:
                yield answer


async def located(finder: Finds, plan: QueryPlan) -> QueryResult | None:
    """Find the parents of series or instances requested by UID, without walking through the archive.

    Servers need to support this only for relational queries (C.4.1.2.2.1), but many do it anyway. Returns
    None if the server does not find all of them.
    """
    for level in (Level.IMAGE, Level.SERIES):
        uids = plan.keys[level].get(level.unique_key, "")
        if uids and isinstance(uids, str) and plan.deepest is level:
            break
    else:
        return None
    wanted = set(uids.split("\\"))
    above = [each.unique_key for each in (Level.STUDY, Level.SERIES) if each < level]
    if finder.model != STUDY_ROOT_FIND or any(
        limiting(plan.keys[each]) for each in Level if each < level
    ):
        return None
    identifier = {
        "QueryRetrieveLevel": level.name,
        **dict.fromkeys(above, ""),
        level.unique_key: uids,
    }
    found = QueryResult(level)
    try:
        async with aclosing(_matches(finder, identifier, level.unique_key)) as answers:
            async for answer in answers:
                if answer.attributes.get(level.unique_key) in wanted:
                    found.add(answer.attributes)
    except (OperationFailed, AnswerError, BadIdentifier):
        return None
    return found if {path[-1] for path in found.paths()} == wanted else None
