"""The location of the suites, the known issues and the samples: the checkout or the installed package."""

from pathlib import Path

from harness.errors import HarnessError

PACKAGE = Path(__file__).resolve().parent


def suites_folder() -> Path:
    """Return the folder of the suites. Raises HarnessError if the installation is incomplete."""
    return _folder("tests", "conftest.py")


def known_folder() -> Path:
    """Return the folder of known issues. Raises HarnessError if the installation is incomplete."""
    return _folder("known", "*.toml")


def database_folder() -> Path:
    """Return the folder of the samples. Raises HarnessError if the installation is incomplete."""
    return _folder("database", "catalogue.json")


def _folder(name: str, holds: str) -> Path:
    for folder in (PACKAGE.parent / name, PACKAGE / "bundle" / name):
        if any(folder.glob(holds)):
            return folder
    raise HarnessError(f"{name}/ is missing from this installation; reinstall dicom-harness")
