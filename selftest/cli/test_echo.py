"""`dcm echo`: checks that a node answers."""

import json
import os
import re
import socket
from pathlib import Path

import pytest
from net.peers import free_port, liar, storescp

from dcm.cli import main
from dcm.net import DcmNode, Tls
from dcm.wire import AssociateRJ, build

Shown = pytest.CaptureFixture[str]


def test_a_node_answers(storescp_node: DcmNode, capsys: Shown) -> None:
    """By its address, with a different calling AE title."""
    assert main(["echo", str(storescp_node), "--local", "127.0.0.1:ME:0"]) == 0
    assert capsys.readouterr() == ("Success\n", "")


def test_a_node_of_the_configuration(
    storescp_node: DcmNode, configuration: Path, tmp_path: Path, capsys: Shown
) -> None:
    """By its name; the report has the same content as the output."""
    configuration.write_text(
        f"[remote_nodes.it]\nhostname = '{storescp_node.host}'\nport = {storescp_node.port}\n"
    )
    report = tmp_path / "report.json"
    assert main(["echo", "it", "--report", str(report)]) == 0
    assert capsys.readouterr().out == "Success\n"
    assert json.loads(report.read_text())["counts"] == {"Success": 1}


def test_nobody_is_there(tmp_path: Path, capsys: Shown) -> None:
    """One sentence on stderr, exit status 1, and the same sentence in the report."""
    nobody = f"127.0.0.1:NOBODY:{free_port()}"
    report = tmp_path / "report.json"
    assert main(["echo", nobody, "--report", str(report)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"dcm echo: {nobody}: connection: Connection refused (check")
    assert json.loads(report.read_text())["problems"][0] in shown.err


def test_a_refusal_is_told_in_words(capsys: Shown) -> None:
    """The message has the reason, and what to try."""

    def refuse(taken: socket.socket) -> None:
        taken.recv(65536)
        taken.sendall(build(AssociateRJ(1, 1, 7)))
        taken.recv(1)

    with liar(refuse) as node:
        assert main(["echo", str(node)]) == 1
    said = capsys.readouterr().err
    assert "called AE title not recognized" in said
    assert "check the AE title of the peer" in said
    assert said.count("\n") == 1


def test_tls_as_the_configuration_says(
    server_tls: Tls, client_tls: Tls, configuration: Path, tmp_path: Path, capsys: Shown
) -> None:
    """With TLS and a certificate the node answers; without either, there is an error message."""
    ours = f"tls_certificate = '{client_tls.certificate}'\ntls_key = '{client_tls.key}'\n"
    options = ("+tls", str(server_tls.key), str(server_tls.certificate), "+cf", str(server_tls.ca))
    with storescp(tmp_path / "tls", *options) as secure, storescp(tmp_path / "plain") as plain:
        configuration.write_text(
            f"[remote_nodes.it]\nhost = '127.0.0.1'\nport = {secure.port}\n"
            f"tls_ca = '{server_tls.ca}'\n{ours}"
            f"[remote_nodes.stranger]\nhost = '127.0.0.1'\nport = {secure.port}\ntls = true\n"
            f"[remote_nodes.plain]\nhost = '127.0.0.1'\nport = {plain.port}\ntls = true\n"
        )
        assert main(["echo", "it"]) == 0
        assert main(["echo", "stranger"]) == 1
        assert main(["echo", "plain"]) == 1
        assert main(["echo", str(secure)]) == 1
    shown = capsys.readouterr()
    assert shown.out == "Success\n"
    stranger, spoken_plain, spoken_to_tls = shown.err.splitlines()
    assert "its certificate is not accepted" in stranger
    assert "does it speak TLS on this port?" in spoken_plain
    assert str(secure) in spoken_to_tls


def test_a_title_that_is_too_long(capsys: Shown) -> None:
    """Nothing is sent."""
    assert main(["echo", f"localhost:{'A' * 17}:104"]) == 2
    assert "an AE title has 1 to 16 printable ASCII characters" in capsys.readouterr().err


def test_a_report_that_cannot_be_written(
    storescp_node: DcmNode, tmp_path: Path, capsys: Shown
) -> None:
    """The error comes before anything is sent."""
    report = tmp_path / "no" / "report"
    assert main(["echo", str(storescp_node), "--report", str(report)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "No such file or directory" in shown.err


def test_how_long_it_takes(storescp_node: DcmNode, tmp_path: Path, capsys: Shown) -> None:
    """Each answer is in the report; minimum, median and maximum are printed."""
    report = tmp_path / "report.json"
    assert main(["echo", str(storescp_node), "--count", "5", "--report", str(report)]) == 0
    times = [each["ms"] for each in json.loads(report.read_text())["answers"]]
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "5 Success"
    said = re.fullmatch("minimum (.*) ms, median (.*) ms, maximum (.*) ms", shown[1])
    assert said is not None
    # Both are rounded, the printed ones to two digits.
    expected = [min(times), sorted(times)[2], max(times)]
    assert [float(each) for each in said.groups()] == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("count", ["0", "-1", "x"])
def test_a_count_that_is_none(count: str, capsys: Shown) -> None:
    """The count must be at least one."""
    with pytest.raises(SystemExit):
        main(["echo", "127.0.0.1:NOBODY:1", f"--count={count}"])
    assert "is not a number from 1 to " in capsys.readouterr().err


def test_what_a_node_accepts(dcmqrscp_node: DcmNode, capsys: Shown) -> None:
    """By name: more than 128 presentation contexts, with all their transfer syntaxes."""
    assert main(["echo", str(dcmqrscp_node), "--contexts"]) == 0
    shown = capsys.readouterr().out
    assert "  CT Image Storage (1.2.840.10008.5.1.4.1.1.2)\n" in shown
    assert "  Study Root Query/Retrieve Information Model - FIND (" in shown
    assert "  Implicit VR Little Endian (1.2.840.10008.1.2)\n" in shown
    assert "  Explicit VR Little Endian (1.2.840.10008.1.2.1)\n" in shown
    assert "Basic Film Session" not in shown


def test_debug_tells_what_happens(storescp_node: DcmNode, capsys: Shown) -> None:
    """Addresses, proposed and accepted contexts by name, each message with status and time."""
    assert main(["echo", str(storescp_node), "--debug"]) == 0
    said = capsys.readouterr().err
    for words in (
        f"connecting to {storescp_node.host}:{storescp_node.port}\n",
        "DCM calls STORESCP",
        "proposed: context 1: Verification SOP Class (1.2.840.10008.1.1): Implicit VR Little Endian, Exp",
        "association, 1 of 1 presentation contexts accepted",
        "context 1: Verification SOP Class: accepted: Explicit VR Little Endian",
        "accepted by OFFIS_DCMTK_",
        "sent C-ECHO-RQ 1, Verification SOP Class",
        "received C-ECHO-RSP 1, Verification SOP Class, 0000H success, after ",
        "sent A-RELEASE-RQ",
        ": released\n",
    ):
        assert words in said


def test_verbose_has_a_line_for_each_step(storescp_node: DcmNode, capsys: Shown) -> None:
    """There is no line for single messages."""
    assert main(["echo", str(storescp_node), "-v"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.rpartition(": ")[2].split(",")[0].split(" to ")[0] for line in said] == [
        "connected", "association", "released",
    ]  # fmt: skip


def test_a_user_without_tls_must_be_allowed(
    storescp_node: DcmNode, configuration: Path, capsys: Shown
) -> None:
    """Without permission by configuration or option it is a usage error, and nothing is sent."""
    node = (
        f"[remote_nodes.it]\nhost = '{storescp_node.host}'\nport = {storescp_node.port}\n"
        "user = 'anna'\npassword = 'hush'\n"
    )
    configuration.touch(mode=0o600)
    configuration.chmod(0o600)
    configuration.write_text(node)
    assert main(["echo", "it"]) == 2
    said = capsys.readouterr().err
    assert "the user identity is not sent" in said
    assert "--allow-plaintext" in said
    assert main(["echo", "it", "--allow-plaintext"]) == 0
    configuration.write_text(f"{node}allow_plaintext = true\n")
    assert main(["echo", "it"]) == 0


def test_a_configuration_out_of_reach_need_not_exist(
    storescp_node: DcmNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    """HOME may belong to another user; there is a warning, and the command works."""

    def denied(_path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.delenv("DCM_CONFIG_PATH")
    with monkeypatch.context() as patched:
        patched.setattr("dcm.cli.session.os.stat", denied)
        status = main(["echo", str(storescp_node)])
    assert status == 0
    shown = capsys.readouterr()
    assert shown.out == "Success\n"
    assert "the configuration was not read: " in shown.err
    assert "Permission denied" in shown.err
