"""Findings, kept in folders: one per defect, whichever of several workers found it first."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from harness.fuzz.conversation import Conversation, Step
from harness.fuzz.judges import Breach
from harness.fuzz.subject import Evidence

CONVERSATION, FINDING = "conversation.json", "finding.json"
DOOR: Final = {"dicom": "DICOM (DIMSE)", "http": "HTTP (REST or DICOMweb)"}

BY_DOOR: Final = ("unreadable", "another patient")
"""Kept once per interface: many messages lead to the same defect; nothing else tells them apart."""


@dataclass(frozen=True)
class Server:
    """The server tested, as it identifies itself."""

    product: str
    version: str
    spec: str


@dataclass(frozen=True)
class Finding:
    """A defect: its symptom, and the shortest conversation that shows it."""

    breach: Breach
    conversation: Conversation
    server: Server
    seed: int
    number: int

    @property
    def slug(self) -> str:
        """A name that is the same whenever the same defect is found."""
        what = key(self.breach, self.conversation)
        words = re.sub(r"[^a-z0-9]+", "-", f"{self.breach.kind} {what}".lower()).strip("-")[:60]
        return f"{words}-{hashlib.sha256(what.encode()).hexdigest()[:6]}"


def key(breach: Breach, conversation: Conversation) -> str:
    """Return what identifies a defect: its place in the server, the broken rule or the messages."""
    if breach.kind == "protocol":
        return breach.what
    if breach.kind in BY_DOOR:
        return ", ".join(sorted(_doors(conversation)))
    return breach.where or ", ".join(" ".join(sorted(_traits(each))) for each in conversation.steps)


def said(conversation: Conversation) -> list[str]:
    """Return the kind of each message, in order and without values."""
    return [_said(each) for each in conversation.steps]


def _said(step: Step) -> str:
    if step.door == "dicom":
        return step.message.name
    path = next((part for _, part in step.message.walk() if part.name == "path"), None)
    where = path.content.decode("latin-1") if path and isinstance(path.content, bytes) else ""
    return f"{step.message.name} {re.sub(r'[0-9.]{3,}', 'N', where)}"


class Ledger:
    """The folder of the findings."""

    def __init__(self, folder: Path, server: Server, seed: int) -> None:
        self.folder, self.server, self.seed = folder / "findings", server, seed
        self.folder.mkdir(parents=True, exist_ok=True)
        self.counts: dict[str, int] = {}
        self.once: list[str] = []
        """Findings that could not be reproduced."""

    def knows(self, breach: Breach, conversation: Conversation) -> bool:
        """Return whether a defect was found before, and if so count it."""
        for slug, finding in self.all():
            if not breach.is_like(finding.breach):
                continue
            same = breach.kind == "protocol" or bool(breach.where and finding.breach.where)
            if breach.kind in BY_DOOR:
                same = _doors(finding.conversation) <= _doors(conversation)
            if same or _contains(conversation, finding.conversation):
                self.counts[slug] = self.counts.get(slug, 0) + 1
                return True
        return False

    def all(self) -> Iterator[tuple[str, Finding]]:
        """Yield name and content of each finding."""
        for path in sorted(self.folder.glob(f"*/{FINDING}")):
            yield path.parent.name, load(path.parent)

    def keep(self, breach: Breach, shrunk: Conversation, evidence: Evidence, number: int) -> bool:
        """Keep a finding; return False if it exists already."""
        finding = Finding(breach, shrunk, self.server, self.seed, number)
        folder = self.folder / finding.slug
        self.counts[finding.slug] = self.counts.get(finding.slug, 0) + 1
        try:
            folder.mkdir()
        except FileExistsError:  # another worker was faster
            return False
        save(folder, finding, evidence)
        return True

    def keep_once(self, breach: Breach, conversation: Conversation, evidence: Evidence) -> None:
        """Keep what could not be reproduced, in a folder next to the findings."""
        folder = self.folder.parent / "seen-once"
        folder.mkdir(exist_ok=True)
        name = hashlib.sha256(conversation.dumps().encode()).hexdigest()[:12]
        (folder / f"{name}.json").write_text(conversation.dumps())
        (folder / f"{name}.log").write_text(f"{breach}\n\n{evidence.trace}\n\n{evidence.log}")
        self.once.append(f"{breach.kind}: {breach.what}")


def _contains(longer: Conversation, shorter: Conversation) -> bool:
    """Return whether `longer` contains all messages of `shorter`, in order, with their traits."""
    rest = iter(map(_traits, longer.steps))
    return all(any(wanted <= each for each in rest) for wanted in map(_traits, shorter.steps))


def _doors(conversation: Conversation) -> frozenset[str]:
    return frozenset(each.door for each in conversation.steps)


def _traits(step: Step) -> frozenset[str]:
    """Return the traits of a message: its kind, its header fields, and what lies or is repeated."""
    found = {_said(step)}
    for _, part in step.message.walk():
        if part.lie is not None:
            found.add(f"wrong length of {part.name}")
        if part.times > 1:
            found.add(f"{part.name} is repeated")
        if part.name == "header" and isinstance(part.content, bytes):
            found.add(part.content.partition(b":")[0].strip().decode("latin-1").lower())
    return frozenset(found)


def save(folder: Path, finding: Finding, evidence: Evidence) -> None:
    """Write the folder of a finding; the last file makes it visible to other workers."""
    save_conversation(folder, finding.conversation)
    (folder / "server.log").write_text(evidence.log)
    if evidence.trace:
        (folder / "backtrace.txt").write_text(evidence.trace)
    (folder / "test_finding.py").write_text(CASE)
    (folder / "details.txt").write_text(_details(finding))
    (folder / "tracker.txt").write_text(_tracker(finding))
    known = {
        "breach": asdict(finding.breach), "server": asdict(finding.server), "seed": finding.seed,
        "number": finding.number,
    }  # fmt: skip
    (folder / FINDING).write_text(json.dumps(known, indent=1))


def save_conversation(folder: Path, conversation: Conversation) -> None:
    """Write the messages, as a tree of parts and as the bytes of each."""
    (folder / CONVERSATION).write_text(conversation.dumps())
    messages = folder / "messages"
    messages.mkdir(exist_ok=True)
    for number, each in enumerate(conversation.steps, start=1):
        name = f"{number:02}-connection-{each.line}-{each.door}.bin"
        (messages / name).write_bytes(each.message.render())


def load(folder: Path) -> Finding:
    """Read the folder of a finding."""
    known = json.loads((folder / FINDING).read_text())
    conversation = Conversation.loads((folder / CONVERSATION).read_text())
    breach, server = Breach(**known["breach"]), Server(**known["server"])
    return Finding(breach, conversation, server, known["seed"], known["number"])


def _details(finding: Finding) -> str:
    breach, conversation = finding.breach, finding.conversation
    messages, size = conversation.size
    lines = [
        f"{breach.kind}: {breach.what}",
        f"where: {breach.where or 'unknown'}",
        f"server: {finding.server.product} {finding.server.version}",
        f"input: {messages} messages, {size} bytes; number {finding.number} of seed {finding.seed}",
        f"made from: {', '.join(conversation.seeds)}; bent: {'; '.join(conversation.mutations)}",
        "",
        *(
            f"{number:3}  connection {each.line}  {each.door}  {said_one}, then {each.then}"
            for number, (each, said_one) in enumerate(
                zip(conversation.steps, said(conversation), strict=True), start=1
            )
        ),
        "",
        f"harness fuzz {finding.server.spec} --replay .      replays it, and reports what happens",
        "harness run test_finding.py                 runs it as a case",
    ]
    return "\n".join(lines) + "\n"


def _tracker(finding: Finding) -> str:
    """Return what can be published: no input, no location, nothing that helps an attacker."""
    doors = sorted({DOOR[each.door] for each in finding.conversation.steps})
    kinds = {
        "death": "a process of the server dies",
        "hang": "the server no longer answers other clients",
        "memory": "memory is leaked, or far more is used than was sent",
        "disk": "unreferenced files are left behind",
        "protocol": "an answer breaks the protocol",
        "unreadable": "an object is accepted but cannot be read",
        "another patient": "an answer may contain data of another patient",
    }
    return (
        f"{finding.server.product} {finding.server.version}: {kinds[finding.breach.kind]}\n\n"
        f"After messages of a peer to {' and '.join(doors)}, {kinds[finding.breach.kind]}. This is"
        " reproducible. The input, its description and the log are not attached here, since they may show"
        " how to attack other installations: where can they be sent confidentially?\n"
    )


CASE: Final = '''\
"""A conversation that a server did not survive, or answered wrongly."""

from pathlib import Path

from harness.cases import Party, Suite, assert_survives

suite = Suite()
HERE = Path(__file__).parent


@suite.case("FUZZ-001", ref="robustness", level="quality")
def test_finding(remote: Party) -> None:
    """The server answers or closes, another client is served, and no answer breaks the protocol."""
    assert_survives(remote, (HERE / "conversation.json").read_text())
'''
