"""Convert query results between original and filtered attributes, so that they can be compared.

transform = DataTransform(filter)
expected = transform.forward(source_result)
missing = transform.backward(expected - destination_result)   # as the source knows them
"""

from typing import Final

from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.data.node import Node
from dcm.data.query_result import QueryResult
from dcm.errors import AnswerError
from dcm.filt.base import Filter


class DataTransform:
    """Converts the entities of query results through a filter, and back.

    Converted entities are remembered, so they are found again even if the filter cannot be inverted, such as
    one that sets the Patient ID.
    rejected: the entities that the filter rejects, as far as the answers show.
    """

    def __init__(self, through: Filter) -> None:
        self.filter: Final = through
        self.rejected: Final[list[tuple[str, ...]]] = []
        self._before: Final[dict[tuple[str, ...], list[Attributes]]] = {}

    def forward(self, result: QueryResult) -> QueryResult:
        """Return the entities after filtering. Several may become one."""
        found = _like(result)
        for node in result.walk():
            if not node.answer:
                continue
            answer = _whole(node)
            changed = self.filter.forward(answer)
            if changed is None:
                if node.level == result.level:
                    self.rejected.append(node.path)
                continue
            found.add(changed, node.level)
            known = self._before.setdefault(_path(changed, node.level), [])
            if answer not in known:
                known.append(answer)
        return found

    def backward(self, result: QueryResult) -> QueryResult:
        """Return the original entities: those converted before, or that the filter can invert.

        Others are omitted: they do not come from the source.
        """
        found = _like(result)
        for node in result.walk():
            if not node.answer:
                continue
            answers = self._before.get(node.path)
            if answers is None:
                before = self.filter.backward(_whole(node))
                answers = [] if before is None else [before]
            for answer in answers:
                found.add(answer, node.level)
        return found


def _like(result: QueryResult) -> QueryResult:
    found = QueryResult(result.level, source=result.source)
    found.incomplete = result.incomplete
    return found


def _whole(node: Node) -> Attributes:
    """Return an answer with the unique keys of all levels down to its own."""
    keys = {level.unique_key: uid for level, uid in zip(Level, node.path, strict=False)}
    return {**keys, **node.answer}


def _path(answer: Attributes, level: Level) -> tuple[str, ...]:
    keys = [answer.get(each.unique_key, "") for each in [*Level][: level + 1]]
    if not all(isinstance(key, str) for key in keys):
        raise AnswerError("a unique key is not a text")
    return tuple(str(key).strip(" \0") for key in keys)
