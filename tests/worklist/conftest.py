"""Fixtures for the cases about worklists: the worklist, and two settings that are restored."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from harness.cases import Dimse, Party, Rest, Worklist


@pytest.fixture
def worklist(remote: Party, dimse: Dimse) -> Worklist:
    """Return the worklist of the remote, which is empty at the start of the case."""
    return Worklist(remote.worklists, dimse)


@pytest.fixture
def default_encoding(rest: Rest) -> Iterator[Callable[[str], None]]:
    """Yield a function that sets the encoding of answers; the previous one is restored."""
    with contextlib.ExitStack() as stack:
        yield lambda encoding: stack.enter_context(
            rest.setting("/tools/default-encoding", encoding)
        )


@pytest.fixture
def query_filter(rest: Rest) -> Iterator[Callable[[str], None]]:
    """Yield a function that installs a Lua filter for queries; it is removed at the end."""

    def install(change: str) -> None:
        code = f"function IncomingWorklistRequestFilter(query, origin) {change} return query end"
        rest.post("/tools/execute-script", code)

    yield install
    rest.post("/tools/execute-script", "IncomingWorklistRequestFilter = nil")
