"""`repro.sh`: repeats what a case did, with curl and dcmtk's programs."""

import base64
import binascii
import shlex
import shutil
import string
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Final

from harness.evidence.http import Exchange, exchanges, sent_by_server
from harness.evidence.redact import Redactor
from harness.evidence.tools import ToolRun
from harness.relay.http import HttpRequest
from harness.relay.tape import Tape

MAX_INLINE: Final = 2000
MAX_UNASKED: Final = 1000
"""Bytes of a body above which curl may send `Expect: 100-continue`, unless told not to."""

_HEAD: Final = """\
#!/usr/bin/env bash
# Repeats what {case} did. It assumes empty servers. By default it uses an Orthanc in attached mode; set
# these environment variables for another server:
#   HARNESS_PASSWORD=... REST=http://192.0.2.7:8042 DICOM_HOST=192.0.2.7 bash repro.sh
REST="${{REST:-http://127.0.0.1:8042}}"
DICOM_HOST="${{DICOM_HOST:-127.0.0.1}}"
DICOM_PORT="${{DICOM_PORT:-4242}}"
AET="${{AET:-{title}}}"
LOCAL_REST="${{LOCAL_REST:-http://127.0.0.1:5000}}"
LOCAL_DICOM_HOST="${{LOCAL_DICOM_HOST:-127.0.0.1}}"
LOCAL_DICOM_PORT="${{LOCAL_DICOM_PORT:-5001}}"
USER_NAME="${{USER_NAME:-{user}}}"
USER_PASSWORD="${{HARNESS_PASSWORD:-PASSWORD}}"
here="$(cd "$(dirname "${{BASH_SOURCE[0]}}")" && pwd)"
out="$(mktemp -d)" # output of tools
export TCP_NODELAY=1 # without it, dcmtk waits 40 ms or more for each message
step() {{ printf '\\n== %s\\n' "$*"; }}
ask() {{ curl --silent --show-error --include --path-as-is --globoff --noproxy '*' "$@"; }}
"""

_OVER_TLS: Final = """\
# Some of this used TLS. The certificates of that run are gone: give yours to curl with --cacert, --cert and
# --key, to dcmtk's programs with +tls and +cf, and set REST=https://...
"""

_REST_OF: Final = {"remote.rest": "$REST", "local.rest": "$LOCAL_REST"}
_DICOM_OF: Final = {
    "remote.dicom": ("$DICOM_HOST", "$DICOM_PORT"),
    "local.dicom": ("$LOCAL_DICOM_HOST", "$LOCAL_DICOM_PORT"),
}
_OWN_HEADERS: Final = frozenset(
    {
        "accept-encoding", "authorization", "connection", "content-length", "cookie", "host", "user-agent",
    }
)  # fmt: skip
"""Headers that curl writes itself, that are secret, or that do not matter to the case."""


_Step = tuple[float, str]
"""When something was done, and the lines of the script that repeat it."""


def write_repro(tape: Tape, tools: Sequence[ToolRun], folder: Path, redactor: Redactor) -> None:
    """Write `repro.sh`, and next to it the bodies and the input files of tools that it needs.

    No script is written if it would have no step for curl or one of dcmtk's programs: `harness replay`
    can repeat associations that no program of dcmtk opened.
    """
    text = _Script(tape, tools, folder, redactor).text()
    if text is None:
        return
    path = folder / "repro.sh"
    path.write_text(redactor.script(text), encoding="utf-8")
    path.chmod(0o755)


