"""`dcm.conf`: reading a configuration, and the errors for an invalid one."""

import re
from pathlib import Path

import pytest

from dcm.conf import DEFAULT_LOCAL, TEMPLATE, Configuration, LocalDir, UnknownNode, default_path
from dcm.conf_table import ConfigurationError
from dcm.credentials import Credentials, NoPassword
from dcm.errors import LocalProtocolError
from dcm.net import DcmNode, Listen, TimeLimits, Tls
from dcm.net.identity import user
from dcm.store.layout import Layout

PATH = "some.toml"


def parse(text: str) -> Configuration:
    """Parse a text as the content of a file."""
    return Configuration.parse(text, PATH)


def test_the_template_can_be_used() -> None:
    """As it is, and with all commented-out lines enabled."""
    assert parse(TEMPLATE) == Configuration(PATH, {"default": DEFAULT_LOCAL})
    everything = parse(re.sub(r"^# (?=\[|\w+ = )", "", TEMPLATE, flags=re.MULTILINE))
    mypacs, credentials = everything.remote_nodes["mypacs"]
    assert str(mypacs.node) == "mypacs.org:MYPACS:11112"
    assert mypacs.limits == TimeLimits(response=300)
    assert credentials == Credentials("anna", password_file="mypacs.txt")
    layout = Layout("{PatientID}/{StudyDate:%Y|undated}/{StudyInstanceUID}/{SOPInstanceUID}.dcm")
    scans = LocalDir(str(Path("~/scans").expanduser()), layout, "dcm", False, True)
    assert everything.local_dirs == {"scans": scans}


def test_folders_are_beside_the_configuration() -> None:
    """Relative paths start at the configuration's folder; missing values have defaults."""
    known = Configuration.parse("[local_dirs.a]\npath = 'x'\nin_file_ext = '.ima'", "/etc/dcm/conf")
    assert known.local_dirs == {"a": LocalDir("/etc/dcm/x", None, "ima", True, False)}


@pytest.mark.parametrize("key", ["host", "hostname"])
def test_host_and_hostname_are_the_same(key: str) -> None:
    """Both names are accepted."""
    found = parse(f"[remote_nodes.a]\n{key} = '192.0.2.1'").remote("a")
    assert found.node == DcmNode("192.0.2.1", "ANYAE", 11112)


def test_time_limits_of_a_node_go_before_those_of_all() -> None:
    """A value that a node does not set is taken from the general ones."""
    known = parse(
        "[time_limits]\nconnect = 1\nresponse = 2.5\n[remote_nodes.a]\nhost = 'a'\n"
        "time_limits = { connect = 3 }"
    )
    assert known.remote("a").limits == TimeLimits(connect=3, response=2.5)
    assert known.remote("b:B:104").limits == TimeLimits(connect=1, response=2.5)


