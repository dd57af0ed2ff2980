"""Configuration of TLS: anonymous clients, HTTPS for all routes, modalities and peers over TLS."""

import ssl
from collections.abc import Callable
from dataclasses import replace
from http.client import HTTPSConnection

import pytest

from harness.cases import (
    ECHO,
    SUCCESS,
    Dimse,
    Maker,
    NoAnswer,
    Party,
    Rest,
    Stored,
    Suite,
    Wire,
    client_context,
    configured,
    orthanc_ids,
)
from harness.certificates import Encryption

suite = Suite(level="product", needs="rest", ref="Orthanc Book: DICOM TLS encryption")

ANONYMOUS = configured(tls="dicom", DicomTlsRemoteCertificateRequired=False)
HTTPS = configured(tls="http")
PLAIN = configured(tls="http", SslVerifyPeers=False)


def encryption_of(remote: Party) -> Encryption:
    """Return the certificates of the run."""
    assert remote.encryption is not None
    return remote.encryption


# DICOM


@suite.case(
    "TLS-201",
    covers="CheckDicomTls.OrthancNoCheckClient.test_anonymous",
    needs=("orthanc>=1.9.3", "dimse.echo"),
)
@ANONYMOUS
def test_anonymous_client_is_served(dimse: Dimse, remote: Party) -> None:
    """If client certificates are not required, a client without one is served."""
    assert replace(dimse, tls=encryption_of(remote).as_client(None)).echo() == SUCCESS


@suite.case(
    "TLS-202",
    covers="CheckDicomTls.OrthancNoCheckClient.test_incoming",
    needs=("orthanc>=1.9.3", "dimse.echo"),
)
@ANONYMOUS
def test_plain_client_is_not_served(wire: Wire) -> None:
    """If client certificates are not required, TLS is still required."""
    plain = replace(wire, tls=None)

    heard = plain.propose(plain.request([ECHO]))

    assert "AC" not in type(heard).__name__


@suite.case("TLS-203", covers="CheckDicomTls.OrthancNoCheckClient.test_outgoing_to_self")
@configured(tls="dicom")
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_server_calls_a_door_with_tls(rest: Rest, remote: Party, stored: Stored, tls: bool) -> None:
    """A modality with TLS can be reached with UseDicomTls, but not without it."""
    door = (
        remote.server.dicom
    )  # directly: its relay does not accept the server's certificate from a client
    modality = {"AET": remote.ae_title, "Host": door.host, "Port": door.port, "UseDicomTls": tls}
    rest.put("/modalities/self", modality)
    instance = orthanc_ids(stored.instance()).instance

    answer = rest.post("/modalities/self/store", instance, expect=None)

    assert (answer.status_code == 200) == tls, answer.text


# HTTPS


@suite.case("TLS-204", ref="Orthanc Book: HTTPS encryption")
@HTTPS
@pytest.mark.parametrize("path", ["/system", "/patients", "/webdav/", "/app/explorer.html"])
def test_stranger_reaches_no_route(remote: Party, rest: Rest, path: str) -> None:
    """A client without a certificate gets no answer from any route; other clients do."""
    certificates = encryption_of(remote)

    with remote.new_rest(certificates.as_client(None)) as stranger, pytest.raises(NoAnswer):
        stranger.get(path, expect=None)

    assert rest.json("/patients") == []


@suite.case("TLS-205", ref="Orthanc Book: HTTPS encryption")
@HTTPS
def test_certificate_is_no_password(remote: Party) -> None:
    """A client whose certificate is trusted still needs the password."""
    certificates = encryption_of(remote)

    with remote.new_rest(certificates.as_client(certificates.client)) as client:
        client.session.auth = None
        client.get("/patients", expect=401)


@suite.case("TLS-206", ref="Orthanc Book: configuration, SslVerifyPeers")
@PLAIN
def test_https_without_certificates_of_clients(remote: Party, make: Maker) -> None:
    """Without SslVerifyPeers, a client without a certificate is served, with its password."""
    sample = make.instance()

    with remote.new_rest(encryption_of(remote).as_client(None)) as client:
        client.upload(sample.data)
        assert client.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data


@suite.case("TLS-207", ref="Orthanc Book: HTTPS encryption")
@PLAIN
def test_plain_http_is_not_served(remote: Party) -> None:
    """A plain HTTP request is not served on the HTTPS port."""
    with remote.new_rest(None) as plain:
        try:
            answer = plain.get("/system", expect=None)
        except NoAnswer:
            return
    assert answer.status_code in range(300, 500)


@suite.case("TLS-208", ref="RFC 6125 6; Orthanc Book: HTTPS encryption")
@PLAIN
@pytest.mark.parametrize("trusted", ["own", "other"])
def test_server_shows_its_certificate(remote: Party, trusted: str) -> None:
    """The server sends the configured certificate, which a client verifies by CA and name."""
    certificates, server = encryption_of(remote), remote.server.rest
    assert server is not None
    authority = certificates.authority if trusted == "own" else Encryption.new((), "x").authority
    context = client_context(authority)
    context.check_hostname = False
    connection = HTTPSConnection(server.host, server.port, timeout=10, context=context)
    try:
        if trusted == "other":
            with pytest.raises(ssl.SSLCertVerificationError):
                connection.connect()
            return
        connection.connect()
        assert connection.sock.getpeercert(binary_form=True) == certificates.server.der
    finally:
        connection.close()


@suite.case(
    "TLS-209",
    ref="Orthanc Book: configuration, SslMinimumProtocolVersion",
    needs="orthanc>=1.8.2",
)
@configured(tls="http", SslVerifyPeers=False, SslMinimumProtocolVersion=5)
@pytest.mark.parametrize(
    ("version", "agreed"),
    [(ssl.TLSVersion.TLSv1_2, ""), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")],
    ids=["1.2", "1.3"],
)
def test_least_version_of_https(
    handshake: Callable[..., str], version: ssl.TLSVersion, agreed: str
) -> None:
    """With TLS 1.3 as the minimum version, a client that supports only 1.2 is rejected."""
    assert handshake(version, "http") == agreed
