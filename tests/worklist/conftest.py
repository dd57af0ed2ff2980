"""The fixtures of the cases about worklists: the worklist itself, and two settings that are put back."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from harness.cases import Dimse, Party, Rest, Worklist


@pytest.fixture
def worklist(remote: Party, dimse: Dimse) -> Worklist:
    """Return the remote's worklist, which is empty when the case begins."""
    return Worklist(remote.worklists, dimse)


@pytest.fixture
def default_encoding(rest: Rest) -> Iterator[Callable[[str], None]]:
    """Return a function that sets the encoding of answers; the former one is put back."""
    with contextlib.ExitStack() as stack:
        yield lambda encoding: stack.enter_context(
            rest.setting("/tools/default-encoding", encoding)
        )


@pytest.fixture
def query_filter(rest: Rest) -> Iterator[Callable[[str], None]]:
    """Return a function that lets Lua change each query; the filter is removed again."""

    def install(change: str) -> None:
        code = f"function IncomingWorklistRequestFilter(query, origin) {change} return query end"
        rest.post("/tools/execute-script", code)

    yield install
    rest.post("/tools/execute-script", "IncomingWorklistRequestFilter = nil")
