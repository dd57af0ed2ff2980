"""What a server can do: what it declares, what came of trying, and where the two differ.

- `probe(Target(...))` gives a `ProbeResult`: findings, contradictions, troubles; see `result.py` for its JSON
- `rows([one, other])` puts results side by side, `differences(before, after)` keeps what is not the same
- `capabilities_of(result)` gives the names that cases need
- `as_text`, `statement` and `as_markdown` are for people
"""

from harness.capability.markdown import as_markdown
from harness.capability.needs import capabilities_of
from harness.capability.probe import probe
from harness.capability.result import Contradiction, Finding, ProbeResult
from harness.capability.rows import Row, differences, rows
from harness.capability.statement import Statement, statement
from harness.capability.target import Limits, Target
from harness.capability.text import as_text

__all__ = [
    "Contradiction",
    "Finding",
    "Limits",
    "ProbeResult",
    "Row",
    "Statement",
    "Target",
    "as_markdown",
    "as_text",
    "capabilities_of",
    "differences",
    "probe",
    "rows",
    "statement",
]
