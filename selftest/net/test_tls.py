"""TLS: with programs of other projects, in both roles, and the errors if the two sides disagree."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from net.certificates import Authority
from net.files import data_sets, make
from net.peers import QUICK, US, free_port, liar, orthanc, storescp
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from dcm.net import DcmNode, LocalEntity, Remote, TimeLimits, Tls
from dcm.net.association import Association
from dcm.net.errors import ConnectionLost, NetworkError, TimedOut, TlsFailed
from dcm.net.tls import UnusableTls
from dcm.wire import Command, CStoreRQ, DataFragment, PresentationContextRQ

ENTITY = LocalEntity(US, QUICK)
STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3.4.1"}


def dcmtk(tls: Tls) -> list[str]:
    """Return the options for dcmtk's programs."""
    return ["+tls", str(tls.key), str(tls.certificate), "+cf", str(tls.ca)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with three instances, one of them long."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number, size in enumerate((40_000, 3_000_000, 2)):
        make(folder, number, size=size)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for received files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def orthanc_rest(
    tmp_path_factory: pytest.TempPathFactory, orthanc_program: str, server_tls: Tls
) -> Iterator[tuple[DcmNode, str]]:
    """Orthanc with TLS only, and its REST API."""
    port = free_port()
    with orthanc(
        tmp_path_factory.mktemp("orthanc-tls"),
        orthanc_program,
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(server_tls.certificate),
        DicomTlsPrivateKey=str(server_tls.key),
        DicomTlsTrustedCertificates=str(server_tls.ca),
        HttpServerEnabled=True,
        HttpPort=port,
    ) as node:
        yield node, f"http://127.0.0.1:{port}"


# As requestor.


def test_storescp_stores(source: Path, target: Path, server_tls: Tls, client_tls: Tls) -> None:
    """Every byte arrives, and storescp has seen our certificate."""
    with storescp(target, *dcmtk(server_tls)) as node:
        report = asyncio.run(
            ENTITY.store(Remote(node, QUICK, client_tls), sorted(source.iterdir()))
        )
    assert report.complete, report.results
    assert data_sets(target) == data_sets(source)


def test_our_own_certificate_is_shown_where_a_peer_has_no_other(
    target: Path, server_tls: Tls, client_tls: Tls
) -> None:
    """The local node has a certificate, the remote node only the authority."""
    us = LocalEntity(replace(US, tls=client_tls), QUICK)
    with storescp(target, *dcmtk(server_tls)) as node:
        assert asyncio.run(us.echo(Remote(node, QUICK, Tls(ca=server_tls.ca))))


def test_orthanc_takes_and_gives(
    source: Path, target: Path, orthanc_rest: tuple[DcmNode, str], client_tls: Tls
) -> None:
    """A study is stored and retrieved."""
    node = Remote(orthanc_rest[0], QUICK, client_tls)
    paths = sorted(source.iterdir())

    async def scenario() -> None:
        report = await ENTITY.store(node, paths)
        assert report.complete, report.results
        assert (await ENTITY.download(node, STUDY, target)).complete

    asyncio.run(scenario())
    assert data_sets(target) == data_sets(source)


def test_pynetdicom_answers(server_tls: Tls, client_tls: Tls) -> None:
    """C-ECHO to pynetdicom, which requires a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server_tls.ca))
    context.load_cert_chain(str(server_tls.certificate), str(server_tls.key))
    context.verify_mode = ssl.CERT_REQUIRED
    ae = AE("PYNETDICOM")
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False, ssl_context=context)
    try:
        node = Remote(
            DcmNode("127.0.0.1", "PYNETDICOM", server.server_address[1]), QUICK, client_tls
        )
        assert asyncio.run(ENTITY.echo(node))
    finally:
        server.shutdown()


def test_the_log_has_version_cipher_and_certificate(
    target: Path, server_tls: Tls, client_tls: Tls, caplog: pytest.LogCaptureFixture
) -> None:
    """With --debug; with -v only the version."""
    caplog.set_level("DEBUG", "dcm")
    with storescp(target, *dcmtk(server_tls)) as node:
        assert asyncio.run(ENTITY.echo(Remote(node, QUICK, client_tls)))
    said = [each.getMessage() for each in caplog.records if "tls" in each.name]
    assert [each.levelname for each in caplog.records if "tls" in each.name] == [
        "INFO", "DEBUG", "DEBUG",
    ]  # fmt: skip
    assert "TLSv1." in said[0]
    assert "cipher " in said[1]
    assert "certificate of the peer: subject " in said[2]
    assert "127.0.0.1; issued by " in said[2]


# As acceptor.


def test_require_certificate_needs_an_authority(server_tls: Tls) -> None:
    """With the system's authorities, anyone who has bought a certificate would be accepted."""
    with pytest.raises(UnusableTls, match="require_certificate without ca"):
        replace(server_tls, ca=None, require_certificate=True)


def strict(tls: Tls) -> LocalEntity:
    """Return a listener that requires client certificates."""
    return LocalEntity(replace(US, tls=replace(tls, require_certificate=True)), QUICK)


@pytest.mark.parametrize("program", ["echoscu", "storescu"])
def test_dcmtk_is_answered(
    program: str, source: Path, target: Path, server_tls: Tls, client_tls: Tls
) -> None:
    """The programs of dcmtk reach us with their certificate; their files arrive byte for byte."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    files = ["+sd", "-R", str(source)] if program == "storescu" else []

    async def scenario() -> int:
        async with strict(server_tls).listen(target) as listener:
            where = [listener.node.host, str(listener.node.port)]
            command = [found, *dcmtk(client_tls), *where, *files]
            return (
                await asyncio.to_thread(subprocess.run, command, timeout=60, check=False)
            ).returncode

    assert asyncio.run(scenario()) == 0
    assert data_sets(target) == (data_sets(source) if files else {})


def test_orthanc_is_answered(
    source: Path,
    target: Path,
    orthanc_rest: tuple[DcmNode, str],
    server_tls: Tls,
) -> None:
    """Orthanc sends to us, with its certificate."""
    _, rest = orthanc_rest
    path = min(source.iterdir())

    def send(port: int) -> dict[str, object]:
        us = {"AET": "TOOLKIT", "Host": "127.0.0.1", "Port": port, "UseDicomTls": True}
        requests.put(f"{rest}/modalities/us", json=us, timeout=30).raise_for_status()
        instance = requests.post(f"{rest}/instances", data=path.read_bytes(), timeout=30).json()
        answer = requests.post(f"{rest}/modalities/us/store", data=instance["ID"], timeout=30)
        answer.raise_for_status()
        result: dict[str, object] = answer.json()
        return result

    async def scenario() -> dict[str, object]:
        async with strict(server_tls).listen(target) as listener:
            return await asyncio.to_thread(send, listener.node.port)

    assert asyncio.run(scenario())["FailedInstancesCount"] == 0
    assert data_sets(target).keys() == {"1.2.3.0"}


def test_pynetdicom_is_answered(target: Path, server_tls: Tls, client_tls: Tls) -> None:
    """C-ECHO from pynetdicom."""
    context = ssl.create_default_context(cafile=str(client_tls.ca))
    context.load_cert_chain(str(client_tls.certificate), str(client_tls.key))
    ae = AE("PYNETDICOM")
    ae.add_requested_context(Verification)

    def echo(port: int) -> int:
        association = ae.associate("127.0.0.1", port, tls_args=(context, "127.0.0.1"))
        assert association.is_established
        status: int = association.send_c_echo().Status
        association.release()
        return status

    async def scenario() -> int:
        async with strict(server_tls).listen(target) as listener:
            return await asyncio.to_thread(echo, listener.node.port)

    assert asyncio.run(scenario()) == 0


def test_both_ends_are_ours(source: Path, target: Path, server_tls: Tls, client_tls: Tls) -> None:
    """Our sender to our listener."""
    paths = sorted(source.iterdir())

    async def scenario() -> bool:
        async with strict(server_tls).listen(target) as listener:
            node = Remote(listener.node, QUICK, client_tls)
            return (await ENTITY.store(node, paths)).complete

    assert asyncio.run(scenario())
    assert data_sets(target) == data_sets(source)


# Mismatches.


def refusal(listening: Tls | None, connecting: Tls | None, folder: Path) -> NetworkError:
    """Return the error of a C-ECHO to a listener."""

    async def scenario() -> None:
        async with LocalEntity(replace(US, tls=listening), QUICK).listen(folder) as listener:
            await ENTITY.echo(Remote(listener.node, QUICK, connecting))

    with pytest.raises(NetworkError) as caught:
        asyncio.run(scenario())
    return caught.value


def test_a_certificate_that_is_missing(tmp_path: Path, server_tls: Tls) -> None:
    """A peer that requires our certificate reports it."""
    wanted = replace(server_tls, require_certificate=True)
    error = refusal(wanted, Tls(ca=server_tls.ca), tmp_path)
    assert isinstance(error, TlsFailed)
    assert "the peer rejects it: certificate required (configure a certificate" in str(error)


def test_a_certificate_from_somebody_else(tmp_path: Path, server_tls: Tls) -> None:
    """A peer that does not trust our certificate reports it; we report the same about its own."""
    other = Authority.make(tmp_path / "other").issue("stranger")
    wanted = replace(server_tls, require_certificate=True)
    error = refusal(wanted, replace(other, ca=server_tls.ca), tmp_path)
    assert (
        "the peer rejects it: unknown ca (configure a certificate from a CA that it trusts)"
        in str(error)
    )
    error = refusal(server_tls, Tls(ca=other.ca), tmp_path)
    assert isinstance(error, TlsFailed)
    assert "not accepted: unable to get local issuer certificate (set ca to the CA" in str(error)


def test_a_certificate_that_has_expired(tmp_path: Path, authority: Authority) -> None:
    """It is rejected."""
    error = refusal(authority.issue("old", expired=True), Tls(ca=authority.ca), tmp_path)
    assert "not accepted: certificate has expired (it must be renewed" in str(error)


def test_a_certificate_for_another_host(tmp_path: Path, authority: Authority) -> None:
    """It is rejected, unless the host name is not checked."""
    other = authority.issue("elsewhere", "DNS:elsewhere.example")
    error = refusal(other, Tls(ca=authority.ca), tmp_path)
    assert "not valid for '127.0.0.1' (use a host name for which it is valid" in str(error)


def test_a_listener_goes_on_after_those_that_do_not_fit(
    target: Path, server_tls: Tls, client_tls: Tls
) -> None:
    """Without TLS, or without a certificate: the next peer is served."""

    async def scenario() -> bool:
        async with strict(server_tls).listen(target) as listener:
            for unfit in (None, Tls(ca=server_tls.ca)):
                with pytest.raises(NetworkError):
                    await ENTITY.echo(Remote(listener.node, QUICK, unfit))
            return await ENTITY.echo(Remote(listener.node, QUICK, client_tls))

    assert asyncio.run(scenario())


def test_tls_against_plain(tmp_path: Path, client_tls: Tls) -> None:
    """A listener without TLS, ours and dcmtk's."""
    error = refusal(None, client_tls, tmp_path)
    assert "TLS handshake: the peer does not speak TLS (does it speak TLS on this port?)" in str(
        error
    )
    with (
        storescp(tmp_path / "storescp") as node,
        pytest.raises(TlsFailed, match=r"TLS handshake: .*does it speak TLS on this port"),
    ):
        asyncio.run(ENTITY.echo(Remote(node, QUICK, client_tls)))


def test_plain_against_tls(tmp_path: Path, server_tls: Tls) -> None:
    """A listener with TLS disconnects, and the error has this possible reason."""
    error = refusal(server_tls, None, tmp_path)
    assert isinstance(error, ConnectionLost)
    assert "association: the peer closed the connection (it may expect TLS)" in str(error)


def test_plain_against_tls_that_sends_an_alert() -> None:
    """Other servers send an alert before they disconnect."""

    def alert(taken: socket.socket) -> None:
        taken.recv(65536)
        taken.sendall(bytes((0x15, 3, 1, 0, 2, 2, 70)))

    with liar(alert) as node, pytest.raises(TlsFailed, match=r"answers with TLS \(set tls"):
        asyncio.run(ENTITY.echo(node))


def test_a_peer_that_says_nothing(client_tls: Tls) -> None:
    """The handshake has a time limit."""

    def swallow(taken: socket.socket) -> None:
        while taken.recv(65536):
            pass

    limits = TimeLimits(connect=0.3, release=0.2)
    with liar(swallow) as node, pytest.raises(TimedOut, match=r"TLS handshake: .* within 0\.3 s"):
        asyncio.run(LocalEntity(US).echo(Remote(node, limits, client_tls)))


def test_a_peer_that_hangs_up(client_tls: Tls) -> None:
    """A connection that is closed during the handshake."""
    with (
        liar(lambda taken: taken.recv(10) and None) as node,
        pytest.raises(TlsFailed, match="TLS handshake: it closed the connection"),
    ):
        asyncio.run(ENTITY.echo(Remote(node, QUICK, client_tls)))


def test_an_abort_over_tls_leaves_nothing(target: Path, server_tls: Tls, client_tls: Tls) -> None:
    """A partial object is not stored, and the listener continues."""

    async def scenario() -> bool:
        contexts = [PresentationContextRQ(1, "1.2.840.10008.5.1.4.1.1.2", ("1.2.840.10008.1.2",))]
        request = CStoreRQ(
            message_id=1,
            affected_sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            affected_sop_instance_uid="1.2",
        )
        async with strict(server_tls).listen(target) as listener:
            node = Remote(listener.node, QUICK, client_tls)
            association = await Association.request(US, node, contexts)
            half = DataFragment(1, bytes(1_000_000), last=False)
            await association.send(Command(1, request), half)
            await association.abort()
            return await ENTITY.echo(node)

    assert asyncio.run(scenario())
    assert list(target.iterdir()) == []


# Unusable files.


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ca": "/nowhere/ca.pem"}, "the CA file /nowhere/ca.pem: No such file"),
        ({"ca": __file__}, "the CA file .*test_tls.py: no certificate"),
        ({"certificate": "/nowhere/x.pem"}, "certificate and key, /nowhere/x.pem: No such file"),
        ({"key": "server.key"}, "server.key: the key does not match the certificate"),
        ({"key": "encrypted.key"}, "encrypted.key is encrypted but there is no passphrase"),
        (
            {"key": "encrypted.key", "passphrase": "wrong-passphrase"},
            "encrypted.key: not a PEM file .* wrong passphrase",
        ),
    ],
)
def test_a_file_that_cannot_be_used(
    wrong: dict[str, str], words: str, authority: Authority, encrypted: Tls, server_tls: Tls
) -> None:
    """One sentence names the file, and not the passphrase; there is no prompt on the terminal."""
    if "key" in wrong:
        wrong = {**wrong, "key": str(authority.folder / wrong["key"])}
    tls = replace(encrypted, **{"key": server_tls.key, "passphrase": None, **wrong})
    node = Remote(DcmNode("127.0.0.1", "NOBODY", free_port()), QUICK, tls)
    with pytest.raises(TlsFailed, match=f"connection: .*{words}") as caught:
        asyncio.run(ENTITY.echo(node))
    assert "wrong-passphrase" not in str(caught.value) + repr(node)


@pytest.fixture(scope="module")
def encrypted(authority: Authority, client_tls: Tls) -> Tls:
    """The key of the client, encrypted."""
    key = authority.folder / "encrypted.key"
    plain = str(client_tls.key)
    command = ["openssl", "ec", "-in", plain, "-aes256", "-passout", "pass:secret", "-out", key]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return replace(client_tls, key=key, passphrase="secret")


def test_a_key_with_a_passphrase(target: Path, server_tls: Tls, encrypted: Tls) -> None:
    """An encrypted key can be used."""

    async def scenario() -> bool:
        async with strict(server_tls).listen(target) as listener:
            return await ENTITY.echo(Remote(listener.node, QUICK, encrypted))

    assert asyncio.run(scenario())


def test_a_listener_needs_a_certificate(target: Path, authority: Authority) -> None:
    """It does not start without one."""

    async def scenario() -> None:
        async with LocalEntity(replace(US, tls=Tls(ca=authority.ca))).listen(target):
            pass

    with pytest.raises(UnusableTls, match="a listener with TLS needs a certificate"):
        asyncio.run(scenario())
