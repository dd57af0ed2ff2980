"""The services for all tests of `dcm.web`."""

from collections.abc import Iterator

import pytest
from web.services import orthanc, tiny_pacs

from harness.errors import ServerNotFound
from harness.servers.locate import find_orthanc


@pytest.fixture(scope="session")
def orthanc_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DICOMweb service of Orthanc, initially empty."""
    try:
        found = find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    with orthanc(tmp_path_factory.mktemp("orthanc"), found) as url:
        yield url


@pytest.fixture(scope="session")
def tiny_pacs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DICOMweb service of tiny-pacs, initially empty."""
    pytest.importorskip("tiny_pacs_dicomweb")
    with tiny_pacs(tmp_path_factory.mktemp("tiny-pacs")) as url:
        yield url


@pytest.fixture(params=["orthanc", "tiny_pacs"])
def service_url(request: pytest.FixtureRequest) -> str:
    """Each real service in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
