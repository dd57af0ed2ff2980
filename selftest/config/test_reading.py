"""Written files are read back, edited by hand or not; invalid ones are reported in a sentence."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.config.generate import write
from harness.config.reading import read, without_comments
from harness.config.settings import LOCAL, REMOTE, Node, Pair, Setup
from harness.errors import ConfigError
from harness.model import AETitle, Credentials, Port, Version

if TYPE_CHECKING:
    from conftest import Generate

ELSEWHERE = Pair(
    Node(AETitle("PACS"), "pacs.test", Port(104), Port(80), Credentials("bob", 'q"//*\\ä')),
    Node(AETitle("ME"), "fd00::2", Port(11112), Port(8080), Credentials("bob", "other")),
)


def setup_of(pair: Pair, folder: Path, **more: Any) -> Setup:
    """Make a setup with folders that exist."""
    (folder / "worklists").mkdir()
    return replace(Setup(pair, folder / "storage", folder / "worklists"), **more)


@pytest.mark.parametrize(
    ("pair", "more"),
    [
        (Pair(REMOTE, LOCAL), {}),
        (Pair(REMOTE, LOCAL), {"orthanc": Version("1.8.2"), "compression": True}),
        (Pair(REMOTE, LOCAL), {"plugins": ("/a b/lib.so", "/c")}),
        (ELSEWHERE, {}),
        (Pair(replace(REMOTE, credentials=None), LOCAL), {}),
        (Pair(REMOTE, replace(LOCAL, credentials=None)), {}),
    ],
)
def test_reading_is_the_inverse_of_writing(
    tmp_path: Path, pair: Pair, more: dict[str, Any]
) -> None:
    """Everything written is read back the same."""
    setup = setup_of(pair, tmp_path, **more)
    file = tmp_path / "remote.json"
    write(setup, file)

    assert read(file) == (pair, setup.worklists)


def test_worklists_of_another_computer_are_out_of_reach(generate: "Generate") -> None:
    """The harness writes worklists only if it can see their folder."""
    made = generate("--server", "198.51.100.7", "--local-host", "198.51.100.8")
    assert read(made.path)[1] is None

    beside = made.path.parent / "remote-worklists"
    beside.mkdir()
    assert read(made.path)[1] == beside


def test_no_worklists_is_no_folder(tmp_path: Path) -> None:
    """Without a folder the plugin is off, and no other folder is used."""
    setup = replace(setup_of(Pair(REMOTE, LOCAL), tmp_path), worklists=None)
    file = tmp_path / "remote.json"
    write(setup, file)

    assert json.loads(file.read_text())["Worklists"] == {"Enable": False}
    assert read(file)[1] is None


def test_comments_are_no_matter(generate: "Generate") -> None:
    """Comments of both kinds may be anywhere; text in strings that looks like one is kept."""
    made = generate()
    setup = read(made.path)
    edited = made.text.replace('"DicomAet"', '// our "PACS\n /* since\n 2012 // */ "DicomAet"')
    made.path.write_text(edited + "// the end")

    assert read(made.path) == setup
    assert setup[0].local.url == "http://127.0.0.1:5000/"


def test_comments_keep_their_place() -> None:
    """Lines and columns in error messages are those of the file."""
    assert without_comments('{ // "a"\n/* b\n*/ "c//d": "\\"/*" }') == (
        '{       \n    \n   "c//d": "\\"/*" }'
    )


def test_both_forms_of_orthanc_are_read(generate: "Generate") -> None:
    """Modalities and peers may also be objects."""
    made = generate()
    values = json.loads(made.text)
    values["DicomModalities"]["orthanctest"] = {
        "AET": "A",
        "Host": "h",
        "Port": 1,
        "AllowGet": False,
    }
    values["OrthancPeers"]["peer"] = {"Url": "http://h:2", "Username": "u", "Password": "p"}
    made.path.write_text(json.dumps(values))

    assert read(made.path)[0].local == Node(
        AETitle("A"), "h", Port(1), Port(2), Credentials("u", "p")
    )


Edit = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (
            lambda all_: all_["DicomModalities"].pop("orthanctest"),
            "DicomModalities.orthanctest is missing; expected [AE title, host, port]",
        ),
        (
            lambda all_: all_["DicomModalities"].update(self="me"),
            'DicomModalities.self is "me"; expected [AE title, host, port]',
        ),
        (
            lambda all_: all_["DicomModalities"].update(orthanctest=["A" * 17, "h", 1]),
            f"DicomModalities.orthanctest: '{'A' * 17}' is not an AE title: use 1 to 16",
        ),
        (
            lambda all_: all_["DicomModalities"].update(orthanctest=["A", "h", 70000]),
            "DicomModalities.orthanctest: 70000 is not a TCP port: use a number from 1 to 65535",
        ),
        (lambda all_: all_.pop("OrthancPeers"), "OrthancPeers.peer is missing; expected [URL]"),
        (
            lambda all_: all_["OrthancPeers"].update(peer=["https://h:1/", "alice", "orthanctest"]),
            "OrthancPeers.peer is invalid; expected a URL such as http://host:5000/",
        ),
        (
            lambda all_: all_["OrthancPeers"].update(peer=["http://h:99999/"]),
            "OrthancPeers.peer is invalid; expected a URL such as http://host:5000/",
        ),
        (
            lambda all_: all_["OrthancPeers"].update(peer=["http://h:1/", "orthanctest"]),
            "OrthancPeers.peer is invalid; expected [URL] or [URL, user, password]",
        ),
        (
            lambda all_: all_.update(RegisteredUsers={}),
            'RegisteredUsers is invalid; expected {"user": "password"}',
        ),
        (lambda all_: all_.pop("DicomAet"), "DicomAet is missing; expected a text in quotes"),
        (
            lambda all_: all_.update(DicomPort="4242"),
            'DicomPort is "4242"; expected a number from 1 to 65535',
        ),
        (
            lambda all_: all_.update(DicomPort=4343),
            "DicomPort is 4343, but DicomModalities.self is 4242; it must be the same",
        ),
        (
            lambda all_: all_.update(HttpPort=8043),
            "HttpPort is 8043, but OrthancPeers.self is 8042; it must be the same",
        ),
        (
            lambda all_: all_.update(DicomAet="PACS"),
            "DicomAet is PACS, but DicomModalities.self is ORTHANC; it must be the same",
        ),
        (
            lambda all_: all_["DicomModalities"].update(orthanctest=["ORTHANC", "h", 1]),
            "both instances are called ORTHANC",
        ),
        (
            lambda all_: all_.update(AuthenticationEnabled="yes"),
            'AuthenticationEnabled is "yes"; expected true or false',
        ),
    ],
)
def test_what_cannot_be_used_is_told(generate: "Generate", edit: Edit, sentence: str) -> None:
    """File, key, value and what is allowed, in one line; never a password."""
    made = generate()
    values = json.loads(made.text)
    edit(values)
    made.path.write_text(json.dumps(values))

    with pytest.raises(ConfigError) as caught:
        read(made.path)

    said = str(caught.value)
    assert said.startswith(f"{made.path}: {sentence}")
    assert "\n" not in said
    assert '"orthanctest"' not in said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{\n  "DicomAet": ORTHANC\n}', "remote.json, line 2, column 15: no JSON"),
        (b"[]", "remote.json is not a configuration, which is a JSON object in braces"),
        (b"\xff\xfe{}", "remote.json is not UTF-8 text"),
        (b'{"Name": "another Orthanc"}', "remote.json: DicomModalities.self is missing"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, content: bytes, sentence: str) -> None:
    """Any other content is named as what it is, with what to do."""
    file = tmp_path / "remote.json"
    file.write_bytes(content)

    with pytest.raises(
        ConfigError, match=r"create the file with python generate_config\.py"
    ) as caught:
        read(file)

    assert sentence in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The error names the file, and how to get one."""
    with pytest.raises(ConfigError, match=r"x\.json cannot be read: No such file or directory;"):
        read(tmp_path / "x.json")
