"""Overrides of keys in the remote's configuration: `--with NAME=VALUE`; `null` removes the key."""

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from harness.errors import ConfigError


@dataclass(frozen=True)
class Override:
    """A key with its enclosing sections, and its value; None removes the key."""

    path: tuple[str, ...]
    value: object

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME=VALUE`, or `SECTION.NAME=VALUE`; a VALUE that is not JSON is a text.

        Raises ConfigError for any other form.
        """
        name, equals, value = text.partition("=")
        path = tuple(name.split("."))
        if not equals or not all(path):
            raise ConfigError(f"--with {text}: say NAME=VALUE or SECTION.NAME=VALUE")
        try:
            return cls(path, json.loads(value))
        except ValueError:
            return cls(path, value)

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}={json.dumps(self.value, ensure_ascii=False)}"


def overridden(
    configuration: Mapping[str, object], overrides: Iterable[Override]
) -> dict[str, object]:
    """Return the overridden configuration. Raises ConfigError if a section is a plain value."""
    result: dict[str, Any] = copy.deepcopy(dict(configuration))  # leave the caller's own unchanged
    for each in overrides:
        section = result
        for name in each.path[:-1]:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise ConfigError(f"--with {each}: {name} has a value, so it cannot be a section")
        if each.value is None:
            section.pop(each.path[-1], None)
        else:
            section[each.path[-1]] = each.value
    return result
