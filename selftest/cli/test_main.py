"""`dcm` itself: help, usage errors, logs, signals, and a closed pipe."""

import ast
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import ROOT, Start
from net.peers import free_port, liar

import dcm
from dcm.cli import COMMANDS, main
from dcm.net import DcmNode

NOT_FOR_A_TRANSFER = ("_ssl", "tomllib", "json", "pydicom", "rich", "encodings.idna")
SHOWING_IMPORTS = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1", "DCM_CONFIG_PATH": os.devnull}
NOT_FOR_HELP = ("pathlib", "asyncio", "ssl", "pydicom", "rich", "logging", "dcm.net", "dcm.data")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """With a description of each."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(f"  {name}" in shown and does in shown for name, does in COMMANDS.items())


def test_help_imports_nothing_that_it_does_not_need(start: Start) -> None:
    """This makes it fast."""
    imported = _imported(start("--help", env=SHOWING_IMPORTS))
    assert "dcm.cli" in imported
    assert imported.isdisjoint(NOT_FOR_HELP)


def test_help_takes_a_tenth_of_a_second(start: Start) -> None:
    """CPU time, the best of several: wall time depends on what else the computer does."""
    environment = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each start compiles everything
    used = []
    for _ in range(5):
        process = start("--help", env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        used.append(usage.ru_utime + usage.ru_stime)
    assert min(used) < 0.1


@pytest.mark.parametrize(
    ("command", "words"),
    [("echo", ()), ("get", ("-o", "{folder}", "StudyInstanceUID=1.2.3")), ("store", (__file__,))],
)
def test_a_command_imports_nothing_that_it_does_not_need(
    start: Start, tmp_path: Path, command: str, words: tuple[str, ...]
) -> None:
    """Without TLS no OpenSSL, without a configuration no TOML, without a report no JSON."""
    filled = [word.format(folder=tmp_path) for word in words]
    nobody = f"127.0.0.1:NOBODY:{free_port()}"
    process = start(command, nobody, *filled, env=SHOWING_IMPORTS)
    imported = _imported(process)
    assert "dcm.net.association" in imported or command == "store"
    assert imported.isdisjoint(NOT_FOR_A_TRANSFER)


def _imported(process: "subprocess.Popen[str]") -> set[str]:
    """Return the modules that a program imported successfully until its end."""
    shown = process.communicate(timeout=60)[1]
    rows = (line.split("|") for line in shown.splitlines() if line.startswith("import time:"))
    return {name.strip() for *_, name in rows}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The options of all commands may follow the command."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "--log-path" in shown


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """As a command, and as an option."""
    assert main(["version"]) == 0
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"dcm {dcm.__version__}\n" * 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ecko"], "dcm: argument COMMAND: invalid choice: 'ecko'"),
        (["echo"], "dcm echo: the following arguments are required: REMOTE"),
        (["echo", "a:B:1", "--lokal", "x"], "dcm echo: unrecognized arguments: --lokal x"),
        (["--debug-filter", "x", "version"], "invalid choice: 'x'"),
        (["listen", "-o", "x", "--port", "70000"], "'70000' is not a number from 0 to 65535"),
        (["listen", "-o", "x", "--inactive-timeout", "nan"], "'nan' is not a number of seconds"),
    ],
)
def test_wrong_use_is_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that ends with a pointer to the help, and exit status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    shown = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in shown
    assert shown.endswith("--help\n")
    assert shown.count("\n") == 1


def test_an_option_of_all_commands_may_stand_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Before and after the command; those before it are not forgotten."""
    nobody = f"127.0.0.1:NOBODY:{free_port()}"
    filters = ["--debug-filter", "query_responses"]
    assert main(["--debug", *filters, "echo", *filters, nobody]) == 1
    assert main(["echo", nobody, "--debug"]) == 1
    assert capsys.readouterr().err.count("Traceback:") == 2


@pytest.mark.parametrize(
    "arguments", [["--quiet", "version", "-v"], ["version", "--debug", "--quiet"]]
)
def test_quiet_excludes_its_contraries(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """This holds for any position of the options."""
    assert main(arguments) == 2
    assert "cannot be used with" in capsys.readouterr().err


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """A user who types only `dcm` wants to see the commands."""
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().out


def test_logs_go_to_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has its own level, and is appended to."""
    log = tmp_path / "log"
    nobody = f"127.0.0.1:NOBODY:{free_port()}"
    monkeypatch.setenv("DCM_LOG_PATH", str(log))
    assert main(["echo", nobody, "--quiet"]) == 1
    assert main(["--log-path", str(log), "--file-log-level", "debug", "echo", nobody]) == 1
    text = log.read_text()
    assert text.count(f"ERROR   dcm.cli: {nobody}: connection: ") == 2
    assert text.count("Traceback:") == 1


def test_a_log_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error comes before anything is done."""
    log = tmp_path / "no" / "log"
    assert main(["--log-path", str(log), "version"]) == 2
    said = f"dcm version: the log cannot be written: {log}: No such file or directory\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_ends_in_order(
    number: signal.Signals, status: int, start: Start
) -> None:
    """Even if SIGINT was masked at the start: it aborts the association, without a traceback."""
    heard: list[bytes] = []

    def wait(taken: socket.socket) -> None:
        while data := taken.recv(65536):
            if not heard:
                process.send_signal(number)
            heard.append(data)

    masked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    with liar(wait) as node:
        try:
            process = start("echo", str(node))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        shown = process.communicate(timeout=60)
    assert process.returncode == status
    assert shown == ("", "dcm echo: interrupted\n" if number is signal.SIGINT else "")
    assert heard[0][0] == 1  # A-ASSOCIATE-RQ
    assert b"".join(heard)[-10] == 7  # A-ABORT


