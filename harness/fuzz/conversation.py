"""Conversations: messages on one or more connections, which can be stored, replayed and shrunk."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

from harness.fuzz.parts import Part

Door = Literal["dicom", "http"]
Then = Literal["answer", "on", "finish", "drop"]
"""What follows a message: wait for an answer, go on at once, shut down our side, or disconnect."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message, its connection, which the first message opens, and what follows."""

    line: int
    door: Door
    message: Part
    then: Then = "answer"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        message = self.message.as_json()
        return {"line": self.line, "door": self.door, "then": self.then, "message": message}

    @classmethod
    def from_json(cls, known: dict[str, Any]) -> "Step":
        """Read what `as_json` returned."""
        message = Part.from_json(known["message"])
        return cls(known["line"], known["door"], message, known["then"])


@dataclass(frozen=True, slots=True)
class Conversation:
    """Steps in order, the seeds they were made from, and their mutations."""

    steps: tuple[Step, ...]
    seeds: tuple[str, ...] = ()
    mutations: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Number of messages and of bytes, which shrinking minimises."""
        return len(self.steps), sum(len(each.message.render()) for each in self.steps)

    @property
    def outline(self) -> str:
        """Interface and kind of each message, in order."""
        said = (f"{each.door} {each.message.name}" for each in self.steps)
        return ", ".join(name for name, _ in groupby(said))

    def then(self, others: "Iterable[Conversation]") -> "Conversation":
        """Return one conversation that plays this one to its end, then the others."""
        steps: list[Step] = []
        for each in (self, *others):
            first = 1 + max((step.line for step in steps), default=-1)
            last = {step.line: number for number, step in enumerate(each.steps)}
            steps += (
                replace(step, line=first + step.line, then=_ended(step.then))
                if last[step.line] == number
                else replace(step, line=first + step.line)
                for number, step in enumerate(each.steps)
            )
        return replace(self, steps=tuple(steps))

    def dumps(self) -> str:
        """Return it as the text of a file."""
        steps = [each.as_json() for each in self.steps]
        made = {"seeds": self.seeds, "mutations": self.mutations}
        return json.dumps({"version": 1, **made, "steps": steps}, indent=1)

    @classmethod
    def loads(cls, text: str) -> "Conversation":
        """Read what `dumps` returned."""
        known = json.loads(text)
        steps = tuple(map(Step.from_json, known["steps"]))
        return cls(steps, tuple(known["seeds"]), tuple(known["mutations"]))


def _ended(then: Then) -> Then:
    return then if then == "drop" else "finish"
