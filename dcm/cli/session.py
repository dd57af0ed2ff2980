"""Who we are and whom we speak with: the configuration and the command line together."""

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from dcm.conf import Configuration, default_path
from dcm.net.entity import LocalEntity
from dcm.net.node import DcmNode
from dcm.report import Report


def configuration_path(arguments: Namespace) -> tuple[Path, bool]:
    """Say which file holds the configuration, and whether somebody named it."""
    named = arguments.config or os.environ.get("DCM_CONFIG_PATH")
    return (Path(named), True) if named else (default_path(), False)


def configuration(arguments: Namespace) -> Configuration:
    """Read the configuration; a file that nobody named need not exist."""
    path, named = configuration_path(arguments)
    return Configuration.read(path) if named or path.exists() else Configuration(path)


def local_entity(arguments: Namespace) -> LocalEntity:
    """Give us, without anybody to speak with."""
    known = configuration(arguments)
    return LocalEntity(known.local(arguments.local), known.limits)


def entity_and_remote(arguments: Namespace) -> tuple[LocalEntity, DcmNode]:
    """Give us and whom we speak with."""
    known = configuration(arguments)
    remote = known.remote(arguments.remote)
    return LocalEntity(known.local(arguments.local), remote.limits), remote.node


def report(arguments: Namespace, of: str = "instances", **asked: Any) -> Report:
    """Begin the report, in a file if one was asked for."""
    remote = {"remote": arguments.remote} if "remote" in arguments else {}
    return Report(arguments.command, {**remote, **asked}, arguments.report, of)
