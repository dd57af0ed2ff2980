"""Plugins of Orthanc by name: what is loaded, what is an error, and cases that lack one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ServerNotFound
from harness.model import Version
from harness.orthanc_plugins import name_of, plugin_of
from harness.servers.locate import find_orthanc
from harness.servers.plugins import by_name, plugin_version

RunSuite = Callable[..., Any]
SUITE = """
@case("PLUG-001", ref="none", needs="rest")
def test_plugins(rest):
    listed = set(rest.json("/plugins")) - {"explorer.js"}
    assert listed == {"dicom-web"}

@case("PLUG-002", ref="none", needs="plugin.transfers")
def test_unpackaged(rest):
    pass

@case("PLUG-003", ref="none", level="product", needs="plugin.dicomweb>=99.0")
def test_future(rest):
    pass
"""


@pytest.mark.parametrize(
    ("identifier", "name"), [("dicom-web", "dicomweb"), ("wsi", "wsi"), ("own", "own")]
)
def test_names(identifier: str, name: str) -> None:
    """The plugins that Orthanc lists get our names; an unknown plugin keeps its own."""
    assert name_of(identifier) == name


def test_plugin_of_a_file(tmp_path: Path) -> None:
    """A file is identified by the name of its library, with or without a version after it."""
    file = tmp_path / "libOrthancWSI.so.3.2"
    file.touch()
    link = tmp_path / "libOrthancWSI.so"
    link.symlink_to(file)

    found = by_name([tmp_path / "libOther.so", link, file])

    assert found == {"wsi": link}
    assert plugin_of(file) == plugin_of(link)
    assert plugin_version(link) == Version("3.2")


def test_only_those_named_are_loaded(run_suite: RunSuite) -> None:
    """`--plugin` loads only the named plugin; a case that lacks one says where to get it."""
    done = run_suite(SUITE, "--plugin=dicomweb")

    assert done.outcomes == {
        "PLUG-001": "passed",
        "PLUG-002": "unsupported",
        "PLUG-003": "unsupported",
    }
    assert "no Debian package contains libOrthancTransfers.so" in done.case("PLUG-002").why
    assert done.case("PLUG-003").why.startswith("needs plugin.dicomweb>=99.0, but this is ")


def test_plugin_that_is_not_what_it_is_called(run_suite: RunSuite, tmp_path: Path) -> None:
    """A requested plugin that Orthanc does not list afterwards makes the first case an error."""
    try:
        folders = by_name(find_orthanc().plugins)["serve-folders"]
    except (ServerNotFound, KeyError):
        pytest.skip("there is no Orthanc with its plugin serve-folders")
    wrong = tmp_path / "libHousekeeper.so"
    wrong.symlink_to(folders)

    done = run_suite(SUITE, f"--plugins={wrong}")

    failure = done.case("PLUG-001").failure
    assert done.outcomes["PLUG-001"] == "error"
    assert "has not loaded the plugin housekeeper, which was requested" in failure.text
