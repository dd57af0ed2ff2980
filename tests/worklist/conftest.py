"""What the cases about worklists ask for: the worklist itself, and two settings that are put back."""

from collections.abc import Callable, Iterator

import pytest

from harness.cases import Dimse, Party, Rest, Worklist


@pytest.fixture
def worklist(remote: Party, dimse: Dimse) -> Worklist:
    """Give the remote's worklist, which is empty when the case begins."""
    return Worklist(remote.worklists, dimse)


@pytest.fixture
def default_encoding(rest: Rest) -> Iterator[Callable[[str], None]]:
    """Give a way to set the encoding of answers; the former one is put back."""
    before = rest.get("/tools/default-encoding").text

    def put(encoding: str) -> None:
        rest.put("/tools/default-encoding", encoding)

    yield put
    put(before)


@pytest.fixture
def query_filter(rest: Rest) -> Iterator[Callable[[str], None]]:
    """Give a way to let Lua change each query before it is answered; the filter is removed again."""

    def install(change: str) -> None:
        code = f"function IncomingWorklistRequestFilter(query, origin) {change} return query end"
        rest.post("/tools/execute-script", code)

    yield install
    rest.post("/tools/execute-script", "IncomingWorklistRequestFilter = nil")
