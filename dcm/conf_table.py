"""Tables of a TOML file, with errors that name the file, the key and what is allowed."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from dcm.errors import DcmError, LocalProtocolError


class ConfigurationError(DcmError):
    """An invalid configuration file."""


class Table:
    """A table of the file; `place` is its dotted name."""

    def __init__(self, path: str, place: str, values: Mapping[str, Any]) -> None:
        self._path = path
        self._place = place
        self._values = values

    @classmethod
    def parse(cls, text: str, path: str) -> Self:
        """Parse the text of a whole file. Raises `ConfigurationError`, as do the other methods."""
        if not text.strip():
            return cls(path, "", {})
        import tomllib  # noqa: PLC0415 - not needed without a configuration

        try:
            return cls(path, "", tomllib.loads(text))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ConfigurationError(f"{path} is not TOML: {error}") from error

    def allow(self, *keys: str) -> None:
        """Reject all other keys."""
        for key in self._values:
            if key not in keys:
                raise ConfigurationError(
                    f"{self._path}: {self._dotted(key)} is not known{nearest(key, keys)};"
                    f" known keys are {', '.join(keys)}"
                )

    def has(self, *keys: str) -> bool:
        """Return whether one of these keys is present."""
        return any(key in self._values for key in keys)

    def text(self, *keys: str, default: str | None = None) -> str:
        """Return the text of a key, or of one of several synonyms."""
        key = self._only_one(keys)
        value = self._values.get(key, default)
        if not isinstance(value, str) or not value:
            raise self.complaint(key, "a text in quotes")
        return value

    def value(self, key: str) -> Any:
        """Return the value of a key."""
        return self._values[key]

    def list_of_texts(self, key: str) -> list[str]:
        """Return a list of texts; empty if the key is missing."""
        value = self._values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.complaint(key, "a list of texts in quotes")
        return value

    def file(self, key: str) -> str | None:
        """Return the path of a file, relative to this one; None if the key is missing."""
        if not self.has(key):
            return None
        return os.path.join(os.path.dirname(self._path), os.path.expanduser(self.text(key)))

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a boolean."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise self.complaint(key, "true or false")
        return value

    def integer(self, key: str, default: int, least: int, most: int) -> int:
        """Return an integer within bounds."""
        value = self._values.get(key, default)
        if type(value) is not int or not least <= value <= most:
            raise self.complaint(key, f"a number from {least} to {most}")
        return value

    def seconds(self, key: str, default: float) -> float:
        """Return a number of seconds."""
        value = self._values.get(key, default)
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise self.complaint(key, "a number of seconds greater than 0")
        return float(value)

    def texts(self, key: str) -> dict[str, str]:
        """Return a table of texts with arbitrary names; empty if it is missing."""
        inner = self.table(key)
        return {name: inner.text(name) for name in self._values.get(key, {})}

    def table(self, key: str) -> "Table":
        """Return a table; empty if it is missing."""
        value = self._values.get(key, {})
        if not isinstance(value, dict):
            raise self.complaint(key, f"a table: [{self._dotted(key)}]")
        return Table(self._path, self._dotted(key), value)

    def tables(self, key: str) -> "dict[str, Table]":
        """Return the tables in a table, by name."""
        outer = self.table(key)
        return {name: outer.table(name) for name in self._values.get(key, {})}

    def complaint(self, key: str, allowed: str) -> ConfigurationError:
        """Return an error about the value of a key, which says what is allowed."""
        met = "is missing"
        if key in self._values:
            text = repr(self._values[key])
            met = f"is {text if len(text) <= 60 else text[:60] + '...'}"
        return ConfigurationError(f"{self._path}: {self._dotted(key)} {met}; expected {allowed}")

    def fault(self, what: object) -> ConfigurationError:
        """Return an error about the table as a whole."""
        return ConfigurationError(f"{self._path}: {self._place}: {what}")

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Name this table in errors raised by the values made from it."""
        try:
            yield
        except LocalProtocolError as error:
            raise self.fault(error) from error

    def _only_one(self, keys: tuple[str, ...]) -> str:
        given = [key for key in keys if key in self._values]
        if len(given) > 1:
            raise self.complaint(given[1], f"only one of {' and '.join(keys)}, which mean the same")
        return given[0] if given else keys[0]

    def _dotted(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint in parentheses if a known word is similar; otherwise an empty text."""
    import difflib  # noqa: PLC0415 - only errors need it

    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
