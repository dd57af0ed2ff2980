"""The versions in the images are exact, and within the ranges that the project allows."""

import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.docker import ROOT


def _pins() -> dict[str, str]:
    lines = (ROOT / "docker/constraints.txt").read_text().splitlines()
    pairs = [line.partition("==") for line in lines if not line.startswith("#")]
    assert all(version for _, _, version in pairs)
    return {canonicalize_name(name): version for name, _, version in pairs}


def test_each_dependency_is_pinned_to_a_version_that_is_allowed() -> None:
    """A changed range in pyproject.toml requires a look at the images, too."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = told["project"]
    wanted = [
        Requirement(each)
        for each in (
            *told["build-system"]["requires"],
            *project["dependencies"],
            *project["optional-dependencies"]["docker"],
            *project["optional-dependencies"]["tiny-pacs"],
        )
    ]
    pins = _pins()

    assert {each.name: pins.get(canonicalize_name(each.name)) for each in wanted} == {
        each.name: pin
        for each in wanted
        if (pin := pins.get(canonicalize_name(each.name))) in each.specifier
    }
