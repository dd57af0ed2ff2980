"""DICOM over TLS, on a server that accepts only clients with a trusted certificate (PS3.15 B.12)."""

import ssl
from collections.abc import Callable
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
def test_old_version_is_not_agreed_on(handshake: Callable[..., str], version: str) -> None:
    """The server negotiates neither TLS 1.0 nor 1.1."""
    assert handshake(OLD[version]) == ""


@suite.case("TLS-007", needs="dimse.echo")
def test_tls_1_2_is_agreed_on(handshake: Callable[..., str]) -> None:
    """The server supports TLS 1.2."""
    assert handshake(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
