"""Imports go one way: a package imports only those above it in this list."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LAYERS = (
    "dcm",
    "harness.errors",
    "harness.model",
    "harness.waiting",
    "harness.programs",
    "harness.suites",
    "harness.vocabulary",
    "harness.variant",
    "harness.case",
    "harness.known",
    "harness.config",
    "harness.corpus",
    "harness.certificates",
    "harness.relay",
    "harness.evidence",
    "harness.clients",
    "harness.servers",
    "harness.report",
    "harness.plugin",
    "harness.cases",
    "harness.bisect",
    "harness.matrix",
    "harness.cli",
)


def _layer(module: str) -> int | None:
    """The place of a module in the list; None for one that is not ours."""
    for place, name in enumerate(LAYERS):
        if module == name or module.startswith(name + "."):
            return place
    return None


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _modules() -> list[Path]:
    return [
        path for package in ("dcm", "harness") for path in sorted((ROOT / package).rglob("*.py"))
    ]


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_module_imports_only_what_is_above_it(path: Path) -> None:
    """No module reaches down the list."""
    place = _layer(_name(path))
    if place is None:  # harness itself and its __main__ stand outside the layers
        assert _name(path) in ("harness", "harness.__main__")
        return
    below = [name for name in _imports(path) if (_layer(name) or 0) > place]
    assert below == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=_name)
def test_cases_reach_servers_only_through_clients_and_fixtures(path: Path) -> None:
    """A case speaks to whatever server it is given: it names no adapter, and not the plugin's insides."""
    forbidden = (
        "harness.servers.orthanc",
        "harness.servers.products",
        "harness.plugin.worker",
        "harness.config",
    )
    assert [name for name in _imports(path) if name.startswith(forbidden)] == []
