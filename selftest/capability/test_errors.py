"""What goes wrong is told in a sentence, and the exit status is not 0; what was found until then stands."""

import dataclasses
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from net.peers import dcmqrscp, free_port, liar

from dcm.net import DcmNode
from harness.capability import Limits, ProbeResult, Target, probe
from harness.capability.starting import started
from harness.cli import main
from harness.clients.rest import Rest
from harness.corpus import make
from harness.errors import ServerNotFound, ServerUnreachable
from harness.model import AETitle, Endpoint
from harness.servers.product import Asked


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command, which cannot even begin, and give what it says."""
    assert main(["probe", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.strip().splitlines()[-1]


def test_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    """A port without a server."""
    node = f"127.0.0.1:PACS:{free_port()}"

    assert fails(capsys, node, "--read-only") == (
        f"harness probe: no association with {node}: connection: Connection refused "
        "(check host and port, and that it runs)"
    )


def test_wrong_ae_title(capsys: pytest.CaptureFixture[str], archive: Target) -> None:
    """A server that goes by another title says so itself."""
    said = fails(capsys, f"127.0.0.1:WRONG:{archive.dicom.port}", "--read-only")

    assert "called AE title not recognized (check the AE title of the peer)" in said


def test_wrong_password(capsys: pytest.CaptureFixture[str], orthanc: Target) -> None:
    """REST refuses us; the password that was tried is not told."""
    assert orthanc.rest is not None
    said = fails(
        capsys, _node(orthanc), "--rest", str(orthanc.rest.port),
        "--username", "alice", "--password", "open-sesame", "--read-only",
    )  # fmt: skip

    assert "refuses us (status 401): --username and --password say who we are" in said
    assert "open-sesame" not in said


def test_no_orthanc_at_the_rest_port(capsys: pytest.CaptureFixture[str], archive: Target) -> None:
    """What answers there is told, where it is not HTTP at all as well."""
    port = str(archive.dicom.port)

    assert "GET /system" in fails(capsys, _node(archive), "--rest", port, "--read-only")


def test_who_speaks_no_dicom(capsys: pytest.CaptureFixture[str]) -> None:
    """Garbage instead of an association."""
    with liar(lambda taken: taken.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")) as node:
        said = fails(capsys, f"{node.host}:{node.ae_title}:{node.port}", "--read-only")

    assert said.startswith("harness probe: who answers speaks no DICOM: ")


def test_who_never_answers() -> None:
    """Silence costs one time limit."""

    def silent(taken: socket.socket) -> None:
        while taken.recv(65536):
            pass

    with liar(silent) as node, pytest.raises(ServerUnreachable, match=r"nothing came for 0\.5 s"):
        probe(_target(node, exchange=0.5))


def test_storing_elsewhere_needs_a_yes(
    capsys: pytest.CaptureFixture[str], archive: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal nobody can be asked, and nothing is stored."""
    with open(os.devnull) as nothing:  # noqa: PTH123 - as stdin
        monkeypatch.setattr("sys.stdin", nothing)
        said = fails(capsys, _node(archive))

    assert "will be stored in" in said
    assert said.endswith("Say --force to do so, or --read-only to leave it out")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["orthnac"], "dcmtk's worklist server"),
        (["orthanc", "--rest", "8042"], "are for a server that runs"),
        (["a:B:70000"], "a:B:70000"),
        (["a:B:104", "--with", "X=1"], "for a server that is started"),
        (["orthanc", "--limit", "0"], "more than 0 seconds"),
        (["a:B:104", "--web", "ftp://a/", "--read-only"], "--web ftp://a/: a URL"),
    ],
)
def test_wrong_use(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    """A wrong option is named, before anything is started or asked."""
    assert words in fails(capsys, *arguments)


def test_a_server_that_dies_in_the_middle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result stands with what was found, says where it ended, and the exit status is 1."""
    with dcmqrscp(tmp_path) as node:
        pid = _pid_at(node.port)
        monkeypatch.setattr(
            "sys.stderr", _Killing("asking for each key in the study", pid, signal.SIGKILL)
        )
        status = main(
            ["probe", f"127.0.0.1:{node.ae_title}:{node.port}", "--force", "-o", str(file)]
        )

    result = ProbeResult.from_json(json.loads(file.read_text()))
    assert status == 1
    assert result.ended is not None
    assert result.ended.startswith("it ended during C-FIND, study root")
    assert result.by_id()["query/patient/STUDY/StudyDate"].probed == "returned, matched"
    assert result.left_behind


def test_a_server_that_hangs_in_the_middle(tmp_path: Path) -> None:
    """It is given up after one exchange and one echo without an answer."""
    with dcmqrscp(tmp_path) as node:
        pid = _pid_at(node.port)

        def freeze(words: str) -> None:
            if words == "storing a small study":
                os.kill(pid, signal.SIGSTOP)

        try:
            result = probe(_target(node, exchange=0.5), freeze)
        finally:
            os.kill(pid, signal.SIGCONT)

    assert result.ended is not None
    assert "it answers no echo" in result.ended
    assert result.by_id()["sop-class/1.2.840.10008.1.1"].probed == "answered"
    assert result.run.duration < 10


def test_the_limit_for_the_whole(archive: Target) -> None:
    """The probe ends in time, wherever it is."""
    result = probe(dataclasses.replace(archive, limits=Limits(whole=0.2)))

    assert result.ended == "the time limit of 0.2 s for the whole was reached"
    assert result.run.duration < 5


def test_what_was_stored_in_an_orthanc_is_deleted_again(orthanc_elsewhere: Target) -> None:
    """Over REST it can be deleted, and nothing else is: the patient that was there stays."""
    target = dataclasses.replace(orthanc_elsewhere, limits=Limits(whole=3))
    assert target.rest is not None
    with Rest(target.rest, target.credentials) as rest:
        before = rest.json("/patients")

        result = probe(target)

        assert rest.json("/patients") == before
    assert result.left_behind == ()
    assert result.by_id()["query/patient/PATIENT/PatientName"].probed == "returned, matched"


@pytest.fixture
def orthanc_elsewhere() -> Iterator[Target]:
    """An Orthanc that is not ours, with a patient in it."""
    try:
        with started("orthanc", Asked(plugins=())) as target:
            assert target.rest is not None
            with Rest(target.rest, target.credentials) as rest:
                rest.upload(make.instance(PatientName="Stays^Here").data)
            yield dataclasses.replace(target, ours=False)
    except ServerNotFound as missing:
        pytest.skip(str(missing))


class _Killing:
    """A stderr that ends a server when it is told something."""

    def __init__(self, words: str, pid: int, number: signal.Signals) -> None:
        self.words, self.pid, self.number = words, pid, number

    def write(self, text: str) -> int:
        if self.words in text:
            os.kill(self.pid, self.number)
        return len(text)

    def flush(self) -> None:
        """Do nothing."""

    def isatty(self) -> bool:
        return False


def _node(target: Target) -> str:
    return f"127.0.0.1:{target.ae_title}:{target.dicom.port}"


def _target(node: DcmNode, exchange: float) -> Target:
    return Target(
        Endpoint(node.host, node.port), AETitle(node.ae_title), AETitle("PROBE"),
        limits=Limits(exchange=exchange),
    )  # fmt: skip


def _pid_at(port: int) -> int:
    """Give the process that listens at a port."""
    me = psutil.Process()
    for child in me.children(recursive=True):
        if any(each.laddr.port == port for each in child.net_connections("tcp") if each.laddr):
            return child.pid
    raise AssertionError(f"nobody listens at {port}")
