"""`generate_config.py` as users run it: options, the question before overwriting, all errors."""

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.network import needs_ipv6

if TYPE_CHECKING:
    from conftest import Generate

SCRIPT = Path(__file__).resolve().parents[2] / "generate_config.py"
OTHER_PORTS = (
    *("--dicom", "11", "--rest", "12"),
    *("--local-dicom", "13", "--local-rest", "14"),
)
ELSEWHERE = ("--server", "198.51.100.7", "--local-host", "198.51.100.8")


def test_a_bare_python_is_enough(tmp_path: Path) -> None:
    """From a checkout, with only the standard library and an empty environment."""
    done = subprocess.run(
        [sys.executable, "-S", "-E", SCRIPT, "--force"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "IntegrationTestsConfiguration.json").exists()


def test_the_file_is_private(generate: "Generate") -> None:
    """It contains a password."""
    assert generate().path.stat().st_mode & 0o777 == 0o600


def test_no_default_port_is_left(generate: "Generate") -> None:
    """Every value in which a server refers to itself follows the chosen ports."""
    made = generate(*OTHER_PORTS)

    assert re.findall(r"\b(?:4242|8042|5001|5000)\b", made.text) == []
    assert re.findall(r"127\.0\.0\.1:\d+", made.text).count("127.0.0.1:12") == 4
    assert "DICOM 127.0.0.1:13  REST http://127.0.0.1:14/" in made.out


def test_every_choice_arrives(generate: "Generate") -> None:
    """AE titles, user, compression and hosts are in the right places."""
    made = generate(
        *ELSEWHERE,
        *("--aet", "PACS", "--local-aet", "SECOND"),
        *("--username", "bob", "--password", "se:cret"),
        "--compression",
    )

    assert made.values["DicomAet"] == "PACS"
    assert made.values["RegisteredUsers"] == {"bob": "se:cret"}
    assert made.values["StorageCompression"] is True
    assert made.values["DicomModalities"] == {
        "orthanctest": ["SECOND", "198.51.100.8", 5001],
        "self": ["PACS", "198.51.100.7", 4242],
        "orthanctest-with-local-aet": {
            "AET": "SECOND2",
            "Host": "198.51.100.8",
            "Port": 5001,
            "LocalAet": "OT-FROM-CONFIG",
        },
        "self-with-local-aet": {
            "AET": "PACS",
            "Host": "198.51.100.7",
            "Port": 4242,
            "LocalAet": "OT-FROM-CONFIG",
        },
    }
    assert re.findall(r"alice|orthanctest\"\s*[],]|127\.0\.0\.1|ORTHANC\b", made.text) == []


def test_elsewhere_paths_are_beside_the_copy(generate: "Generate") -> None:
    """No path is of this computer, and the printed commands say what to do on the other."""
    made = generate(*ELSEWHERE)

    assert str(made.path.parent) not in made.text
    assert made.values["StorageDirectory"] == "remote-storage"
    assert "mkdir -p remote-worklists && Orthanc remote.json" in made.out
    assert f"pytest tests --server 198.51.100.7 --config {made.path}" in made.out


def test_here_the_worklist_folder_is_made(generate: "Generate") -> None:
    """The plugin answers no query without its folder."""
    made = generate()

    assert (made.path.parent / "remote-worklists").is_dir()
    assert f"Orthanc {made.path}\n" in made.out


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        ("1.8.2", {"AcceptedTransferSyntaxes", "DicomAlwaysAllowFind", "DicomAlwaysAllowGet"}),
        ("1.9.6", {"DicomAlwaysAllowMove"}),
        ("1.9.7", {"DicomAlwaysAllowFindWorklist"}),
        ("1.10.1", {"KeepAliveTimeout"}),
        ("mainline", set()),
    ],
)
def test_a_version_leaves_out_what_came_later(
    generate: "Generate", version: str, missing: set[str]
) -> None:
    """Keys unknown to the version are missing; all others are there."""
    everything = set(generate().values)
    some = set(generate("--force", "--orthanc", version).values)

    assert missing <= everything
    assert not missing & some
    assert some - everything == set()
    assert {"OverwriteInstances", "DicomModalities"} <= some


def test_an_existing_file_stays_without_a_terminal(
    generate: "Generate", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal to ask on, nothing is overwritten."""
    before = generate().text
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        again = generate("--aet", "OTHER")

    assert again.code == 2
    assert "already exists; use --force to overwrite it" in again.err
    assert again.text == before


def test_force_overwrites(generate: "Generate") -> None:
    """There is no question with --force, and the mode is corrected."""
    generate().path.chmod(0o644)
    again = generate("--force", "--aet", "OTHER")

    assert (again.code, again.values["DicomAet"]) == (0, "OTHER")
    assert again.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("typed", "code", "kept"),
    [
        (b"y\n", 0, False),
        (b"Yes\n", 0, False),
        (b"n\n", 2, True),
        (b"\n", 2, True),
        (b"\x04", 2, True),  # Ctrl-D
        # Ctrl-C, and a line in case that the signal came before Python began to read.
        (b"\x03\n", 2, True),
    ],
)
def test_the_question_before_overwriting(
    tmp_path: Path, typed: bytes, code: int, kept: bool
) -> None:
    """On a terminal it asks, and only yes means yes."""
    target = tmp_path / "remote.json"
    target.write_text("mine")
    said, returned = _on_a_terminal([str(SCRIPT), "--target", str(target)], typed)

    assert f"{target} already exists. Overwrite it? [y/N]" in said
    assert "Traceback" not in said
    assert returned == code
    assert (target.read_text() == "mine") == kept


def _on_a_terminal(argv: list[str], typed: bytes) -> tuple[str, int]:
    """Run a Python program on a terminal, type when it asks; return its output and exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, *argv])  # noqa: S606 - a shell is not wanted
    limit = threading.Timer(20, os.kill, (pid, 9))
    limit.start()
    said = b""
    try:
        while True:
            said += os.read(terminal, 4096)
            if said.endswith(b"[y/N] "):
                os.write(terminal, typed)
    except OSError:  # the program has ended: EIO
        pass
    finally:
        limit.cancel()
        os.close(terminal)
    return said.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_link_stays_a_link(generate: "Generate", tmp_path: Path) -> None:
    """The target of the link is written."""
    real = tmp_path / "real.json"
    (tmp_path / "remote.json").symlink_to(real)

    assert generate("--force").path.is_symlink()
    assert real.exists()


