"""Some steps of a probe alone, for tests that look at one thing."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from harness.capability import ProbeResult, Target, associations
from harness.capability.associations import Negotiated
from harness.capability.notebook import Notebook
from harness.capability.peer import Peer

Step = Callable[[Peer, Notebook, Negotiated], Coroutine[Any, Any, object]]


def steps(target: Target, *wanted: Step) -> Notebook:
    """Take some steps, after the one that finds the accepted classes."""

    async def take() -> None:
        peer = Peer(target)
        found = Negotiated()
        await associations._classes(peer, notes, found)
        for step in wanted:
            await step(peer, notes, found)

    notes = Notebook(lambda _: None)
    asyncio.run(take())
    return notes


def unlike(notes: Notebook, honest: ProbeResult) -> dict[str, str]:
    """Give the contradictions that the probe of an honest server does not have, by id."""
    known = {str(each) for each in honest.contradictions}
    return {each.id: str(each) for each in notes.contradictions if str(each) not in known}
