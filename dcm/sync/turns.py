"""Decides which source copies a study: the first that lists it; others compare it later."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from dcm.data.levels import Level
from dcm.data.node import Node
from dcm.data.query_result import QueryResult


class Turns:
    """Divides studies by UID among sources that are copied at the same time."""

    def __init__(self) -> None:
        self._taken: Final[dict[str, int]] = {}
        self._later: Final[defaultdict[int, list[Node]]] = defaultdict(list)

    def of(self, source: int) -> Callable[[Node], bool]:
        """Return a function that returns whether a source may copy an entity now."""

        def mine(node: Node) -> bool:
            study = node.path[Level.STUDY]
            if self._taken.setdefault(study, source) == source:
                return True
            self._later[source].append(node)
            return False

        return mine

    def later(self) -> Iterator[tuple[int, QueryResult]]:
        """Yield what sources have to compare after the others, one source after another."""
        for source in sorted(self._later):
            nodes = self._later[source]
            level = max(node.level for node in nodes)
            same = [node for node in nodes if node.level is level]
            yield source, QueryResult.of_nodes(level, same)
