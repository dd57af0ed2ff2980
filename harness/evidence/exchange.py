"""`exchange.txt`: all traffic of a case, over all connections, in order of time."""

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from textwrap import indent
from typing import Final

from harness.evidence.associate import user_identities
from harness.evidence.bodies import describe, dump
from harness.evidence.dicom import Step, decode
from harness.evidence.http import Exchange, exchanges
from harness.evidence.pdus import pdus_of
from harness.evidence.redact import Redactor
from harness.relay.tape import Direction, Tape, Track

MAX_KEPT: Final = 64 * 2**20
"""Most bytes of one direction of a connection that are kept in its `.bin` file."""

_FILE_WORDS: Final = {Direction.TO_SERVER: "to-server", Direction.TO_CLIENT: "to-client"}


def write_exchange(tape: Tape, folder: Path, redactor: Redactor) -> None:
    """Write `exchange.txt`, and the bytes of each connection as `<protocol>-<n>-<direction>.bin`."""
    entries = sorted(
        (entry for track in tape.tracks for entry in _entries(tape, track, redactor)),
        key=lambda entry: entry.time,
    )
    lines = [
        f"{tape.name}, begun {tape.started_at:%Y-%m-%d %H:%M:%S.%f} UTC",
        "Seconds since then, connection, traffic (-> to the server, <- to the client).",
        "",
        *(f"{entry.time - tape.started:9.3f}  {entry.line}" for entry in entries),
    ]
    if not entries:
        lines.append("(no traffic)")
    for entry in entries:
        if entry.details:
            lines += ["", f"==== {entry.time - tape.started:.3f}  {entry.line}", entry.details]
    (folder / "exchange.txt").write_text(redactor.text("\n".join(lines) + "\n"), encoding="utf-8")
    for track in tape.tracks:
        _keep_bytes(tape, track, folder, redactor)


def file_name(track: Track, direction: Direction) -> str:
    """Return the name of the file with the bytes of one direction of a connection."""
    return f"{track.protocol}-{track.number}-{_FILE_WORDS[direction]}.bin"


def _entries(tape: Tape, track: Track, redactor: Redactor) -> Iterator[Step]:
    who = f"#{track.number} {track.relay:12}"
    if track.protocol == "http":
        if not track.continued:
            yield Step(track.opened, f"{who} connection from {track.peer} to {track.target}")
        for exchange in exchanges(tape, track):
            yield _http_entry(who, exchange, redactor)
    else:
        yield from _dicom_entries(who, tape, track, redactor)
    if track.tls:
        yield Step(max(track.opened, tape.started), f"{who} {track.tls}")
    if track.closed is not None:
        yield Step(track.closed, f"{who} {track.ended}")


def _http_entry(who: str, exchange: Exchange, redactor: Redactor) -> Step:
    request, response = exchange.request, exchange.response
    asked = "?" if request is None else f"{request.method} {request.target}"
    answered = "no answer" if response is None else f"{response.status} {response.reason}"
    line = f"{who} -> {asked}  <- {answered}, {1000 * (exchange.ended - exchange.began):.1f} ms"
    if exchange.troubles:
        line += f"  ({'; '.join(exchange.troubles)})"
    return Step(exchange.began, line, "\n".join(_http_details(exchange, redactor)))


def _http_details(exchange: Exchange, redactor: Redactor) -> Iterator[str]:
    if (request := exchange.request) is not None:
        yield f"> {request.method} {request.target} HTTP/1.1"
        yield from (f"> {name}: {value}" for name, value in request.headers)
        yield ">"
        yield describe(request.header("Content-Type"), request.body, request.size, redactor)
    if (response := exchange.response) is not None:
        yield f"< HTTP/1.1 {response.status} {response.reason}"
        yield from (f"< {name}: {value}" for name, value in response.headers)
        yield "<"
        plain = response.uncompressed()
        size = response.size if plain is response else len(plain.body)
        yield describe(plain.header("Content-Type"), plain.body, size, redactor)
    if exchange.undecoded:
        yield "bytes that are not HTTP:"
        yield dump(exchange.undecoded, redactor)


def _dicom_entries(who: str, tape: Tape, track: Track, redactor: Redactor) -> Iterator[Step]:
    """Yield all steps; the details of the whole connection are together below its first line."""
    steps = decode(tape, track, redactor)
    details = list(_kept(tape, track))
    for step in steps:
        yield Step(step.time, f"{who} {step.line}")
        if step.details:
            head = f"-- {step.time - tape.started:.3f}  {step.line}"
            details += ["", head, indent(step.details, "   ")]
    line = f"{who} connection from {track.peer} to {track.target}"
    if track.continued:
        line += ", open since an earlier case"
    yield Step(max(track.opened, tape.started), line, "\n".join(details))


def _kept(tape: Tape, track: Track) -> Iterator[str]:
    """Describe which files hold the bytes of a connection."""
    for direction in Direction:
        name, size = file_name(track, direction), tape.content_size(track, direction)
        if size > MAX_KEPT:
            yield f"{name} is truncated: {MAX_KEPT} of {size} bytes."
        elif size:
            yield f"{name} has all {size} bytes {direction.value}."


def _keep_bytes(tape: Tape, track: Track, folder: Path, redactor: Redactor) -> None:
    for direction in Direction:
        kept = bytearray()
        for _, piece in tape.pieces(track, direction):
            kept += piece[: MAX_KEPT - len(kept)]
            if len(kept) == MAX_KEPT:
                break
        clean = bytearray(redactor.bytes(bytes(kept)))
        if track.protocol == "dicom":
            found = takewhile(lambda pdu: pdu.at < MAX_KEPT, pdus_of(tape, track, direction))
            for place in (place for pdu in found for place in user_identities(pdu)):
                clean[place] = b"*" * len(clean[place])
        if clean:
            (folder / file_name(track, direction)).write_bytes(clean)
