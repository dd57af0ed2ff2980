"""Which instances of two collections belong together: those with the same SOP Instance UID, else by name.

    for left, right in paired(in_one_folder, in_another):
        ...                 # None on the side that lacks it

A collection is any iterable of `Held`: the files of a folder, or what was fetched from an archive.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Held(NamedTuple):
    """An instance in a file.

    name: what it is called among the others, as its path in their folder. origin: what people are told in
    place of its path, of a file that is there only to be compared.
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
    """Yield pairs, in the order of the left ones; then those that are only right.

    Of several instances with the same UID, those with the same name belong together, and then the first with
    the first. Names count only for instances whose UID the other side lacks.
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
    """Take the one with that name, else the first whose name no other one has."""
    for place, each in enumerate(same):
        if each.name == name:
            return same.pop(place)
    for place, each in enumerate(same):
        if (each.sop_instance_uid, each.name) not in named:
            return same.pop(place)
    return None
