"""The local and the remote node: the configuration and the command line together."""

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from dcm.cli.logs import LOG
from dcm.conf import Configuration, default_path
from dcm.frozen import replace
from dcm.net.entity import LocalEntity
from dcm.net.remote import Remote
from dcm.report import Report


def configuration_path(arguments: Namespace) -> tuple[Path, bool]:
    """Return the path of the configuration, and whether the user named it."""
    named = arguments.config or os.environ.get("DCM_CONFIG_PATH")
    return (Path(named), True) if named else (default_path(), False)


def configuration(arguments: Namespace) -> Configuration:
    """Read the configuration; a file that the user did not name need not exist."""
    path, named = configuration_path(arguments)
    if named:
        return Configuration.read(path)
    try:
        there = path.exists()
    except (
        OSError
    ) as error:  # as in a container with an arbitrary user ID, and the home of another user
        LOG.warning("the configuration is not used: %s: %s", path, error.strerror)
        there = False
    return Configuration.read(path) if there else Configuration(path)


def local_entity(arguments: Namespace) -> LocalEntity:
    """Return the local entity, for a command without a remote node."""
    known = configuration(arguments)
    return LocalEntity(known.local(arguments.local), known.limits)


def entity_and_remote(arguments: Namespace) -> tuple[LocalEntity, Remote]:
    """Return the local entity and the remote. Raises `UnprotectedIdentity`."""
    known = configuration(arguments)
    remote = known.remote(arguments.remote)
    if arguments.allow_plaintext:
        remote = replace(remote, allow_plaintext=True)
    remote.check_identity()
    return LocalEntity(known.local(arguments.local), known.limits), remote


def report(arguments: Namespace, of: str = "instances", **asked: Any) -> Report:
    """Return the report, which is written to a file if the user wants one."""
    remote = {"remote": arguments.remote} if "remote" in arguments else {}
    return Report(arguments.command, {**remote, **asked}, arguments.report, of)
