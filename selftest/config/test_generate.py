"""`generate_config.py` as people use it: options, the question before overwriting, every refusal."""

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
    """From a checkout, with the standard library only and an empty environment."""
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
    """It holds a password."""
    assert generate().path.stat().st_mode & 0o777 == 0o600


def test_no_default_port_is_left(generate: "Generate") -> None:
    """Every place in which a server names itself follows the chosen ports."""
    made = generate(*OTHER_PORTS)

    assert re.findall(r"\b(?:4242|8042|5001|5000)\b", made.text) == []
    assert re.findall(r"127\.0\.0\.1:\d+", made.text).count("127.0.0.1:12") == 4
    assert "DICOM 127.0.0.1:13  REST http://127.0.0.1:14/" in made.out


def test_every_choice_arrives(generate: "Generate") -> None:
    """AE titles, user, compression and hosts stand where they belong."""
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
    """Nothing names a folder of this computer, and the commands say what to do there."""
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
    """Keys that the version does not know are not there; all others are."""
    everything = set(generate().values)
    some = set(generate("--force", "--orthanc", version).values)

    assert missing <= everything
    assert not missing & some
    assert some - everything == set()
    assert {"OverwriteInstances", "DicomModalities"} <= some


def test_an_existing_file_stays_without_a_terminal(
    generate: "Generate", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody can be asked, nothing is overwritten."""
    before = generate().text
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        again = generate("--aet", "OTHER")

    assert again.code == 2
    assert "exists already and there is no terminal to ask on; --force overwrites it" in again.err
    assert again.text == before


def test_force_overwrites(generate: "Generate") -> None:
    """No question with --force, and the mode is right again."""
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
    """On a terminal it asks, and only yes is yes."""
    target = tmp_path / "remote.json"
    target.write_text("mine")
    said, returned = _on_a_terminal([str(SCRIPT), "--target", str(target)], typed)

    assert f"{target} exists already. Overwrite it? [y/N]" in said
    assert "Traceback" not in said
    assert returned == code
    assert (target.read_text() == "mine") == kept


def _on_a_terminal(argv: list[str], typed: bytes) -> tuple[str, int]:
    """Run a Python program on a terminal of its own, type once it asks; give all it said, and the code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, *argv])  # noqa: S606 - no shell is what we want
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
    """What the link leads to is written."""
    real = tmp_path / "real.json"
    (tmp_path / "remote.json").symlink_to(real)

    assert generate("--force").path.is_symlink()
    assert real.exists()


def test_plugins_here_are_named_in_full(
    generate: "Generate", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and folders of this computer; the server is started from anywhere."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/libOne.so").touch()
    (tmp_path / "libTwo.so").touch()
    monkeypatch.chdir(tmp_path)

    made = generate("--plugins", "plugins", "--plugins", "libTwo.so")

    assert made.values["Plugins"] == [str(tmp_path / "plugins"), str(tmp_path / "libTwo.so")]
    assert "no plugins" not in made.out


def test_plugins_elsewhere_are_taken_on_trust(generate: "Generate") -> None:
    """What is not on this computer may be on the remote: a warning, and the path as it was given."""
    made = generate(*ELSEWHERE, "--plugins", "/opt/orthanc/libOne.so")

    assert made.code == 0
    assert made.values["Plugins"] == ["/opt/orthanc/libOne.so"]
    assert "--plugins /opt/orthanc/libOne.so is not on this computer" in made.err


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
            "argument --dicom: '70000' is no TCP port: a number from 1 to 65535",
        ),
        (["--local-rest", "x"], "argument --local-rest: 'x' is no TCP port"),
        (["--aet", "SEVENTEEN LETTERS"], "argument --aet: 'SEVENTEEN LETTERS' is no AE title"),
        (["--aet", "orthanctest", "--local-aet", "orthanctest"], "both instances are called"),
        (["--dicom", "8042"], "port 8042 of ORTHANC is given to both DICOM and REST"),
        (["--local-dicom", "4242"], "port 4242 of 127.0.0.1 is given to both the remote and the"),
        (["--server", "http://pacs/"], "argument --server: 'http://pacs/' is no host name"),
        (["--server", "255.255.255.255"], "no route to 255.255.255.255"),
        (["--username", "a:b"], "argument --username: 'a:b' is no user name"),
        (["--password", "${HOME}"], "argument --password: no ${ is allowed"),
        (["--password", ""], "argument --password: a password is printable ASCII"),
        (["--orthanc", "/usr/sbin/Orthanc"], "'/usr/sbin/Orthanc' is no version of Orthanc"),
        (["--plugins", "/no/such.so"], "--plugins /no/such.so: there is no such file or folder"),
        (["--plugins", "/proc/self/net"], "there is no plugin (*.so) in this folder"),
        (["--target", "/"], "--target / is a folder; name the file to write"),
        (["--target", "/no/such/x.json"], "there is no folder /no/such"),
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
    """Each option that takes a value tells what it is without it."""
    said = generate("--help").out
    options = re.findall(
        r"^  (--\S+) [A-Z]+\s(.*?)(?=^  --|^\S|\Z)", said, re.MULTILINE | re.DOTALL
    )

    assert len(options) == 13
    assert [name for name, text in options if "(default:" not in text] == []
