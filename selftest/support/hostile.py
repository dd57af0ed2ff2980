"""Servers that are hostile or broken, one kind each: `python -m support.hostile KIND PORT`."""

import contextlib
import random
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from dcm.wire import AssociateRQ, raw
from harness.clients.wire import Line

PATIENCE: Final = 60.0
FRAGMENT: Final = bytes(8000)


def mute(line: Line) -> None:
    """Never answers."""
    line.hear_bytes()
    line.hear_bytes()


def closing(line: Line) -> None:
    """Closes every connection at once."""
    line.close()


def garbage(line: Line) -> None:
    """Answers everything with meaningless bytes."""
    noise = random.Random(7)
    while isinstance(line.hear_bytes(), bytes):
        line.say(noise.randbytes(300))


def flooding(line: Line) -> None:
    """Accepts what is proposed, then sends data without end, slowly enough to let others run."""
    _accept(line)
    line.hear_bytes()
    while not line.over:
        line.say(raw.p_data(raw.pdv(1, 0, FRAGMENT)) * 50)
        time.sleep(0.01)


def lying(line: Line) -> None:
    """Announces an answer of 4 GiB, and sends 100 bytes of it."""
    line.hear_bytes()
    line.say(raw.pdu(2, bytes(100), length=0xFFFFFFFF))
    line.hear_bytes()


def halting(line: Line) -> None:
    """Accepts what is proposed, and stops in the middle of the first answer."""
    _accept(line)
    line.hear_bytes()
    line.say(raw.p_data(raw.pdv(1, 3, FRAGMENT[:100]))[:50])
    line.hear_bytes()


KINDS: Final[dict[str, Callable[[Line], None]]] = {
    each.__name__: each for each in (mute, closing, garbage, flooding, lying, halting)
}


def _accept(line: Line) -> None:
    """Accept each proposed context with its first transfer syntax."""
    request = line.hear()
    if not isinstance(request, AssociateRQ):
        return
    contexts = [
        raw.item(
            0x21,
            bytes((each.context_id, 0, 0, 0)) + raw.item(0x40, each.transfer_syntaxes[0].encode()),
        )
        for each in request.presentation_contexts
    ]
    items = [raw.application_context(), *contexts, raw.user_information()]
    called, calling = (
        title.encode().ljust(16) for title in (request.called_ae_title, request.calling_ae_title)
    )
    line.say(raw.associate(2, items, called=called, calling=calling))


def _serve(behave: Callable[[Line], None], taken: socket.socket) -> None:
    with Line(taken, PATIENCE) as line, contextlib.suppress(OSError):
        behave(line)


def main() -> None:
    """Listen until the process is killed."""
    kind, port = sys.argv[1:]
    with socket.create_server(("127.0.0.1", int(port)), backlog=128) as listening:
        while True:
            taken, _ = listening.accept()
            threading.Thread(target=_serve, args=(KINDS[kind], taken), daemon=True).start()


if __name__ == "__main__":
    main()
