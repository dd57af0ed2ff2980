"""The evidence of one failed case, written into its folder while everything is still at hand."""

import re
from pathlib import Path

from harness.evidence.exchange import write_exchange
from harness.evidence.redact import Redactor
from harness.evidence.repro import write_repro
from harness.evidence.tools import write_tools
from harness.plugin.bench import Bench


def safe_name(case_id: str, parameters: str | None) -> str:
    """Return the name of a case's evidence folder."""
    if parameters is None:
        return case_id
    return f"{case_id}-{re.sub(r'[^A-Za-z0-9._-]+', '-', parameters)[:80]}"


def gather(bench: Bench, folder: Path, redactor: Redactor) -> None:
    """Write exchange.txt, the servers' logs of exactly this case, tools.txt and repro.sh."""
    folder.mkdir(parents=True, exist_ok=True)
    write_exchange(bench.tape, folder, redactor)
    for party, name in ((bench.remote, "server.log"), (bench.local, "local.log")):
        text = bench.log_of(party)
        if text:
            (folder / name).write_text(redactor.text(text), encoding="utf-8")
    if bench.tools:
        write_tools(bench.tools, folder / "tools.txt", redactor)
    write_repro(bench.tape, bench.tools, folder, redactor)
