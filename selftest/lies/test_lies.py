"""The harness can see: one changed answer makes exactly those cases fail that look at it."""

import pytest
from support.listed import listed_here
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
    """All cases of the sample pass honestly; each lie is noticed by the cases that the table names.

    Cases that fail honestly as is listed for this Orthanc (1.12.7 crashes in GDCM) are left out: they
    cannot tell a lie.
    """
    noticed = tell(name)
    honestly = noticed.honestly(name)
    listed = listed_here(honestly)

    assert honestly == listed
    assert without(listed, noticed.by_lie(name)) == without(listed, expected(name))


def without(listed: set[str], told: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave cases out, and lies that no other case notices."""
    return {lie: cases - listed for lie, cases in told.items() if cases - listed}
