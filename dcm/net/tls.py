"""TLS for associations (PS3.15 B.12): trust, certificates and keys. The transport is in `tls_transport`.

    mypacs = Remote(DcmNode("mypacs.org", "MYPACS", 2762), tls=Tls(ca="ca.pem"))
    local = Listen("0.0.0.0", "LOCALAE", 2762, Tls(certificate="we.pem", key="we.key"))

OpenSSL is imported where it is used: most associations are without it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dcm.errors import DcmError
from dcm.frozen import Frozen

if TYPE_CHECKING:
    import ssl


class UnusableTls(DcmError):  # noqa: N818 - reads as the sentence it is
    """A certificate, a key or a CA file that cannot be used."""


class Tls(Frozen, secret=("passphrase",)):
    """How a node is reached by TLS, or how a listener of ours is; the files are PEM.

    ca: who issued the certificates of peers; without it, servers are checked against the system's
    authorities.
    certificate, key: ours: a listener always shows it, a client if the server asks for it. The key may be
    in the certificate's file, and be encrypted with `passphrase`.
    verify_host: whether a certificate must be for the host that we connect to.
    require_certificate: whether a listener accepts only peers with a certificate that `ca` issued; it needs
    `ca`, since the system's authorities issue certificates to anybody. Raises `UnusableTls` without.
    """

    ca: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    passphrase: str | None = None
    verify_host: bool = True
    require_certificate: bool = False

    def __post_init__(self) -> None:
        if self.require_certificate and self.ca is None:
            raise UnusableTls(
                "require_certificate without ca would accept any certificate that an authority of this"
                " system has issued, to whomever: set ca to the authority of your peers"
            )

    def to_connect(self, local: Tls | None = None) -> ssl.SSLContext:
        """Return the context for a connection; without a certificate for this peer, that of `local` is shown.

        The files are read each time: certificates are renewed while programs run. Raises `UnusableTls`.
        """
        context = _context(server=False, verify=True)
        context.check_hostname = self.verify_host
        self._trust(context)
        shown = self if self.certificate or local is None else local
        shown._show(context)  # noqa: SLF001 - it is one of us
        return context

    def to_listen(self) -> ssl.SSLContext:
        """Return the context for a listener. Raises `UnusableTls`."""
        if self.certificate is None:
            raise UnusableTls("a listener with TLS needs a certificate and its key")
        context = _context(server=True, verify=self.require_certificate)
        context.num_tickets = 0  # a peer that closes with a ticket unread resets, and data is lost
        if self.require_certificate:
            self._trust(context)
        self._show(context)
        return context

    def _trust(self, context: ssl.SSLContext) -> None:
        if self.ca is None:  # only of servers
            context.load_default_certs()
            return
        try:
            context.load_verify_locations(self.ca)
        except OSError as error:
            raise UnusableTls(f"the CA file {os.fspath(self.ca)}: {_file_words(error)}") from error

    def _show(self, context: ssl.SSLContext) -> None:
        if self.certificate is None:
            return
        files = [os.fspath(each) for each in (self.certificate, self.key) if each is not None]
        try:
            for each in files:  # OpenSSL does not say which one is missing
                open(each, "rb").close()
            context.load_cert_chain(self.certificate, self.key, password=self._passphrase)
        except OSError as error:
            what = error.filename or " and ".join(files)
            raise UnusableTls(f"certificate and key, {what}: {_file_words(error)}") from error

    def _passphrase(self) -> str:
        """Return the passphrase; without this OpenSSL would ask the terminal for it, and wait."""
        if self.passphrase is None:
            raise UnusableTls(f"the key {os.fspath(self.key or self.certificate or '')} is encrypted"
                              " and there is no passphrase")  # fmt: skip
        return self.passphrase


def _context(*, server: bool, verify: bool) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - see above

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # BCP 195
    if verify:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _file_words(error: OSError) -> str:
    if not hasattr(error, "reason"):  # an `SSLError` has one
        return os.strerror(error.errno or 0)
    reason = (error.reason or "").lower().replace("_", " ")
    if reason == "key values mismatch":
        return "the key is not that of the certificate"
    return reason or "no PEM file with what is needed, or not with this passphrase"
