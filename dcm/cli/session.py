"""The local and remote nodes, from the configuration and the command line."""

import os
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from dcm.cli.logs import LOG
from dcm.cli.report import Reporter
from dcm.cli.usage import UsageError
from dcm.conf import Configuration, default_path
from dcm.net.entity import LocalEntity
from dcm.opening import Opener

if TYPE_CHECKING:
    from dcm.store.node import NodePlace
    from dcm.store.place import Place


def configuration_path(arguments: Namespace) -> tuple[str, bool]:
    """Return the path of the configuration, and whether the user specified it."""
    named = arguments.config or os.environ.get("DCM_CONFIG_PATH")
    return (named, True) if named else (default_path(), False)


def configuration(arguments: Namespace) -> Configuration:
    """Read the configuration; unless the user specified the file, it need not exist."""
    path, named = configuration_path(arguments)
    if not named:
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Configuration(path)
        except OSError as error:  # such as the home directory of another user, in a container
            LOG.warning("the configuration was not read: %s: %s", path, error.strerror)
            return Configuration(path)
    return Configuration.read(path)


def local_entity(arguments: Namespace) -> LocalEntity:
    """Return the local entity for a command without a remote node."""
    known = configuration(arguments)
    return LocalEntity(known.local(arguments.local), known.limits)


def place(arguments: Namespace, *, to_write: bool = False) -> "Place":
    """Return the place named on the command line. Raises the same errors as `Opener.place`."""
    return opener(arguments).place(arguments.remote, to_write=to_write)


def opener(arguments: Namespace, **more: Any) -> Opener:
    """Return an `Opener`, which opens places by name. more: its arguments."""
    known = configuration(arguments)
    return Opener(
        known, known.local(arguments.local), arguments.allow_plaintext, arguments.max_associations or 0,
        getattr(arguments, "method", "auto"), **more,
    )  # fmt: skip


def node(found: "Place", what: str) -> "NodePlace":
    """Return a place as a DICOM node. Raises `UsageError`, mentioning `what`, if it is not one."""
    from dcm.store.node import NodePlace  # noqa: PLC0415 - as above

    if not isinstance(found, NodePlace):
        raise UsageError(f"{what} needs a DICOM node, which {found} is not")
    return found


def reporter(arguments: Namespace, of: str = "instances", **asked: Any) -> Reporter:
    """Return the reporter, which also writes a file if the user requested one."""
    remote = {"remote": arguments.remote} if "remote" in arguments else {}
    return Reporter(arguments.command, {**remote, **asked}, arguments.report, of)
