"""Cases that fail on the Orthanc of this computer as is listed: where it is another than Debian 12's."""

from collections.abc import Iterable
from pathlib import Path

from harness.case import Need
from harness.known import read_known
from harness.servers.locate import find_orthanc

KNOWN = Path(__file__).resolve().parents[2] / "known"


class Anything:
    """Abilities of which nothing is known: an entry may concern whatever it names."""

    def unmet(self, need: Need) -> str | None:
        """Say that a need is not met."""
        return f"needs {need}"

    def unknown(self, need: Need) -> bool:  # noqa: ARG002 - as the Protocol has it
        """Say that it may be."""
        return True


def listed_here(cases: Iterable[str]) -> set[str]:
    """Return those of `cases` (`FILE-014[p01]`) that may be known issues of this Orthanc."""
    version, issues = find_orthanc().version, read_known(KNOWN, "orthanc")
    concerned = [issue for issue in issues if issue.concerns(version, Anything()) != "no"]
    return {case for case in cases if any(issue.names(_key(case)) for issue in concerned)}


def _key(case: str) -> str:
    id_, bracket, parameters = case.partition("[")
    return f"{id_}-{parameters.removesuffix(']')}" if bracket else id_
