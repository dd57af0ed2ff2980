"""What tests of places share."""

from pathlib import Path

import pytest
from store.medium import make_medium


@pytest.fixture(scope="session")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a DICOMDIR and the files that it lists. Read it only."""
    root = tmp_path_factory.mktemp("medium")
    make_medium(root)
    return root