class _Script:
    """Collects the steps of one case."""

    def __init__(
        self, tape: Tape, tools: Sequence[ToolRun], folder: Path, redactor: Redactor
    ) -> None:
        self._tape, self._tools = tape, tools
        self._folder, self._redactor = folder, redactor
        self._copied: dict[Path, str] = {}
        self._bodies = 0
        words = (pair for tool in tools for pair in pairwise(tool.argv))
        self._title = next((title for option, title in words if option == "-aec"), "ORTHANC")
        self._user = "alice"

    def text(self) -> str | None:
        """Return the script, or None if it would have no step."""
        steps = [*self._tool_steps(), *self._http_steps()]
        if not any("\nstep " in text for _, text in steps):
            return None
        steps += self._other_associations()
        lines = [text for _, text in sorted(steps, key=itemgetter(0))]
        head = _HEAD.format(case=self._tape.name, title=self._title, user=self._user)
        if any(track.tls for track in self._tape.tracks):
            head += _OVER_TLS
        return head + "\n".join(lines) + "\n"

    # HTTP

    def _http_steps(self) -> Iterator[_Step]:
        for track in self._tape.tracks:
            if track.protocol == "http":
                for exchange in exchanges(self._tape, track, keep=None):
                    if exchange.request is not None:
                        yield self._http_step(exchange, exchange.request)

    def _http_step(self, exchange: Exchange, request: HttpRequest) -> _Step:
        response = exchange.response
        answered = "no answer" if response is None else f"{response.status} {response.reason}"
        name = f"{request.method} {request.target}  (in the case: {answered})"
        relay = exchange.track.relay
        if relay not in _REST_OF or sent_by_server(exchange.track, request):
            return exchange.began, f"\n# The remote itself sent to {relay}: {name}"
        head = request.method == "HEAD"
        method = "--head" if head else f"--request {self._quote(request.method)}"
        curl = [f"ask {method}", *self._credentials(request)]
        curl += [
            f"--header {self._quote(f'{each}: {value}' if value else f'{each};')}"
            for each, value in request.headers
            if each.lower() not in _OWN_HEADERS and (each.lower(), value) != ("accept", "*/*")
        ]
        if not request.header("Accept"):
            curl.append("--header 'Accept:'")
        if request.body or request.header("Content-Length"):
            curl += self._body(request)
        curl.append(f'"{_REST_OF[relay]}"{self._quote(request.target)}')
        return exchange.began, f"\nstep {self._quote(name)}\n" + " \\\n  ".join(curl)

    def _quote(self, text: str) -> str:
        """Quote for the shell, without secrets: removing these later could remove a quote too."""
        return shlex.quote(self._redactor.text(text))

    def _credentials(self, request: HttpRequest) -> list[str]:
        scheme, _, value = request.header("Authorization").partition(" ")
        if not scheme:
            return []
        if scheme.lower() != "basic":
            return [f"--header {shlex.quote(f'Authorization: {scheme} WITHHELD')}"]
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ["--header 'Authorization: Basic WITHHELD'"]
        if not self._redactor.knows(password):
            return [f"--user {shlex.quote(user)}:not-the-password"]
        self._user = user
        return ['--user "$USER_NAME:$USER_PASSWORD"']

    def _body(self, request: HttpRequest) -> list[str]:
        options = [] if request.header("Content-Type") else ["--header 'Content-Type:'"]
        if request.size > MAX_UNASKED and not request.header("Expect"):
            options.append("--header 'Expect:'")
        if _can_stand_inline(request.body):
            return [*options, f"--data-binary {self._quote(request.body.decode())}"]
        self._bodies += 1
        name = f"body-{self._bodies}.bin"
        (self._folder / name).write_bytes(self._redactor.bytes(request.body))
        return [*options, f'--data-binary @"$here/{name}"']

    # DICOM

    def _tool_steps(self) -> Iterator[_Step]:
        for tool in self._tools:
            name = f"{Path(tool.argv[0]).name}  (in the case: {tool.outcome})"
            words = " ".join([Path(tool.argv[0]).name, *self._words(tool.argv)])
            yield tool.began, f"\nstep {self._quote(name)}\n{words}"

    def _words(self, argv: Sequence[str]) -> list[str]:
        """Return the arguments of a tool, with variables for the server and paths to kept files."""
        peers = {
            str(endpoint.port): _DICOM_OF[name]
            for name, endpoint in self._tape.relays.items()
            if name in _DICOM_OF
        }
        words: list[str] = []
        for before, word in pairwise(argv):
            if word in peers and not before.startswith("-"):
                host, port = peers[word]
                words[-1:] = [f'"{host}"', f'"{port}"']
            elif before == "-aec" and word == self._title:
                words.append('"$AET"')
            elif word.startswith("/") and Path(word).exists():
                words.append(self._place(Path(word), before))
            else:
                words.append(self._quote(word))
        return words

    def _place(self, path: Path, option: str) -> str:
        """Keep an input next to the script; direct output to a temporary folder."""
        if path.is_dir() and option in ("-od", "--output-directory"):
            return '"$out"'
        kept = self._copied.setdefault(path, f"input-{len(self._copied) + 1}-{path.name}")
        target = self._folder / kept
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            target.write_bytes(self._redactor.bytes(path.read_bytes()))
        return f'"$here/"{shlex.quote(kept)}'

    def _other_associations(self) -> Iterator[_Step]:
        """Note the associations that no tool opened: this script cannot repeat them."""
        for track in self._tape.tracks:
            by_tool = any(tool.opened(track) for tool in self._tools)
            if track.protocol == "dicom" and not by_tool:
                said = f"an association was opened to {track.relay}: `harness replay` can repeat it"
                yield track.opened, f"\n# Here {said}."


def _can_stand_inline(body: bytes) -> bool:
    plain = set(body) <= set(string.printable.encode()) - set(b"\r\x0b\x0c")
    return plain and len(body) <= MAX_INLINE and not body.startswith(b"@")
