"""The inputs of a run: a seed and a number always yield the same input."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final

from harness.fuzz import dicom, web
from harness.fuzz.conversation import Conversation
from harness.fuzz.mutate import LARGEST, bent, disordered

UNBENT: Final = 0.03
"""The share of inputs that are valid: a server must keep answering those."""
DISORDERED: Final = 0.2
"""The share of mutations that change the order of messages, or the connections."""


def valid(
    doors: frozenset[str], *, root: str | None, is_orthanc: bool, moves: bool
) -> list[Conversation]:
    """Return the valid conversations for a server with these interfaces."""
    found: list[Conversation] = []
    if "dicom" in doors:
        found += dicom.conversations(moves=moves)
    if "http" in doors:
        found += web.conversations(root, is_orthanc=is_orthanc)
    return found


class Source:
    """Makes inputs from valid conversations."""

    def __init__(self, seed: int, conversations: Sequence[Conversation]) -> None:
        """`conversations`: our own, and those recorded in a run of the suites."""
        self.seed = seed
        self._conversations: Final = tuple(conversations)
        kinds: dict[str, list[Conversation]] = {}
        for each in conversations:
            kinds.setdefault(each.seeds[0].partition(" ")[0], []).append(each)
        self._kinds: Final = tuple(kinds.values())
        self._messages: Final = {
            door: [
                step.message for each in conversations for step in each.steps if step.door == door
            ]
            for door in ("dicom", "http")
        }

    def __getitem__(self, number: int) -> Conversation:
        """Return the input with this number."""
        random = Random(f"{self.seed} {number}")
        made = random.choice(random.choice(self._kinds))
        if random.random() < UNBENT:
            return made
        mutations: list[str] = []
        wanted = random.choice((1, 1, 1, 2, 2, 3, 5))
        for _ in range(4 * wanted):  # not every mutation applies to every part
            made, name = self._bent(random, made)
            mutations += [name] if name else []
            if len(mutations) == wanted:
                break
        return replace(made, mutations=tuple(mutations))

    def _bent(self, random: Random, made: Conversation) -> tuple[Conversation, str]:
        """Mutate a conversation once; return it and the mutation's name, "" if it did not apply."""
        if random.random() < DISORDERED:
            door = made.steps[0].door
            near = [each for each in self._conversations if each.steps[0].door == door]
            return disordered(random, made, near, dicom.STRAYS)
        at = random.randrange(len(made.steps))
        step = made.steps[at]
        found = bent(random, step.message, self._messages[step.door])
        if found is None or len(found[0].render()) > LARGEST:
            return made, ""
        steps = (*made.steps[:at], replace(step, message=found[0]), *made.steps[at + 1 :])
        return replace(made, steps=steps), found[1]
