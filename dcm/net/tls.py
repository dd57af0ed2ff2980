"""TLS for associations (PS3.15 B.12): trust, certificates and keys. The transport is in `tls_transport`.

    mypacs = Remote(DcmNode("mypacs.org", "MYPACS", 2762), tls=Tls(ca="ca.pem"))
    local = Listen("0.0.0.0", "LOCALAE", 2762, Tls(certificate="we.pem", key="we.key"))

OpenSSL is imported where it is used, since most associations do not need it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dcm.errors import DcmError
from dcm.frozen import Frozen

if TYPE_CHECKING:
    import ssl


class UnusableTls(DcmError):  # noqa: N818 - reads as the sentence it is
    """An unusable certificate, key or CA file."""


class Tls(Frozen, secret=("passphrase",)):
    """TLS settings for connecting to a node, or for our listener; the files are PEM.

    ca: the CA that issued the certificates of peers; without it, servers are checked against the CAs of the
    system.
    certificate, key: ours. A listener always sends the certificate, a client if the server requests it. The
    key may be in the certificate file, and may be encrypted with `passphrase`.
    verify_host: whether the certificate must be for the host that we connect to.
    require_certificate: whether a listener accepts only peers with a certificate issued by `ca`. Raises
    `UnusableTls` without `ca`, since the CAs of the system issue certificates to anyone.
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
                "require_certificate without ca would accept certificates that any CA known to this"
                " system has issued to anyone: set ca to the CA of your peers"
            )

    def to_connect(self, local: Tls | None = None) -> ssl.SSLContext:
        """Return the context for a connection; without a certificate for this peer, that of `local` is sent.

        The files are read each time, since certificates may be renewed while a program runs. Raises
        `UnusableTls`.
        """
        context = _context(server=False, verify=True)
        context.check_hostname = self.verify_host
        self._trust(context)
        shown = self if self.certificate or local is None else local
        shown._show(context)  # noqa: SLF001 - of the same class
        return context

    def to_listen(self) -> ssl.SSLContext:
        """Return the context for a listener. Raises `UnusableTls`."""
        if self.certificate is None:
            raise UnusableTls("a listener with TLS needs a certificate and its key")
        context = _context(server=True, verify=self.require_certificate)
        context.num_tickets = (
            0  # closing with an unread ticket resets the connection, and data is lost
        )
        if self.require_certificate:
            self._trust(context)
        self._show(context)
        return context

    def _trust(self, context: ssl.SSLContext) -> None:
        if self.ca is None:  # only for servers
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
            for each in files:  # OpenSSL does not say which file is missing
                open(each, "rb").close()
            context.load_cert_chain(self.certificate, self.key, password=self._passphrase)
        except OSError as error:
            what = error.filename or " and ".join(files)
            raise UnusableTls(f"certificate and key, {what}: {_file_words(error)}") from error

    def _passphrase(self) -> str:
        """Return the passphrase; without this, OpenSSL would prompt for it on the terminal."""
        if self.passphrase is None:
            raise UnusableTls(f"the key {os.fspath(self.key or self.certificate or '')} is encrypted"
                              " but there is no passphrase")  # fmt: skip
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
        return "the key does not match the certificate"
    return reason or "not a PEM file with the required content, or a wrong passphrase"
