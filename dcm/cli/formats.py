"""Output formats for the results of queries: a tree for people, JSON for `dcm`, CSV for a spreadsheet."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Final

from dcm.data.levels import Level
from dcm.data.match import Value
from dcm.data.node import Node
from dcm.data.query_result import QueryResult

_HIDDEN: Final = frozenset(("QueryRetrieveLevel", "SpecificCharacterSet"))


def as_csv(result: QueryResult) -> str:
    """Return a line for each entity: unique keys, then other attributes, with its parents'."""
    rows = [_attributes(node) for node in result.members()]
    unique = [level.unique_key for level in Level if level <= result.level]
    names = dict.fromkeys([*unique, *(name for row in rows for name in row if name not in _HIDDEN)])
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name, "")) for name in names] for row in rows)
    return text.getvalue().rstrip("\n")


def _attributes(node: Node) -> dict[str, Value]:
    above = _attributes(node.parent) if node.parent else {}
    return {**above, node.level.unique_key: node.uid, **node.answer}


def _cell(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


FORMATS: Final[Mapping[str, Callable[[QueryResult], str]]] = {
    "tree": QueryResult.to_tree,
    "json": QueryResult.to_json,
    "csv": as_csv,
}
