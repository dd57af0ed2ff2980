"""The page of a run: coverage, speed and findings."""

from collections import Counter
from pathlib import Path

import jinja2

from harness.fuzz.findings import CONVERSATION, load
from harness.fuzz.hunt import Coverage

TEMPLATE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>harness fuzz</title>
<meta name="viewport" content="width=device-width">
<style>
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif }
body { max-width: 75rem; margin: 1.5rem auto; padding: 0 1rem }
div.wide { overflow-x: auto } table { border-collapse: collapse; margin: .5rem 0 1.5rem }
th, td { border: 1px solid #8886; padding: .15rem .5rem; text-align: right }
th:first-child, td:first-child { text-align: left; white-space: nowrap } td.none { color: #8888 }
</style>
<h1>{{ folder }}</h1>
<p>{{ covered.inputs }} inputs in {{ "%.0f"|format(covered.seconds) }} s:
{{ "%.0f"|format(rate) }} a second. {{ findings|length }} finding{{ "s" if findings|length != 1 }}.</p>
<h2>Findings</h2>
{% if findings %}<div class="wide"><table>
<tr><th>what<th>where<th>messages<th>bytes<th>seen
{% for slug, each, seen in findings %}
<tr><td><a href="findings/{{ slug }}/details.txt">{{ each.breach.kind }}: {{ each.breach.what }}</a>
<td>{{ each.breach.where or "unknown" }}<td>{{ each.conversation.size[0] }}
<td>{{ each.conversation.size[1] }}<td>{{ seen }}
{% endfor %}</table></div>{% else %}<p>None.{% endif %}
{% for title, rows, columns, counts in tables %}
<h2>{{ title }}</h2>
<div class="wide"><table><tr><th>{% for each in columns %}<th>{{ each }}{% endfor %}
{% for row in rows %}<tr><td>{{ row }}{% for column in columns %}
{% set count = counts[row, column] %}<td{% if not count %} class="none"{% endif %}>{{ count }}{% endfor %}
{% endfor %}</table></div>
{% endfor %}
</html>
"""
WIDEST = 24
"""Most columns in a table; the rarest are left out."""


def render(folder: Path, covered: Coverage, seen: dict[str, int]) -> str:
    """Return the page for the folder of a run."""
    kept = sorted(each.parent for each in (folder / "findings").glob(f"*/{CONVERSATION}"))
    findings = [(each.name, load(each), seen.get(each.name, 1)) for each in kept]
    tables = [
        ("Messages and how they were changed", *_table(covered.bent)),
        ("Messages and what was sent before on the connection", *_table(covered.states)),
        ("The last message of a connection, and the answer", *_table(covered.received)),
    ]
    environment = jinja2.Environment(autoescape=True)
    return environment.from_string(TEMPLATE).render(
        folder=folder.name, covered=covered, rate=covered.inputs / max(1e-9, covered.seconds),
        findings=findings, tables=tables,
    )  # fmt: skip


def _table(
    counts: Counter[tuple[str, str]],
) -> tuple[list[str], list[str], Counter[tuple[str, str]]]:
    columns: Counter[str] = Counter()
    for (_, column), count in counts.items():
        columns[column] += count
    return (
        sorted({row for row, _ in counts}),
        [each for each, _ in columns.most_common(WIDEST)],
        counts,
    )
