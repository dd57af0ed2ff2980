"""DICOMweb over HTTPS, on a server that accepts only clients with a trusted certificate."""

import pytest

from harness.cases import (
    REFERENCED_SOP_SEQUENCE,
    RETRIEVE_URL,
    DicomWeb,
    Maker,
    NoAnswer,
    Party,
    Suite,
    configured,
    instance_path,
    json_value,
)

suite = Suite(ref="PS3.18 8.2, RFC 9110 4.2.2", needs="dicomweb.stow")
pytestmark = configured(tls="http")


@suite.case("TLS-101", needs="dicomweb.wado")
def test_what_is_stored_over_https_is_retrieved(web: DicomWeb, make: Maker) -> None:
    """An object stored over HTTPS is returned over HTTPS with the same data set."""
    sample = make.instance(PatientName="Muller^Anna")

    web.stow([sample.data], expect=200)

    part = web.wado_part(instance_path(sample), transfer_syntax="*")
    assert part.dataset() == sample.dataset()


@suite.case("TLS-102", ref="PS3.18 10.5.3.1, I.2")
def test_retrieve_url_is_https(web: DicomWeb, make: Maker) -> None:
    """The URL under which a stored object can be retrieved has the scheme of the service."""
    answer = web.stow([make.instance().data], expect=200).json()

    [stored] = answer[REFERENCED_SOP_SEQUENCE]["Value"]
    assert json_value(stored, RETRIEVE_URL).partition(":")[0] == "https"


@suite.case("TLS-103", level="product", ref="Orthanc Book: configuration option SslVerifyPeers")
@pytest.mark.parametrize("shown", ["none", "expired", "foreign"])
def test_client_that_is_not_trusted_gets_no_answer(remote: Party, shown: str) -> None:
    """A client without a certificate that the server trusts is not answered, whatever its password."""
    assert remote.encryption is not None
    certificate = None if shown == "none" else getattr(remote.encryption, shown)
    tls = remote.encryption.as_client(certificate)

    with remote.new_rest(tls=tls) as stranger, pytest.raises(NoAnswer):
        stranger.get(f"{remote.dicomweb}/studies", expect=None)


@suite.case("TLS-104")
def test_request_without_tls_gets_no_answer(remote: Party) -> None:
    """A plain HTTP request on the HTTPS port is not served: there is no answer, or an error."""
    with remote.new_rest(tls=None) as plain:
        try:
            answer = plain.get(f"{remote.dicomweb}/studies", expect=None)
        except NoAnswer:
            return
        assert answer.status_code in range(300, 500)
