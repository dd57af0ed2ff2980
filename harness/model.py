"""Validated values: AE titles, ports, endpoints, versions."""

import re
from dataclasses import dataclass, field
from typing import Self

from harness.errors import ConfigError

SHORTEST = 6
"""The minimum length of a password, in characters."""


class AETitle(str):
    """An application entity title: 1 to 16 characters, not only spaces (PS3.5 6.2, VR AE)."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Check `value`, and strip leading and trailing spaces (not significant, PS3.8 9.3.2)."""
        title = value.strip(" ")
        if not 1 <= len(title) <= 16 or not re.fullmatch(r"[ -\[\]-~]+", title):
            raise ConfigError(
                f"{value!r} is not an AE title: use 1 to 16 printable ASCII characters, without backslash"
            )
        return super().__new__(cls, title)


class Port(int):
    """A TCP port, 1 to 65535."""

    __slots__ = ()

    def __new__(cls, value: int | str) -> Self:
        """Check `value`, a number or its string."""
        try:
            number = int(value)
        except ValueError:
            number = 0
        if not 1 <= number <= 65535:
            raise ConfigError(f"{value!r} is not a TCP port: use a number from 1 to 65535")
        return super().__new__(cls, number)


@dataclass(frozen=True)
class Endpoint:
    """The address where something listens: host name or IP address, and port."""

    host: str
    port: int

    def __post_init__(self) -> None:
        if not self.host or re.search(r"[\s/]", self.host):
            raise ConfigError(f"{self.host!r} is not a host name or address")
        # A plain int: getaddrinfo() rejects subclasses of int.
        object.__setattr__(self, "port", int(Port(self.port)))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def tellable(password: str) -> str:
    """Return the password, or raise ConfigError if it is too short, a word or a number.

    A password is removed wherever it occurs in the evidence; an ordinary word would be removed,
    too.
    """
    if len(password) < SHORTEST or password.isalpha() or password.isdigit():
        raise ConfigError(
            f"a password must have at least {SHORTEST} characters, and be neither a word nor a number: it is "
            "removed wherever it occurs in the evidence, and so would be an ordinary word"
        )
    return password


@dataclass(frozen=True)
class Credentials:
    """A user name and a password; the password is never shown."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, order=True)
class Version:
    """The version of a server or plugin; `mainline` and the like are newer than any number."""

    text: str = field(compare=False)
    numbers: tuple[int, ...] = field(init=False, repr=False)
    """The key for comparisons: (1, 10) for both `1.10` and `1.10.0+dfsg`."""

    def __post_init__(self) -> None:
        found = re.match(r"\d+(\.\d+)*", self.text)
        numbers = [2**31] if found is None else [int(each) for each in found[0].split(".")]
        while numbers and numbers[-1] == 0:
            numbers.pop()
        object.__setattr__(self, "numbers", tuple(numbers))

    def __str__(self) -> str:
        return self.text
