"""Replays a finding and reports what happens; the core of the cases generated from findings."""

from pathlib import Path
from typing import TextIO

from harness.fuzz.conversation import Conversation
from harness.fuzz.findings import CONVERSATION, FINDING, load, said
from harness.fuzz.judges import Breach, judge, responses
from harness.fuzz.playing import Patience
from harness.fuzz.starting import Where, begin


def replay(folder: Path, where: Where, limit: float, out: TextIO) -> Breach | None:
    """Play a finding's conversation on a server; write responses to `out`, return the finding."""
    conversation = Conversation.loads((folder / CONVERSATION).read_text())
    known = load(folder).breach if (folder / FINDING).exists() else None
    with begin(where, Patience(stuck=limit)) as subject:
        identity = subject.server.identity
        out.write(f"{identity.product} {identity.version}\n")
        played = subject.play(conversation)
        out.writelines(
            f"  connection {step.line}: {name}\n"
            for step, name in zip(conversation.steps, said(conversation), strict=True)
        )
        out.writelines(
            f"  connection {number} received: {responses(line)}\n"
            for number, line in played.lines.items()
        )
        found = subject.state(doubtful=True) or judge(played) or subject.unreadable(played)
        if found is None and known is not None and known.kind in ("memory", "disk"):
            found = subject.leaves(conversation)
        out.write("nothing was found\n" if found is None else f"{found.kind}: {found.what}\n")
        if found is not None and found.where:
            out.write(f"where: {found.where}\n")
    return found
