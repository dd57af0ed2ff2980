"""`harness replay`: resend the recorded requests of a case, and compare the responses."""

import argparse
import base64
import contextlib
import ssl
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import ConfigError, ServerError
from harness.evidence.recording import Recording, put_worklists, read_recording
from harness.evidence.redact import Redactor
from harness.model import Endpoint
from harness.plugin.bench import Bench
from harness.plugin.options import Options, parse_options
from harness.plugin.plan import make_plan
from harness.relay import Track
from harness.replay import output
from harness.replay.actions import Actions
from harness.replay.compare import Compared, Pair, Said, compared
from harness.replay.line import Line
from harness.replay.play import Stage, play
from harness.report.load import CaseResult, Run, load
from harness.servers.attached import Attachment
from harness.servers.party import Party
from harness.waiting import WaitTimeout, wait_until

DESCRIPTION = """\
Resend exactly what a case sent, DICOM and HTTP, in the recorded order and no faster than recorded, and show
the new responses next to the recorded ones. The servers are started as in that run: empty, and configured
as for the case; --to names a server that is already running. What passed through the relays is repeated,
and what the case did to the server: starts, kills, a small disk, a limit of its memory. The files that the
case wrote are not, nor are the programs that it started for a server to connect to.
"""
EPILOG = """\
Options of `harness run` that name a server are accepted too: --remote, --image, --dicom, --rest, ...

examples:
  harness replay CFIND-014                              a failure of the last run
  harness replay CFIND-014 --remote orthanc:trixie      on another version
  harness replay CFIND-014 --to 192.0.2.7               on a running server, which is emptied first
  harness replay CFIND-014 --run runs/20261122-094103-orthanc-1.10.1

Exit code: 0 if all responses are the same, 1 if one is different, 2 if the case cannot be replayed.
"""
WAIT = 5.0
"""Seconds to wait for a response that arrived immediately when it was recorded."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="harness replay",
        usage="harness replay CASE [--to HOST] [--run RUN] [options of `harness run`]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("case", metavar="CASE", help="the id of the case, with parameters if it has any")
    add(
        "--to",
        metavar="HOST",
        help="send to the server that is running on HOST, and empty it first",
    )
    latest = Path("runs/latest")
    add(
        "--run",
        type=Path,
        default=latest,
        metavar="RUN",
        help="the run folder with the recording (default: runs/latest)",
    )
    add(
        "--wait",
        type=float,
        default=WAIT,
        metavar="SECONDS",
        help=f"how long to wait for each response (default: {WAIT:g})",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Replay a case; return 1 if a response is different."""
    given, rest = make_parser().parse_known_args(list(argv))
    run = load(given.run)
    case = _case(run, given.case)
    if case.evidence is None:
        raise ConfigError(
            f"{case.full_id} ({case.outcome}) has no recording: run it with --keep-exchanges"
        )
    recording = read_recording(case.evidence)
    options = _options(run, rest, given.to)
    print(
        f"{case.full_id}  {case.title}\nrecorded {run.started:%Y-%m-%d %H:%M} on {run.server}",
        flush=True,
    )
    with _bench(recording, case, options) as bench:
        identity = bench.remote.identity
        print(f"replayed on {identity.product} {identity.version}\n")
        if recording.trouble or bench.trouble:
            said, same = output.starts(recording.trouble, bench.trouble)
        else:
            with Actions(bench) as actions:
                found = list(_replay(recording, bench, actions, given.wait))
                handshakes = list(_shake_hands(recording, bench))
            print("\n".join(output.lines(found, handshakes, actions.pairs)))
            said, same = output.verdict(found, [*handshakes, *actions.pairs])
    print(said)
    return int(not same)


def _case(run: Run, name: str) -> CaseResult:
    found = run.matching(name) or [each for each in run.cases if each.id == name]
    if not found:
        raise ConfigError(f"{run.folder} has no case {name!r}")
    if len(found) > 1:
        names = ", ".join(each.full_id for each in found)
        raise ConfigError(f"{name} matches several cases, choose one: {names}")
    return found[0]


def _options(run: Run, given: Sequence[str], host: str | None) -> Options:
    """Return the servers of the run, or those given on the command line."""
    recorded = list(run.command[1:])
    named = {"--remote", "--image", "--orthanc-root", "--server", "--config"}
    if host is not None or named & {each.partition("=")[0] for each in given}:
        recorded = _without(recorded, {*named, "--dicom", "--rest", "--aet", "--web", "--plugins"})
    attached = [] if host is None else ["--server", host]
    return parse_options([*recorded, *given, *attached])


