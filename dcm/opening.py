"""Find places by name: a name in the configuration, an address, a URL or a path.

opener = Opener(Configuration.read(default_path()))
async with opener.place("mypacs") as place: ...
"""

import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, Final

from dcm.conf import Configuration, LocalDir
from dcm.errors import DcmError
from dcm.frozen import Frozen, replace
from dcm.net.entity import LocalEntity
from dcm.net.remote import Listen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dcm.net.retrieve import Method
    from dcm.store.layout import Layout
    from dcm.store.node import NodePlace
    from dcm.store.place import Place
    from dcm.sync.pace import Pace
    from dcm.web.remote import WebRemote

_DIRECTORY: Final = "DICOMDIR"
_NODE: Final = re.compile(r"[^/]+:[^:]{1,16}:\d{1,5}")


class NotAPlace(DcmError):  # noqa: N818 - reads as the sentence it is
    """A path that cannot be used as a place, or not for this purpose."""


class Opener(Frozen):
    """Opens places, with the settings for using them. It can be pickled.

    local: where we listen; None: as configured. allow_plaintext, max_associations: for all nodes and
    services, instead of the configured values. method: how to retrieve from nodes.
    layout: the layout of new files in folders; None: as configured, or else `dcm.store.layout.DEFAULT`.
    recurse: whether to include subfolders when reading from folders. in_file_ext: the extension of the files
    to read in folders; empty: all files; None: as configured.
    """

    known: Configuration
    local: Listen | None = None
    allow_plaintext: bool = False
    max_associations: int = 0
    method: "Method" = "auto"
    layout: "Layout | None" = None
    recurse: bool = True
    in_file_ext: str | None = None

    @cached_property
    def entity(self) -> LocalEntity:
        """Our own application entity; all nodes share its associations."""
        return LocalEntity(self.local or self.known.local(), self.known.limits)

    def place(self, name: str, *, to_write: bool = False) -> "Place":
        """Return a place. Raises `UnknownNode`, `NotAPlace`, `UnprotectedIdentity` and `NoPassword`.

        to_write: whether instances will be stored there: a folder may have to be created.
        """
        if name in self.known.remote_repos:
            return self._part(name, to_write=to_write)
        if (directory := self.known.local_dirs.get(name)) is not None:
            return self._in_files(directory, name, to_write=to_write)
        if (service := self.known.service(name)) is not None:
            return self._service(service)
        if name not in self.known.remote_nodes and _is_path(name):
            path, colon, template = name.partition(":{")
            return self._in_files(
                LocalDir(path, _layout("{" + template) if colon else None), path, to_write=to_write
            )
        return self.node(name)

    def node(self, name: str) -> "NodePlace":
        """Return a DICOM node. Raises the same errors as `place`."""
        from dcm.store.node import NodePlace  # noqa: PLC0415 - not every program uses nodes

        remote = self.known.remote(name)
        if self.allow_plaintext:
            remote = replace(remote, allow_plaintext=True)
        if self.max_associations:
            remote = replace(remote, max_associations=self.max_associations)
        remote.check_identity()
        return NodePlace(self.entity, remote, method=self.method)

    def _part(self, name: str, *, to_write: bool) -> "Place":
        from dcm.store.part import Part  # noqa: PLC0415 - as above

        whole, base = self.known.remote_repos[name]
        if to_write:
            raise NotAPlace(f"{name} is a part of {whole}, which can only be read")
        if whole in self.known.remote_repos:
            raise NotAPlace(f"{name} is a part of {whole}, which is itself a part")
        return Part(self.place(whole), base, name)

    def _service(self, service: "WebRemote") -> "Place":
        from dcm.store.web import WebPlace  # noqa: PLC0415 - as above

        if self.allow_plaintext:
            service = replace(service, allow_plaintext=True)
        if self.max_associations:
            service = replace(service, max_connections=self.max_associations)
        service.check_credentials()
        return WebPlace(service)

    def _in_files(self, known: LocalDir, name: str, *, to_write: bool) -> "Place":
        path = known.path
        if to_write and known.read_only:
            raise NotAPlace(f"{name} is read-only according to {self.known.path}")
        if os.path.isfile(path) and not to_write:
            return _of_file(path, name)
        if os.path.exists(path) and not os.path.isdir(path):
            raise NotAPlace(f"{path} is a file: instances can only be stored in a folder")
        medium = os.path.join(path, _DIRECTORY)
        if not to_write and os.path.isfile(medium) and not os.access(path, os.W_OK):
            return _of_file(medium, name)
        from dcm.store.directory import Directory  # noqa: PLC0415 - as above
        from dcm.store.layout import DEFAULT  # noqa: PLC0415

        layout = self.layout or known.layout or DEFAULT
        extension = known.in_file_ext if self.in_file_ext is None else self.in_file_ext
        return Directory(
            path, None, layout.path,
            needs=layout.needs, name=name, create=to_write and known.make_missing,
            recurse=to_write or self.recurse, extension="" if to_write else extension,
        )  # fmt: skip

    def paces(self, places: "Sequence[Place]") -> "dict[str, Pace]":
        """Return the limits on how fast and when places may be used, by name; only those that have any."""
        from dcm.sync.pace import Pace  # noqa: PLC0415 - as above

        known = {str(remote): name for name, (remote, _) in self.known.remote_nodes.items()}
        known |= {str(node.known): name for name, node in self.known.web_nodes.items()}
        found = {}
        for place in places:
            limits = self.known.paces.get(known.get(place.name, place.name))
            if limits is not None:
                found[place.name] = Pace(*limits)
        return found

    def of_result(self, source: str) -> "Place":
        """Return the place from which a query result came, which contains its address."""
        for name, (remote, _) in self.known.remote_nodes.items():
            if str(remote) == source:
                return self.place(name)
        return self.place(source)


def _is_path(name: str) -> bool:
    """Return whether a name is a path: an AE title may contain a slash, too."""
    return os.path.exists(name) or (os.sep in name and not _NODE.fullmatch(name))


def _layout(template: str) -> "Layout":
    from dcm.store.layout import Layout  # noqa: PLC0415 - as above

    return Layout(template)


def _of_file(path: str, name: str) -> "Place":
    """Return the place for a zip archive or a DICOMDIR."""
    from dcm.store.media import MediaPlace  # noqa: PLC0415 - as above
    from dcm.store.zipped import ZipPlace  # noqa: PLC0415

    with open(path, "rb") as file:
        head = file.read(4)
    if head[:2] == b"PK":
        return ZipPlace(path, name)
    if os.path.basename(path).upper().startswith(_DIRECTORY):
        return MediaPlace(path, name)
    raise NotAPlace(
        f"{path} is a file, but neither a zip archive nor a DICOMDIR (use dcm store to send single files)"
    )
