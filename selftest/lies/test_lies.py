"""The harness can see: one changed answer makes exactly those cases fail that look at it."""

import pytest
from support.telling import Teller, expected, modules

from harness.errors import ServerNotFound
from harness.servers.locate import find_orthanc

GROUPS = modules("lies")


@pytest.fixture(scope="module")
def tell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Teller:
    """Tell the lies of all groups that were selected."""
    try:
        find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    chosen = [each for each in GROUPS if any(each in item.name for item in request.session.items)]
    return Teller(chosen, lambda: tmp_path_factory.mktemp("told"))


@pytest.mark.parametrize("name", GROUPS)
def test_each_lie_fails_exactly_the_cases_that_look_at_it(name: str, tell: Teller) -> None:
    """All cases of the sample pass honestly; each lie is noticed by the cases that the table names."""
    noticed = tell(name)

    assert noticed.honestly(name) == set()
    assert noticed.by_lie(name) == expected(name)