def test_plugins_here_are_named_in_full(
    generate: "Generate", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths on this computer are absolute; the server is started from anywhere."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/libOne.so").touch()
    (tmp_path / "libTwo.so").touch()
    monkeypatch.chdir(tmp_path)

    made = generate("--plugins", "plugins", "--plugins", "libTwo.so")

    assert made.values["Plugins"] == [str(tmp_path / "plugins"), str(tmp_path / "libTwo.so")]
    assert "no plugins" not in made.out


def test_plugins_elsewhere_are_taken_on_trust(generate: "Generate") -> None:
    """A path missing here may exist on the remote: a warning, and the path is kept as given."""
    made = generate(*ELSEWHERE, "--plugins", "/opt/orthanc/libOne.so")

    assert made.code == 0
    assert made.values["Plugins"] == ["/opt/orthanc/libOne.so"]
    assert "--plugins /opt/orthanc/libOne.so does not exist on this computer" in made.err


@needs_ipv6
def test_ipv6_is_warned_of(generate: "Generate") -> None:
    """Orthanc 1.10.1 cannot open an association to an IPv6 address."""
    made = generate("--server", "::1")

    assert "::1 is an IPv6 address" in made.err
    assert "http://[::1]:8042/" in made.text


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (
            ["--dicom", "70000"],
            "argument --dicom: '70000' is not a TCP port: use a number from 1 to 65535",
        ),
        (["--local-rest", "x"], "argument --local-rest: 'x' is not a TCP port"),
        (["--aet", "SEVENTEEN LETTERS"], "argument --aet: 'SEVENTEEN LETTERS' is not an AE title"),
        (["--aet", "orthanctest", "--local-aet", "orthanctest"], "both instances are called"),
        (["--dicom", "8042"], "port 8042 of ORTHANC is used for both DICOM and REST"),
        (["--local-dicom", "4242"], "port 4242 of 127.0.0.1 is given to both the remote and the"),
        (["--server", "http://pacs/"], "argument --server: 'http://pacs/' is not a host name"),
        (["--server", "255.255.255.255"], "no route to 255.255.255.255"),
        (["--username", "a:b"], "argument --username: 'a:b' is not a user name"),
        (["--password", "${HOME}"], "argument --password: ${ is not allowed"),
        (["--password", ""], "argument --password: a password must be printable ASCII"),
        (
            ["--password", "secret"],
            "argument --password: a password must have at least 6 characters",
        ),
        (["--password", "20261122"], "neither a word nor a number"),
        (["--orthanc", "/usr/sbin/Orthanc"], "'/usr/sbin/Orthanc' is not a version of Orthanc"),
        (["--plugins", "/no/such.so"], "--plugins /no/such.so does not exist"),
        (["--plugins", "/proc/self/net"], "no plugin (*.so) in this folder"),
        (["--target", "/"], "--target / is a folder; give the name of a file"),
        (["--target", "/no/such/x.json"], "the folder /no/such does not exist"),
        (["--target", "/proc/x.json"], "/proc/x.json cannot be written: "),
        (["--serv", "pacs"], "unrecognized arguments: --serv pacs"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    generate: "Generate", argv: list[str], sentence: str
) -> None:
    """Exit code 2, one sentence, no file."""
    made = generate(*argv)

    assert made.code == 2
    assert sentence in made.err.splitlines()[-1]
    assert not made.path.exists()


def test_help_says_every_default(generate: "Generate") -> None:
    """Each option with a value shows its default."""
    said = generate("--help").out
    options = re.findall(
        r"^  (--\S+) [A-Z]+\s(.*?)(?=^  --|^\S|\Z)", said, re.MULTILINE | re.DOTALL
    )

    assert len(options) == 13
    assert [name for name, text in options if "(default:" not in text] == []


def test_each_file_has_a_password_of_its_own(generate: "Generate") -> None:
    """The password of another installation does not work."""
    first, second = (generate("--force").values["RegisteredUsers"]["alice"] for _ in range(2))

    assert len(first) >= 20
    assert first != second


def test_the_password_can_come_from_the_environment(
    generate: "Generate", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is then not in the process list; an ordinary word is refused there, too."""
    monkeypatch.setenv("HARNESS_PASSWORD", "open-sesame")
    assert generate().values["RegisteredUsers"] == {"alice": "open-sesame"}

    monkeypatch.setenv("HARNESS_PASSWORD", "sesame")
    made = generate("--force")
    assert made.code == 2
    assert "HARNESS_PASSWORD: a password must have at least 6 characters" in made.err


def test_remote_access_is_open_only_where_it_must_be(generate: "Generate") -> None:
    """On one computer no other gets in; for a remote one, Lua and remote access give a warning."""
    here = generate()
    assert here.values["RemoteAccessAllowed"] is False
    assert "Lua" not in here.err

    elsewhere = generate(*ELSEWHERE, "--force")
    assert elsewhere.values["RemoteAccessAllowed"] is True
    assert "can run Lua scripts there" in elsewhere.err
