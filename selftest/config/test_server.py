"""A real Orthanc starts with the written file, and reports the chosen values."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage

from harness.config.orthanc import remote_configuration
from harness.config.reading import read
from harness.config.settings import Ports
from harness.model import Port, Version
from harness.servers.process import free_port

if TYPE_CHECKING:
    from conftest import Generate, Running, Servers, Start


@pytest.mark.parametrize("role", ["remote", "local"])
def test_no_error_is_logged(servers: "Servers", role: str) -> None:
    """Orthanc reports no error, and no unknown keys."""
    server: Running = getattr(servers, role)
    log = server.process.log_since(0)

    assert "Orthanc has started" in log
    assert [line for line in log.splitlines() if re.match(r"E\d{4} ", line)] == []


def test_system_says_who_it_is(servers: "Servers") -> None:
    """Name, AE title and ports are those of the setup."""
    remote = servers.setup.pair.remote
    system = servers.remote.get("system")

    assert isinstance(system, dict)
    chosen = {key: system[key] for key in ("Name", "DicomAet", "DicomPort", "HttpPort")}
    assert chosen == {
        "Name": "Integration tests",
        "DicomAet": remote.ae_title,
        "DicomPort": remote.dicom,
        "HttpPort": remote.rest,
    }


def test_modalities_are_the_two_instances(servers: "Servers") -> None:
    """The remote knows the local instance and itself, each with and without a local AE title."""
    modalities = servers.remote.get("modalities?expand")
    remote, local = servers.setup.pair.remote, servers.setup.pair.local

    assert isinstance(modalities, dict)
    assert {
        name: (one["AET"], one["Host"], one["Port"], one["LocalAet"])
        for name, one in modalities.items()
    } == {
        "orthanctest": ("ORTHANCTEST", "127.0.0.1", local.dicom, ""),
        "orthanctest-with-local-aet": (
            "ORTHANCTEST2",
            "127.0.0.1",
            local.dicom,
            "OT-FROM-CONFIG",
        ),
        "self": ("ORTHANC", "127.0.0.1", remote.dicom, ""),
        "self-with-local-aet": ("ORTHANC", "127.0.0.1", remote.dicom, "OT-FROM-CONFIG"),
    }


def test_peers_are_the_two_instances(servers: "Servers") -> None:
    """Peer `peer` is the local instance, the others are the remote itself."""
    peers = servers.remote.get("peers?expand")
    itself, other = servers.setup.pair.remote.url, servers.setup.pair.local.url

    assert isinstance(peers, dict)
    assert {name: (one["Url"], one["Username"]) for name, one in peers.items()} == {
        "peer": (other, "alice"),
        "self": (itself, "alice"),
        "transfers-bidirectional": (itself, "alice"),
        "transfers-simple": (itself, "alice"),
    }


@pytest.mark.parametrize(
    "modality", ["orthanctest", "orthanctest-with-local-aet", "self", "self-with-local-aet"]
)
def test_every_modality_answers(servers: "Servers", modality: str) -> None:
    """The remote reaches each modality by DICOM."""
    assert servers.remote.post(f"modalities/{modality}/echo", {}).status_code == 200


@pytest.mark.parametrize(
    ("peer", "ae_title"),
    [
        ("peer", "ORTHANCTEST"),
        ("self", "ORTHANC"),
        ("transfers-bidirectional", "ORTHANC"),
        ("transfers-simple", "ORTHANC"),
    ],
)
def test_every_peer_answers(servers: "Servers", peer: str, ae_title: str) -> None:
    """The remote reaches each peer by HTTP, with user and password."""
    system = servers.remote.get(f"peers/{peer}/system")

    assert isinstance(system, dict)
    assert system["DicomAet"] == ae_title


def test_the_local_instance_reaches_the_remote(servers: "Servers") -> None:
    """The second instance knows the first, over DICOM and over HTTP."""
    remote = servers.setup.pair.remote
    modality = servers.local.get("modalities/orthanc/configuration")
    system = servers.local.get("peers/orthanc/system")

    assert isinstance(modality, dict)
    assert isinstance(system, dict)
    assert (modality["AET"], modality["Port"]) == (remote.ae_title, remote.dicom)
    assert (system["DicomAet"], system["DicomPort"]) == (remote.ae_title, remote.dicom)
    assert servers.local.post("modalities/orthanc/echo", {}).status_code == 200


def test_dicomweb_reaches_itself(servers: "Servers") -> None:
    """The server `sample` of the DICOMweb plugin is the remote itself."""
    if "dicom-web" not in str(servers.remote.get("plugins")):
        pytest.skip("this Orthanc has no DICOMweb plugin")
    known = servers.remote.get("dicom-web/servers?expand")
    answer = servers.remote.post("dicom-web/servers/sample/qido", {"Uri": "/studies"})

    assert isinstance(known, dict)
    assert known["sample"]["Url"] == f"{servers.setup.pair.remote.url}dicom-web/"
    assert answer.status_code == 200


@pytest.mark.parametrize("role", ["remote", "local"])
def test_strangers_are_refused(servers: "Servers", role: str) -> None:
    """Requests without user and password are refused."""
    server: Running = getattr(servers, role)

    assert requests.get(f"{server.instance.url}system", timeout=5).status_code == 401


@pytest.mark.parametrize(
    ("name", "query"),
    [("Müller^Éva", "müller^éva"), ("Müller^Éva", "MÜLLER*"), ("Иванов^Иван", "ив*")],
)
def test_names_are_found_in_either_case(servers: "Servers", name: str, query: str) -> None:
    """The locale lets Orthanc fold the case of letters beyond ASCII, also on a plain Debian."""
    tags = {"PatientName": name, "PatientID": f"case {name}"}
    assert servers.remote.post("tools/create-dicom", {"Tags": tags}).status_code == 200

    found = servers.remote.post("tools/find", {"Level": "Patient", "Query": {"PatientName": query}})

    assert len(found.json()) == 1


@pytest.mark.parametrize(("role", "accepted"), [("remote", True), ("local", False)])
def test_only_the_local_instance_refuses_rle(servers: "Servers", role: str, accepted: bool) -> None:
    """Tests of transcoding need a destination that refuses a transfer syntax."""
    server: Running = getattr(servers, role)
    client = AE("TEST")
    client.add_requested_context(CTImageStorage, [RLELossless])
    client.add_requested_context(CTImageStorage, [ExplicitVRLittleEndian])

    association = client.associate(server.instance.host, int(server.instance.dicom))
    syntaxes = {context.transfer_syntax[0] for context in association.accepted_contexts}
    association.release()

    assert ExplicitVRLittleEndian in syntaxes
    assert (RLELossless in syntaxes) == accepted


def test_a_copied_file_starts_anywhere(
    generate: "Generate", start: "Start", tmp_path: Path
) -> None:
    """In a file made for another computer, data is next to the file, wherever the server starts."""
    ports = ("--dicom", str(free_port()), "--rest", str(free_port()))
    made = generate("--server", "198.51.100.7", "--local-host", "198.51.100.8", *ports)
    copy = tmp_path / "copy" / "remote.json"
    copy.parent.mkdir()
    copy.write_text(made.text.replace("198.51.100.7", "127.0.0.1"))

    start(copy, read(copy)[0].remote)

    assert (copy.parent / "remote-storage" / "index").exists()


def test_behind_a_relay_the_ports_differ(servers: "Servers") -> None:
    """The server listens on some ports and announces others: those of the relay before it."""
    behind = Ports(Port(11), Port(12))
    configuration = remote_configuration(servers.setup, behind)

    assert (configuration["DicomPort"], configuration["HttpPort"]) == (11, 12)
    del configuration["DicomPort"], configuration["HttpPort"]
    direct = remote_configuration(servers.setup)
    del direct["DicomPort"], direct["HttpPort"]
    assert json.dumps(configuration) == json.dumps(direct)


def test_private_tags_have_names(servers: "Servers") -> None:
    """The dictionary and the default creator let cases name private tags.

    This does not hold from 1.12.7 on if libMultitenantDicom is loaded, as in Debian: it reloads
    DCMTK's dictionary, and our entries are lost (known/orthanc.toml). An unknown name is then not
    our defect.
    """
    tags = {"PatientID": "private", "0009,0010": "Lunit", "LunitScore": "98.41"}
    answer = servers.remote.post("tools/create-dicom", {"Tags": tags})
    made = answer.json()
    if answer.status_code == 500 and _loses_dictionary(servers.remote):
        assert (made["OrthancError"], made["Details"]) == ("Unknown DICOM tag", "LunitScore")
        return

    found = servers.remote.get(f"instances/{made['ID']}/tags")

    assert isinstance(found, dict)
    assert found["0009,1001"]["Name"] == "LunitScore"
    assert found["0009,1001"]["Value"] == "98.41"


def _loses_dictionary(remote: "Running") -> bool:
    system, plugins = remote.get("system"), remote.get("plugins")
    assert isinstance(system, dict)
    return Version(system["Version"]) >= Version("1.12.7") and "multitenant-dicom" in plugins


@pytest.mark.parametrize("role", ["remote", "local"])
def test_lua_is_open(servers: "Servers", role: str) -> None:
    """Servers are emptied between cases through Lua."""
    server: Running = getattr(servers, role)
    answer = server.session.post(
        f"{server.instance.url}tools/execute-script", data="print(6 * 7)", timeout=5
    )

    assert (answer.status_code, answer.text.strip()) == (200, "42")


def test_webdav_is_open(servers: "Servers") -> None:
    """The share lists its folders."""
    answer = servers.remote.session.request(
        "PROPFIND", f"{servers.remote.instance.url}webdav/", headers={"Depth": "1"}, timeout=5
    )

    assert answer.status_code == 207
