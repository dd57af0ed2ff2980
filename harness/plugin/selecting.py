"""Which cases run: selection by id or name, and the rules that every collection of cases keeps."""

import difflib
import fnmatch
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from harness.case import CaseInfo, info_of
from harness.errors import ConfigError
from harness.suites import suites_folder
from harness.variant import USUAL
from harness.vocabulary import NEEDS, PRODUCT_VERSIONS, VERSIONED

Cases = list[tuple[pytest.Item, CaseInfo]]
COLLECTED = pytest.StashKey[int]()
"""How many items the named folders and files hold, before any is left out."""


def cases_of(items: Sequence[pytest.Item]) -> Cases:
    """Return the items that are cases."""
    return [(item, info) for item in items if (info := info_of(item)) is not None]


def is_whole(config: pytest.Config) -> bool:
    """Return whether the named folders and files are all that belongs to these suites."""
    named = (config.invocation_params.dir / arg.partition("::")[0] for arg in config.args)
    left_out = ("ignore", "ignore_glob", "deselect")
    return not any(config.getoption(each, None) for each in left_out) and any(
        config.rootpath.is_relative_to(path.resolve()) for path in named
    )


def narrow(
    items: list[pytest.Item],
    asked: Sequence[str],
    levels: Collection[str] = (),
    own_needs: Collection[str] = (),
) -> list[pytest.Item]:
    """Leave in `items` what one of `asked` names and what is of one of the `levels`; return what went.

    Without names, or without levels, all are left. Raises ConfigError if an id is used twice, for an unknown
    name and for an unknown need; `own_needs` are known beside those of the vocabulary.
    """
    cases = cases_of(items)
    check_ids(cases)
    check_needs(cases, own_needs)
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
    """Return the name of one run of a case: its id, with the parameters where it has some."""
    parameters = parameters_of(item)
    return info.id if parameters is None else f"{info.id}-{parameters}"


def parameters_of(item: pytest.Item) -> str | None:
    """Return the id of a parametrized case's parameters, None where it has none."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else str(callspec.id)


def check_ids(cases: Cases) -> None:
    """Raise ConfigError if two test functions use the same id, or one uses an id that was withdrawn."""
    owners: dict[str, str] = {}
    gone = withdrawn(cases[0][0].config.inipath) if cases else frozenset()
    for item, info in cases:
        function = item.nodeid.partition("[")[0]
        if info.id in gone:
            raise ConfigError(f"case id {info.id} was withdrawn and is not used again: {function}")
        owner = owners.setdefault(info.id, function)
        if owner != function:
            raise ConfigError(f"case id {info.id} is used twice: {owner} and {function}")


def check_needs(cases: Cases, own: Collection[str] = ()) -> None:
    """Raise ConfigError for a need that is not in the vocabulary, and for a `must` that needs a version."""
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
                    f"{info.id} ({item.nodeid}) is a `must`, and yet needs {need}: the defect of an "
                    "older version is a known issue, not an unmet need"
                )


def read_profile(name: str, folder: Path | None = None) -> list[str]:
    """Return the ids and patterns of a profile, which is a file of the suites.

    Raises ConfigError where there is no such profile.
    """
    profiles = folder or suites_folder() / "profiles"
    try:
        return _lines(profiles / f"{name}.txt")
    except OSError:
        known = ", ".join(sorted(each.stem for each in profiles.glob("*.txt")))
        raise ConfigError(f"--profile {name}: there is none of this name, only {known}") from None


def withdrawn(ini: Path | None) -> frozenset[str]:
    """Read the ids in `withdrawn.txt`, beside the ini file of the suites; none if there is no such file."""
    file = None if ini is None else ini.with_name("withdrawn.txt")
    if file is None or not file.exists():
        return frozenset()
    return frozenset(line.split()[0] for line in _lines(file))


def _lines(file: Path) -> list[str]:
    """Return the lines of a file, without comments and blank ones."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [text for line in lines if (text := line.partition("#")[0].strip())]


def names_of(item: pytest.Item, info: CaseInfo) -> set[str]:
    """Return every name by which a case can be asked for."""
    function = getattr(item, "originalname", None) or item.name.partition("[")[0]
    covered = {name for full in info.covers for name in (full, full.rpartition(".")[2])}
    names = {info.id, case_key(item, info), function, *covered}
    return names | {name.removeprefix("test_") for name in names}


def select(cases: Cases, asked: Sequence[str]) -> list[pytest.Item]:
    """Return the items that `asked` names. Raises ConfigError with the nearest names for an unknown one."""
    known = [(item, names_of(item, info)) for item, info in cases]
    chosen: list[pytest.Item] = []
    for pattern in asked:
        found = [
            item
            for item, names in known
            if any(fnmatch.fnmatchcase(name, pattern) for name in names)
        ]
        if not found:
            every = sorted({name for _, names in known for name in names})
            close = difflib.get_close_matches(pattern, every, n=3, cutoff=0.5)
            hint = f"nearest: {', '.join(close)}" if close else "`harness cases` lists them"
            raise ConfigError(f"no case is called {pattern!r}; {hint}")
        chosen += [item for item in found if item not in chosen]
    return chosen


def put_longest_first(items: list[pytest.Item]) -> None:
    """Put the cases that wait before the others, the longest first, then those that want the same set-up.

    What waits is to begin early, and a server that is set up otherwise is to be started once.
    """
    found = {item: (-info.waits, info.variant) for item, info in cases_of(items)}
    items.sort(key=lambda item: found.get(item, (0.0, USUAL)))
