"""The harness can see: one changed answer makes exactly those cases fail that look at it."""

from pathlib import Path

import pytest
from support.liar import HONEST, group
from support.listed import listed_here
from support.telling import failures

from harness.errors import ServerNotFound
from harness.servers.locate import find_orthanc

GROUPS = sorted(
    path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if "test" not in path.stem
)


@pytest.mark.parametrize("name", GROUPS)
def test_each_lie_fails_exactly_the_cases_that_look_at_it(name: str, tmp_path: Path) -> None:
    """All cases of the sample pass honestly; each lie is noticed by the cases that the table names.

    Cases that fail honestly as is listed for this Orthanc (1.12.7 crashes in GDCM) are left out: they
    cannot tell a lie.
    """
    try:
        find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    told = group(f"lies.{name}")
    failed = failures(f"lies.{name}", tmp_path)

    listed = listed_here(failed[HONEST])
    assert failed[HONEST] == listed
    assert {lie.name: failed[lie.name] - listed for lie in told.lies} == {
        lie.name: set(lie.fails) - listed for lie in told.lies
    }
