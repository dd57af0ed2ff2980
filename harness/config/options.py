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
    output = made.add_argument_group("the file")
    output.add_argument(
        "--target",
        metavar="FILE",
        type=Path,
        default=Path(FILE_NAME),
        help="where to write (default: %(default)s)",
    )
    output.add_argument("--force", action="store_true", help="overwrite FILE without asking")
    _add_remote(made.add_argument_group("the remote, the server to test"))
    _add_local(
        made.add_argument_group("the local instance, the second server that the tests start")
    )
    return made


def _add_remote(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--server",
        metavar="HOST",
        type=checked(_host),
        default=REMOTE.host,
        help="name or address under which this computer reaches it (default: %(default)s)",
    )
    _add_instance(group, "", REMOTE)
    group.add_argument(
        "--username",
        metavar="NAME",
        type=checked(_username),
        default=DEFAULT_CREDENTIALS.username,
        help="user of both servers (default: %(default)s)",
    )
    group.add_argument(
        "--password",
        metavar="WORD",
        type=checked(_password),
        default=DEFAULT_CREDENTIALS.password,
        help="password of that user (default: %(default)s)",
    )
    group.add_argument("--compression", action="store_true", help="compress what it stores")
    group.add_argument(
        "--plugins",
        metavar="PATH",
        action="append",
        default=[],
        help="a plugin or a folder of plugins, on the computer of the remote; can be repeated"
        " (default: no plugin)",
    )
    group.add_argument(
        "--orthanc",
        metavar="VERSION",
        type=checked(_version),
        help="leave out the keys that are newer than this version, such as 1.10.1 (default: all"
        " keys, since Orthanc ignores those that it does not know)",
    )


def _add_local(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--local-host",
        metavar="HOST",
        type=checked(_host),
        help="address of this computer as the remote sees it (default: where the route to the"
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
    _add_instance(group, "local-", LOCAL)


def _add_instance(group: "argparse._ArgumentGroup", prefix: str, default: Node) -> None:
    group.add_argument(
        f"--{prefix}aet",
        metavar="TITLE",
        type=checked(AETitle),
        default=default.ae_title,
        help="its AE title (default: %(default)s)",
    )
    group.add_argument(
        f"--{prefix}dicom",
        metavar="PORT",
        type=checked(Port),
        default=default.dicom,
        help="its DICOM port (default: %(default)s)",
    )
    group.add_argument(
        f"--{prefix}rest",
        metavar="PORT",
        type=checked(Port),
        default=default.rest,
        help="the port of its REST API (default: %(default)s)",
    )


def checked(make: Callable[[str], T]) -> Callable[[str], T]:
    """Let argparse name the option to which a value that checks itself was given."""

    def convert(text: str) -> T:
        try:
            return make(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

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


def _version(text: str) -> Version:
    if not re.fullmatch(r"\d+(\.\d+)*([+~-]\S*)?|mainline\S*", text):
        raise ConfigError(f"{text!r} is no version of Orthanc: numbers such as 1.10.1, or mainline")
    return Version(text)
