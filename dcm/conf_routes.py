"""The routes of a configuration."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from dcm.conf_table import Table
from dcm.data.levels import Level
from dcm.errors import DcmError
from dcm.filt.selectors import Selector
from dcm.route.routes import METHODS, Condition, DynamicRoute, SelectorDestMap, StaticRoute
from dcm.sync.pace import BadHours, Hours

_CONDITION = ("calling", "called", "hours")
_Read: TypeAlias = Callable[[str], Selector]


def read_static(tables: Mapping[str, Table], selector: _Read) -> dict[str, StaticRoute]:
    """Read the static routes; selector: a function that reads a selector. Raises `ConfigurationError`."""
    found = {}
    for name, table in tables.items():
        table.allow("dests", "methods", "filt", *_CONDITION)
        dests = table.list_of_texts("dests")
        if not dests:
            raise table.complaint("dests", "a list of the names of places")
        methods = _methods(table, "methods", table.list_of_texts("methods"))
        found[name] = StaticRoute(
            name, tuple(dests), methods, _filt(table, selector), _condition(table)
        )
    return found


def read_dynamic(tables: Mapping[str, Table], selector: _Read) -> dict[str, DynamicRoute]:
    """Read the dynamic routes; see `read_static`."""
    return {name: _dynamic(name, table, selector) for name, table in tables.items()}


def _dynamic(name: str, table: Table, selector: _Read) -> DynamicRoute:
    table.allow(
        *("routing_map", "default_dests", "exclude", "stop_on_first", "route_level"),
        *("dest_methods", "filt", *_CONDITION),
    )
    entries = table.table("routing_map")
    texts = table.value("routing_map") if table.has("routing_map") else {}
    if not isinstance(texts, dict) or not texts:
        raise table.complaint(
            "routing_map", 'selectors and their places: { "Modality == CT" = ["a"] }'
        )
    routing_map = tuple(
        (_selector(table, text, selector), tuple(entries.list_of_texts(text))) for text in texts
    )
    by_selector = SelectorDestMap(
        routing_map,
        tuple(table.list_of_texts("default_dests")),
        tuple(_selector(table, text, selector) for text in table.list_of_texts("exclude")),
        table.flag("stop_on_first", default=True),
    )
    try:
        level = Level.named(table.text("route_level", default="STUDY"))
    except ValueError as error:
        raise table.complaint("route_level", "PATIENT, STUDY, SERIES or IMAGE") from error
    methods = table.table("dest_methods")
    named = table.value("dest_methods") if table.has("dest_methods") else {}
    ways = {each: _methods(methods, each, methods.list_of_texts(each)) for each in named}
    return by_selector.get_dynamic_route(
        name, level, ways, _filt(table, selector), _condition(table)
    )


def _condition(table: Table) -> Condition:
    hours = None
    if table.has("hours"):
        try:
            hours = Hours.parse(table.text("hours"))
        except BadHours as error:
            raise table.complaint("hours", "a time span, such as 22:00-06:00") from error
    return Condition(
        frozenset(table.list_of_texts("calling")), frozenset(table.list_of_texts("called")), hours
    )


def _filt(table: Table, selector: _Read) -> Selector | None:
    return _selector(table, table.text("filt"), selector) if table.has("filt") else None


def _selector(table: Table, text: str, selector: _Read) -> Selector:
    try:
        return selector(text)
    except DcmError as error:
        raise table.fault(error) from error


def _methods(table: Table, key: str, names: list[str]) -> tuple[str, ...]:
    for name in names:
        if name.upper() not in METHODS:
            raise table.complaint(key, f"a list of {', '.join(METHODS)}")
    return tuple(name.upper() for name in names)
