"""A replay as text: each connection with its requests, and the recorded and new responses."""

import difflib
from collections.abc import Iterator, Sequence

from harness.errors import ConfigError
from harness.evidence.template import template
from harness.replay.compare import Compared, Pair
from harness.report.text import counted

MAX_LINES = 12
"""Most lines of one difference that are shown."""


def lines(
    found: Sequence[Compared], handshakes: Sequence[Pair], actions: Sequence[Pair]
) -> Iterator[str]:
    """Yield each connection with its requests and responses; equal responses are shown once."""
    for each in found:
        track = each.recorded.track
        who = "opened by the case" if each.recorded.opened_by_case else "answered by the case"
        yield f"#{track.number} {track.relay}, {who}"
        if each.trouble:
            yield f"   {each.trouble}"
        if each.recorded.cut:
            yield "   it was not recorded completely, so it cannot be sent completely"
        for pair in each.pairs:
            yield from _pair(pair)
        if each.ended_otherwise:
            then, now = each.ended
            yield f"   ended  then  {then}"
            yield f"          now   {now}"
        yield ""
    others = {"TLS handshakes without a relay": handshakes, "done to the remote server": actions}
    for heading, pairs in others.items():
        if pairs:
            yield heading
            for pair in pairs:
                yield from _pair(pair)
            yield ""


def verdict(found: Sequence[Compared], others: Sequence[Pair]) -> tuple[str, bool]:
    """Return a summary of all responses, and whether they are the same.

    Raises ConfigError if there is nothing to compare.
    """
    answers = [*(pair for each in found for pair in each.answers), *others]
    different = [pair for pair in answers if not pair.same]
    troubles = [each for each in found if each.trouble]
    if different or troubles:
        said = (
            f"{len(different)} of {counted(len(answers), 'answer')} differ from the recorded ones."
        )
        return said, False
    if not answers and not any(each.pairs for each in found):
        raise ConfigError("nothing was recorded that can be sent again")
    if not answers:
        return "No answer, as recorded.", True
    return f"{counted(len(answers), 'answer')}, the same as recorded.", True


def starts(then: str, now: str) -> tuple[str, bool]:
    """Return a summary of two starts, of which one or both failed, and whether they are the same."""
    if then and now and _lasting(then) == _lasting(now):
        return f"It does not start, as recorded: {now}", True
    started = "it started"
    return f"then  {then or started}\nnow   {now or started}", False


def _lasting(trouble: str) -> str:
    """Return why a server did not start, without the log that follows."""
    return template(trouble.partition("\n")[0])


def _pair(pair: Pair) -> Iterator[str]:
    then, now = pair.then, pair.now
    said = then or now
    assert said is not None
    if said.asked:
        yield f"   -> {said.line}"
    elif pair.same:
        yield f"   <- {said.line}   (as recorded)"
    else:
        yield f"   <- then  {then.line if then else 'nothing'}"
        yield f"      now   {now.line if now else 'nothing'}"
        if then and now and then.lasting[1] != now.lasting[1]:
            yield from _difference(then.details, now.details)


def _difference(then: str, now: str) -> Iterator[str]:
    found = [
        line
        for line in difflib.unified_diff(then.splitlines(), now.splitlines(), lineterm="", n=0)
        if line[:3] not in ("---", "+++") and line[:2] != "@@"
    ]
    yield from (f"         {line}" for line in found[:MAX_LINES])
    if found[MAX_LINES:]:
        yield f"         ({counted(len(found) - MAX_LINES, 'more line')})"
