"""Generate pages of the site from other files of the project; called by MkDocs (`hooks` in mkdocs.yml).

`found.md` is generated from the lists of known issues; `benchmarks.md` and `changelog.md` are files of the
checkout.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    "ctn": "CTN",
    "dcmqrscp": "dcmqrscp (DCMTK)",
    "dicom-storescp": "dicom-storescp (dicom-rs)",
    "orthanc": "Orthanc",
    "pixelmed": "PixelMed",
    "qrscp": "qrscp (pynetdicom)",
    "tiny-pacs": "tiny-pacs",
    "wlmscpfs": "wlmscpfs (DCMTK)",
}
"""Product names by the names of their lists."""
_ABOUT = (
    "Known deviations of released servers from the standard or from their own documentation. A run counts a"
    " failure that matches its description here as *known*; any other failure is new."
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {
        "found.md": found(),
        "benchmarks.md": (ROOT / "benchmarks" / "README.md").read_text(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(),
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def found() -> str:
    """Return the page of known defects of each server, generated from the lists in `known/`."""
    lines = ["# Known defects", "", _ABOUT]
    for path in sorted((ROOT / "known").glob("*.toml")):
        issues = tomllib.loads(path.read_text())["issue"]
        lines += ["", f"## {NAMES[path.stem]}", "", "| defect | clause | cases | versions |"]
        lines += ["| --- | --- | --- | --- |", *rows(issues)]
    return "\n".join(lines) + "\n"


def rows(issues: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a row of the table for each reason: one defect may have several symptoms."""
    by_reason: dict[str, list[Mapping[str, Any]]] = {}
    for issue in issues:
        by_reason.setdefault(issue["reason"], []).append(issue)
    for reason, some in by_reason.items():
        cases = dict.fromkeys(
            case.partition("-p")[0].rstrip("*-") for each in some for case in each["cases"]
        )
        clauses = dict.fromkeys(each["clause"] for each in some if each.get("clause"))
        where = dict.fromkeys(filter(None, map(_where, some)))
        dies = " **The server dies or hangs.**" if any(each.get("dies") for each in some) else ""
        cells = (_escaped(reason) + dies, ", ".join(clauses), ", ".join(cases), "; ".join(where))
        yield f"| {' | '.join(cells)} |"


def _where(issue: Mapping[str, Any]) -> str:
    """Return which versions have the defect, and where it was reported."""
    words = []
    if since := issue.get("since"):
        words.append(f"since {since}")
    if fixed := issue.get("fixed"):
        words.append(f"fixed in {fixed}")
    if needed := issue.get("with"):
        words.append("with " + ", ".join(needed))
    ref = issue.get("ref", "")
    if ref.startswith("http"):
        words.append(f"[reported]({ref})")
    elif ref:
        words.append(ref)
    return _escaped(", ".join(words))


def _escaped(text: str) -> str:
    """Escape text for a cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
