"""Where the suites and the lists of known issues are: in the checkout, or inside the installed package."""

from pathlib import Path

from harness.errors import HarnessError

PACKAGE = Path(__file__).resolve().parent


def suites_folder() -> Path:
    """Return the folder of the suites. Raises HarnessError where an installation is incomplete."""
    return _folder("tests", "conftest.py")


def known_folder() -> Path:
    """Return the folder of the known issues. Raises HarnessError where an installation is incomplete."""
    return _folder("known", "*.toml")


def _folder(name: str, holds: str) -> Path:
    for folder in (PACKAGE.parent / name, PACKAGE / "bundle" / name):
        if any(folder.glob(holds)):
            return folder
    raise HarnessError(f"{name}/ is missing from this installation; install dicom-harness again")
