"""The suites notice errors: one changed answer fails exactly the cases that check it."""

import pytest
from support.liar import group
from support.lies import Group
from support.listed import listed_here
from support.telling import Teller, every, modules

from harness.errors import ServerNotFound
from harness.model import Version
from harness.servers import disk
from harness.servers.databases.place import available
from harness.servers.locate import find_orthanc
from harness.servers.plugins import by_name, unpacked

GROUPS = modules("lies")


@pytest.fixture(scope="module")
def tell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Teller:
    """Tell the lies of all selected groups."""
    try:
        find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    chosen = [each for each in GROUPS if any(each in item.name for item in request.session.items)]
    return Teller(chosen, lambda: tmp_path_factory.mktemp("told"), every(request.config))


@pytest.mark.parametrize("name", GROUPS)
def test_each_lie_fails_exactly_the_cases_that_look_at_it(name: str, tell: Teller) -> None:
    """All cases of the sample pass honestly; each lie fails the cases that the table names.

    Every third lie is told, and with --all each.
    Cases listed as failing honestly on this Orthanc (1.12.7 crashes in GDCM) are left out, because
    they cannot detect a lie.
    """
    lacks = missing(group(name))
    if lacks:
        pytest.skip(lacks)
    noticed = tell(name)
    lacking = without_room(set.union(noticed.honestly(name), *noticed.by_lie(name).values()))
    honestly = noticed.honestly(name) - lacking
    listed = listed_here(honestly)

    assert honestly == listed
    left_out = listed | lacking | {each.partition(":")[0] for each in lacking}
    assert without(left_out, noticed.by_lie(name)) == without(left_out, tell.expected(name))


def without_room(told: set[str]) -> set[str]:
    """Return the cases that need a small disk if none can be mounted, as in a container."""
    if disk.is_available():
        return set()
    return {each for each in told if "unsupported (needs server.small-disk" in each}


def missing(wanted: Group) -> str:
    """Describe what this computer lacks for a group; empty if nothing."""
    orthanc = find_orthanc()
    at_hand = by_name([*orthanc.plugins, *unpacked()])
    plugins = [each for each in wanted.plugins if each not in at_hand]
    if wanted.since and orthanc.version < Version(wanted.since):
        return f"Orthanc {orthanc.version} is older than {wanted.since}"
    if plugins:
        return f"no plugin {', '.join(plugins)}: HARNESS_PLUGINS has run-local.sh unpack it"
    databases = sorted({*wanted.databases} - {*available(orthanc.root)}) if wanted.databases else ()
    return (
        f"no {', '.join(databases)}: HARNESS_DATABASES has run-local.sh unpack it"
        if databases
        else ""
    )


def without(listed: set[str], told: dict[str, set[str]]) -> dict[str, set[str]]:
    """Remove cases, and lies that no other case notices."""
    return {lie: cases - listed for lie, cases in told.items() if cases - listed}
