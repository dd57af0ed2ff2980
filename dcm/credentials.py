"""The user of a remote node: a name, and where the password or token is kept."""

import os

from dcm.errors import DcmError
from dcm.frozen import Frozen
from dcm.net.identity import user
from dcm.wire import UserIdentityRQ


class NoPassword(DcmError):  # noqa: N818 - reads as the sentence it is
    """A password or token cannot be read from where it is kept."""


class Secret(Frozen, secret=("value",)):
    """A secret, which is read when needed from at most one place.

    kind: `password` or `token`. owner: whose it is. value: the secret itself, unless it is kept elsewhere.
    """

    kind: str
    owner: str
    value: str | None = None
    file: str | None = None
    variable: str | None = None

    def read(self) -> str | None:
        """Return the secret, or None if none is configured. Raises `NoPassword`."""
        if self.file is not None:
            try:
                with open(self.file, encoding="utf-8") as file:
                    return file.readline().rstrip("\n")
            except (OSError, UnicodeDecodeError) as error:
                words = getattr(error, "strerror", None) or "it is not UTF-8 text"
                raise NoPassword(f"the {self.kind} in {self.file}: {words}") from error
        if self.variable is not None:
            found = os.environ.get(self.variable)
            if found is None:
                raise NoPassword(f"the {self.kind} of {self.owner}: set ${self.variable} to it")
            return found
        return self.value


class Credentials(Frozen, secret=("password",)):
    """A user name and at most one source of the password, which is read when needed."""

    name: str
    password: str | None = None
    password_file: str | None = None
    password_variable: str | None = None

    def identity(self) -> UserIdentityRQ:
        """Return the identity for an association (PS3.7 D.3.3.7). Raises `NoPassword`."""
        return user(self.name, self.secret().read())

    def secret(self) -> Secret:
        """Return the password and where it is kept."""
        return Secret(
            "password", self.name, self.password, self.password_file, self.password_variable
        )
