"""Play a recording: the same bytes, in the same order and no faster than before."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from harness.evidence.recording import Action, Recording
from harness.model import Endpoint
from harness.relay.tape import Chunk
from harness.replay.line import Line

MAX_PAUSE = 120.0
NOWHERE = Endpoint("127.0.0.1", 1)
NOT_REACHED = "was not reached"
"""The recorded end of a connection to a port on which no program listens."""


@dataclass(frozen=True)
class Stage:
    """Where a recording is played: the address and the credentials for each relay."""

    endpoints: Mapping[str, Endpoint]
    contexts: Mapping[str, ssl.SSLContext]
    users: Mapping[str, bytes]
    """The user of the requests by relay: name and password in base64."""
    place: Callable[[str, Endpoint], None]
    """Direct a relay to a listener, in place of its server."""
    repeat: Callable[[Action], None]
    """Do again what the case did to the remote server."""


def play(recording: Recording, stage: Stage, limit: float) -> list[Line]:
    """Play a recording; return the connections in which the case took part.

    `limit` is the time limit for an answer, in seconds.
    """
    lines = {
        each.track.number: Line(recording.tape, each, limit)
        for each in recording.connections
        if each.opened_by_case or (each.answered_by_case and NOT_REACHED not in each.track.ended)
    }
    with contextlib.ExitStack() as stack:
        for relay in {each.track.relay for each in recording.connections}:
            waiting = [
                line
                for line in lines.values()
                if line.recorded.track.relay == relay and not line.recorded.opened_by_case
            ]
            tracks = [each.track for each in recording.connections if each.track.relay == relay]
            if any(NOT_REACHED in track.ended for track in tracks):
                stage.place(relay, NOWHERE)
            if waiting:
                stage.place(relay, stack.enter_context(_listener(waiting)))
        begun = time.monotonic()
        for at, do in _acts(recording, lines, stage):
            pause = min(at - (time.monotonic() - begun), MAX_PAUSE)
            if pause > 0:
                threading.Event().wait(pause)
            do()
        for line in lines.values():
            line.close()
    return list(lines.values())


def _acts(
    recording: Recording, lines: Mapping[int, Line], stage: Stage
) -> Iterator[tuple[float, Callable[[], None]]]:
    """Return all events in order: the time in seconds since the start, and how to repeat the event."""
    acts: list[tuple[float, Callable[[], None]]] = [
        (each.at, partial(stage.repeat, each)) for each in recording.actions
    ]
    started = recording.tape.started
    for line in lines.values():
        track = line.recorded.track
        acts.append((max(track.opened - started, 0.0), _opening(line, stage)))
        acts += [
            (chunk.time - started, _piece(recording, line, chunk, lines, stage))
            for chunk in track.chunks
        ]
        if track.closed is not None:
            acts.append((track.closed - started, _ending(line)))
    return iter(sorted(acts, key=lambda each: each[0]))


def _opening(line: Line, stage: Stage) -> Callable[[], None]:
    if not line.recorded.opened_by_case:
        return line.wait_for_connection
    relay = line.recorded.track.relay
    return lambda: line.open(stage.endpoints[relay], stage.contexts.get(relay))


def _piece(
    recording: Recording, line: Line, chunk: Chunk, lines: Mapping[int, Line], stage: Stage
) -> Callable[[], None]:
    def act() -> None:
        data = recording.tape.read(chunk)
        if chunk.direction is line.sends:
            renamed = dict(pair for each in lines.values() for pair in each.renamed())
            line.send(data, renamed, stage.users.get(line.recorded.track.relay))
        else:
            line.expect(data)

    return act


def _ending(line: Line) -> Callable[[], None]:
    """Return how to end a connection: close it if the case did, else wait for the server to do so."""
    ours = "the client" if line.recorded.opened_by_case else "the server"
    return line.close if ours in line.recorded.track.ended else line.expect_end


@contextlib.contextmanager
def _listener(lines: list[Line]) -> Iterator[Endpoint]:
    """Listen in place of a case: each incoming connection is the next of `lines`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            for line in lines:
                try:
                    opened, _ = listener.accept()
                except OSError:
                    return
                line.connected(opened)

        threading.Thread(target=accept, daemon=True).start()
        yield Endpoint(*listener.getsockname()[:2])
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
