"""Replace UIDs consistently by new ones, and restore them.

    remap = UidFilter(read_key("secret.key"), SqliteUids("uids.sqlite"))

A new UID is derived from the old one and a key by HMAC-SHA-256, in the form `2.25.` and a UUID as a number
(PS3.5 B.2). With the key, it is the same in every run; without it, the old UID cannot be determined.
Well-known UIDs are kept: those of PS3.6 Annex A, and the values of all elements for SOP classes, transfer
syntaxes, coding schemes and similar identifiers.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from functools import cache, partial
from typing import Final

from dcm.data.dictionary import tag_of, vr_of
from dcm.data.match import Attributes, Value
from dcm.data.plan import KEEP, CannotEdit, Change, Mark, Met, Plan
from dcm.data.target import Target
from dcm.filt.base import UNIQUE_KEYS
from dcm.filt.instance import edited
from dcm.filt.uid_map import MemoryUids, UidMap
from dcm.instances import Instance

_STANDARD: Final = "1.2.840.10008."
_ALL_UIDS: Final = "**.UI"
_KNOWN_TO_ALL: Final = re.compile(
    "SOPClass|ClassUID|TransferSyntax|CodingScheme|ContextUID|ContextGroup|MappingResource"
)
_TARGET: Final = Target.of(_ALL_UIDS)
_SHORTEST_KEY: Final = 16
_REMEMBERED: Final = 1 << 14
"""The number of UIDs that are kept in memory to avoid looking them up again."""


class UidFilter:
    """Replaces all UIDs by new ones, including sequences and private elements; see `dcm.filt.base.Filter`.

    key: at least 16 bytes; None for a random one: then only `uids` can restore or repeat the replacement.
    """

    reads: Final = frozenset((_ALL_UIDS,))
    writes: Final = frozenset((_ALL_UIDS,))
    invertible: Final = True

    def __init__(self, key: bytes | None = None, uids: UidMap | None = None) -> None:
        key = secrets.token_bytes(32) if key is None else key
        if len(key) < _SHORTEST_KEY:
            raise CannotEdit(f"a key of {len(key)} bytes is too short: {_SHORTEST_KEY} are needed")
        self._key: Final = key
        self.uids: Final[UidMap] = MemoryUids() if uids is None else uids
        self._known: Final[dict[str, str]] = {}

    def new(self, old: str) -> str:
        """Return the new UID for an old one, and store it; well-known UIDs are not changed."""
        fresh: dict[str, str] = {}
        found = self._new(old, fresh)
        self._keep(fresh)
        return found

    def old(self, new: str) -> str:
        """Return the old UID for a new one; an unknown UID is not changed."""
        return self.uids.old(new) or new

    def inverse(self) -> "RestoringFilter":
        """Return a filter that restores the old UIDs."""
        return RestoringFilter(self)

    def apply(self, instance: Instance, remarks: list[str] | None = None) -> Instance:
        """Replace all UIDs; see `Filter.apply`."""
        fresh: dict[str, str] = {}
        replaced = _replaced(instance, partial(self._new, fresh=fresh), remarks)
        self._keep(fresh)
        return replaced

    def forward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.forward`."""
        fresh: dict[str, str] = {}
        found = _mapped(attributes, partial(self._new, fresh=fresh))
        self._keep(fresh)
        return found

    def backward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.backward`; None for an entity that did not go through this filter."""
        for keyword in UNIQUE_KEYS & attributes.keys():
            uid = attributes[keyword]
            if vr_of(keyword) == "UI" and uid and self.uids.old(str(uid)) is None:
                return None
        return _mapped(attributes, self.old)

    def _new(self, old: str, fresh: dict[str, str]) -> str:
        if is_known_to_all(old):
            return old
        known = self._known.get(old) or fresh.get(old) or self.uids.get(old)
        if known is None:
            known = fresh[old] = hashed_uid(self._key, old)
        return known

    def _keep(self, fresh: dict[str, str]) -> None:
        if fresh:
            self.uids.put(fresh)
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            self._known.update(fresh)


class RestoringFilter:
    """Restores the UIDs that a `UidFilter` replaced, if its map contains them."""

    reads: Final = frozenset((_ALL_UIDS,))
    writes: Final = frozenset((_ALL_UIDS,))
    invertible: Final = True

    def __init__(self, of: UidFilter) -> None:
        self._of: Final = of

    def apply(self, instance: Instance, remarks: list[str] | None = None) -> Instance:
        """Restore them; see `Filter.apply`."""
        return _replaced(instance, self._of.old, remarks)

    def forward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.forward`."""
        return _mapped(attributes, self._of.old)

    def backward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.backward`."""
        return _mapped(attributes, self._of.new)


def hashed_uid(key: bytes, old: str) -> str:
    """Return the UID derived from an old one with a key: a UUID of version 4 (RFC 9562) as a number."""
    number = int.from_bytes(hmac.digest(key, old.encode(), hashlib.sha256)[:16])
    number = number & ~(0xF << 76) | 4 << 76
    number = number & ~(0b11 << 62) | 0b10 << 62
    return f"2.25.{number}"


def read_key(path: str | os.PathLike[str]) -> bytes:
    """Return the key in a file; if it does not exist, create one that only its owner can read.

    Raises `OSError`, and `CannotEdit` for a key that is too short.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            key = file.read().strip()
    except FileNotFoundError:
        key = secrets.token_hex(32).encode()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as made:  # noqa: PTH123
            made.write(key + b"\n")
            made.flush()
            os.fsync(descriptor)
    if len(key) < _SHORTEST_KEY:
        raise CannotEdit(
            f"{os.fspath(path)}: a key of {len(key)} bytes is too short: {_SHORTEST_KEY} are needed"
        )
    return key


def is_known_to_all(uid: str) -> bool:
    """Return whether a UID belongs to the standard, or is empty."""
    return not uid or uid.startswith(_STANDARD) or uid in _dictionary()


def keeps_its_uids(tag: int) -> bool:
    """Return whether an element contains UIDs of classes or codes, rather than of individual objects."""
    return tag in _kept()


@cache
def _dictionary() -> frozenset[str]:
    from pydicom.uid import UID_dictionary  # noqa: PLC0415 - slow to import

    return frozenset(UID_dictionary)


@cache
def _kept() -> frozenset[int]:
    from pydicom.datadict import DicomDictionary  # noqa: PLC0415 - as above

    return frozenset(
        tag
        for tag, entry in DicomDictionary.items()
        if entry[0] == "UI" and _KNOWN_TO_ALL.search(entry[4])
    )


def _replaced(
    instance: Instance, mapped: Callable[[str], str], remarks: list[str] | None
) -> Instance:
    def function(met: Met) -> str | Mark:
        text = met.text
        if not text or keeps_its_uids(met.tag):
            return KEEP
        changed = _each(text, mapped)
        return KEEP if changed == text else changed

    return edited(instance, Plan([Change(_TARGET, function)]), remarks)


def _mapped(attributes: Attributes, mapped: Callable[[str], str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for keyword, value in attributes.items():
        if not isinstance(value, str):
            found[keyword] = [_mapped(item, mapped) for item in value]
        elif vr_of(keyword) == "UI" and not keeps_its_uids(tag_of(keyword)):
            found[keyword] = _each(value, mapped)
        else:
            found[keyword] = value
    return found


def _each(text: str, mapped: Callable[[str], str]) -> str:
    return "\\".join(mapped(each.strip()) for each in text.split("\\"))
