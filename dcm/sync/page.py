"""An HTML report of a sync: what was copied, what is missing and why, and how fast it was."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Final

from dcm.outcome import Outcome
from dcm.sync.rates import Rates, Sample, bytes_text
from dcm.sync.report import Copied, Notes, SyncReport

_WIDTH: Final = 900
_HEIGHT: Final = 200
_MARGIN: Final = 56

_HEAD: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dcm sync</title>
<style>
:root { color-scheme: light dark; --line: #2a6fb0; --bad: #b3261e; --good: #1b7f4b; --faint: #8886; }
@media (prefers-color-scheme: dark) { :root { --line: #7db7f0; --bad: #ff8a80; --good: #7fd8a5; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; overflow-wrap: anywhere; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; }
th, td { border-bottom: 1px solid var(--faint); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.bad { color: var(--bad); } .good { color: var(--good); }
svg { width: 100%; height: auto; } polyline { fill: none; stroke: var(--line); stroke-width: 2; }
svg text { font-size: 12px; fill: currentColor; } svg line { stroke: var(--faint); }
</style>
"""


def page(report: SyncReport, rates: Rates, sources: Sequence[str]) -> str:
    """Return the page."""
    state = '<b class="good">complete</b>' if report.complete else '<b class="bad">incomplete</b>'
    speed = bytes_text(rates.bytes / max(rates.seconds, 0.001))
    copied = f"{rates.instances:,} instances, {bytes_text(rates.bytes)}"
    parts = [
        _HEAD,
        f"<h1>dcm sync: {state}</h1>",
        f"<p>From {escape(', '.join(sources))}: {copied} in {_time(rates.seconds)}, {speed}/s.</p>",
        *_counts(report),
        *_plot(rates),
        *_list("Problems", report.problems),
        *_failures(report.failures, report.lost),
        *_list("Remarks", report.remarks),
    ]
    return "\n".join(parts) + "\n"


def _counts(report: SyncReport) -> Iterator[str]:
    shown = [each for each in Outcome if any(counts[each] for counts in report.counts.values())]
    yield "<table><tr><th>destination</th>"
    yield "".join(f'<th class="number">{each.value}</th>' for each in shown) + "</tr>"
    for name, counts in report.counts.items():
        numbers = "".join(f'<td class="number">{counts[each]:,}</td>' for each in shown)
        yield f"<tr><td>{escape(name)}</td>{numbers}</tr>"
    yield "</table>"


def _plot(rates: Rates) -> Iterator[str]:
    """Yield the rate over time."""
    samples = [*rates.samples, Sample(rates.seconds, rates.instances, rates.bytes)]
    points = [
        (
            (one.seconds + other.seconds) / 2,
            (other.bytes - one.bytes) / (other.seconds - one.seconds),
        )
        for one, other in pairwise(samples)
        if other.seconds > one.seconds
    ]
    highest = max((rate for _, rate in points), default=0)
    if len(points) < 3 or not highest:
        return
    last, inner = samples[-1].seconds, _WIDTH - _MARGIN
    line = " ".join(
        f"{_MARGIN + inner * seconds / last:.1f},{10 + _HEIGHT * (1 - rate / highest):.1f}"
        for seconds, rate in points
    )
    yield "<h2>Rate</h2>"
    yield (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 34}" role="img" aria-label="bytes a second over time">'
    )
    for share in (0, 0.5, 1):
        y = 10 + _HEIGHT * (1 - share)
        yield f'<line x1="{_MARGIN}" x2="{_WIDTH}" y1="{y}" y2="{y}"/>'
        yield f'<text x="0" y="{y + 4}">{bytes_text(highest * share)}/s</text>'
    for share in (0, 0.5, 1):
        x, anchor = _MARGIN + inner * share, ("start", "middle", "end")[round(2 * share)]
        yield f'<text x="{x}" y="{_HEIGHT + 30}" text-anchor="{anchor}">{_time(last * share)}</text>'
    yield f'<polyline points="{line}"/></svg>'


def _list(title: str, lines: Notes) -> Iterator[str]:
    if lines:
        yield f"<h2>{title}</h2><ul>"
        yield from (f"<li>{escape(line)}</li>" for line in lines)
        yield "</ul>"


def _failures(failures: Sequence[Copied], lost: int) -> Iterator[str]:
    if not failures:
        return
    yield "<h2>What is missing</h2><table><tr><th>instance</th><th>destination</th><th>why</th></tr>"
    for source, destination, result in failures:
        uid, words = escape(result.sop_instance_uid), escape(result.words)
        yield f"<tr><td>{uid}<br>from {escape(source)}</td><td>{escape(destination)}</td>"
        yield f'<td class="bad">{result.outcome.value}: {words}</td></tr>'
    yield "</table>" + _rest(lost - len(failures))


def _rest(count: int) -> str:
    return f"<p>and {count:,} more: see the report in JSON.</p>" if count else ""


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {left:02} s"
