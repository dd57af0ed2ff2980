"""The results of queries, as a set of entities of one level and as a tree.

    result = QueryResult(Level.STUDY, answers, source="pacs:PACS:104")
    print(result.to_tree())
    missing = result - QueryResult(Level.STUDY, others)
    await local.download("pacs:PACS:104", missing, folder)

As a set, its members are the entities of its level, identified by their unique keys from the patient down: a
study listed for two patients is two members. Other attributes do not matter. The order of members does not
depend on the order of answers.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Self

from dcm.data.levels import Level
from dcm.data.match import Attributes, Value
from dcm.data.node import Node
from dcm.data.tree import tree_text
from dcm.errors import AnswerError


class MissingUniqueKey(AnswerError):  # noqa: N818 - reads as the sentence it is
    """An answer without the unique key of the entity, or of one above it (PS3.4 C.4.1.3.1.1)."""


class QueryResult:
    """Answers at one level, as a set and as a tree from patients down to that level.

    incomplete: why matching entities are missing; empty if none are.
    """

    def __init__(
        self, level: Level, answers: Iterable[Attributes] = (), *, source: str = ""
    ) -> None:
        self.level = level
        self.source = source
        self.incomplete = ""
        self._patients: dict[str, Node] = {}
        self._nodes: tuple[list[Node], ...] = ([], [], [], [])
        self._last_above: list[Value | None] = []
        self._last_parent: Node | None = None
        for answer in answers:
            self.add(answer)

    def add(self, answer: Attributes, level: Level | None = None) -> bool:
        """Add an answer, and return whether the entity is new; the first answer for an entity is kept.

        An answer of a higher level does not add a member, but data about the parents of members, such as the
        description of their study. The mapping itself is kept: do not change it afterwards. Raises
        `MissingUniqueKey`.
        """
        level = self.level if level is None else level
        if level > self.level:
            raise ValueError(f"an answer of level {level.name} in a result of {self.level.name}")
        node = self._node(answer, level)
        new = not node.answer
        if new:
            node.answer = answer
        return new

    def _node(self, answer: Attributes, level: Level) -> Node:
        """Return the node of an answer, creating it if necessary, but not if a unique key is missing."""
        above = [answer.get(name) for name in _KEYS_ABOVE[level]]
        if above == self._last_above:  # most answers have the same parent as the previous one
            return self._child(self._last_parent, level, _unique_key(answer, level, level))
        *keys, uid = [_unique_key(answer, each, level) for each in _DOWN_TO[level]]
        parent: Node | None = None
        for each, key in zip(_DOWN_TO[level], keys, strict=False):
            parent = self._child(parent, each, key)
        self._last_above, self._last_parent = above, parent
        return self._child(parent, level, uid)

    def _child(self, parent: Node | None, level: Level, uid: str) -> Node:
        """Return the node of a unique key below a parent (None: the root), creating it if necessary."""
        found = self._patients.get(uid) if parent is None else parent.get(uid)
        if found is None:
            if parent is None:
                found = self._patients[uid] = Node(level, uid, None)
            else:
                found = parent.child(level, uid)
            self._nodes[level].append(found)
        return found

    def __len__(self) -> int:
        return len(self._nodes[self.level])

    def __iter__(self) -> Iterator[Attributes]:
        """Iterate over the answers of the members, in order."""
        return (node.answer for node in self.members())

    def __contains__(self, path: object) -> bool:
        """Return whether an entity, given by its unique keys from the patient down, is a member."""
        if not isinstance(path, tuple) or len(path) != self.level + 1:
            return False
        node = self._patients.get(path[0])
        for uid in path[1:]:
            node = node and node.get(uid)
        return node is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QueryResult) and (
            self.level == other.level and self.paths() == other.paths()
        )

    __hash__ = None  # type: ignore[assignment]  # it can grow

    def __and__(self, other: "QueryResult") -> "QueryResult":
        paths = self._same_level(other).paths()
        return self._taking(node for node in self._own() if node.path in paths)

    def __sub__(self, other: "QueryResult") -> "QueryResult":
        paths = self._same_level(other).paths()
        return self._taking(node for node in self._own() if node.path not in paths)

    def __or__(self, other: "QueryResult") -> "QueryResult":
        result = self._taking(self._own())
        result.source = self._shared_source(other)
        result |= other
        return result

    def __ior__(self, other: "QueryResult") -> Self:
        self._take(self._same_level(other)._own())
        self.incomplete = self.incomplete or other.incomplete
        return self

    def __xor__(self, other: "QueryResult") -> "QueryResult":
        result = self - other
        result.source = self._shared_source(other)
        result._take((other - self)._own())
        return result

    @classmethod
    def of_nodes(cls, level: Level, nodes: Iterable[Node], source: str = "") -> "QueryResult":
        """Return a result with the nodes of one level, including the data about their parents."""
        result = cls(level, source=source)
        result._take(nodes)
        return result

    def paths(self) -> set[tuple[str, ...]]:
        """Return the unique keys of the members, from the patient down."""
        return {node.path for node in self._own()}

    def reduced(self, level: Level) -> "QueryResult":
        """Return the entities of a higher level, with the data about them."""
        if level > self.level:
            raise ValueError(f"a result of level {self.level.name} knows nothing of {level.name}")
        result = QueryResult(level, source=self.source)
        result.incomplete = self.incomplete
        result._take(self._nodes[level])
        for node in result._own():
            if not node.answer:  # only what is below it was queried
                node.answer = {each.unique_key: node.path[each] for each in _DOWN_TO[level]}
        return result

    @property
    def patients(self) -> list[Node]:
        """The roots of the tree, in order."""
        return sorted(self._patients.values(), key=lambda node: node.uid)

    def walk(self) -> Iterator[Node]:
        """Iterate over all nodes in order, each before its children."""
        for patient in self.patients:
            yield from patient.walk()

    def members(self) -> Iterator[Node]:
        """Iterate over the nodes at the level of the result, in order."""
        return (node for node in self.walk() if node.level == self.level)

    def at(self, level: Level) -> list[Node]:
        """Return the nodes of a level, in the order of their addition."""
        return list(self._nodes[level])

    def count(self, level: Level) -> int | None:
        """Return the number of entities: found ones down to the level of the result, reported ones below it.

        None if a server did not report it.
        """
        if level <= self.level:
            return len(self._nodes[level])
        counts = [node.reported(level) for node in self._nodes[self.level]]
        return None if None in counts else sum(filter(None, counts))

    def to_tree(self) -> str:
        """Return the tree as text, with a line of totals at the top."""
        return tree_text(self.patients, self.level, self.count)

    def to_json(self) -> str:
        """Return all answers as JSON, for `from_json`."""
        import json  # noqa: PLC0415 - not for a transfer

        answers: dict[str, list[Attributes]] = {}
        for node in self.walk():
            if node.answer:
                answers.setdefault(node.level.name, []).append(node.answer)
        content = {"level": self.level.name, "source": self.source, "answers": answers}
        if self.incomplete:
            content["incomplete"] = self.incomplete
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "QueryResult":
        """Read the output of `to_json`; raises `AnswerError` for anything else."""
        import json  # noqa: PLC0415 - as above

        try:
            content: dict[str, Any] = json.loads(text)
            result = cls(Level.named(content["level"]), source=content["source"])
            result.incomplete = str(content.get("incomplete", ""))
            for name, answers in content["answers"].items():
                for answer in answers:
                    result.add(answer, Level.named(name))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise AnswerError(f"this is not a query result in JSON: {error!r}") from error
        return result

    def _own(self) -> list[Node]:
        """Return the nodes of the members, in any order."""
        return self._nodes[self.level]

    def _taking(self, nodes: Iterable[Node]) -> "QueryResult":
        result = self.of_nodes(self.level, nodes, self.source)
        result.incomplete = self.incomplete
        return result

    def _take(self, nodes: Iterable[Node]) -> None:
        """Add members of another result, with its data about the entities above them."""
        for node in nodes:
            self._adopt(node)

    def _adopt(self, node: Node) -> Node:
        known = self._child(node.parent and self._adopt(node.parent), node.level, node.uid)
        if not known.answer:
            known.answer = node.answer
        return known

    def _same_level(self, other: "QueryResult") -> "QueryResult":
        if self.level != other.level:
            raise ValueError(
                f"results of levels {self.level.name} and {other.level.name} cannot be combined; "
                "see reduced()"
            )
        return other

    def _shared_source(self, other: "QueryResult") -> str:
        return self.source if self.source == other.source else ""


_DOWN_TO = tuple(tuple(Level)[: level + 1] for level in Level)
_KEYS_ABOVE = tuple(tuple(each.unique_key for each in levels[:-1]) for levels in _DOWN_TO)


def _unique_key(answer: Attributes, key_level: Level, level: Level) -> str:
    """Return a unique key of an answer; only a Patient ID above its level may be empty or missing."""
    value = answer.get(key_level.unique_key)
    if isinstance(value, str):
        uid = value.strip(" \0")
        if uid or key_level is Level.PATIENT:
            return uid
    elif key_level is Level.PATIENT and level is not Level.PATIENT:
        return ""
    names = ", ".join(f"{name}={answer[name]}" for name in list(answer)[:6])
    raise MissingUniqueKey(
        f"an answer of level {level.name} has no {key_level.unique_key} ({names})"
    )
