"""The user of a remote node: a name, and where the password is kept."""

import os

from dcm.errors import DcmError
from dcm.frozen import Frozen
from dcm.net.identity import user
from dcm.wire import UserIdentityRQ


class NoPassword(DcmError):  # noqa: N818 - reads as the sentence it is
    """The password cannot be read from where it is kept."""


class Credentials(Frozen, secret=("password",)):
    """A user and at most one source of the password, which is read when it is needed."""

    name: str
    password: str | None = None
    password_file: str | None = None
    password_variable: str | None = None

    def identity(self) -> UserIdentityRQ:
        """Return the identity for an association (PS3.7 D.3.3.7). Raises `NoPassword`."""
        return user(self.name, self._password())

    def _password(self) -> str | None:
        if self.password_file is not None:
            try:
                with open(self.password_file, encoding="utf-8") as file:
                    return file.readline().rstrip("\n")
            except (OSError, UnicodeDecodeError) as error:
                words = getattr(error, "strerror", None) or "it is not text in UTF-8"
                raise NoPassword(f"the password in {self.password_file}: {words}") from error
        if self.password_variable is not None:
            found = os.environ.get(self.password_variable)
            if found is None:
                raise NoPassword(
                    f"the password of {self.name}: set ${self.password_variable} to it"
                )
            return found
        return self.password
