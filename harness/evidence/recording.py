"""`recording.json`: the traffic of a case, exact enough for `harness replay` to send it again.

The bytes are in the files that `exchange` writes, one for each direction of a connection; the
recording lists the pieces in which they were sent, and when. Secrets are masked at equal length.
"""

import base64
import binascii
import json
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from harness.errors import ConfigError
from harness.evidence.exchange import MAX_KEPT, file_name
from harness.evidence.http import exchanges
from harness.evidence.redact import Redactor
from harness.model import Credentials, Endpoint
from harness.relay.tape import Chunk, Direction, Tape, Track
from harness.variant import Variant

FILE: Final = "recording.json"
FORMAT: Final = 3
WORKLISTS: Final = "worklists"


@dataclass(frozen=True)
class Recorded:
    """A connection, and which of its ends belonged to the case."""

    track: Track
    opened_by_case: bool
    """Whether the case connected; otherwise a server did."""
    answered_by_case: bool
    """Whether the case listened in place of a server."""
    credentials: tuple[str, ...] = ()
    """For each request with credentials: their scheme if they were the server's own, else empty."""
    cut: bool = False
    """Whether there were more bytes than were kept."""


@dataclass(frozen=True)
class Handshake:
    """A handshake with the remote, and its result."""

    door: str
    """The interface: `dicom` or `http`."""
    offered: str
    """The only version that the client offered: a name of `ssl.TLSVersion`."""
    agreed: str
    """The version that was negotiated, as in `SSLSocket.version`; empty if there was none."""

    def __str__(self) -> str:
        return f"{self.door}: {self.offered} offered, {self.agreed or 'nothing'} agreed on"


@dataclass(frozen=True)
class Action:
    """What the case did to the remote server other than by a message: a start, a kill."""

    at: float
    """When it began, in seconds since the beginning of the case."""
    name: str
    details: Mapping[str, Any]
    trouble: str = ""
    """Why it failed; empty if it did not."""

    def __str__(self) -> str:
        details = ", ".join(f"{name} {each}" for name, each in self.details.items() if each)
        result = self.trouble.partition("\n")[0] or "done"
        return f"{self.name}{f' ({details})' if details else ''}: {result}"


@dataclass(frozen=True)
class Recording:
    """The recorded traffic of a case."""

    tape: Tape
    connections: tuple[Recorded, ...]
    variant: Variant
    """How the remote was configured."""
    trouble: str = ""
    """Why the remote did not start, or empty."""
    handshakes: tuple[Handshake, ...] = ()
    """The TLS handshakes that the case made without a relay."""
    actions: tuple[Action, ...] = ()


def write_recording(
    tape: Tape,
    folder: Path,
    redactor: Redactor,
    *,
    variant: Variant,
    trouble: str,
    handshakes: Iterable[Handshake],
    actions: Iterable[Action],
    servers: Collection[str],
    users: Iterable[Credentials | None],
    by_tool: Callable[[Track], bool],
) -> None:
    """Write `recording.json`.

    `trouble` is why the remote did not start, `handshakes` were made without a relay, and `actions`
    are what the case did to the remote. `servers` are the addresses on which the real servers
    listen, and `users` their users. `by_tool` returns whether a command-line tool of the case may
    have opened a connection.
    """
    passwords = {each.password for each in users if each is not None}

    def described(track: Track) -> dict[str, Any]:
        authorizations = []
        if track.protocol == "http":
            requests = [each.request for each in exchanges(tape, track) if each.request]
            values = [each.header("Authorization") for each in requests]
            authorizations = [_known_scheme(value, passwords) for value in values if value]
        return {
            "number": track.number,
            "relay": track.relay,
            "protocol": track.protocol,
            "peer": track.peer,
            "target": track.target,
            "opened": track.opened - tape.started,
            "closed": None if track.closed is None else track.closed - tape.started,
            "ended": track.ended,
            "continued": track.continued,
            "tls": track.tls,
            "opened_by_case": track.ours or by_tool(track),
            "answered_by_case": track.target not in servers,
            "credentials": authorizations,
            "chunks": [
                [round(chunk.time - tape.started, 6), chunk.direction.name, chunk.size]
                for chunk in tuple(track.chunks)
            ],
        }

    record = {
        "format": FORMAT,
        "case": tape.name,
        "started": tape.started_at.isoformat(),
        "variant": asdict(variant),
        "trouble": trouble,
        "handshakes": [astuple(each) for each in handshakes],
        "actions": [[each.at, each.name, {**each.details}, each.trouble] for each in actions],
        "relays": {name: [each.host, each.port] for name, each in tape.relays.items()},
        "connections": [described(track) for track in tuple(tape.tracks)],
    }
    text = json.dumps(record, ensure_ascii=False)
    (folder / FILE).write_text(redactor.text(text), encoding="utf-8")


