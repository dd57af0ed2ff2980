"""Services in the configuration, and in commands."""

import subprocess
import sys
from pathlib import Path

import pytest
from web.files import study
from web.scripted import found, service

from dcm.conf import Configuration, UnknownNode
from dcm.conf_table import ConfigurationError
from dcm.credentials import NoPassword
from dcm.net import TimeLimits, Tls

PATH = "/etc/some.toml"


def parse(text: str) -> Configuration:
    """Parse the table of one service."""
    return Configuration.parse(f"[remote_nodes.a]\nurl = 'https://pacs.org/web/'\n{text}", PATH)


def test_settings_of_a_service_are_read() -> None:
    """With all keys."""
    known = parse(
        "token = 'abc'\ntls_ca = 'ca.pem'\ntls_verify_host = false\nproxy = 'http://p:3128'\n"
        "headers = { X-Api-Key = 'k' }\nallow_plaintext = true\nmax_connections = 2\n"
        "time_limits = { response = 5 }"
    )
    found_here = known.service("a")

    assert found_here is not None
    assert (found_here.base, found_here.token) == ("https://pacs.org/web", "abc")
    assert found_here.tls == Tls("/etc/ca.pem", verify_host=False)
    assert found_here.proxy == "http://p:3128"
    assert found_here.headers == (("X-Api-Key", "k"),)
    assert found_here.allow_plaintext
    assert (found_here.max_connections, found_here.limits) == (2, TimeLimits(response=5))
    assert known.service("https://pacs.org/web") == found_here
    assert known.holds_secrets


def test_secrets_are_read_when_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file, or from the environment."""
    (tmp_path / "token").write_text("from a file\n")
    monkeypatch.setenv("OURS", "from-the-environment")
    for text, secrets in (
        (f"token_file = '{tmp_path}/token'", ("from a file", None, None)),
        ("token_variable = 'OURS'", ("from-the-environment", None, None)),
        ("user = 'anna'\npassword_variable = 'OURS'", (None, "anna", "from-the-environment")),
        ("", (None, None, None)),
    ):
        known = parse(text)
        one = known.service("a")
        assert one is not None
        assert (one.token, one.user, one.password) == secrets
        assert not known.holds_secrets
    with pytest.raises(NoPassword, match=r"the token of https://pacs.org/web/: set [$]MISSING"):
        parse("token_variable = 'MISSING'").service("a")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ae_title = 'A'", "remote_nodes.a.ae_title is not known"),
        ("token = 'a'\ntoken_file = 'b'", "several tokens"),
        ("token = 'a'\nuser = 'b'", "either a token or a user"),
        ("headers = { Host = 'x' }", "remote_nodes.a: 'Host' is not allowed"),
        ("headers = { A = 1 }", "remote_nodes.a.headers.A is 1"),
        ("password = 'x'", "needed with a password"),
        ("proxy = 'p:1'", "proxy must be a URL"),
    ],
)
def test_mistakes_name_the_key(text: str, words: str) -> None:
    """They also name the file."""
    with pytest.raises(ConfigurationError, match=f"{PATH}: .*{words}"):
        parse(text)


def test_service_is_no_dicom_node() -> None:
    """A URL needs no configuration."""
    known = parse("")

    with pytest.raises(UnknownNode, match="DICOMweb service"):
        known.remote("a")
    assert known.service("b") is None
    assert known.service("host:AE:104") is None
    other = known.service("http://b/web")
    assert other is not None
    assert other.token is None


def test_commands_work_with_services(orthanc_url: str, tmp_path: Path) -> None:
    """Echo, store, query and get, as with DICOM nodes."""
    study(tmp_path / "in", 2, 3, PatientID=tmp_path.name)
    configuration = tmp_path / "dcm.toml"
    configuration.write_text(f"[remote_nodes.web]\nurl = '{orthanc_url}'\n")

    def dcm(*words: str) -> str:
        command = [sys.executable, "-m", "dcm", "--config", str(configuration), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    dcm("echo", "web")
    assert "6 stored" in dcm("store", "web", str(tmp_path / "in"))
    found_here = dcm("query", orthanc_url, f"PatientID={tmp_path.name}", "--level", "series")
    assert found_here.count('"SeriesNumber"') == 2
    got = dcm("get", "web", f"PatientID={tmp_path.name}", "-o", str(tmp_path / "out"))
    assert "6 stored" in got
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 6


def test_commands_do_not_send_secrets_in_plain_text(tmp_path: Path) -> None:
    """Without --allow-plaintext no request is sent."""
    configuration = tmp_path / "dcm.toml"
    configuration.write_text("[remote_nodes.web]\nurl = 'http://192.0.2.1/web'\ntoken = 'abc'\n")
    configuration.chmod(0o600)
    command = [sys.executable, "-m", "dcm", "--config", str(configuration), "echo", "web"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode != 0
    assert "the credentials are not sent" in done.stderr
    assert "abc" not in done.stderr
    with service(lambda _: found([])) as (url, requests):
        configuration.write_text(f"[remote_nodes.web]\nurl = '{url}'\ntoken = 'abc'\n")
        subprocess.run(command, check=True, timeout=60, capture_output=True)
    assert requests[0].headers["authorization"] == "Bearer abc"
