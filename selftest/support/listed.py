"""Cases listed as failing on the Orthanc of this computer, which may differ from Debian 12's."""

from collections.abc import Iterable
from pathlib import Path

from harness.case import Need
from harness.known import read_known
from harness.servers.locate import find_orthanc

KNOWN = Path(__file__).resolve().parents[2] / "known"


class Anything:
    """Unknown abilities: an entry may concern whatever it names."""

    def unmet(self, need: Need) -> str | None:
        """Describe a need as not met."""
        return f"needs {need}"

    def unknown(self, need: Need) -> bool:  # noqa: ARG002 - required by the Protocol
        """Return True: any need may be met."""
        return True


def listed_here(cases: Iterable[str]) -> set[str]:
    """Return those of `cases` (`FILE-014[p01]`) that may be known issues of this Orthanc."""
    version, issues = find_orthanc().version, read_known(KNOWN, "orthanc")
    concerned = [issue for issue in issues if issue.concerns(version, Anything()) != "no"]
    return {case for case in cases if any(issue.names(_key(case)) for issue in concerned)}


def _key(case: str) -> str:
    id_, bracket, parameters = case.partition("[")
    return f"{id_}-{parameters.removesuffix(']')}" if bracket else id_