def keep_worklists(worklists: Path | None, folder: Path) -> None:
    """Copy the server's worklist items into `folder`: they do not pass through a relay."""
    files = sorted(worklists.glob("*")) if worklists is not None else []
    for file in filter(Path.is_file, files):
        (folder / WORKLISTS).mkdir(exist_ok=True)
        shutil.copyfile(file, folder / WORKLISTS / file.name)


def put_worklists(folder: Path, worklists: Path | None) -> None:
    """Copy the kept worklist items to a server, if it takes any."""
    if worklists is None:
        return
    for file in sorted((folder / WORKLISTS).glob("*")):
        shutil.copyfile(file, worklists / file.name)


def read_recording(folder: Path) -> Recording:
    """Read what `write_recording` wrote. Raises ConfigError if nothing there can be sent again."""
    path = folder / FILE
    try:
        record = json.loads(path.read_bytes())
        if record["format"] != FORMAT:
            raise ConfigError(f"{path} was written by another version of the harness")
        tape = Tape(record["case"])
        tape.started_at = datetime.fromisoformat(record["started"])
        tape.relays = {name: Endpoint(*each) for name, each in record["relays"].items()}
        connections = tuple(_connection(each, tape, folder) for each in record["connections"])
        variant: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each
            for name, each in record["variant"].items()
        }
        handshakes = tuple(Handshake(*each) for each in record["handshakes"])
        actions = tuple(Action(*each) for each in record["actions"])
        return Recording(
            tape, connections, Variant(**variant), record["trouble"], handshakes, actions
        )
    except FileNotFoundError:
        raise ConfigError(
            f"{folder} has no {FILE}: it is from an older harness, or nothing was sent; run the case again"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error!r}") from error


def _connection(record: dict[str, Any], tape: Tape, folder: Path) -> Recorded:
    opened = tape.started + record["opened"]
    track = tape.add_track(
        record["relay"], record["protocol"], record["peer"], record["target"], opened
    )
    if record["closed"] is not None:
        track.closed = tape.started + record["closed"]
    track.ended, track.tls = record["ended"], record["tls"]
    kept = {each: _bytes(folder / file_name(track, each)) for each in Direction}
    places = dict.fromkeys(Direction, 0)
    cut = False
    for time, name, size in record["chunks"]:
        direction = Direction[name]
        piece = kept[direction][places[direction] : places[direction] + size]
        places[direction] += size
        cut = cut or len(piece) < size
        if piece:
            tape.add(track, direction, piece)
            last: Chunk = track.chunks[-1]
            track.chunks[-1] = Chunk(tape.started + time, direction, last.offset, last.size)
    return Recorded(
        track,
        record["opened_by_case"],
        record["answered_by_case"],
        tuple(record["credentials"]),
        cut,
    )


def _bytes(path: Path) -> bytes:
    return path.read_bytes()[:MAX_KEPT] if path.is_file() else b""


def _known_scheme(authorization: str, passwords: Collection[str]) -> str:
    """Return the scheme as it was written if the credentials are the server's own, else empty."""
    scheme, _, value = authorization.partition(" ")
    try:
        _, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return scheme if password in passwords else ""


_MASKED = re.compile(rb"(?im)^(authorization:[ \t]*)\*+(?=\r?$)")


def with_credentials(data: bytes, schemes: Iterator[str], user: bytes | None) -> bytes:
    """Restore the credentials that were masked, if they were the server's own.

    `user` is the user and password of the server, in base64.
    """

    def filled(found: re.Match[bytes]) -> bytes:
        scheme = next(schemes, "")
        if not scheme or user is None:
            return found[0]
        return found[1] + scheme.encode() + b" " + user

    return _MASKED.sub(filled, data)
