"""Instances in files, as they are filtered."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.corpus import corpus, make

Make = Callable[..., str]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """Makes a file of a CT image with elements of its own."""

    def write(name: str = "image.dcm", **elements: object) -> str:
        path = tmp_path / name
        path.write_bytes(make.instance(**elements).data)  # type: ignore[arg-type]
        return str(path)

    return write


@pytest.fixture(params=["h03-sr", "m07", "t06-nested-10", "h02-mr-1"])
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The file of a sample, one after the other."""
    path = tmp_path / f"{request.param}.dcm"
    path.write_bytes(corpus[request.param].data)
    return str(path)
