"""Servers in containers need a library that not everybody has installed."""

import sys
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.servers.container_engine import connect


def test_without_the_sdk_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a checkout, whose folder `docker` Python would take for a package."""
    for name in [each for each in sys.modules if each.partition(".")[0] == "docker"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "__init__.py").touch()  # comes first where the library is installed
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError, match=r"dicom-harness\[docker\]"):
        connect()
    monkeypatch.delitem(sys.modules, "docker")
