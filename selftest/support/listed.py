"""Cases that fail on the Orthanc of this computer as is listed: where it is another than Debian 12's."""

from collections.abc import Iterable
from pathlib import Path

from harness.known import read_known
from harness.servers.locate import find_orthanc

KNOWN = Path(__file__).resolve().parents[2] / "known"


def listed_here(cases: Iterable[str]) -> set[str]:
    """Return those of `cases` (`FILE-014[p01]`) that are known issues of this Orthanc, plugins included."""
    version, issues = find_orthanc().version, read_known(KNOWN, "orthanc")
    return {
        case
        for case in cases
        if any(issue.concerns(_key(case), version, lambda _: None) for issue in issues)
    }


def _key(case: str) -> str:
    id_, bracket, parameters = case.partition("[")
    return f"{id_}-{parameters.removesuffix(']')}" if bracket else id_
