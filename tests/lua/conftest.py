"""Fixtures for the cases about Lua: running scripts, and callbacks that record their calls."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from harness.cases import Rest, wait_until


class Lua:
    """Runs scripts on the remote, by `/tools/execute-script`."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest

    def run(self, script: str) -> str:
        """Run a script, and return what it printed."""
        return self.rest.post("/tools/execute-script", script).content.decode()

    def value(self, expression: str) -> Any:
        """Return the value of an expression; numbers are returned as text."""
        return json.loads(self.run(f"print(DumpJson({expression}, true))"))

    def record(self, *callbacks: str, result: str = "nil") -> None:
        """Define callbacks that record their names and arguments, and return `result`."""
        functions = (
            f"function {name}(...) table.insert(calls, {{'{name}', ...}}) return {result} end"
            for name in callbacks
        )
        self.run("\n".join(("calls = {}", *functions)))

    def calls(self, count: int) -> list[list[Any]]:
        """Wait for this many calls, and return all calls: the name, then the arguments."""

        def noted() -> Any:
            calls = self.value("calls")
            return calls if len(calls) >= count else None

        found: list[list[Any]] = wait_until(noted, what=f"{count} calls of Lua")
        return found


def names(calls: Iterable[list[Any]]) -> list[str]:
    """Return the names of callbacks in the order in which they were called."""
    return [each[0] for each in calls]


@pytest.fixture
def lua(rest: Rest) -> Lua:
    """Run Lua scripts on the remote."""
    return Lua(rest)
