"""Whether two places are the same, such as one folder inside another, or a node with two names."""

import os
import socket
from collections.abc import Sequence
from typing import Final

from dcm.errors import DcmError
from dcm.store.place import Place

_PORTS: Final = {"http": 80, "https": 443}


class SamePlace(DcmError):  # noqa: N818 - reads as the sentence it is
    """A source is also a destination, or two sources or destinations are the same."""


def require_different(sources: Sequence[Place], destinations: Sequence[Place]) -> None:
    """Raise `SamePlace` unless all of them are different places. It may look up host names."""
    for source in (getattr(each, "whole", each) for each in sources):  # the place of a part
        for destination in destinations:
            if words := _relation(source, destination):
                if source.name == destination.name:
                    words = f"{source.name} is both a source and a destination"
                raise SamePlace(words)
    for what, places in (("sources", sources), ("destinations", destinations)):
        for number, one in enumerate(places):
            for other in places[:number]:
                if words := _relation(other, one):
                    raise SamePlace(f"of the {what}, {words}")


def _relation(one: Place, other: Place) -> str:
    """Describe how two places are the same, or return empty if they are not, as far as is known."""
    if one.name == other.name:
        return f"{one.name} is given twice"
    folders = _folder(one), _folder(other)
    if folders[0] and folders[1]:
        return _of_folders(*folders)
    here, there = _address(one), _address(other)
    if here is None or there is None or here[1:] != there[1:]:
        return ""
    if here[0] == there[0] or _resolved(here[0]) & _resolved(there[0]):
        return f"{one.name} and {other.name} are the same"
    return ""


def _of_folders(one: str, other: str) -> str:
    inside = {True: f"{other} is inside {one}", False: f"{one} is inside {other}"}
    for outer, inner, words in ((one, other, inside[True]), (other, one, inside[False])):
        path = os.path.realpath(inner)
        while True:
            if _is_same(path, outer):
                same = path == os.path.realpath(inner)
                return f"{one} and {other} are the same folder" if same else words
            above = os.path.dirname(path)
            if above == path:
                break
            path = above
    return ""


def _is_same(one: str, other: str) -> bool:
    """Return whether two paths are the same folder; a missing folder is compared by name."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def _folder(place: Place) -> str:
    """Return the path of a folder, else empty. Its class is not imported: that is slow."""
    path = str(getattr(place, "path", ""))
    return "" if os.path.isfile(path) else path


def _address(place: Place) -> tuple[object, ...] | None:
    """Return the host of a place, and AE titles, as one port may serve several archives."""
    remote = getattr(place, "remote", None)
    if (node := getattr(remote, "node", None)) is not None:
        return node.host.lower(), node.ae_title, node.port
    if (text := getattr(remote, "url", None)) is not None:
        from urllib.parse import urlsplit  # noqa: PLC0415 - slow, and only for services

        url = urlsplit(text)
        port = url.port or _PORTS.get(url.scheme, 0)
        return (url.hostname or "").lower(), port, url.path.rstrip("/")
    return None


def _resolved(host: object) -> set[object]:
    try:
        found = socket.getaddrinfo(str(host), None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {address[0] for *_, address in found}
