"""A patient, study, series or instance in a query result, and its children."""

from collections.abc import Iterator, Mapping

from dcm.data.levels import Level
from dcm.data.match import Attributes

_NOTHING: Attributes = {}

# Numbers of related entities that a server may return in an answer (PS3.4 C.3.4).
_RELATED = {
    (Level.PATIENT, Level.STUDY): "NumberOfPatientRelatedStudies",
    (Level.PATIENT, Level.SERIES): "NumberOfPatientRelatedSeries",
    (Level.PATIENT, Level.IMAGE): "NumberOfPatientRelatedInstances",
    (Level.STUDY, Level.SERIES): "NumberOfStudyRelatedSeries",
    (Level.STUDY, Level.IMAGE): "NumberOfStudyRelatedInstances",
    (Level.SERIES, Level.IMAGE): "NumberOfSeriesRelatedInstances",
}


class Node:
    """An entity; `answer` is what a server returned for it, empty if only its children were queried."""

    __slots__ = ("_children", "answer", "level", "parent", "uid")

    def __init__(self, level: Level, uid: str, parent: "Node | None") -> None:
        self.level = level
        self.uid = uid
        self.parent = parent
        self.answer = _NOTHING
        self._children: dict[str, Node] = {}

    @property
    def path(self) -> tuple[str, ...]:
        """The unique keys from the patient down to here."""
        return (*(self.parent.path if self.parent else ()), self.uid)

    @property
    def children(self) -> list["Node"]:
        """The child nodes, in the usual order."""
        return sorted(self._children.values(), key=_place)

    def get(self, uid: str) -> "Node | None":
        """Return the child with this unique key, or None."""
        return self._children.get(uid)

    def child(self, level: Level, uid: str) -> "Node":
        """Return the child with this unique key; create it if necessary."""
        found = self._children.get(uid)
        if found is None:
            found = self._children[uid] = Node(level, uid, self)
        return found

    def text(self, keyword: str) -> str:
        """Return the text of an attribute from the answer of this node, or else from one below it."""
        value = self.answer.get(keyword, "")
        if isinstance(value, str) and value:
            return value
        # By UID, not in the order of `children`, which depends on these texts.
        below = (self._children[uid].text(keyword) for uid in sorted(self._children))
        return next(filter(None, below), "")

    def walk(self) -> Iterator["Node"]:
        """Iterate over this node and all nodes below it, in order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def found(self, level: Level) -> int:
        """Return the number of entities found at a lower level."""
        if level == self.level + 1:
            return len(self._children)
        return sum(child.found(level) for child in self._children.values())

    def reported(self, level: Level) -> int | None:
        """Return the number of entities at a lower level according to the server; None if unknown."""
        return reported(self.answer, self.level, level)

    def count(self, level: Level, deepest: Level) -> int | None:
        """Return the number of entities found; below the level `deepest`, the number reported by servers."""
        if level <= deepest:
            return self.found(level)
        if self.level == deepest:
            return self.reported(level)
        counts = [child.count(level, deepest) for child in self._children.values()]
        return None if None in counts else sum(filter(None, counts))


def reported(answer: Mapping[str, object], of: Level, level: Level) -> int | None:
    """Return the number of entities of `level` that an answer of level `of` reports, or None."""
    text = answer.get(_RELATED[of, level], "")
    digits = text.strip() if isinstance(text, str) else ""
    return int(digits) if digits.isascii() and digits.isdecimal() else None


def _place(node: Node) -> tuple[object, ...]:
    """Return a sort key: time for studies, number for series and instances, then the UID."""
    if node.level is Level.STUDY:
        return node.text("StudyDate"), node.text("StudyTime"), node.uid
    if node.level is Level.SERIES:
        return _number(node.text("SeriesNumber")), node.uid
    if node.level is Level.IMAGE:
        return _number(node.text("InstanceNumber")), node.uid
    return (node.uid,)


def _number(text: str) -> int:
    """Return the number of a series or instance; those without one come last."""
    try:
        return int(text)
    except ValueError:
        return 2**31
