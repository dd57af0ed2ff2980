"""Tables of a TOML file: values by key, and errors that name the file, the key and what is allowed."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from dcm.errors import DcmError, LocalProtocolError


class ConfigurationError(DcmError):
    """A configuration file that cannot be used."""


class Table:
    """A table of the file; `place` is its dotted name."""

    def __init__(self, path: str, place: str, values: Mapping[str, Any]) -> None:
        self._path = path
        self._place = place
        self._values = values

    @classmethod
    def parse(cls, text: str, path: str) -> Self:
        """Read the text of a whole file. Raises `ConfigurationError`, as the other methods do."""
        if not text.strip():
            return cls(path, "", {})
        import tomllib  # noqa: PLC0415 - many have no configuration

        try:
            return cls(path, "", tomllib.loads(text))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ConfigurationError(f"{path} is not TOML: {error}") from error

    def allow(self, *keys: str, later: Iterable[str] = ()) -> None:
        """Refuse all other keys; of those in `later`, the error says that they are not known yet."""
        for key in self._values:
            if key in later:
                raise ConfigurationError(f"{self._path}: {self._dotted(key)} is not known yet")
            if key not in keys:
                raise ConfigurationError(
                    f"{self._path}: {self._dotted(key)} is not known{nearest(key, keys)};"
                    f" allowed are {', '.join(keys)}"
                )

    def has(self, *keys: str) -> bool:
        """Return whether one of these is there."""
        return any(key in self._values for key in keys)

    def text(self, *keys: str, default: str | None = None) -> str:
        """Return the text under a key, or under one of several that mean the same."""
        key = self._only_one(keys)
        value = self._values.get(key, default)
        if not isinstance(value, str) or not value:
            raise self.complaint(key, "a text in quotes")
        return value

    def value(self, key: str) -> Any:
        """Return whatever is under a key."""
        return self._values[key]

    def list_of_texts(self, key: str) -> list[str]:
        """Return a list of texts; without the key, an empty one."""
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.complaint(key, "a list of texts in quotes")
        return value

    def file(self, key: str) -> str | None:
        """Return the path of a file, relative to this one; None without the key."""
        if not self.has(key):
            return None
        return os.path.join(os.path.dirname(self._path), os.path.expanduser(self.text(key)))

    def flag(self, key: str, *, default: bool) -> bool:
        """Return what is true or false."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise self.complaint(key, "true or false")
        return value

    def integer(self, key: str, default: int, least: int, most: int) -> int:
        """Return a whole number within bounds."""
        value = self._values.get(key, default)
        if type(value) is not int or not least <= value <= most:
            raise self.complaint(key, f"a number from {least} to {most}")
        return value

    def seconds(self, key: str, default: float) -> float:
        """Return a number of seconds."""
        value = self._values.get(key, default)
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise self.complaint(key, "a number of seconds, more than 0")
        return float(value)

    def texts(self, key: str) -> dict[str, str]:
        """Return a table of texts by any names; without it, an empty one."""
        inner = self.table(key)
        return {name: inner.text(name) for name in self._values.get(key, {})}

    def table(self, key: str) -> "Table":
        """Return a table; without it, an empty one."""
        value = self._values.get(key, {})
        if not isinstance(value, dict):
            raise self.complaint(key, f"a table: [{self._dotted(key)}]")
        return Table(self._path, self._dotted(key), value)

    def tables(self, key: str) -> "dict[str, Table]":
        """Return the tables in a table, by name."""
        outer = self.table(key)
        return {name: outer.table(name) for name in self._values.get(key, {})}

    def complaint(self, key: str, allowed: str) -> ConfigurationError:
        """Return the error for a key: its value, and what is allowed."""
        met = "is missing"
        if key in self._values:
            text = repr(self._values[key])
            met = f"is {text if len(text) <= 60 else text[:60] + '...'}"
        return ConfigurationError(f"{self._path}: {self._dotted(key)} {met}; allowed is {allowed}")

    def fault(self, what: object) -> ConfigurationError:
        """Return the error for a mistake of the table as a whole."""
        return ConfigurationError(f"{self._path}: {self._place}: {what}")

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Name this table in errors of the values that are made of it."""
        try:
            yield
        except LocalProtocolError as error:
            raise self.fault(error) from error

    def _only_one(self, keys: tuple[str, ...]) -> str:
        given = [key for key in keys if key in self._values]
        if len(given) > 1:
            raise self.complaint(given[1], f"one of {' and '.join(keys)}: they mean the same")
        return given[0] if given else keys[0]

    def _dotted(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint, in brackets, if a known word is similar; else an empty text."""
    import difflib  # noqa: PLC0415 - only errors need it

    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
