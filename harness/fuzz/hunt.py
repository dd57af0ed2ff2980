"""The run of one worker: plays inputs; confirms, shrinks and keeps what looks like a finding."""

import contextlib
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from harness.errors import ServerError
from harness.fuzz.conversation import Conversation
from harness.fuzz.findings import Ledger
from harness.fuzz.judges import Breach, judge, responses
from harness.fuzz.playing import Played
from harness.fuzz.shrink import Shrinking
from harness.fuzz.source import Source
from harness.fuzz.subject import FILL, LEAP, Subject

TOGETHER: Final = 10
"""Number of inputs played concurrently."""
THOROUGHLY: Final = 10
"""Every this many batches, another client checks the server though nothing looks wrong."""
AFRESH: Final = 200
"""Every this many batches, the server is restarted: stored objects take up space."""
WINDOWS: Final = (TOGETHER, 4 * TOGETHER)
"""How many of the last inputs are replayed in sequence if none alone reproduces the finding."""
FATAL: Final = ("death", "hang", "memory", "disk")
"""After these the server is restarted, whether the finding is known or not."""


@dataclass
class Coverage:
    """Which messages were sent, in which state and with which mutations, and the responses."""

    inputs: int = 0
    seconds: float = 0.0
    next: int = 0
    bent: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Message and mutation."""
    received: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Message and response."""
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Message, and the previous one on the connection."""

    def note(self, conversation: Conversation, played: Played) -> None:
        """Count one input."""
        self.inputs += 1
        last: dict[int, str] = {}
        for step in conversation.steps:
            name = f"{step.door} {step.message.name}"
            self.states[name, last.get(step.line, "nothing")] += 1
            last[step.line] = step.message.name
            for each in conversation.mutations:
                self.bent[name, each.partition(" ")[0]] += 1
        for number, line in played.lines.items():
            steps = [each for each in conversation.steps if each.line == number]
            self.received[f"{line.door} {steps[-1].message.name}", responses(line)] += 1

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        tables = {
            name: [[*pair, count] for pair, count in getattr(self, name).items()]
            for name in ("bent", "received", "states")
        }
        return {"inputs": self.inputs, "seconds": self.seconds, "next": self.next, **tables}

    def add(self, known: dict[str, Any]) -> None:
        """Add the counts of another worker, or of an earlier run."""
        self.inputs += known["inputs"]
        self.seconds += known["seconds"]
        self.next = max(self.next, known["next"])
        for name in ("bent", "received", "states"):
            for first, second, count in known[name]:
                getattr(self, name)[first, second] += count


class Hunt:
    """Plays the inputs of a source on a subject."""

    def __init__(
        self,
        subject: Subject,
        source: Source,
        ledger: Ledger,
        tell: Callable[[str], None],
        until: float,
    ) -> None:
        """`until`: when to stop, by `time.monotonic`; a current finding is still shrunk quickly."""
        self.subject, self.source, self.ledger, self.tell, self.until = (
            subject, source, ledger, tell, until,
        )  # fmt: skip
        self.coverage = Coverage()
        self._memory, self._leap = subject.memory(), LEAP
        self._recent: deque[Conversation] = deque(maxlen=max(WINDOWS))

    def run(self, numbers: Iterable[int], every: Callable[[], None] = lambda: None) -> None:
        """Play the inputs with these numbers until time is up; call `every` periodically."""
        begun = time.monotonic()
        left = iter(numbers)
        with ThreadPoolExecutor(TOGETHER) as pool:
            for batch in itertools.count(1):
                if time.monotonic() > self.until:
                    break
                chosen = list(itertools.islice(left, TOGETHER))
                if not chosen:
                    break
                self._batch(chosen, pool, thoroughly=batch % THOROUGHLY == 0)
                self.coverage.next = chosen[-1] + 1
                self.coverage.seconds = time.monotonic() - begun
                if batch % THOROUGHLY == 0:
                    every()
                if batch % AFRESH == 0:
                    self._restart()
        every()

    def _restart(self) -> None:
        self.subject.restart()
        self._memory = self.subject.memory()

    def _batch(self, numbers: Sequence[int], pool: Executor, *, thoroughly: bool) -> None:
        """Play inputs concurrently, since most time is spent waiting, and follow up findings."""
        subject = self.subject
        inputs = [(number, self.source[number]) for number in numbers]
        conversations = [conversation for _, conversation in inputs]
        played = list(pool.map(subject.play, conversations))
        for conversation, each in zip(conversations, played, strict=True):
            self.coverage.note(conversation, each)
        self._recent.extend(conversations)
        doubtful = thoroughly or any(each.doubtful for each in played)
        breach = subject.state(doubtful=doubtful) or self._left(thoroughly=thoroughly)
        if breach is not None:
            order = sorted(zip(played, inputs, strict=True), key=lambda each: not each[0].doubtful)
            self._follow(breach, [each for _, each in order])
            return
        for (number, conversation), each in zip(inputs, played, strict=True):
            breach = judge(each)
            if breach is None and conversation.mutations:
                breach = subject.unreadable(each)
            if breach is not None:
                self._follow(breach, [(number, conversation)])

    def _left(self, *, thoroughly: bool) -> Breach | None:
        """Return whether memory or disk usage has jumped."""
        memory = self.subject.memory()
        if memory - self._memory > self._leap:
            self._memory = memory
            return Breach("memory", "memory is leaked")
        if thoroughly and self.subject.grown() > FILL:
            return Breach("disk", "the disk fills up")
        return None

    def _follow(self, breach: Breach, inputs: Sequence[tuple[int, Conversation]]) -> None:
        """Confirm, shrink and keep what looks like a finding; continue with a healthy server.

        `inputs`: the inputs played just now, the most likely cause first.
        """
        evidence = self.subject.evidence
        if any(
            self.ledger.knows(breach, each) for _, each in inputs[: 1 if breach.where else None]
        ):
            if breach.kind in FATAL:
                self._restart()
            return  # confirming it again would cost more than it is worth
        self._restart()
        confirmed = self._confirmed(breach, inputs)
        if confirmed is None:
            if breach.kind in ("memory", "disk"):
                self._leap *= 2  # it is warming up, and each check costs a hundred inputs
            else:
                everything = inputs[0][1].then(each for _, each in inputs[1:])
                self.ledger.keep_once(breach, everything, evidence)
            return
        number, candidate, again = confirmed
        if self.ledger.knows(again, candidate):
            return
        small = self._shrunk(again, candidate)
        if small is None or self.ledger.knows(again, small):
            return
        if self.ledger.keep(again, small, self.subject.evidence, number):
            messages, size = small.size
            self.tell(
                f"{again.kind}: {again.what} ({messages} message{'s' * (messages != 1)}, {size} bytes)"
            )

    def _shrunk(self, breach: Breach, conversation: Conversation) -> Conversation | None:
        """Return the smallest conversation that shows it on a freshly started server, or None."""

        def still(each: Conversation) -> bool:
            return any(self.again(breach, each) is not None for _ in range(tries))

        def still_afresh(each: Conversation) -> bool:
            self._restart()
            return still(each)

        # A response only slightly slower than another client's limit is slow by chance.
        tries = 3 if breach.kind == "hang" else 1
        left = max(60.0, min(120.0, self.until - time.monotonic()))
        small = Shrinking(conversation, still, seconds=left).run()
        if not still_afresh(small):  # it depended on what was stored meanwhile
            small = Shrinking(conversation, still_afresh, seconds=left).run()
            if not still_afresh(small):
                return None
        self._memory = self.subject.memory()
        return small

    def _confirmed(
        self, breach: Breach, inputs: Sequence[tuple[int, Conversation]]
    ) -> tuple[int, Conversation, Breach] | None:
        """Return what reproduces it: a single input, all of them, or all with those before."""
        candidates = list(inputs)
        recent = list(self._recent)
        for size in WINDOWS[:1] if breach.kind in ("memory", "disk") else WINDOWS:
            first, *rest = recent[-size:]
            candidates.append((inputs[-1][0], first.then(rest)))
        for number, each in candidates:
            again = self.again(breach, each)
            if again is not None:
                return number, each, again
        return None

    def again(self, breach: Breach, conversation: Conversation) -> Breach | None:
        """Play a conversation; return what it shows if that is like `breach`."""
        subject = self.subject
        found: Breach | None
        if breach.kind in ("memory", "disk"):
            found = subject.leaves(conversation)
            if found is not None:
                subject.restart()
        else:
            played = subject.play(conversation)
            found = subject.state(doubtful=breach.kind in FATAL or played.doubtful) or judge(played)
            if found is None and breach.kind == "unreadable":
                found = subject.unreadable(played)
            if found is not None and found.kind in FATAL:
                with contextlib.suppress(ServerError):
                    subject.restart()
        return found if found is not None and breach.is_like(found) else None