@pytest.mark.parametrize(
    "words",
    [
        ["echo", "{node}"],
        ["store", "{node}", "{objects}"],
        ["query", "{node}", "PatientID=CLI1", "--level", "image"],
        ["get", "{node}", "PatientID=CLI1", "-o", "{folder}"],
    ],
    ids=lambda words: words[0],
)
def test_commands_work_without_assertions(
    words: list[str], dcmqrscp_archive: DcmNode, objects: Path, tmp_path: Path
) -> None:
    """`python -O` removes `assert` statements with everything in them."""
    filled = [
        word.format(node=dcmqrscp_archive, objects=objects, folder=tmp_path) for word in words
    ]
    done = subprocess.run(
        [sys.executable, "-O", "-m", "dcm", *filled],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_listener_works_without_assertions(objects: Path, tmp_path: Path, start: Start) -> None:
    """It receives what a sender without assertions sends."""
    process = start(
        *("listen", "-o", tmp_path / "in", "--host", "127.0.0.1", "--port", "0"),
        env={**os.environ, "PYTHONOPTIMIZE": "1"},
    )
    assert process.stderr is not None
    node = process.stderr.readline().split()[-1]
    sent = subprocess.run(
        [sys.executable, "-O", "-m", "dcm", "store", node, str(objects)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (sent.returncode, sent.stderr) == (0, "")
    assert len(list((tmp_path / "in").glob("*.dcm"))) == 4


def test_no_assertion_does_anything() -> None:
    """An `assert` only inspects: it calls nothing that could have an effect."""
    looking = {"isinstance", "len", "issubclass", "all", "any", "type", "hasattr", "callable"}
    acting = [
        f"{path.name}:{node.lineno}"
        for path in sorted((ROOT / "dcm").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert)
        for inner in ast.walk(node.test)
        if isinstance(inner, ast.Await | ast.NamedExpr)
        or (isinstance(inner, ast.Call) and getattr(inner.func, "id", None) not in looking)
    ]
    assert acting == []


@pytest.mark.parametrize("before", ["import dcm.net, dcm.cli", "from dcm.cli import main; main()"])
def test_other_programs_keep_their_tls_and_their_collector(before: str) -> None:
    """Neither an import nor `main` changes the caller's process, whatever `sys.argv` contains."""
    code = (
        "import sys, gc; threshold = gc.get_threshold()\n"
        f"sys.argv = ['x', 'echo', '127.0.0.1:NOBODY:1']; {before}\n"
        "import asyncio, ssl\n"
        "from asyncio import base_events, selector_events, sslproto\n"
        "assert {each.ssl for each in (base_events, selector_events, sslproto)} == {ssl}\n"
        "assert sslproto.SSLAgainErrors\n"
        "print(gc.get_threshold() == threshold, gc.isenabled(), gc.get_freeze_count())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "True True 0\n"


def test_a_reader_that_leaves_is_no_error(start: Start) -> None:
    """As with any program in a pipe."""
    read, write = os.pipe()
    os.close(read)
    process = start("conf", "--show-default", stdout=write)
    os.close(write)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 128 + signal.SIGPIPE


def test_output_that_cannot_be_written_is_an_error(start: Start) -> None:
    """One sentence, even if the error only appears at the end."""
    with Path("/dev/full").open("w") as full:
        process = start("conf", "--show-default", stdout=full)
    assert process.communicate(timeout=60)[1] == "dcm conf: No space left on device\n"
    assert process.returncode == 1


def test_the_module_is_the_command(start: Start) -> None:
    """`python -m dcm` passes the exit status on."""
    process = start("echo", "nowhere", stdin=subprocess.DEVNULL)
    assert "no remote node is called 'nowhere'" in process.communicate(timeout=60)[1]
    assert process.returncode == 2


def test_what_is_said_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters from any source are shown as question marks."""
    assert main(["store", f"127.0.0.1:NOBODY:{free_port()}", "no\x1b[2J\nsuch"]) == 1
    said = capsys.readouterr().err
    assert "no?[2J?such: not tried" in said
    assert said.count("\n") == 1
