"""DICOM over TLS, on a server that accepts only clients with a trusted certificate (PS3.15 B.12)."""

import socket
import ssl
import warnings
from dataclasses import replace

import pytest

from dcm.wire import AssociateAC
from harness.cases import (
    CT,
    ECHO,
    SUCCESS,
    Dcmtk,
    Dimse,
    Maker,
    Party,
    Suite,
    Wire,
    client_context,
    configured,
    differences,
    values,
)

suite = Suite(ref="PS3.15 B.12 (2024e)", shows="Security")
pytestmark = configured(tls="dicom")

OLD = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1}


@suite.case(
    "TLS-001", needs="dimse.echo", covers="CheckDicomTls.OrthancNoCheckClient.test_incoming"
)
def test_client_with_a_certificate_is_served(dimse: Dimse) -> None:
    """C-ECHO succeeds for a client whose certificate the server trusts."""
    assert dimse.echo() == SUCCESS


@suite.case("TLS-002", needs=("dimse.store", "dimse.find.study", "dimse.get.study"))
def test_objects_pass_unchanged(dimse: Dimse, make: Maker) -> None:
    """Objects stored over TLS are found and retrieved over TLS without any difference."""
    sample = make.instance(PatientName="Tls^Study")
    study = {"StudyInstanceUID": sample.study_instance_uid}

    assert dimse.store(sample) == [SUCCESS]
    assert values(dimse.find_studies(PatientName="Tls*"), "PatientName") == ["Tls^Study"]
    [came] = dimse.get("STUDY", storage=CT, **study).datasets
    assert differences(sample.dataset(), came) == []


@suite.case("TLS-003", needs=("dimse.echo", "dcmtk"))
def test_dcmtk_is_served(dcmtk: Dcmtk) -> None:
    """The echoscu of dcmtk can connect to the server by TLS."""
    dcmtk.echo()


@suite.case("TLS-004", needs="dimse.echo")
def test_client_without_tls_gets_no_association(wire: Wire) -> None:
    """An unencrypted request for an association is not accepted."""
    plain = replace(wire, tls=None)

    assert not isinstance(plain.propose(plain.request([ECHO])), AssociateAC)


@suite.case(
    "TLS-005",
    level="product",
    ref="Orthanc Book: DICOM TLS encryption",
    needs="dimse.echo",
    covers="CheckDicomTls.OrthancCheckClient.test_check_client_incoming",
)
@pytest.mark.parametrize("shown", ["none", "expired", "foreign"])
def test_client_that_is_not_trusted_gets_no_association(
    wire: Wire, remote: Party, shown: str
) -> None:
    """A client without a certificate that the server trusts gets no association."""
    assert remote.encryption is not None
    certificate = None if shown == "none" else getattr(remote.encryption, shown)
    stranger = replace(wire, tls=remote.encryption.as_client(certificate))

    assert not isinstance(stranger.propose(stranger.request([ECHO])), AssociateAC)


@suite.case("TLS-006", ref="PS3.15 B.12 (2024e), RFC 9325 3.1.1", needs="dimse.echo")
@pytest.mark.parametrize("version", OLD)
def test_old_version_is_not_agreed_on(remote: Party, version: str) -> None:
    """The server negotiates neither TLS 1.0 nor 1.1."""
    assert agreed_on(remote, OLD[version]) == ""


@suite.case("TLS-007", needs="dimse.echo")
def test_tls_1_2_is_agreed_on(remote: Party) -> None:
    """The server supports TLS 1.2."""
    assert agreed_on(remote, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"


def agreed_on(remote: Party, version: ssl.TLSVersion) -> str:
    """Return the version negotiated with a client that offers this one; empty for none.

    The client connects to the server directly: through a relay, the two would not negotiate with
    each other.
    """
    tls = remote.tls_at("dicom")
    assert tls is not None
    context = client_context(tls.authority, tls.shown)
    context.check_hostname = False
    context.set_ciphers("ALL:@SECLEVEL=0")  # otherwise our own library would refuse old versions
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    server = remote.server.dicom
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        try:
            with context.wrap_socket(connection) as encrypted:
                return encrypted.version() or ""
        except (ssl.SSLError, ConnectionError):
            return ""
