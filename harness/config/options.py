"""The options of `generate_config.py`, checked as they are read."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from harness.config.settings import DEFAULT_CREDENTIALS, FILE_NAME, LOCAL, REMOTE, Node
from harness.errors import ConfigError
from harness.model import AETitle, Endpoint, Port, Version

PROGRAM = "generate_config.py"
VERSION = r"\d+(\.\d+)*([+~-]\S*)?|mainline\S*"

T = TypeVar("T")


def parser() -> argparse.ArgumentParser:
    """Make the parser; its answer has the attributes that `generate.plan` reads."""
    made = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Write the configuration of the remote: the Orthanc that is to be tested."
        " Nothing is installed, sent or downloaded.",
        epilog="Exit codes: 0 written; 2 nothing written, the reason is on standard error.",
        allow_abbrev=False,
    )

    def add(
        option: str, metavar: str, make: Callable[[str], T], says: str, default: T | None = None
    ) -> None:
        if default is not None:
            says += " (default: %(default)s)"
        group.add_argument(option, metavar=metavar, type=checked(make), default=default, help=says)

    def add_node(prefix: str, default: Node) -> None:
        add(f"{prefix}aet", "TITLE", AETitle, "its AE title", default.ae_title)
        add(f"{prefix}dicom", "PORT", Port, "its DICOM port", default.dicom)
        add(f"{prefix}rest", "PORT", Port, "the port of its REST API", default.rest)

    user = DEFAULT_CREDENTIALS
    group = made.add_argument_group("the file")
    add("--target", "FILE", Path, "where to write", Path(FILE_NAME))
    group.add_argument("--force", action="store_true", help="overwrite FILE without asking")

    group = made.add_argument_group("the remote, the server to test")
    reached = "name or address under which this computer reaches it"
    add("--server", "HOST", _host, reached, REMOTE.host)
    add_node("--", REMOTE)
    add("--username", "NAME", _username, "user of both servers", user.username)
    add("--password", "WORD", _password, "password of that user", user.password)
    group.add_argument("--compression", action="store_true", help="compress what it stores")
    group.add_argument(
        "--plugins",
        metavar="PATH",
        action="append",
        default=[],
        help="a plugin or a folder of plugins, on the computer of the remote; can be repeated"
        " (default: no plugin)",
    )
    add(
        "--orthanc",
        "VERSION",
        matching(VERSION, "version of Orthanc: numbers such as 1.10.1, or mainline", Version),
        "leave out the keys that are newer than this version, such as 1.10.1 (default: all"
        " keys, since Orthanc ignores those that it does not know)",
    )

    group = made.add_argument_group("the local instance, the second server that the tests start")
    add(
        "--local-host",
        "HOST",
        _host,
        "address of this computer as the remote sees it (default: where the route to the"
        " remote starts)",
    )
    group.add_argument(
        "--docker",
        metavar="NETWORK",
        nargs="?",
        const="bridge",
        help="the remote will run in a container on this computer, in this Docker network (default:"
        " bridge), and is reached by its published ports or by its address",
    )
    add_node("--local-", LOCAL)
    return made


def checked(make: Callable[[str], T]) -> Callable[[str], T]:
    """Let argparse name the option to which a value that checks itself was given."""

    def convert(text: str) -> T:
        try:
            return make(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def matching(pattern: str, what: str, make: Callable[[str], T]) -> Callable[[str], T]:
    """Convert a text that looks so; say of another one that it is not `what`."""

    def convert(text: str) -> T:
        if not re.fullmatch(pattern, text):
            raise ConfigError(f"{text!r} is no {what}")
        return make(text)

    return convert


def _host(text: str) -> str:
    return Endpoint(text, REMOTE.dicom).host


def _username(text: str) -> str:
    """Allow what HTTP's basic authentication can carry (RFC 7617: no colon in a user name)."""
    if not re.fullmatch(r"[!-9;-~]+", text):
        raise ConfigError(f"{text!r} is no user name: printable ASCII without space and colon")
    return _without_variables(text)


def _password(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ConfigError("a password is printable ASCII without space")
    return _without_variables(text)


def _without_variables(text: str) -> str:
    if "${" in text:
        raise ConfigError("no ${ is allowed: Orthanc would put an environment variable there")
    return text
