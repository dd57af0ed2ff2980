"""The options of `generate_config.py`, checked when they are parsed."""

import argparse
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.config.settings import DEFAULT_CREDENTIALS, FILE_NAME, LOCAL, REMOTE, Node
from harness.errors import ConfigError
from harness.model import AETitle, Endpoint, Port, Version, tellable

PROGRAM = "generate_config.py"
VARIABLE = "HARNESS_PASSWORD"
"""The environment variable with the password for the remote."""
VERSION = r"\d+(\.\d+)*([+~-]\S*)?|mainline\S*"

T = TypeVar("T")


def parser() -> argparse.ArgumentParser:
    """Return the parser; its result has the attributes that `generate.plan` reads."""
    made = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Write a configuration file for the remote, the Orthanc server to test."
        " Nothing is installed, sent or downloaded.",
        epilog="Exit code: 0 if the file was written, else 2, with the reason on standard error.",
        allow_abbrev=False,
    )

    def add(
        option: str, metavar: str, make: Callable[[str], T], says: str, default: T | None = None
    ) -> None:
        if default is not None:
            says += " (default: %(default)s)"
        group.add_argument(option, metavar=metavar, type=checked(make), default=default, help=says)

    def add_node(prefix: str, default: Node) -> None:
        add(f"{prefix}aet", "TITLE", AETitle, "AE title", default.ae_title)
        add(f"{prefix}dicom", "PORT", Port, "DICOM port", default.dicom)
        add(f"{prefix}rest", "PORT", Port, "port of the REST API", default.rest)

    user = DEFAULT_CREDENTIALS
    group = made.add_argument_group("the file")
    add("--target", "FILE", Path, "where to write", Path(FILE_NAME))
    group.add_argument("--force", action="store_true", help="overwrite FILE without asking")

    group = made.add_argument_group("the remote, the server to test")
    reached = "host name or address under which this computer reaches it"
    add("--server", "HOST", _host, reached, REMOTE.host)
    add_node("--", REMOTE)
    add("--username", "NAME", _username, "user name on both servers", user.username)
    add(
        "--password",
        "WORD",
        _password,
        "password of that user; it is visible to other users of this computer, so prefer the variable"
        " HARNESS_PASSWORD (default: a random one)",
    )
    group.add_argument("--compression", action="store_true", help="compress stored files")
    group.add_argument(
        "--plugins",
        metavar="PATH",
        action="append",
        default=[],
        help="a plugin or a folder with plugins, on the computer of the remote; may be repeated"
        " (default: no plugins)",
    )
    add(
        "--orthanc",
        "VERSION",
        matching(VERSION, "version of Orthanc: numbers such as 1.10.1, or mainline", Version),
        "leave out the keys that were added after this version, such as 1.10.1 (default: keep"
        " all keys, since Orthanc ignores unknown ones)",
    )

    group = made.add_argument_group("the local server, which the tests start")
    add(
        "--local-host",
        "HOST",
        _host,
        "address of this computer as seen from the remote (default: the source address of"
        " the route to it)",
    )
    group.add_argument(
        "--docker",
        metavar="NETWORK",
        nargs="?",
        const="bridge",
        help="the remote will run in a container on this computer, in this Docker network (default:"
        " bridge), and be reached through published ports or its address",
    )
    add_node("--local-", LOCAL)
    return made


def checked(make: Callable[[str], T]) -> Callable[[str], T]:
    """Turn a ConfigError into an error of argparse, which names the option."""

    def convert(text: str) -> T:
        try:
            return make(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def matching(pattern: str, what: str, make: Callable[[str], T]) -> Callable[[str], T]:
    """Return a function that converts text matching `pattern`, and rejects other text."""

    def convert(text: str) -> T:
        if not re.fullmatch(pattern, text):
            raise ConfigError(f"{text!r} is not a {what}")
        return make(text)

    return convert


def _host(text: str) -> str:
    return Endpoint(text, REMOTE.dicom).host


def _username(text: str) -> str:
    """Check that HTTP basic authentication allows it (RFC 7617: no colon in a user name)."""
    if not re.fullmatch(r"[!-9;-~]+", text):
        raise ConfigError(
            f"{text!r} is not a user name: use printable ASCII without spaces and colons"
        )
    return _without_variables(text)


def _password(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ConfigError("a password must be printable ASCII without spaces")
    return tellable(_without_variables(text))


def password(given: str | None) -> str:
    """Return the password to write: the given one, that of the environment, or a new one."""
    named = os.environ.get(VARIABLE)
    if given is None and named:
        try:
            return _password(named)
        except ConfigError as error:
            raise ConfigError(f"{VARIABLE}: {error}") from error
    return given or secrets.token_hex(12)


def _without_variables(text: str) -> str:
    if "${" in text:
        raise ConfigError("${ is not allowed: Orthanc would substitute an environment variable")
    return text
