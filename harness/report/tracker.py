"""A failure as Markdown, ready to paste into the issue tracker of the server."""

import re

from harness.report.evidence import EvidenceFile
from harness.report.load import CaseResult, Run
from harness.report.text import excerpt, one_line

SHOWN = 4_000
"""Most characters of one value: trackers refuse long texts, and hardly anyone reads them."""


def markdown(run: Run, case: CaseResult, files: list[EvidenceFile]) -> str:
    """Describe what was expected and received, the clause, and how to reproduce the failure."""
    failure = case.failure
    parts = [f"### {run.server}: {one_line(case.title)}", _facts(run, case)]
    if failure:
        sides = {"Expected": failure.expected, "Received": failure.received}
        told = {side: text for side, text in sides.items() if text is not None}
        for title, text in (told or {"Failure": failure.message}).items():
            parts += [f"**{title}**", fenced(text)]
    repro = next((each.text for each in files if each.name == "repro.sh"), None)
    if repro:
        parts += ["**To reproduce**", fenced(repro, "sh")]
    elif any(each.name == "recording.json" for each in files):
        parts += [
            "**To reproduce**",
            f"`harness run {case.id}`, then `harness replay {case.full_id}`",
        ]
    return "\n\n".join(parts) + "\n"


def fenced(text: str, language: str = "") -> str:
    """Put `text` into a code block whose fence is longer than any fence in the text."""
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{excerpt(text, SHOWN).rstrip()}\n{fence}"


def _facts(run: Run, case: CaseResult) -> str:
    plugins = ", ".join(f"{name} {version}" for name, version in run.server.plugins.items())
    harness = run.environment.get("harness")
    facts = [
        ("Server", f"{run.server}, {run.mode}"),
        ("Plugins", plugins),
        ("Clause", f"{case.ref} ({case.level})"),
        ("Case", f"`{case.full_id}` `{case.full_name}`, by dicom-harness {harness}"),
        ("When", case.started.isoformat(" ", "seconds")),
        ("Platform", run.environment.get("platform")),
    ]
    return "\n".join(f"- {name}: {value}" for name, value in facts if value)
