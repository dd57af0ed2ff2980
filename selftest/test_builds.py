"""`build.sh`: the same commit gives the same bytes, in any place and at any time."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dcm

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="this is no checkout of git"
)


def built(folder: Path, *options: str, **environment: str) -> dict[str, str]:
    """Build the committed files in a clone; return the digests of the results, by name."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True, timeout=60)
    done = subprocess.run(
        [folder / "build.sh", *options], capture_output=True, text=True, check=False, timeout=1200,
        env={**os.environ, "PYTHON": sys.executable, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder / "dist").iterdir()
    }


def twice(tmp_path: Path, *options: str) -> dict[str, str]:
    """Build in two places with different environments; the results must be equal."""
    home = tmp_path / "home"
    home.mkdir()
    first = built(tmp_path / "first", *options)
    other = {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "COLUMNS": "40", "PYTHONHASHSEED": "7"}
    assert built(tmp_path / "an other" / "place", *options, **other) == first
    return first


def test_wheels_and_sdists_are_the_same(tmp_path: Path) -> None:
    """Both halves, as wheel and as sdist."""
    version = dcm.__version__
    assert set(twice(tmp_path, "--no-deb")) == {
        f"{name}-{version}{ending}"
        for name in ("dicom_dcm", "dicom_harness")
        for ending in ("-py3-none-any.whl", ".tar.gz")
    }


@pytest.mark.slow  # downloads and compresses Python packages
@pytest.mark.skipif(shutil.which("dh") is None, reason="debhelper is not installed")
def test_debian_packages_are_the_same(tmp_path: Path) -> None:
    """Including everything in them."""
    assert [name for name in twice(tmp_path) if name.endswith(".deb")] != []


def test_debian_package_has_the_version() -> None:
    """Its changelog has the toolkit's version, which both halves share."""
    changelog = (ROOT / "docs/recipes/debian/changelog").read_text()
    assert changelog.startswith(f"dicom-harness ({dcm.__version__}) ")
