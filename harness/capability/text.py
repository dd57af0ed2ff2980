"""A probe as text for a terminal: contradictions first, then topic by topic, equal things together."""

import textwrap
from collections.abc import Iterator

from harness.capability.notebook import TOPICS, listed
from harness.capability.result import Finding, ProbeResult, shown

_GROUPED = ("sop-class", "transfer-syntax", "query", "character-set", "dicomweb", "worklist")
_MOST = 16  # names in a group: all of them stand in the other formats


def as_text(result: ProbeResult, width: int = 100) -> str:
    """Return lines of at most `width` columns."""
    lines = [line for block in _blocks(result) for line in _wrapped(block, width)]
    return "\n".join(lines).rstrip()


def _blocks(result: ProbeResult) -> Iterator[str]:
    server = result.server
    yield f"{result.name}, AE title {server['ae_title']}, at {result.run.address}"
    known = ("implementation_version_name", "implementation_class_uid")
    yield ", ".join(server[key] for key in known if key in server)
    if result.ended:
        yield ""
        yield f"NOT COMPLETE: {result.ended}. What follows was found until then."
    yield ""
    number = len(result.contradictions)
    yield "It does what it says, as far as it was tried." if not number else (
        f"It says one thing and does another, {number} times:" if number > 1 else
        "It says one thing and does another:"
    )  # fmt: skip
    for place, each in enumerate(result.contradictions, start=1):
        yield f"  {place}. {each}"
    for topic, findings in result.by_topic().items():
        yield ""
        yield TOPICS[topic]
        yield from _grouped(topic, findings) if topic in _GROUPED else map(_line, findings)
    for heading, words in (
        ("What went wrong in between", result.troubles),
        ("What it leaves behind", result.left_behind),
    ):
        if words:
            yield ""
            yield heading
            yield from (f"  {each}" for each in words)


def _line(finding: Finding) -> str:
    note = f" ({finding.note})" if finding.note else ""
    return f"  {finding.subject}: {_value(finding)}{note}"


def _grouped(topic: str, findings: list[Finding]) -> Iterator[str]:
    """Name what has the same value in one line, in the order of the first of each."""
    groups: dict[tuple[str, str], list[str]] = {}
    for each in findings:
        where = ""
        if topic == "query":
            _, root, level, *key = each.id.split("/")
            where = f"{level} of {root} root, " if key else ""
        groups.setdefault((where, _value(each)), []).append(each.subject)
    for (where, value), subjects in groups.items():
        count = f" ({len(subjects)})" if len(subjects) > 1 else ""
        yield f"  {where}{value}{count}: {listed(subjects, _MOST)}"


def _value(finding: Finding) -> str:
    """Say what was found out; what was only said is marked so."""
    if finding.topic == "sop-class" and finding.probed is None:
        return "accepted" if finding.declared else "not accepted"
    if finding.probed is None:
        return shown(finding.declared)
    probed = shown(finding.probed)
    if finding.declared in (None, True, False, "accepted", "required", "unique", "optional"):
        return probed
    if finding.topic in ("query", "commitment"):
        return probed
    return f"{shown(finding.declared)}; {probed}"


def _wrapped(block: str, width: int) -> list[str]:
    indent = " " * (len(block) - len(block.lstrip()) + (2 if block.startswith("  ") else 0))
    return textwrap.wrap(
        block, width, subsequent_indent=indent, break_long_words=True, break_on_hyphens=False
    ) or [""]
