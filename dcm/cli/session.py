"""The local and the remote node: the configuration and the command line together."""

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
    """Return the path of the configuration, and whether the user named it."""
    named = arguments.config or os.environ.get("DCM_CONFIG_PATH")
    return (named, True) if named else (default_path(), False)


def configuration(arguments: Namespace) -> Configuration:
    """Read the configuration; a file that the user did not name need not exist."""
    path, named = configuration_path(arguments)
    if not named:
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Configuration(path)
        except OSError as error:  # as in a container with any user ID, and the home of another user
            LOG.warning("the configuration is not used: %s: %s", path, error.strerror)
            return Configuration(path)
    return Configuration.read(path)


def local_entity(arguments: Namespace) -> LocalEntity:
    """Return the local entity, for a command without a remote node."""
    known = configuration(arguments)
    return LocalEntity(known.local(arguments.local), known.limits)


def place(arguments: Namespace, *, to_write: bool = False) -> "Place":
    """Return the place that the command line names. Raises as `Opener.place`."""
    return opener(arguments).place(arguments.remote, to_write=to_write)


def opener(arguments: Namespace, **more: Any) -> Opener:
    """Return what finds places; more: see `Opener`."""
    known = configuration(arguments)
    return Opener(
        known, known.local(arguments.local), arguments.allow_plaintext, arguments.max_associations or 0,
        getattr(arguments, "method", "auto"), **more,
    )  # fmt: skip


def node(found: "Place", what: str) -> "NodePlace":
    """Return a place as the DICOM node that `what` needs, in words. Raises `UsageError` if it is none."""
    from dcm.store.node import NodePlace  # noqa: PLC0415 - as above

    if not isinstance(found, NodePlace):
        raise UsageError(f"{what} needs a DICOM node: {found} is none")
    return found


def reporter(arguments: Namespace, of: str = "instances", **asked: Any) -> Reporter:
    """Return what reports, to a file too if the user wants one."""
    remote = {"remote": arguments.remote} if "remote" in arguments else {}
    return Reporter(arguments.command, {**remote, **asked}, arguments.report, of)
