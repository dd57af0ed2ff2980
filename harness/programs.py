"""The programs of dcmtk on this computer: their paths and version."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from harness.model import Version


def find_tool(name: str) -> Path | None:
    """Return the path of a program of dcmtk, or None if it is not found.

    pynetdicom installs Python programs with the same names into the virtual environment's `bin`;
    these are skipped.
    """
    own = Path(sys.prefix, "bin").resolve()
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if folder and Path(folder).resolve() != own:
            found = shutil.which(name, path=folder)
            if found and not _is_script(Path(found)):
                return Path(found)
    return None


def dcmtk_version() -> Version | None:
    """Return the version of dcmtk on this computer, or None if it is not installed."""
    echoscu = find_tool("echoscu")
    return None if echoscu is None else version_of(echoscu)


def version_of(program: Path) -> Version | None:
    """Return the version that a program of dcmtk reports, or None if it reports none."""
    answer = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=10, check=False
    )
    found = re.search(r"\bv(\d+(\.\d+)+)", answer.stdout)
    return Version(found.group(1)) if found else None


def _is_script(program: Path) -> bool:
    with program.open("rb") as file:
        return file.read(2) == b"#!"
