"""Pair the instances of two collections by SOP Instance UID, or else by name.

    for left, right in paired(in_one_folder, in_another):
        ...                 # None on the side that lacks it

A collection is any iterable of `Held`: the files in a folder, or instances fetched from an archive.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Held(NamedTuple):
    """An instance in a file.

    name: its name in the collection, such as its path within the folder. origin: shown to people instead of
    its path, if the file exists only for the comparison.
    """

    sop_instance_uid: str
    name: str
    path: str
    study_instance_uid: str = ""
    origin: str = ""

    def __str__(self) -> str:
        return self.origin or self.path


def paired(
    left: Iterable[Held], right: Iterable[Held]
) -> Iterator[tuple[Held | None, Held | None]]:
    """Yield pairs in the order of the left instances, then the instances that are only on the right.

    Among several instances with the same UID, those with the same name are paired, and the others in order.
    Otherwise names are used only for instances whose UID is missing on the other side.
    """
    by_uid: defaultdict[str, list[Held]] = defaultdict(list)
    for each in right:
        by_uid[each.sop_instance_uid].append(each)
    ours = [*left]
    known = {each.sop_instance_uid for each in ours}
    by_name = {each.name: each for uid, some in by_uid.items() if uid not in known for each in some}
    named = {(each.sop_instance_uid, each.name) for each in ours}
    for each in ours:
        same = by_uid.get(each.sop_instance_uid, [])
        if same:
            yield each, _taken(same, each.name, named)
            continue
        other = None if each.sop_instance_uid in by_uid else by_name.pop(each.name, None)
        if other is not None:
            by_uid[other.sop_instance_uid].remove(other)
        yield each, other
    for some in by_uid.values():
        yield from ((None, each) for each in some)


def _taken(same: list[Held], name: str, named: set[tuple[str, str]]) -> Held | None:
    """Remove and return the instance with this name, else the first that no name on the left claims."""
    for place, each in enumerate(same):
        if each.name == name:
            return same.pop(place)
    for place, each in enumerate(same):
        if (each.sop_instance_uid, each.name) not in named:
            return same.pop(place)
    return None
