"""`harness fuzz`: test how a server reacts to a hostile or broken peer."""

import argparse
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harness.errors import ConfigError, HarnessError
from harness.fuzz.campaign import Campaign
from harness.fuzz.findings import CONVERSATION, load
from harness.fuzz.network import confine
from harness.fuzz.replay import replay
from harness.fuzz.starting import Where, consented, folder_for, resolved
from harness.report.text import counted

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
EPILOG = """\
SPEC names a server as for `harness run --remote`: orthanc (default), orthanc:PATH, dcmqrscp, ./FILE.py. To
fuzz a server that is already running, name it with --server and repeat its name with --consent: it may
crash, and it keeps what is stored on it. Nothing is sent to any other address.

Each finding has a folder of its own, with the messages to send, the log, a case and a text for a bug
tracker. The same command continues where the last one stopped. The exit code is 1 if there are findings.

examples:
  harness fuzz dcmqrscp --for 10m --seed 7
  harness fuzz --server 192.0.2.7 --dicom 104 --aet ARCHIVE --consent 192.0.2.7 --for 5m
  harness fuzz dcmqrscp --replay runs/fuzz-dcmqrscp-7/findings/death-...
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="harness fuzz",
        description="Find out what a hostile or broken peer can do to a server.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("spec", nargs="?", default="orthanc", metavar="SPEC")
    add(
        "--for",
        dest="seconds",
        type=_seconds,
        default=60.0,
        metavar="TIME",
        help="how long to fuzz: 90s, 10m, 1h (default: 60s)",
    )
    add("--seed", type=int, help="the same seed produces the same inputs (default: the time)")
    workers = 2 * len(os.sched_getaffinity(0))
    add(
        "--workers",
        type=int,
        default=workers,
        metavar="N",
        help="how many processes (default: two for each processor, since they mostly wait)",
    )
    add(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="where to write (default: runs/fuzz-SPEC-SEED)",
    )
    limit = "how long the server may take to answer another client (default: 3)"
    add("--limit", type=float, default=3.0, metavar="SECONDS", help=limit)
    add(
        "--from",
        dest="recorded",
        type=Path,
        metavar="DIR",
        help="a folder with more conversations to start from",
    )
    add("--replay", type=Path, metavar="DIR", help="replay a finding, and report what happens")
    add("--server", metavar="HOST", help="a server that is already running")
    add("--aet", default="ORTHANC", metavar="TITLE", help="its AE title (default: ORTHANC)")
    add("--dicom", type=int, default=4242, metavar="PORT")
    add("--rest", type=int, metavar="PORT", help="its HTTP port, if it has one")
    add(
        "--web",
        metavar="PATH",
        help="the path of its DICOMweb services, for a server other than Orthanc",
    )
    add("--consent", metavar="HOST", help="confirm that HOST, the same as --server, may be broken")
    return parser


def main(argv: Sequence[str]) -> int:
    """Fuzz a server, or replay a finding."""
    given = make_parser().parse_args(argv)
    spec = given.spec if given.server is None else given.server
    where = Where(spec, given.server, given.aet, given.dicom, given.rest, given.web)
    consented(where, given.consent)
    where = resolved(where)
    if given.replay is not None:
        return _replay(given.replay, where, given.limit)
    seed = int(time.time()) if given.seed is None else given.seed
    folder = given.output or folder_for(where, seed)
    campaign = Campaign(
        where, folder.absolute(), seed, given.seconds, max(1, given.workers), given.limit, given.recorded
    )  # fmt: skip
    print(f"seed {seed}, {folder}", flush=True)
    covered = campaign.run()
    findings = sorted((folder / "findings").glob(f"*/{CONVERSATION}"))
    rate = covered.inputs / max(1e-9, covered.seconds)
    print(f"\n{covered.inputs} inputs, {rate:.0f} a second; {counted(len(findings), 'finding')}")
    for each in findings:
        found = load(each.parent)
        messages, size = found.conversation.size
        print(
            f"  {found.breach.kind}: {found.breach.what}; {counted(messages, 'message')}, {size} bytes"
        )
        print(f"      {each.parent}")
    print(folder / "index.html")
    return int(bool(findings))


def _replay(folder: Path, where: Where, limit: float) -> int:
    if not (folder / CONVERSATION).exists():
        raise HarnessError(f"{folder} is not the folder of a finding: it has no {CONVERSATION}")
    confine(where.addresses(), loopback=where.ours)
    found = replay(folder, where, limit, sys.stdout)
    return int(found is not None)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if found is None:
        raise ConfigError(f"--for {text}: write a time such as 90s, 10m or 1h")
    return float(found[1]) * UNITS[found[2]]
