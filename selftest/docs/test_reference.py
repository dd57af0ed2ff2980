"""`docs/reference.md` is the current output of `docs/reference.py`."""

import importlib
import importlib.util
from types import ModuleType

import pytest
from cli.conftest import ROOT


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The script that writes the page."""
    found = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_page_is_up_to_date(reference: ModuleType) -> None:
    """It was generated after the last change of a docstring or a signature."""
    assert reference.PAGE.read_text() == reference.page(), "run python docs/reference.py"


@pytest.mark.parametrize("package", ["dcm.net", "dcm.data", "dcm.sync"])
def test_every_public_name_has_a_docstring(package: str, reference: ModuleType) -> None:
    """Exported names can be imported, and the page describes them."""
    module = importlib.import_module(package)
    sections = {section.split()[0]: section for section in reference.page().split("\n### ")[1:]}
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None
        prose = [line for line in sections[name].splitlines()[1:] if line and line[0] != " "]
        assert prose, name
