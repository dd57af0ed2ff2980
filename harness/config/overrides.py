"""Another value for a key of the remote's configuration: `--with NAME=VALUE`."""

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from harness.errors import ConfigError


@dataclass(frozen=True)
class Override:
    """A key, with the keys of the sections that it stands in, and its value."""

    path: tuple[str, ...]
    value: object

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `NAME=VALUE`, or `SECTION.NAME=VALUE`; a VALUE that is no JSON is a text.

        Raises ConfigError where it is something else.
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
    """Return the configuration with other values. Raises ConfigError where a section is none."""
    result: dict[str, Any] = copy.deepcopy(dict(configuration))  # the caller's own stays as it is
    for each in overrides:
        section = result
        for name in each.path[:-1]:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise ConfigError(f"--with {each}: {name} has a value, and is no section")
        section[each.path[-1]] = each.value
    return result
