"""Frozen values like those of `dataclasses`, without their cost at import.

    class Abort(Frozen):
        source: int = 0
        reason: int = 0

For its users and for type checkers, this is a frozen dataclass: created with positional or keyword arguments,
checked by `__post_init__`, equal to values of the same class with equal fields, hashable, and with a repr of
its fields. With real dataclasses, the imports of `dcm store` take twice the CPU time (220 ms instead of 110
ms on a busy machine; 120 ms instead of 40 ms for `dcm.wire`), because each of a hundred classes compiles six
methods. Here only `__init__` is compiled, when the first value of a class is created. The functions of
`dataclasses` and `inspect.signature` work with these classes: what they need is created on demand.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, NoReturn, Self, TypeVar, dataclass_transform

REQUIRED: Final = object()
"""Marks a field without a default value."""


class _OfDataclass:
    """An attribute of a dataclass with the same fields, which is created when the attribute is accessed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, value: object, kind: Any) -> Any:
        return getattr(_as_dataclass(kind), self._name)


@dataclass_transform(frozen_default=True)
class Frozen:
    """Base of frozen values: the annotations are the fields, except those that are `ClassVar`.

    kw_only: the fields of this class are keyword-only. secret: fields that `repr` does not show.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()
    __dataclass_fields__: ClassVar[Any] = _OfDataclass("__dataclass_fields__")
    __dataclass_params__: ClassVar[Any] = _OfDataclass("__dataclass_params__")
    __signature__: ClassVar[Any] = _OfDataclass("__signature__")
    _defaults: ClassVar[dict[str, Any]] = {}
    _secret: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *values: Any, **named: Any) -> None:
        kind = type(self)
        type.__setattr__(kind, "__init__", _initializer(kind))
        kind.__init__(self, *values, **named)

    def __init_subclass__(cls, *, kw_only: bool = False, secret: Iterable[str] = ()) -> None:
        super().__init_subclass__()
        own = [name for name, kind in cls.__annotations__.items() if not _is_constant(kind)]
        if not kw_only:
            places = (*cls.__match_args__, *(name for name in own if name not in cls._defaults))
            type.__setattr__(cls, "__match_args__", places)
        cls._defaults = cls._defaults | {name: cls.__dict__.get(name, REQUIRED) for name in own}
        cls._secret = cls._secret.union(secret)
        type.__setattr__(cls, "__init__", Frozen.__init__)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def __repr__(self) -> str:
        shown = (name for name in self._defaults if name not in self._secret)
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({fields})"

    def __replace__(self, **changes: Any) -> Self:
        return type(self)(**dict(zip(self._defaults, self._content(), strict=True)) | changes)

    def _content(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self._defaults])


Value = TypeVar("Value", bound=Frozen)


def fields(kind: type[Frozen]) -> Mapping[str, Any]:
    """Return the names of the fields in order, each with its default value or `REQUIRED`."""
    return kind._defaults  # noqa: SLF001 - of this module


def replace(value: Value, **changes: Any) -> Value:
    """Return a copy of a value with `changes`; `dataclasses.replace` does the same."""
    return value.__replace__(**changes)


def _is_constant(annotation: object) -> bool:
    """Return whether an annotation is `ClassVar`; with `from __future__ import annotations`, it is a text."""
    if isinstance(annotation, str):
        name = annotation.partition("[")[0].strip()
        return name.rpartition(".")[2] == "ClassVar"
    return getattr(annotation, "__origin__", annotation) is ClassVar


def _initializer(kind: type[Frozen]) -> Callable[..., None]:
    """Compile the initializer that one would write by hand, which is faster than a generic one."""
    defaults, by_place = fields(kind), kind.__match_args__
    parameters = {
        name: name if default is REQUIRED else f"{name}=_defaults_[{name!r}]"
        for name, default in defaults.items()
    }
    by_name = [parameters[name] for name in defaults if name not in by_place]
    stated = [parameters[name] for name in by_place] + (["*", *by_name] if by_name else [])
    body = [f"_set_(self, {name!r}, {name})" for name in defaults]
    if hasattr(kind, "__post_init__"):
        body.append("self.__post_init__()")
    source = "\n    ".join((f"def __init__({', '.join(['self', *stated])}):", *body, "return"))
    scope: dict[str, Any] = {"_defaults_": defaults, "_set_": object.__setattr__}
    exec(source, scope)  # noqa: S102 - made of names in our own classes
    made: Callable[..., None] = scope["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    return made


@functools.cache
def _as_dataclass(kind: type[Frozen]) -> Any:
    """Return a dataclass with the same fields."""
    import dataclasses  # noqa: PLC0415 - importing it takes the time that this module saves
    import inspect  # noqa: PLC0415

    annotations: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        annotations |= inspect.get_annotations(base)
    described: list[tuple[str, Any, Any]] = []
    for name, default in fields(kind).items():
        field = dataclasses.field(
            default=dataclasses.MISSING if default is REQUIRED else default,
            repr=name not in kind._secret,  # noqa: SLF001 - of this module
            kw_only=name not in kind.__match_args__,
        )
        described.append((name, annotations[name], field))
    made: Any = dataclasses.make_dataclass(kind.__name__, described, frozen=True)
    made.__signature__ = inspect.signature(made)
    return made
