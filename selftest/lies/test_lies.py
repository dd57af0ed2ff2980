"""The harness can see: one changed answer makes exactly those cases fail that look at it."""

from pathlib import Path

import pytest
from support.liar import HONEST, group
from support.telling import failures

from harness.errors import ServerNotFound
from harness.servers.locate import find_orthanc

GROUPS = sorted(
    path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if "test" not in path.stem
)


@pytest.mark.parametrize("name", GROUPS)
def test_each_lie_fails_exactly_the_cases_that_look_at_it(name: str, tmp_path: Path) -> None:
    """All cases of the sample pass honestly; each lie is noticed by the cases that the table names."""
    try:
        find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    told = group(f"lies.{name}")
    failed = failures(f"lies.{name}", tmp_path)

    assert failed[HONEST] == set()
    assert {lie.name: failed[lie.name] for lie in told.lies} == {
        lie.name: set(lie.fails) for lie in told.lies
    }
