"""Known issues: failures of a server that are listed outside the cases, in `known/<server>.toml`.

[[issue]]
case = "CFIND-026-c1*"          # id or pattern, parameters included
reason = "answers without a character set"
ref = "pynetdicom #1001"        # optional: where it was reported
since = "3.0.0"                 # optional: the first version that has it
fixed = "3.1.0"                 # optional: the first version that has it no more
with = "plugin.gdcm>=1.8"       # optional: what brings it
expires = 2027-03-01            # optional: the day from which it excuses nothing
passes = "sometimes"            # optional: chance decides, so that neither to pass nor another run is news
"""

import fnmatch
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from harness.case import Need
from harness.errors import ConfigError
from harness.model import Version

Unmet = Callable[[Need], str | None]

ORDER = ("case", "since", "fixed", "with", "expires", "passes", "reason", "ref")
KEYS = frozenset(ORDER)
REQUIRED = frozenset({"case", "reason"})


@dataclass(frozen=True)
class KnownIssue:
    """One entry: which case fails, in which versions and with what, and why."""

    case: str
    reason: str
    ref: str = ""
    since: Version | None = None
    fixed: Version | None = None
    brought_by: Need | None = None
    expires: date | None = None
    sometimes_passes: bool = False
    place: str = ""
    """File and line: `known/qrscp.toml:12`."""

    @property
    def expired(self) -> bool:
        """True from the day on that it names."""
        return self.expires is not None and datetime.now(UTC).date() >= self.expires

    def names(self, key: str) -> bool:
        """Say whether it is about the run of a case called `key`, with whatever server."""
        return fnmatch.fnmatchcase(key, self.case)

    def concerns(self, key: str, version: Version, unmet: Unmet) -> bool:
        """Say whether the run of a case called `key` is expected to fail with this server."""
        return (
            self.names(key)
            and not self.expired
            and (self.since is None or version >= self.since)
            and (self.fixed is None or version < self.fixed)
            and (self.brought_by is None or unmet(self.brought_by) is None)
        )

    def __str__(self) -> str:
        return f"{self.reason} ({self.ref})" if self.ref else self.reason


def read_known(folder: Path, product: str) -> tuple[KnownIssue, ...]:
    """Read what is known of `product`; nothing where there is no file.

    Raises ConfigError naming file, entry and key.
    """
    file = list_of(folder, product)
    try:
        return parse_known(file, file.read_text(encoding="utf-8")) if file.exists() else ()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error


def list_of(folder: Path, product: str) -> Path:
    """Give the file in which the known issues of `product` stand, or would stand."""
    return folder / f"{product.lower()}.toml"


def parse_known(file: Path, text: str) -> tuple[KnownIssue, ...]:
    """Read the entries in `text`, that stands in `file`. Raises ConfigError naming file, entry and key."""
    try:
        entries = tomllib.loads(text).get("issue", [])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    heads = re.finditer(r"^[ \t]*\[\[[ \t]*issue[ \t]*\]\]", text, re.MULTILINE)
    lines = [text.count("\n", 0, found.start()) + 1 for found in heads]
    return tuple(
        _issue(file, number, lines, entry) for number, entry in enumerate(entries, start=1)
    )


def with_entry(file: Path, text: str, entry: Mapping[str, str]) -> str:
    """Give the `text` of a list with one entry more, at its end: all else stays as it is.

    Raises ConfigError where the entry is not right, and where another concerns the same case and versions.
    """
    lines = [f"{key} = {_toml(entry[key])}" for key in ORDER if key in entry]
    head = text.rstrip("\n") or f"# What {file.stem} is known to do wrong."
    written = "\n".join([head, "", "[[issue]]", *lines, ""])
    *others, new = parse_known(file, written)
    for other in others:
        if other.case == new.case and other.brought_by == new.brought_by and _overlap(other, new):
            raise ConfigError(f"{other.place}: {new.case} is listed already: {other}")
    return written


def _toml(text: str) -> str:
    """Write a basic string: JSON's escapes are among those of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _overlap(one: KnownIssue, other: KnownIssue) -> bool:
    return all(
        first.fixed is None or second.since is None or second.since < first.fixed
        for first, second in ((one, other), (other, one))
    )


def stale(issues: Sequence[KnownIssue], keys: Sequence[str], whole: bool) -> Iterator[str]:
    """Say which entries are to be deleted as they excuse nothing any more.

    `keys` are the cases that ran or were to run: where they are not the `whole` of the suites, an entry that
    names none of them may name another.
    """
    for issue in issues:
        named = any(issue.names(key) for key in keys)
        if not named and whole:
            yield f"{issue.place}: no case is called {issue.case}: delete the entry ({issue})"
        elif named and issue.expired:
            yield (
                f"{issue.place}: the entry for {issue.case} has expired on {issue.expires}: "
                f"delete it, or look again and give it another day ({issue})"
            )


def find_known(
    issues: Sequence[KnownIssue], key: str, version: Version, unmet: Unmet
) -> KnownIssue | None:
    """Give the first issue that concerns the run of a case called `key`.

    `unmet` says why a server does not meet a need, and None when it does.
    """
    return next((issue for issue in issues if issue.concerns(key, version, unmet)), None)


def _issue(file: Path, number: int, lines: list[int], entry: dict[str, Any]) -> KnownIssue:
    entry = {key: _text_of(value) for key, value in entry.items()}
    wrong = {*entry} - KEYS or {key for key, value in entry.items() if not isinstance(value, str)}
    missing = REQUIRED - {*entry}
    if wrong or missing:
        raise ConfigError(
            f"{file}, issue {number}: {', '.join(sorted(wrong | missing))}: an issue has the texts "
            f"{' and '.join(sorted(REQUIRED))}, and may have {', '.join(sorted(KEYS - REQUIRED))}"
        )
    line = f":{lines[number - 1]}" if number <= len(lines) else f", issue {number}"
    if entry.get("passes", "sometimes") != "sometimes":
        raise ConfigError(f'{file}, issue {number}: passes: it is "sometimes", or left out')
    return KnownIssue(
        entry["case"],
        entry["reason"],
        entry.get("ref", ""),
        Version(entry["since"]) if "since" in entry else None,
        Version(entry["fixed"]) if "fixed" in entry else None,
        Need.parse(entry["with"]) if "with" in entry else None,
        _day(file, number, entry["expires"]) if "expires" in entry else None,
        "passes" in entry,
        f"{file.parent.name}/{file.name}{line}",
    )


def _text_of(value: Any) -> Any:
    return value.isoformat() if type(value) is date else value


def _day(file: Path, number: int, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{file}, issue {number}: expires: {text!r} is no day such as 2027-03-01"
        ) from None