def test_who_we_are() -> None:
    """`default` takes precedence over the first node, and a name or an address over both."""
    known = parse("[local_nodes.a]\nae_title = 'A'\n[local_nodes.default]\nport = 0\n")
    assert known.local() == Listen("0.0.0.0", "DCM", 0)  # noqa: S104
    assert known.local("a") == Listen("0.0.0.0", "A", 11112)  # noqa: S104
    assert known.local("b:B:1") == Listen("b", "B", 1)
    assert parse("[local_nodes.a]\nae_title = 'A'").local().ae_title == "A"
    assert parse("").local() == DEFAULT_LOCAL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x =", "some.toml is not TOML: Invalid value"),
        ("[remote_node.a]", "remote_node is not known (did you mean remote_nodes?); known keys are loc"),
        ("[remote_repos.a]", "remote_repos.a.base_query is missing; expected keys of a query"),
        ("[remote_repos.a]\nbase_query = { PatientID = 'x' }", "remote_repos.a.remote is missing"),
        (
            "[remote_repos.a]\nremote='b'\nbase_query = { PatientID = 'x' }\n[remote_nodes.a]\nhost='x'",
            "remote_repos.a: a remote node or a folder has the same name",
        ),
        ("[static_routes.a]", "some.toml: static_routes.a.dests is missing"),
        ('[static_routes.a]\ndests = ["b"]\nfilt = "Modality = CT"', "static_routes.a: selector 'Mod"),
        ('[static_routes.a]\ndests = ["b"]\nhours = "9"', "hours is '9'; expected a time span"),
        ('[static_routes.a]\ndests = ["b"]\nmethods = ["FAX"]', "methods is ['FAX']; expected a list"),
        ("[dynamic_routes.a]", "dynamic_routes.a.routing_map is missing"),
        (
            '[dynamic_routes.a]\nroute_level = "x"\nrouting_map = { "Modality == CT" = ["b"] }',
            "route_level is 'x'; expected PATIENT",
        ),
        (
            '[static_routes.a]\ndests = ["b"]\n[local_dirs.a]\npath = "c"',
            "static_routes.a: a remote node or a folder has the same name",
        ),
        ("remote_nodes = 3", "remote_nodes is 3; expected a table: [remote_nodes]"),
        ("remote_nodes.a = 3", "remote_nodes.a is 3; expected a table: [remote_nodes.a]"),
        ("[remote_nodes.a]", "remote_nodes.a.host is missing; expected a text in quotes"),
        ("[remote_nodes.a]\nhosts='x'", "remote_nodes.a.hosts is not known (did you mean host"),
        ("[remote_nodes.a]\nhost='x'\nhostname='x'", "only one of host and hostname, which mean the same"),
        ("[remote_nodes.a]\nhost=''", "remote_nodes.a.host is ''; expected a text in quotes"),
        ("[remote_nodes.a]\nhost='x'\nport='1'", "port is '1'; expected a number from 1 to 65535"),
        ("[local_nodes.a]\nport=true", "local_nodes.a.port is True; expected a number from 0 to"),
        ("[local_nodes.a]\nae_title='ABCDEFGHIJKLMNOPQ'", "local_nodes.a: AE title is 'ABCDEFGHIJ"),
        ("[remote_nodes.a]\nhost='x'\ntls='yes'", "remote_nodes.a.tls is 'yes'; expected true or"),
        ("[remote_nodes.a]\nhost='x'\ntls_key='k'", "tls_certificate is missing; expected a PEM file,"),
        ("[local_nodes.a]\ntls_ca='ca'", "tls_certificate is missing; expected a PEM file, which a l"),
        ("[local_nodes.a]\ntls_certificate='c'\ntls_require_certificate=true", "a.tls_ca is missing; expec"),
        ("[remote_nodes.a]\nhost='x'\nallow_plaintext='no'", "allow_plaintext is 'no'; expected true"),
        ("[remote_nodes.a]\nhost='x'\npassword='hush'", "remote_nodes.a.user is missing; expected a"),
        ("[remote_nodes.a]\nhost='x'\nuser='u'\npassword='hush'\npassword_file='f'", "several passwo"),
        ("[local_dirs.a]", "local_dirs.a.path is missing; expected a text in quotes"),
        ("[local_dirs.a]\npath='x'\nout_fmt='y'", "local_dirs.a.out_fmt is not known"),
        ("[local_dirs.a]\npath='x'\nlayout='{Patient}'", "a: invalid layout: there is no DICOM"),
        ("[local_dirs.a]\npath='x'\nlayout='a/{PatientID:%Y}'", "at character 14 of 'a/{PatientID:%Y}'"),
        ("[local_dirs.a]\npath='x'\n[remote_nodes.a]\nhost='x'", "a: a remote node has the same name"),
        ("[local_dirs.a]\npath='x'\nread_only='no'", "a.read_only is 'no'; expected true or fal"),
        ("[time_limits]\nidle=0", "time_limits.idle is 0; expected a number of seconds greater tha"),
        ("[time_limits]\nidle=nan", "time_limits.idle is nan; expected a number of seconds"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    """One sentence names the file, the key and what is allowed."""
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    assert str(caught.value).startswith("some.toml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    """The file does not exist, or is not text."""
    path = tmp_path / "conf"
    if content:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=str(path)):
        Configuration.read(str(path))


def test_an_unknown_name_lists_the_known_ones() -> None:
    """It also suggests the nearest one; half an address is answered with the full form."""
    known = parse("[remote_nodes.mypacs]\nhost = 'a'\n[remote_nodes.other]\nhost = 'b'")
    hint = (
        r"'mypasc' in some.toml \(did you mean mypacs\?\); known nodes: mypacs, other; use host:ae"
    )
    with pytest.raises(UnknownNode, match=hint):
        known.remote("mypasc")
    with pytest.raises(
        UnknownNode, match=r"local node is called 'x' in some\.toml; no nodes are known"
    ):
        known.local("x")
    with pytest.raises(LocalProtocolError, match="use host:ae_title:port"):
        known.remote("mypacs:104")


def test_tls_of_a_node(tmp_path: Path) -> None:
    """Relative paths start at the configuration's folder; `false` disables TLS."""
    known = Configuration.parse(
        "[local_nodes.default]\ntls_certificate = 'we.pem'\ntls_require_certificate = true\n"
        "tls_ca = 'ca.pem'\n"
        "[remote_nodes.a]\nhost = 'a'\ntls_ca = '/etc/ca.pem'\ntls_verify_host = false\n"
        "[remote_nodes.b]\nhost = 'b'\ntls_ca = 'ca.pem'\ntls = false\n"
        "[remote_nodes.c]\nhost = 'c'\ntls = true\n",
        f"{tmp_path}/conf",
    )
    ours = Tls(f"{tmp_path}/ca.pem", f"{tmp_path}/we.pem", require_certificate=True)
    assert known.local().tls == ours
    assert known.remote("a").tls == Tls(ca="/etc/ca.pem", verify_host=False)
    assert known.remote("b").tls is None
    assert known.remote("c").tls == Tls()


def test_a_password_is_fetched_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """From a file, the environment, or the configuration, which others should not read."""
    path = tmp_path / "conf.toml"
    path.write_text(
        "".join(
            f"[remote_nodes.{name}]\nhost = 'x'\nuser = 'anna'\n{where}\n"
            for name, where in (
                ("file", "password_file = 'secret.txt'"),
                ("variable", "password_variable = 'SECRET'"),
                ("here", "password = 'hush'"),
                ("nothing", ""),
            )
        )
    )
    path.chmod(0o644)
    known = Configuration.read(str(path))
    assert "can be read by others: run chmod 600" in caplog.text
    assert "hush" not in repr(known)
    monkeypatch.delenv("SECRET", raising=False)
    with pytest.raises(NoPassword, match=f"the password in {tmp_path}/secret.txt: No such file"):
        known.remote("file")
    with pytest.raises(NoPassword, match=r"the password of anna: set \$SECRET to it"):
        known.remote("variable")
    (tmp_path / "secret.txt").write_text("hush\n")
    monkeypatch.setenv("SECRET", "hush")
    for name in ("file", "variable", "here"):
        assert known.remote(name).user_identity == user("anna", "hush")
    assert known.remote("nothing").user_identity == user("anna")


def test_a_node_may_be_told_a_user_without_tls() -> None:
    """Only if the file allows it."""
    known = parse(
        "[remote_nodes.a]\nhost = 'x'\nallow_plaintext = true\n[remote_nodes.b]\nhost = 'x'\n"
    )
    assert known.remote("a").allow_plaintext
    assert not known.remote("b").allow_plaintext


def test_without_a_home_the_configuration_is_that_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A container may run with an unknown user ID and without HOME."""

    def unknown(_uid: int) -> None:
        raise KeyError

    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert default_path() == "/etc/xdg/dcm/dcm_conf.toml"


def test_a_file_without_passwords_may_be_read_by_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no warning, nor for a file with passwords that others cannot read."""
    path = tmp_path / "conf.toml"
    path.write_text("[remote_nodes.a]\nhost = 'x'\nuser = 'anna'\n")
    path.chmod(0o644)
    Configuration.read(str(path))
    path.write_text("[remote_nodes.a]\nhost = 'x'\nuser = 'anna'\npassword = 'hush'\n")
    path.chmod(0o600)
    Configuration.read(str(path))
    assert caplog.text == ""
