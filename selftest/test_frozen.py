"""Frozen values behave like frozen dataclasses."""

import copy
import dataclasses
import inspect
import os
import pickle
import pprint
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from dcm.frozen import REQUIRED, Frozen, fields, replace

ROOT = Path(__file__).resolve().parents[1]


class Point(Frozen):
    """Two positional fields, one with a default value."""

    KIND: ClassVar[str] = "point"
    x: int
    y: int = 0

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("left of the border")


class Other(Frozen):
    """The same fields in another class."""

    x: int
    y: int = 0


class Named(Point, kw_only=True, secret=("key",)):
    """Keyword-only fields after those of its base, one of which gets another default value."""

    y: int = 7
    name: str
    key: bytes = b""


class Empty(Frozen):
    """No fields."""


def loosely(kind: Any) -> Any:
    """Return a class as Any, for tests of invalid use."""
    return kind


def test_fields_are_given_by_place_or_by_name() -> None:
    """Missing ones have their default values; a constant is not a field."""
    assert (Point(1, 2).x, Point(1, 2).y) == (1, 2)
    assert Point(1) == Point(x=1) == Point(y=0, x=1)
    assert dict(fields(Point)) == {"x": REQUIRED, "y": 0}
    assert Point.KIND == "point"


def test_fields_of_a_base_come_first_and_may_be_changed() -> None:
    """Fields keep the order of their first mention; a required keyword may follow a default."""
    value = Named(1, name="a")
    assert dict(fields(Named)) == {"x": REQUIRED, "y": 7, "name": REQUIRED, "key": b""}
    assert (value.x, value.y, value.name) == (1, 7, "a")
    assert Point(1).y == 0


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        (Point, (), {}),
        (Point, (1, 2, 3), {}),
        (Point, (1,), {"x": 1}),
        (Point, (1,), {"z": 1}),
        (Named, (1,), {}),
        (Named, (1, 2, "a"), {}),
        (Empty, (1,), {}),
    ],
)
def test_wrong_fields_are_refused_as_of_any_function(
    kind: type[Frozen], values: tuple[int, ...], named: dict[str, int]
) -> None:
    """Missing, too many, repeated, unknown, and positional ones for keyword-only fields."""
    for _ in range(2):
        with pytest.raises(TypeError, match=rf"{kind.__name__}\.__init__\(\)"):
            loosely(kind)(*values, **named)


def test_a_value_checks_itself_each_time() -> None:
    """The first value of a class is made differently from the others: both are checked."""

    class Fresh(Point):
        pass

    for _ in range(2):
        with pytest.raises(ValueError, match="left of the border"):
            Fresh(-1)
    with pytest.raises(ValueError, match="left of the border"):
        replace(Point(1), x=-1)


def test_nothing_can_be_set_or_deleted() -> None:
    """Neither a field nor any other attribute."""
    point = loosely(Point(1))
    with pytest.raises(AttributeError, match="Point is frozen: x cannot be set"):
        point.x = 2
    with pytest.raises(AttributeError, match="z cannot be set"):
        point.z = 2
    with pytest.raises(AttributeError, match="x cannot be deleted"):
        del point.x
    assert point == Point(1)


def test_equal_are_values_of_one_class_with_equal_fields() -> None:
    """They also have the same hash."""
    assert len({Point(1), Point(1), Point(2), Other(1), Empty(), Empty()}) == 4
    assert Point(1) != Other(1)
    assert Point(1) != Named(1, name="a", y=0)
    assert Point(1) != (1, 0)


def test_all_fields_are_shown_but_secrets() -> None:
    """In the form of a call."""
    assert repr(Named(1, name="a", key=b"secret")) == "Named(x=1, y=7, name='a')"
    assert repr(Empty()) == "Empty()"


def test_values_are_taken_apart_by_place() -> None:
    """In a match statement."""
    match Point(1, 2):
        case Point(1, second):
            assert second == 2
        case _:
            pytest.fail("a point does not match its own fields")


def test_values_are_replaced_copied_and_pickled() -> None:
    """The copy is equal, of the same class, and frozen too."""
    value = Named(1, name="a", key=b"k")
    assert replace(value, name="b", x=2) == Named(2, name="b", key=b"k")
    for same in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):  # noqa: S301
        assert same == value
        assert type(same) is Named
        with pytest.raises(AttributeError):
            loosely(same).x = 3


def test_the_functions_of_dataclasses_work() -> None:
    """Type checkers and other users may treat them as dataclasses."""
    value = Named(1, name="a", key=b"k")
    assert dataclasses.is_dataclass(value)
    assert [field.name for field in dataclasses.fields(Named)] == ["x", "y", "name", "key"]
    assert [field.repr for field in dataclasses.fields(Named)] == [True, True, True, False]
    assert dataclasses.asdict(value) == {"x": 1, "y": 7, "name": "a", "key": b"k"}
    assert dataclasses.replace(value, name="b") == Named(1, name="b", key=b"k")
    assert pprint.pformat(Point(1)) == "Point(x=1, y=0)"


def test_the_signature_is_shown_before_the_first_value_is_made() -> None:
    """Help and editors show names, types and default values, before and after."""

    class Fresh(Named, kw_only=True):
        pass

    shown = "(x: int, y: int = 7, *, name: str, key: bytes = b'') -> None"
    assert str(inspect.signature(Fresh)) == shown
    Fresh(1, name="a")
    assert str(inspect.signature(Fresh)) == shown


@pytest.mark.parametrize(
    "annotation", ["ClassVar[str]", "ClassVar", "typing.ClassVar[dict[str, int]]"]
)
def test_a_constant_is_not_a_field_though_its_annotation_is_text(annotation: str) -> None:
    """This is the form of annotations with `from __future__ import annotations`."""
    namespace = {
        "__module__": __name__,
        "__annotations__": {"KIND": annotation, "x": "int"},
        "KIND": "a",
    }
    kind: Any = type("Textual", (Frozen,), namespace)
    assert [*fields(kind)] == ["x"]
    assert kind(1).KIND == "a"


def test_the_protocol_is_imported_without_dataclasses() -> None:
    """They take most of a command's start-up time, as does `inspect`, which they need."""
    code = "import sys, dcm.wire; print(sorted({'dataclasses', 'inspect'} & {*sys.modules}))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert found.stdout == "[]\n"
