"""The selection of cases by id or name, and the rules that all collections of cases must follow."""

import difflib
import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from harness.case import MAIN, CaseInfo, info_of
from harness.coverage import clauses_of
from harness.errors import ConfigError
from harness.suites import suites_folder
from harness.variant import USUAL
from harness.vocabulary import NEEDS, PRODUCT_VERSIONS, VERSIONED

Cases = list[tuple[pytest.Item, CaseInfo]]


@dataclass
class Collected:
    """The contents of the given folders and files."""

    keys: list[str]
    """The names of all cases, including those that are not selected."""
    offered: int
    """The number of items before a selection by name or level."""

    @classmethod
    def of(cls, items: Sequence[pytest.Item]) -> Self:
        """Record the collected items."""
        return cls([case_key(item, info) for item, info in cases_of(items)], len(items))


COLLECTED = pytest.StashKey[Collected]()


def cases_of(items: Sequence[pytest.Item]) -> Cases:
    """Return the items that are cases."""
    return [(item, info) for item in items if (info := info_of(item)) is not None]


def names_cases(argument: str) -> bool:
    """Return whether an argument of pytest is meant to name cases, and not a file."""
    path = argument.partition("::")[0]
    return not (Path(path).exists() or path.endswith(".py") or argument.startswith(("/", ".")))


def is_whole(config: pytest.Config) -> bool:
    """Return whether the given folders and files are everything that belongs to these suites."""
    named = (config.invocation_params.dir / arg.partition("::")[0] for arg in config.args)
    left_out = ("ignore", "ignore_glob", "deselect")
    return not any(config.getoption(each, None) for each in left_out) and any(
        config.rootpath.is_relative_to(path.resolve()) for path in named
    )


def check(items: Sequence[pytest.Item], own_needs: Collection[str] = ()) -> None:
    """Raise ConfigError if an id is used twice, and for an unknown need.

    `own_needs` are allowed in addition to those of the vocabulary.
    """
    cases = cases_of(items)
    check_ids(cases)
    check_needs(cases, own_needs)


def set_aside(
    items: list[pytest.Item], suites: Collection[str], *, everything: bool
) -> list[pytest.Item]:
    """Keep in `items` the cases of these suites, and thorough ones only with `everything`.

    Return the removed items. Without suites, the main suite is used.
    """

    def stays(item: pytest.Item) -> bool:
        mark = item.get_closest_marker("apart")
        wanted = (MAIN if mark is None else mark.args[0]) in (suites or (MAIN,))
        return wanted and (everything or item.get_closest_marker("thorough") is None)

    gone = [item for item in items if not stays(item)]
    items[:] = [item for item in items if stays(item)]
    return gone


def narrow(
    items: list[pytest.Item], asked: Sequence[str], levels: Collection[str] = ()
) -> list[pytest.Item]:
    """Keep in `items` those that one of `asked` names and that have one of the `levels`.

    Return the removed items. Without names, or without levels, all are kept. Raises ConfigError for
    an unknown name.
    """
    cases = cases_of(items)
    if not asked and not levels:
        return []
    chosen = select(cases, asked) if asked else [*items]
    if levels:
        of_levels = {item for item, info in cases if info.level in levels}
        chosen = [item for item in chosen if item in of_levels]
    kept = set(chosen)
    left_out = [item for item in items if item not in kept]
    items[:] = chosen
    return left_out


def case_key(item: pytest.Item, info: CaseInfo) -> str:
    """Return the name of one run of a case: its id, with the parameters if it has any."""
    parameters = parameters_of(item)
    return info.id if parameters is None else f"{info.id}-{parameters}"


