"""`harness probe`: what a server says that it can do, what it does, and where the two differ."""

import argparse
import contextlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dcm.errors import LocalProtocolError
from dcm.net.node import DcmNode
from harness.capability import (
    Limits,
    ProbeResult,
    Target,
    as_markdown,
    as_text,
    probe,
    statement,
)
from harness.capability.starting import started
from harness.config.overrides import Override
from harness.errors import ConfigError
from harness.model import AETitle, Credentials, Endpoint, Port
from harness.report.statement import render
from harness.servers.product import Asked

FORMATS: dict[str, Callable[[ProbeResult], str]] = {
    "text": lambda result: as_text(result, min(100, shutil.get_terminal_size((100, 24)).columns)),
    "json": lambda result: json.dumps(result.as_json(), indent=2, ensure_ascii=False),
    "md": lambda result: as_markdown(statement(result)),
    "html": lambda result: render(statement(result)),
}
# What a container image is called may end with a number as well.
_RUNS = re.compile(r"(?!image:).+:[^:]+:[0-9]+")
EPILOG = """\
SERVER is one that is started for the probe, named as for --remote: orthanc (default), orthanc:trixie,
dcmqrscp, qrscp, ./FILE.py; or one that runs already: host:ae_title:port. Probing stores about 250
small objects. What runs already is asked about first, and the objects are deleted again where --rest
says how; what stays is listed.

The exit code is 0 after a whole probe, 1 where the server ended or hung in the middle, 2 where it could not
be begun.
"""


def main(argv: Sequence[str]) -> int:
    """Probe a server, and print the result."""
    given = _parser().parse_args(argv)
    format_ = _format(given.format, given.output)
    limits = _limits(given.exchange_limit, given.limit)
    with _target(given, limits) as target, _progress() as progress:
        result = probe(target, progress)
    text = FORMATS[format_](result)
    if given.output is None:
        print(text)
    else:
        try:
            given.output.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--output {given.output}: {error.strerror}") from error
    if result.ended:
        print(f"harness probe: not complete: {result.ended}", file=sys.stderr)
    return int(result.ended is not None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness probe",
        description="Find out what a server says that it can do, and what it does.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("server", nargs="?", default="orthanc", metavar="SERVER", help="(default: orthanc)")
    add("--format", choices=FORMATS, help="md and html are an observed conformance statement")
    add("-o", "--output", type=Path, metavar="FILE", help="its ending says which format")
    add("--read-only", action="store_true", help="store nothing")
    running = parser.add_argument_group("a server that runs")
    add = running.add_argument
    add("--rest", metavar="PORT", help="the port of Orthanc's REST interface")
    add("--web", metavar="URL", help="the base of DICOMweb (with --rest: /dicom-web there)")
    add("--username", help="the user of REST and DICOMweb")
    add("--password", help="the password of that user")
    add("--aet", default="HARNESS", help="our own AE title (default: HARNESS)")
    add(
        "--listen",
        metavar="[HOST:]PORT",
        help="where the server was told to find our AE title, for C-MOVE",
    )
    add("--force", action="store_true", help="store without asking")
    ours = parser.add_argument_group("a server that is started")
    add = ours.add_argument
    add("--plugins", type=Path, action="append", metavar="PATH", help="plugins of an Orthanc")
    add("--with", dest="overrides", action="append", default=[], metavar="NAME=VALUE",
        help="another value in its configuration")  # fmt: skip
    usual = Limits()
    add = parser.add_argument
    add("--exchange-limit", type=float, default=usual.exchange, metavar="SECONDS",
        help=f"for one exchange (default: {usual.exchange:g})")  # fmt: skip
    add("--limit", type=float, default=usual.whole, metavar="SECONDS",
        help=f"for the whole (default: {usual.whole:g})")  # fmt: skip
    return parser


def _format(asked: str | None, output: Path | None) -> str:
    if asked is not None or output is None:
        return asked or "text"
    endings = {".json": "json", ".md": "md", ".html": "html", ".txt": "text"}
    return endings.get(output.suffix, "text")


def _limits(exchange: float, whole: float) -> Limits:
    if exchange <= 0 or whole <= 0:
        raise ConfigError("--exchange-limit and --limit are more than 0 seconds")
    return Limits(exchange, whole)


@contextlib.contextmanager
def _target(given: argparse.Namespace, limits: Limits) -> Iterator[Target]:
    if _RUNS.fullmatch(given.server):
        for option in ("plugins", "overrides"):
            if getattr(given, option):
                raise ConfigError("--plugins and --with are for a server that is started")
        target = _running(given, limits)
        _ask(given, target)
        yield target
        return
    if given.rest or given.web or given.username or given.password or given.listen:
        raise ConfigError(
            f"{given.server} is started for the probe: --rest, --web, --username, --password and --listen "
            "are for a server that runs, named as host:ae_title:port"
        )
    asked = Asked(
        plugins=None if given.plugins is None else tuple(given.plugins),
        overrides=tuple(Override.parse(each) for each in given.overrides),
    )
    with started(given.server, asked, limits=limits, read_only=given.read_only) as target:
        yield target


def _running(given: argparse.Namespace, limits: Limits) -> Target:
    try:
        node = DcmNode.parse(given.server)
    except LocalProtocolError as error:
        raise ConfigError(f"{given.server}: {error}") from error
    rest = None if given.rest is None else Endpoint(node.host, Port(given.rest))
    user = None
    if given.username is not None:
        user = Credentials(given.username, given.password or "")
    return Target(
        dicom=Endpoint(node.host, Port(node.port)),
        ae_title=AETitle(node.ae_title),
        calling=AETitle(given.aet),
        listen=_listen(given.listen),
        rest=rest,
        web=given.web or (None if rest is None else f"http://{rest}/dicom-web"),
        credentials=user,
        read_only=given.read_only,
        limits=limits,
    )


def _listen(text: str | None) -> Endpoint | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    return Endpoint(host or "0.0.0.0", Port(port))  # noqa: S104 - the server is another computer


def _ask(given: argparse.Namespace, target: Target) -> None:
    """Ask before anything is stored. Raises ConfigError where nobody is there to ask, or he says no."""
    if target.read_only or given.force:
        return
    fate = (
        "They are deleted again over REST."
        if target.rest is not None
        else "They stay there: without --rest they cannot be deleted."
    )
    question = f"About 250 small objects will be stored in {given.server}. {fate}"
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} Say --force to do so, or --read-only to leave it out")
    print(f"{question} Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ConfigError("nothing was stored; --read-only probes without storing")


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], object]]:
    """Say on stderr what is being done: in one line on a terminal, else line by line."""
    terminal = sys.stderr.isatty()

    def show(words: str) -> None:
        line = f"\r\x1b[K{words}" if terminal else f"{words}\n"
        print(line, end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
