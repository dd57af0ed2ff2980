"""Shrinks a conversation while it still shows what was found: fewest messages, then fewest bytes.

It removes parts rather than bytes: the enclosing lengths follow, so what is left of a valid message
stays valid. It works for any conversation and any predicate; `harness bisect` uses it too.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from harness.fuzz.conversation import Conversation
from harness.fuzz.parts import Part, Path

T = TypeVar("T")
Still = Callable[[Conversation], bool]
FINE: Final = 96
"""Up to this many bytes, each byte of a leaf is tried on its own."""


class _Spent(Exception):  # noqa: N818 - no error
    """The attempts or the time are used up."""


@dataclass
class Shrinking:
    """One conversation that is being shrunk; `attempts` and `seconds` limit the cost."""

    best: Conversation
    still: Still
    attempts: int = 800
    seconds: float = 90.0
    _seen: set[str] = field(default_factory=set, repr=False)

    def run(self) -> Conversation:
        """Return the smallest conversation found."""
        self._deadline = time.monotonic() + self.seconds
        try:
            before = None
            while before != self.best:
                before = self.best
                self._fewer_steps()
                for number in range(len(self.best.steps)):
                    self._repeat_less(number)
                    self._smaller_message(number)
        except _Spent:
            pass
        return self.best

    def _try(self, candidate: Conversation) -> bool:
        """Accept a candidate if it is smaller and still shows the finding."""
        if not candidate.steps or cost(candidate) >= cost(self.best):
            return False
        text = candidate.dumps()
        if text in self._seen:
            return False
        self._seen.add(text)
        if self.attempts <= 0 or time.monotonic() > self._deadline:
            raise _Spent
        self.attempts -= 1
        if not self.still(candidate):
            return False
        self.best = candidate
        return True

    def _fewer_steps(self) -> None:
        reduced(self.best.steps, lambda steps: self._try(replace(self.best, steps=tuple(steps))))

    def _smaller_message(self, number: int) -> None:
        """Shrink one message, its large parts first."""
        at = 0
        while at < len(paths := [path for path, _ in self.best.steps[number].message.walk()]):
            path = paths[at]
            if not any(self._try_part(number, path, each) for each in self._simpler(number, path)):
                self._fewer_children(number, path)
                self._fewer_bytes(number, path)
                at += 1

    def _repeat_less(self, number: int) -> None:
        """Repeat as little as possible: a part within, rather than all of it."""
        at = 0
        while at < len(paths := [path for path, _ in self.best.steps[number].message.walk()]):
            part = self.best.steps[number].message.at(paths[at])
            if part.times == 1 or not any(
                self._try_part(number, paths[at], (each,)) for each in _inwards(part)
            ):
                at += 1

    def _simpler(self, number: int, path: Path) -> Iterator[tuple[Part, ...]]:
        """Yield replacements for a part: nothing, itself made simpler, or its children."""
        part = self.best.steps[number].message.at(path)
        if path:
            yield ()
        if part.content:
            yield (replace(part, content=b""),)
        if part.lie is not None:
            yield (replace(part, lie=None),)
        if part.tail:
            yield (replace(part, tail=b""),)
        if path and part.children():
            yield part.children()
        if part.times > 1:
            for fewer in sorted({1, part.times // 2, part.times * 3 // 4, part.times * 15 // 16}):
                yield (replace(part, times=max(1, fewer)),)

    def _try_part(self, number: int, path: Path, parts: tuple[Part, ...]) -> bool:
        steps = list(self.best.steps)
        steps[number] = replace(steps[number], message=steps[number].message.with_at(path, *parts))
        return self._try(replace(self.best, steps=tuple(steps)))

    def _fewer_children(self, number: int, path: Path) -> None:
        part = self.best.steps[number].message.at(path)
        if len(part.children()) > 3:
            reduced(
                part.children(),
                lambda some: self._try_part(number, path, (replace(part, content=tuple(some)),)),
            )

    def _fewer_bytes(self, number: int, path: Path) -> None:
        part = self.best.steps[number].message.at(path)
        if isinstance(part.content, bytes) and len(part.content) > 1:
            reduced(
                part.content,
                lambda some: self._try_part(number, path, (replace(part, content=bytes(some)),)),
                finest=1 if len(part.content) <= FINE else len(part.content) // 32,
            )


def _inwards(part: Part) -> Iterator[Part]:
    """Yield a repeated part with only one of its children repeated instead."""
    for at, child in enumerate(part.children()):
        inner = replace(child, times=child.times * part.times)
        yield replace(
            part, times=1, content=(*part.children()[:at], inner, *part.children()[at + 1 :])
        )


def cost(conversation: Conversation) -> tuple[int, int, int]:
    """Return what is minimised: messages, bytes, and lengths that lie."""
    parts = (part for step in conversation.steps for _, part in step.message.walk())
    return *conversation.size, sum(part.lie is not None for part in parts)


def reduced(
    items: Sequence[T], test: Callable[[Sequence[T]], bool], finest: int = 1
) -> Sequence[T]:
    """Return a subsequence of `items` for which `test` holds and which cannot be reduced further.

    This is the delta debugging of Zeller and Hildebrandt (2002), without its tests of subsets
    alone.
    """
    size = max(1, len(items) // 2)
    while True:
        at = len(items)
        while at > 0:
            begin = max(0, at - size)
            fewer = (*items[:begin], *items[at:])
            if len(fewer) < len(items) and test(fewer):
                items = fewer
            at = begin
        if size <= finest:
            return items
        size = max(finest, size // 2)
