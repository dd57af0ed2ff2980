"""Instances in files, for the filters."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.corpus import corpus, make

Make = Callable[..., str]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """A function that makes a file of a CT image with the given elements."""

    def write(name: str = "image.dcm", **elements: object) -> str:
        path = tmp_path / name
        path.write_bytes(make.instance(**elements).data)  # type: ignore[arg-type]
        return str(path)

    return write


@pytest.fixture(params=["h03-sr", "m07", "t06-nested-10", "h02-mr-1"])
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The files of some samples, one at a time."""
    path = tmp_path / f"{request.param}.dcm"
    path.write_bytes(corpus[request.param].data)
    return str(path)
