"""Values with rules: AE titles, ports, endpoints, versions. They check themselves when made."""

import re
from dataclasses import dataclass, field
from typing import Self

from harness.errors import ConfigError


class AETitle(str):
    """An application entity title: 1 to 16 characters, not only spaces (PS3.5 6.2, VR AE)."""

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Check `value` and strip the spaces that do not count (PS3.8 9.3.2)."""
        title = value.strip(" ")
        if not 1 <= len(title) <= 16 or not re.fullmatch(r"[ -\[\]-~]+", title):
            raise ConfigError(
                f"{value!r} is no AE title: 1 to 16 printable ASCII characters, no backslash"
            )
        return super().__new__(cls, title)


class Port(int):
    """A TCP port, 1 to 65535."""

    __slots__ = ()

    def __new__(cls, value: int | str) -> Self:
        """Check `value`, a number or its text."""
        try:
            number = int(value)
        except ValueError:
            number = 0
        if not 1 <= number <= 65535:
            raise ConfigError(f"{value!r} is no TCP port: a number from 1 to 65535")
        return super().__new__(cls, number)


@dataclass(frozen=True)
class Endpoint:
    """Where something listens: host name or address, and port."""

    host: str
    port: int

    def __post_init__(self) -> None:
        if not self.host or re.search(r"[\s/]", self.host):
            raise ConfigError(f"{self.host!r} is no host name or address")
        # A plain int: getaddrinfo() refuses numbers of any class of their own.
        object.__setattr__(self, "port", int(Port(self.port)))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Credentials:
    """A user and a password; the password is never shown."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, order=True)
class Version:
    """A server's or plugin's version; `mainline` and the like are newer than any number."""

    text: str = field(compare=False)
    numbers: tuple[int, ...] = field(init=False, repr=False)
    """By what versions are compared: both `1.10` and `1.10.0+dfsg` give (1, 10)."""

    def __post_init__(self) -> None:
        found = re.match(r"\d+(\.\d+)*", self.text)
        numbers = [2**31] if found is None else [int(each) for each in found[0].split(".")]
        while numbers and numbers[-1] == 0:
            numbers.pop()
        object.__setattr__(self, "numbers", tuple(numbers))

    def __str__(self) -> str:
        return self.text
