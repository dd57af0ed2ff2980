"""The difference between two runs as text for a terminal, Markdown for a tracker, or JSON."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from harness.report.difference import KINDS, Change, Difference, Kind
from harness.report.difference_content import Said, Shared, by_message, with_names
from harness.report.text import counted

HEADINGS: dict[Kind, str] = {
    "worse": "got worse",
    "better": "got better",
    "gone": "missing: only in the earlier run",
    "new": "new: only in the later run",
    "content": "changed in content",
    "slower": "slower",
}
LINES = 16
"""Most lines of changed content shown at once; the page and JSON have all of them."""
CASES = 6
"""Most cases named for a change that many cases share."""


def as_text(difference: Difference) -> str:
    """Format the difference for a terminal; kinds without changes are left out."""
    found = [f"{difference.before.server} -> {difference.after.server}: {verdict(difference)}"]
    found += [f"({sentence})" for sentence in difference.left_out]
    for kind in KINDS:
        told = difference.told(kind)
        found += ["", HEADINGS[kind]] if told else []
        for each in told:
            if isinstance(each, Shared):
                found += [f"  {in_cases(each)}", *_said(each.said, "      ")]
            else:
                found += _lines(each, difference.own(each))
    return "\n".join(found)


def as_markdown(difference: Difference) -> str:
    """Format the difference as Markdown for a tracker."""
    found = [f"### {difference.before.server} to {difference.after.server}: {verdict(difference)}"]
    found += ["", *difference.left_out] if difference.left_out else []
    for kind in KINDS:
        told = difference.told(kind)
        found += ["", f"**{HEADINGS[kind].capitalize()}**", ""] if told else []
        changes = [each for each in told if isinstance(each, Change)]
        table = [each for each in changes if each.before != each.after or not difference.own(each)]
        if table:
            found += ["| case | before | after |", "|---|---|---|", *map(_row, table), ""]
        for each in told:
            said = each.said if isinstance(each, Shared) else difference.own(each)
            if said:
                head = in_cases(each) if isinstance(each, Shared) else f"`{each.key}` {each.title}"
                found += [head, *_fenced(said)]
    return "\n".join(found).rstrip("\n") + "\n"


def as_json(difference: Difference) -> str:
    """Format the difference as JSON: both runs, and the list of changes."""
    runs = (difference.before, difference.after)
    names = [{"folder": str(run.folder), "server": str(run.server)} for run in runs]
    changes = [_change_json(each) for each in difference.changes]
    content = {"before": names[0], "after": names[1], "changes": changes}
    return json.dumps(content, indent=2, ensure_ascii=False)


def verdict(difference: Difference) -> str:
    """Return the difference in one line: `2 worse, 1 new`."""
    counts = {kind: len(difference.of(kind)) for kind in KINDS}
    words: dict[Kind, str] = {"content": "changed in content"}
    said = ", ".join(f"{n} {words.get(kind, kind)}" for kind, n in counts.items() if n)
    return said or "no difference"


def in_cases(group: Shared) -> str:
    """Return a heading that names the cases with the same change."""
    named = ", ".join(group.cases[:CASES])
    more = ", ..." if len(group.cases) > CASES else ""
    return f"In {counted(len(group.cases), 'case')}: {named}{more}"


def _lines(change: Change, own: list[Said]) -> Iterator[str]:
    yield f"  {change.key}  {change.title}".rstrip()
    if change.before != change.after or not own:
        yield f"      before  {change.before}"
        yield f"      after   {change.after}"
    yield from _said(own, "      ")


def _said(said: Iterable[Said], indent: str = "") -> Iterator[str]:
    """Yield the changed lines, below the messages that they are in."""
    lines = []
    for message, found in by_message(said):
        if message:
            lines.append(f"{indent}{with_names(message)}")
        inner = indent + ("  " if message else "")
        lines += [f"{inner}{each.sign} {each.shown}" for each in found]
    yield from lines[:LINES]
    if len(lines) > LINES:
        yield f"{indent}... and {counted(len(lines) - LINES, 'line')} more"


def _fenced(said: Iterable[Said]) -> list[str]:
    return ["", "```diff", *(_as_diff(line) for line in _said(said)), "```", ""]


def _as_diff(line: str) -> str:
    """Put the sign first, where tools that colour diffs expect it."""
    bare = line.lstrip()
    return f"{bare[0]} {line[: -len(bare)]}{bare[2:]}" if bare[:2] in ("+ ", "- ") else f"  {line}"


def _row(change: Change) -> str:
    cells = (f"{change.key} {change.title}", change.before, change.after)
    return f"| {' | '.join(cell.strip().replace('|', chr(92) + '|') for cell in cells)} |"


def _change_json(change: Change) -> dict[str, Any]:
    said = [{"message": each.message, "sign": each.sign, "line": each.line} for each in change.said]
    names = ("kind", "title", "before", "after")
    return {"case": change.key, **{name: getattr(change, name) for name in names}, "said": said}
