"""No public name changes unnoticed: `docs/public-api.txt` matches the source."""

import difflib
import importlib
import importlib.util
from types import ModuleType

import pytest
from cli.conftest import ROOT


@pytest.fixture(scope="module")
def public_api() -> ModuleType:
    """The script that writes the list."""
    found = importlib.util.spec_from_file_location("public_api", ROOT / "docs" / "public_api.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def lines(public_api: ModuleType) -> list[str]:
    """The list, generated again."""
    return str(public_api.text()).splitlines()


def test_list_is_up_to_date(public_api: ModuleType, lines: list[str]) -> None:
    """A change of the interface is deliberate, with a line in CHANGELOG.md and a new list."""
    listed = public_api.FILE.read_text().splitlines()
    changed = list(
        difflib.unified_diff(listed, lines, "public-api.txt", "the source", "", "", 0, "")
    )
    if changed:
        pytest.fail(
            "The public interface has changed. If that is intended (docs/compatibility.md): "
            "python docs/public_api.py, and a line in CHANGELOG.md.\n" + "\n".join(changed),
            pytrace=False,
        )


def test_each_name_can_be_imported(public_api: ModuleType) -> None:
    """Public names exist at run time, too."""
    named = {module: public_api.NAMES.get(module, ()) for module in public_api.NAMES}
    for package in public_api.PACKAGES:
        named[package] = getattr(importlib.import_module(package), "__all__", ())
    missing = [
        f"{module}.{name}"
        for module, names in named.items()
        for name in names
        if not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []


@pytest.mark.parametrize(
    "line",
    [
        "class dcm.net.NotAccepted(NetworkError)",
        "dcm.net.DcmNode.port: int",
        "dcm.net.DcmNode.parse(text: str) -> Self  # classmethod",
        "async dcm.net.LocalEntity.echo(remote: Address) -> float",
        "dcm.data.Level.IMAGE = 3",
        "harness.servers.launcher.DATA = 'data'",
        "$ dcm sync --bandwidth BYTES",
        "$ harness run --level must|should|quality|product",
        "$ harness known add CASE ...",
    ],
)
def test_list_has_each_kind_of_line(lines: list[str], line: str) -> None:
    """Classes, fields, functions, values, options and arguments of commands."""
    assert line in lines


def test_names_of_others_are_left_out(lines: list[str]) -> None:
    """Neither private names nor those that all frozen values share are listed."""
    assert [line for line in lines if "._" in line.partition("(")[0].replace(".__", "")] == []
    assert [line for line in lines if ".__post_init__" in line or ".__setattr__" in line] == []