def _without(words: Sequence[str], options: set[str]) -> list[str]:
    """Remove options with their values."""
    kept: list[str] = []
    skip = False
    for word in words:
        name, equals, _ = word.partition("=")
        if name in options:
            skip = not equals
        elif skip:
            skip = False
        else:
            kept.append(word)
    return kept


@contextlib.contextmanager
def _bench(recording: Recording, case: CaseResult, options: Options) -> Iterator[Bench]:
    """Yield the servers, set up as for the case; `trouble` tells if the remote did not start."""
    plan = make_plan(options)
    if isinstance(plan.remote, Attachment) and plan.remote.patients and not options.force:
        raise ConfigError(
            f"the server has {plan.remote.patients} patients, which would be deleted first: "
            "confirm with --force"
        )
    with Bench(plan, options.time_limit, recording.tape.relays) as bench:
        with contextlib.suppress(ServerError):
            bench.begin_case(case.full_id, recording.variant)
        if case.evidence is not None and not bench.trouble:
            put_worklists(case.evidence, bench.remote.server.worklists)
        yield bench


def _replay(
    recording: Recording, bench: Bench, actions: Actions, wait: float
) -> Iterator[Compared]:
    users = (each.server.adapter.credentials for each in bench.parties)
    redactor = Redactor(each.password for each in users if each is not None)
    names = recording.tape.relays

    def place(relay: str, endpoint: Endpoint) -> None:
        bench.relay(relay).target = endpoint

    stage = Stage(
        {name: bench.relay(name).endpoint for name in names},
        dict(_contexts(bench, names)),
        dict(_users(bench, names)),
        place,
        actions.repeat,
    )
    lines = play(recording, stage, wait)
    with contextlib.suppress(WaitTimeout):  # the relays notice the end a moment later
        wait_until(
            lambda: all(each.closed for each in bench.tape.tracks),
            what="the end of all connections",
            within=1,
        )
    return _compared(recording, lines, bench, redactor)


def _shake_hands(recording: Recording, bench: Bench) -> Iterator[Pair]:
    """Make the recorded TLS handshakes again; a server that does not use TLS agrees on nothing."""
    for then in recording.handshakes:
        agreed = ""
        if bench.remote.tls_at(then.door) is not None:
            agreed = bench.handshake(ssl.TLSVersion[then.offered], then.door)
        now = replace(then, agreed=agreed)
        yield Pair(*(Said(asked=False, line=str(each)) for each in (then, now)))


def _contexts(bench: Bench, names: Iterable[str]) -> Iterator[tuple[str, ssl.SSLContext]]:
    for role, door, party in _doors(bench, names):
        client = party.tls_at({"rest": "http"}.get(door, door))
        if client is not None:
            yield f"{role}.{door}", client.context


def _users(bench: Bench, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for role, door, party in _doors(bench, names):
        user = party.server.adapter.credentials
        if user is not None:
            both = f"{user.username}:{user.password}".encode()
            yield f"{role}.{door}", base64.b64encode(both)


def _doors(bench: Bench, names: Iterable[str]) -> Iterator[tuple[str, str, Party]]:
    for name in names:
        role, _, door = name.partition(".")
        yield role, door, {"remote": bench.remote, "local": bench.local}[role]


def _compared(
    recording: Recording, lines: Sequence[Line], bench: Bench, redactor: Redactor
) -> Iterator[Compared]:
    """Pair each recorded connection with the one that was opened in its place.

    That is the next one of the same relay and initiator, in the order in which they were opened; a
    connection that was open already when the case began was opened first, whatever its number.
    """
    left = list(bench.tape.tracks)
    started = recording.tape.started
    opened: dict[int, Track | None] = {}
    for line in sorted(lines, key=lambda each: max(each.recorded.track.opened, started)):
        recorded = line.recorded
        track = next(
            (
                each
                for each in left
                if each.relay == recorded.track.relay and each.ours == recorded.opened_by_case
            ),
            None,
        )
        if track is not None:
            left.remove(track)
        opened[recorded.track.number] = track
    for line in lines:
        recorded = line.recorded
        track = opened[recorded.track.number]
        pairs = compared(recording.tape, recorded, bench.tape, track, redactor)
        ended = "it was not opened" if track is None else track.ended
        yield Compared(recorded, pairs, line.trouble, (recorded.track.ended, ended))