def parameters_of(item: pytest.Item) -> str | None:
    """Return the id of the parameters of a parametrized case, or None if it has none."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else str(callspec.id)


def check_ids(cases: Cases) -> None:
    """Raise ConfigError if two test functions use the same id, or one uses a withdrawn id."""
    owners: dict[str, str] = {}
    gone = withdrawn(cases[0][0].config.inipath) if cases else frozenset()
    for item, info in cases:
        function = item.nodeid.partition("[")[0]
        if info.id in gone:
            raise ConfigError(f"case id {info.id} was withdrawn and must not be reused: {function}")
        owner = owners.setdefault(info.id, function)
        if owner != function:
            raise ConfigError(f"case id {info.id} is used twice: {owner} and {function}")


def check_needs(cases: Cases, own: Collection[str] = ()) -> None:
    """Raise ConfigError for an unknown need, and for a `must` case that needs a product version."""
    known = {*NEEDS, *own}
    for item, info in cases:
        for need in info.needs:
            if need.name not in known:
                close = difflib.get_close_matches(need.name, known, n=1)
                raise ConfigError(
                    f"{info.id} ({item.nodeid}) needs {need}, which is not in the vocabulary of needs"
                    f"{f'; did you mean {close[0]}?' if close else ''}"
                )
            if need.at_least is None:
                continue
            if need.name in NEEDS and need.name not in VERSIONED:
                raise ConfigError(f"{info.id} ({item.nodeid}) needs {need}, which has no version")
            if info.level == "must" and need.name in PRODUCT_VERSIONS:
                raise ConfigError(
                    f"{info.id} ({item.nodeid}) is a `must` but needs {need}: the defect of an "
                    "older version is a known issue, not an unmet need"
                )


def read_profile(name: str, folder: Path | None = None) -> list[str]:
    """Return the ids and patterns of a profile, which is a file of the suites.

    Raises ConfigError if there is no such profile.
    """
    profiles = folder or suites_folder() / "profiles"
    try:
        return _lines(profiles / f"{name}.txt")
    except OSError:
        known = ", ".join(sorted(each.stem for each in profiles.glob("*.txt")))
        raise ConfigError(f"unknown --profile {name}; choose from {known}") from None


def withdrawn(ini: Path | None) -> frozenset[str]:
    """Read the ids in `withdrawn.txt`, next to the ini file; none if there is no such file."""
    file = None if ini is None else ini.with_name("withdrawn.txt")
    if file is None or not file.exists():
        return frozenset()
    return frozenset(line.split()[0] for line in _lines(file))


def _lines(file: Path) -> list[str]:
    """Return the lines of a file, without comments and blank lines."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [text for line in lines if (text := line.partition("#")[0].strip())]


def names_of(item: pytest.Item, info: CaseInfo) -> set[str]:
    """Return every name by which a case can be selected."""
    function = getattr(item, "originalname", None) or item.name.partition("[")[0]
    covered = {name for full in info.covers for name in (full, full.rpartition(".")[2])}
    names = {info.id, case_key(item, info), function, *covered}
    clauses = {str(each) for each in clauses_of(info.ref)}
    return names | {name.removeprefix("test_") for name in names} | {info.ref} | clauses


def select(cases: Cases, asked: Sequence[str]) -> list[pytest.Item]:
    """Return the items that `asked` names.

    Raises ConfigError with similar names for an unknown one.
    """
    by_name: dict[str, list[pytest.Item]] = {}
    for item, info in cases:
        for name in names_of(item, info):
            by_name.setdefault(name, []).append(item)
    chosen: dict[pytest.Item, None] = {}
    for pattern in asked:
        found = _matches(by_name, pattern)
        if not found:
            close = difflib.get_close_matches(pattern, sorted(by_name), n=3, cutoff=0.5)
            hint = f"similar: {', '.join(close)}" if close else "see `harness cases`"
            raise ConfigError(f"unknown case {pattern!r}; {hint}")
        chosen |= dict.fromkeys(item for item, _ in cases if item in found)
    return list(chosen)


def _matches(by_name: Mapping[str, list[pytest.Item]], pattern: str) -> set[pytest.Item]:
    """Return the items with a name that is the pattern or matches it."""
    names = [pattern] if pattern in by_name else fnmatch.filter(by_name, pattern)
    return {item for name in names for item in by_name[name]}


def put_longest_first(items: list[pytest.Item]) -> None:
    """Sort cases that wait to the front, the longest first, and group the others by set-up.

    Cases that wait should begin early, and a server with a different set-up should be started only
    once.
    """
    found = {item: (-info.waits, info.variant) for item, info in cases_of(items)}
    items.sort(key=lambda item: found.get(item, (0.0, USUAL)))
