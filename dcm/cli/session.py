"""The local and the remote node: the configuration and the command line together."""

import os
from argparse import Namespace
from typing import TYPE_CHECKING, Any, Final

from dcm.cli.logs import LOG
from dcm.cli.report import Reporter
from dcm.cli.usage import UsageError
from dcm.conf import Configuration, default_path
from dcm.frozen import replace
from dcm.net.entity import LocalEntity

if TYPE_CHECKING:
    from dcm.store.node import NodePlace
    from dcm.store.place import Place
    from dcm.web.remote import WebRemote


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


def place(arguments: Namespace) -> "Place":
    """Return the place that the command line names. Raises `UnprotectedIdentity`."""
    return Opener(arguments).place(arguments.remote)


class Opener:
    """Finds places by their names: in the configuration, or as addresses."""

    def __init__(self, arguments: Namespace) -> None:
        self._arguments: Final = arguments
        self._known: Final = configuration(arguments)
        self._entity: Final = LocalEntity(self._known.local(arguments.local), self._known.limits)

    def place(self, name: str) -> "Place":
        """Return a place. Raises `UnknownNode` and `UnprotectedIdentity`."""
        if (service := self._known.service(name)) is not None:
            return self._web_place(service)
        from dcm.store.node import NodePlace  # noqa: PLC0415 - not for every command

        arguments, remote = self._arguments, self._known.remote(name)
        if arguments.allow_plaintext:
            remote = replace(remote, allow_plaintext=True)
        if arguments.max_associations:
            remote = replace(remote, max_associations=arguments.max_associations)
        remote.check_identity()
        return NodePlace(self._entity, remote, method=getattr(arguments, "method", "auto"))

    def _web_place(self, service: "WebRemote") -> "Place":
        from dcm.store.web import WebPlace  # noqa: PLC0415 - as above

        if self._arguments.allow_plaintext:
            service = replace(service, allow_plaintext=True)
        if self._arguments.max_associations:
            service = replace(service, max_connections=self._arguments.max_associations)
        service.check_credentials()
        return WebPlace(service)

    def of_result(self, source: str) -> "Place":
        """Return the place from which a query result came, which names it by its address."""
        for name, (remote, _) in self._known.remote_nodes.items():
            if str(remote) == source:
                return self.place(name)
        return self.place(source)


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
