"""Whether two places are the same: a folder under two names or inside the other, a node under two names."""

import os
import socket
from collections.abc import Sequence
from typing import Final

from dcm.errors import DcmError
from dcm.store.place import Place

_PORTS: Final = {"http": 80, "https": 443}


class SamePlace(DcmError):  # noqa: N818 - reads as the sentence it is
    """A source that is also a destination, or two sources or destinations that are one."""


def require_different(sources: Sequence[Place], destinations: Sequence[Place]) -> None:
    """Raise `SamePlace` unless all of them are different places. It may look up the names of hosts."""
    for source in sources:
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
    """Return how two places are the same, in words; empty if they are not, as far as that can be told."""
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
    """Return whether two paths lead to the same folder; one that is not there yet has its name alone."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def _folder(place: Place) -> str:
    """Return the path of a folder; empty if a place is none. Its class is not imported: that is slow."""
    path = str(getattr(place, "path", ""))
    return "" if os.path.isfile(path) else path


def _address(place: Place) -> tuple[object, ...] | None:
    """Return the host of a place and what else tells it apart: AE titles of one port may be archives."""
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
