"""The SOP classes and transfer syntaxes offered to an archive that will send on our association (C-GET).

Only one transfer syntax is accepted for a presentation context, so each combination needs its own context to
be sent as it is stored. There are 128, which limits the number of classes or syntaxes.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from dcm.net.uids import NATIVE
from dcm.wire import PresentationContextRQ, RoleSelection

MOST_CONTEXTS: Final = 126
"""Out of 128; the others are for C-GET itself, in two information models."""

STORED_AS_IT_IS: Final = tuple(
    f"1.2.840.10008.1.2.{rest}"
    for rest in (
        *("4.50", "4.70", "4.90", "4.91", "4.80", "4.81", "5", "4.51", "4.57"),
        *("4.201", "4.202", "4.203", "4.100", "4.102", "4.103", "1.99", "2"),
    )
)
"""JPEG, JPEG 2000, JPEG-LS, RLE, HTJ2K, MPEG, deflated, big endian: the common ones first."""

_EACH: Final = len(NATIVE) + len(STORED_AS_IT_IS)
CLASSES_AT_ONCE: Final = MOST_CONTEXTS // _EACH
"""The number of classes for which one association has room for a context per transfer syntax."""


def _storage(*endings: str) -> tuple[str, ...]:
    return tuple(f"1.2.840.10008.5.1.4.1.1.{ending}" for ending in endings)


COMMON_CLASSES: Final = _storage(
    *("2", "4", "1", "1.1", "1.2", "6.1", "3.1", "7", "12.1", "12.2", "20", "128", "2.1", "4.1"),
    *("2.2", "4.2", "4.3", "4.4", "1.1.1", "1.2.1", "1.3", "1.3.1", "6.2", "6.3", "7.1", "7.2"),
    *("7.3", "7.4", "9.1.1", "9.1.2", "9.1.3", "11.1", "12.1.1", "12.2.1", "13.1.1", "13.1.3"),
    *("30", "66", "66.1", "66.3", "66.4", "66.5", "77.1.1", "77.1.2", "77.1.4", "77.1.5.1"),
    *("77.1.5.4", "77.1.6", "88.11", "88.22", "88.33", "88.34", "88.40", "88.50", "88.59"),
    *("88.67", "104.1", "104.2", "128.1", "130", "481.1", "481.2", "481.3", "481.5"),
)
"""The classes in most archives: offered if the archive does not return the classes of its instances."""


def groups(classes: Iterable[str]) -> list[list[str]]:
    """Group SOP classes so that each group can be offered on one association.

    Unknown classes, given as empty texts, form a group for which all common classes are offered.
    """
    distinct = dict.fromkeys(classes)
    known = [uid for uid in distinct if uid]
    found = [known[at : at + CLASSES_AT_ONCE] for at in range(0, len(known), CLASSES_AT_ONCE)]
    return [*found, []] if "" in distinct else found


def few_classes(first: Iterable[str]) -> list[str]:
    """Return as many classes as fit with all transfer syntaxes: these, and the most common ones."""
    return list(dict.fromkeys([*first, *COMMON_CLASSES]))[:CLASSES_AT_ONCE]


@lru_cache(maxsize=16)
def contexts_for(classes: tuple[str, ...], first_id: int) -> tuple[PresentationContextRQ, ...]:
    """Offer classes with one context per transfer syntax; without any, the common ones with two each."""
    offers: list[tuple[str, tuple[str, ...]]] = [
        (uid, (syntax,)) for uid in classes for syntax in (*NATIVE, *STORED_AS_IT_IS)
    ]
    if not classes:
        offers = [(uid, few) for few in (NATIVE, STORED_AS_IT_IS) for uid in COMMON_CLASSES]
    return tuple(
        PresentationContextRQ(first_id + 2 * place, uid, syntaxes)
        for place, (uid, syntaxes) in enumerate(offers[:MOST_CONTEXTS])
    )


@lru_cache(maxsize=16)
def roles_for(classes: tuple[str, ...]) -> tuple[RoleSelection, ...]:
    """Offer to be the SCP of these classes, or the common ones (PS3.7 D.3.3.4)."""
    return tuple(RoleSelection(uid, scu=False, scp=True) for uid in classes or COMMON_CLASSES)
