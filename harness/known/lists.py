"""The lists of known issues as files: read, checked and added to."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.known.issue import Condition, KnownIssue
from harness.model import Version

FORM = "see docs/comparing.md#known-issues for the format"


def read_known(folder: Path, product: str) -> tuple[KnownIssue, ...]:
    """Return the known issues of `product`; none if there is no file.

    Raises ConfigError naming file, entry and key.
    """
    file = list_of(folder, product)
    try:
        return parse_known(file, file.read_text(encoding="utf-8")) if file.exists() else ()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error


def list_of(folder: Path, product: str) -> Path:
    """Return the file in which the known issues of `product` are listed, or would be."""
    return folder / f"{product.lower()}.toml"


def parse_known(file: Path, text: str) -> tuple[KnownIssue, ...]:
    """Return the entries in the `text` of `file`. Raises ConfigError naming file, entry and key."""
    try:
        entries = tomllib.loads(text).get("issue", [])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    heads = re.finditer(r"^[ \t]*\[\[[ \t]*issue[ \t]*\]\]", text, re.MULTILINE)
    lines = [text.count("\n", 0, found.start()) + 1 for found in heads]
    found = []
    for number, entry in enumerate(entries, start=1):
        line = f":{lines[number - 1]}" if number <= len(lines) else f", issue {number}"
        try:
            found.append(_issue(entry, f"{file.parent.name}/{file.name}{line}"))
        except ConfigError as error:
            raise ConfigError(f"{file}, issue {number}: {error}") from error
    return tuple(found)


def with_entry(file: Path, text: str, entry: Mapping[str, object]) -> str:
    """Return the `text` of a list with one more entry at its end; the rest is unchanged.

    Raises ConfigError if the entry is invalid, or if another one about the same cases has the same failure.
    """
    lines = [f"{key} = {_toml(entry[key])}" for key in RULES if key in entry]
    head = text.rstrip("\n") or f"# Known issues of {file.stem}."
    written = "\n".join([head, "", "[[issue]]", *lines, ""])
    *others, new = parse_known(file, written)
    for other in others:
        same = {*other.cases} & {*new.cases}
        if same and other.manifestation == new.manifestation and _overlap(other, new):
            raise ConfigError(
                f"{other.place}: {', '.join(sorted(same))} is listed already: {other}"
            )
    return written


def _toml(value: object) -> str:
    """Return a value as TOML; a string without quotes or control characters becomes a literal."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        items = [_toml(each) for each in value]
        line = f"[{', '.join(items)}]"
        return (
            line if len(line) < 100 else "\n".join(["[", *(f"    {each}," for each in items), "]"])
        )
    text = str(value)
    if "\\" in text and re.fullmatch(r"[^'\x00-\x1f\x7f]*", text):
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _overlap(one: KnownIssue, other: KnownIssue) -> bool:
    return one.conditions == other.conditions and all(
        first.fixed is None or second.since is None or second.since < first.fixed
        for first, second in ((one, other), (other, one))
    )


def _issue(entry: Mapping[str, Any], place: str) -> KnownIssue:
    """Return the entry as a value. Raises ConfigError naming the key that is wrong."""
    _check(entry)
    since, fixed = (Version(entry[key]) if key in entry else None for key in ("since", "fixed"))
    return KnownIssue(
        cases=tuple(entry["cases"]),
        reason=entry["reason"],
        shows=_pattern(entry["shows"]) if "shows" in entry else None,
        dies=entry.get("dies", False),
        ref=entry.get("ref", ""),
        unreported=entry.get("unreported"),
        clause=entry.get("clause", ""),
        since=since,
        fixed=fixed,
        conditions=tuple(Condition.parse(each) for each in _several(entry.get("with", []))),
        expires=entry.get("expires"),
        sometimes_passes="passes" in entry,
        place=place,
    )


def _check(entry: Mapping[str, Any]) -> None:
    for key, value in entry.items():
        if key not in RULES:
            raise ConfigError(f"{key}: unknown key; {FORM}")
        right, rule = RULES[key]
        if not right(value):
            raise ConfigError(f"{key}: {rule}, not {value!r}")
    missing = {"cases", "reason"} - {*entry}
    if missing:
        raise ConfigError(f"{' and '.join(sorted(missing))}: missing; {FORM}")
    if "dies" not in entry and "shows" not in entry:
        raise ConfigError("an entry needs shows = 'PATTERN' or dies = true")
    if ("ref" in entry) == ("unreported" in entry):
        raise ConfigError(
            "an entry needs either ref, where it was reported, or unreported, the day on which it was not yet"
        )


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _texts(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(_text(each) for each in value)


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _pattern(text: str) -> re.Pattern[str]:
    try:
        found = re.compile(text, re.MULTILINE)
    except re.error as error:
        raise ConfigError(f"shows: {text!r} is not a regular expression: {error}") from error
    if found.search(""):
        raise ConfigError(f"shows: {text!r} matches an empty text, and therefore every failure")
    return found


Rule = tuple[Callable[[Any], bool], str]
_TEXT: Rule = _text, "it must be a text"
_DAY: Rule = lambda day: type(day) is date, "it must be a date such as 2027-03-01, without quotes"
# In the order in which the keys of an entry are written.
RULES: Mapping[str, Rule] = {
    "cases": (_texts, "it must be a list of ids and patterns"),
    "dies": (lambda value: value is True, "it must be true, or left out"),
    **dict.fromkeys(("shows", "since", "fixed"), _TEXT),
    "with": (
        lambda value: _texts(_several(value)),
        "it must be a condition, or a list of conditions",
    ),
    "expires": _DAY,
    "passes": (lambda value: value == "sometimes", 'it must be "sometimes", or left out'),
    "reason": _TEXT,
    "clause": _TEXT,
    "ref": (
        lambda value: _text(value) and not re.match(r"PS3\.\d", value),
        "it must say where the issue was reported (use `clause` for a clause of the standard)",
    ),
    "unreported": _DAY,
}
