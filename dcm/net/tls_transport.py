"""A `Transport` with encryption; `dcm.net.tls` has the settings.

TLS runs in memory, between the association and the socket. So sockets are read and written in only one way,
and the code without TLS is not affected.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from dcm.net.errors import TimedOut, TlsFailed
from dcm.net.transport import RECEIVE_SIZE, Transport
from dcm.wire import Buffer

_AT_ONCE: Final = 1 << 18  # bytes encrypted at a time before writing
_FAREWELL: Final = 1.0  # seconds for the peer to read why we reject it
_HANDSHAKE: Final = "TLS handshake"

_LOG: Final = logging.getLogger(__name__)


class TlsTransport(Transport):
    """A `Transport` that encrypts its data; created by `secure`."""

    encrypted = True

    def __init__(
        self, connected: socket.socket, context: ssl.SSLContext, remote: str, host: str | None
    ) -> None:
        super().__init__(connected)
        self._remote: Final = remote
        self._incoming: Final = ssl.MemoryBIO()
        self._outgoing: Final = ssl.MemoryBIO()
        self._tls: Final = context.wrap_bio(
            self._incoming, self._outgoing, server_side=host is None, server_hostname=host
        )
        self._plain: Final = memoryview(bytearray(RECEIVE_SIZE))
        self._failure: ssl.SSLError | None = None
        self._ended = False

    async def handshake(self, within: float) -> None:
        """Perform the handshake within this number of seconds. Raises `NetworkError`."""
        try:
            async with asyncio.timeout(within):
                await self._shake_hands()
        except TimeoutError:
            raise TimedOut(self._remote, _HANDSHAKE, f"it did not finish within {within:g} s",
                           "does it speak TLS on this port?") from None  # fmt: skip
        except ssl.SSLError as error:
            await self._refuse()
            raise self._failed(error) from error
        except OSError as error:
            words, advice = "it closed the connection", "does it speak TLS on this port?"
            raise TlsFailed(self._remote, _HANDSHAKE, words, advice) from error
        _LOG.info("%s: %s", self._remote, self._tls.version())
        if _LOG.isEnabledFor(logging.DEBUG):
            self._describe()

    def _describe(self) -> None:
        cipher = (self._tls.cipher() or ("unknown",))[0]
        _LOG.debug("%s: cipher %s", self._remote, cipher)
        shown: Mapping[str, Any] = self._tls.getpeercert() or {}
        if not shown:
            _LOG.debug("%s: the peer sent no certificate", self._remote)
            return
        hosts = ", ".join(value for _, value in shown.get("subjectAltName", ())) or "no host"
        _LOG.debug(
            "%s: certificate of the peer: subject %s; for %s; issued by %s; valid until %s", self._remote,
            _distinguished(shown, "subject"), hosts, _distinguished(shown, "issuer"),
            shown.get("notAfter"),
        )  # fmt: skip

    async def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush(None)
                self._feed(await super().receive(None))
            else:
                return await self._flush(None)

    async def _refuse(self) -> None:
        """Give the peer time to read why it is rejected, as `Association.abort` does."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._flush(None)
                super().finish()
                while await super().receive(None):
                    pass

    async def send(self, buffers: Iterable[Buffer], within: float | None) -> None:
        """Write all buffers; small ones share a record. Raises the same errors as `Transport.send`."""
        self._refuse_second_sender()  # before anything is encrypted for it
        gathered: list[Buffer] = []
        size = 0
        for buffer in buffers:
            view = memoryview(buffer)
            for at in range(0, len(view), _AT_ONCE):
                piece = view[at : at + _AT_ONCE]
                if size + len(piece) > _AT_ONCE:
                    await self._encrypt(gathered, within)
                    gathered, size = [], 0
                gathered.append(piece)
                size += len(piece)
        await self._encrypt(gathered, within)

    async def _encrypt(self, gathered: list[Buffer], within: float | None) -> None:
        if self._failure is not None or self._ended:
            raise BrokenPipeError("the peer has ended TLS")
        if gathered:
            self._tls.write(b"".join(gathered))
        await self._flush(within)

    async def _flush(self, within: float | None) -> None:
        if self._outgoing.pending:
            await super().send([self._outgoing.read()], within)

    async def receive(self, within: float | None) -> memoryview:
        """Return what has arrived, as `Transport.receive` does. Also raises `TlsFailed`."""
        while True:
            count = self._decrypt()
            if count or self._ended:
                return self._plain[:count]
            if self._failure is not None:
                failure, self._ended = self._failure, True
                raise self._failed(failure) from failure
            self._feed(await super().receive(within))

    def _feed(self, data: memoryview) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _decrypt(self) -> int:
        """Decrypt all available data into `_plain`; return the number of bytes."""
        filled = 0
        try:
            while filled < len(self._plain) and not self._ended:
                into = self._plain[filled:]
                count = cast("int", self._tls.read(len(into), into))  # bytes only without `into`
                filled += count
                self._ended = not count
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self._ended = (
                True  # even without a close_notify: DICOM itself knows where the data ends
            )
        except ssl.SSLError as error:
            self._failure = self._failure or error
        return filled

    def finish(self) -> None:
        """Tell the peer that nothing more will be written."""
        self._say_goodbye()
        super().finish()

    def close(self) -> None:
        """Close the connection; data already written is still sent."""
        self._say_goodbye()
        super().close()

    def _say_goodbye(self) -> None:
        with contextlib.suppress(OSError):  # we do not wait for the peer's close_notify
            self._tls.unwrap()
        with contextlib.suppress(OSError):
            self._socket.send(self._outgoing.read())

    def _failed(self, error: ssl.SSLError) -> TlsFailed:
        doing = _HANDSHAKE if self._tls.version() is None else "TLS"
        return TlsFailed(self._remote, doing, *_words(error))


async def secure(
    connected: socket.socket,
    context: ssl.SSLContext,
    remote: str,
    within: float,
    host: str | None = None,
) -> TlsTransport:
    """Establish TLS with a peer: `host` if we connected to it, otherwise an accepted connection.

    Raises `NetworkError`.
    """
    transport = TlsTransport(connected, context, remote, host)
    try:
        await transport.handshake(within)
    except BaseException:
        transport.close()
        raise
    return transport


def _distinguished(certificate: Mapping[str, Any], whose: str) -> str:
    parts = [pair for name in certificate.get(whose, ()) for pair in name]
    return ", ".join(f"{kind}={value}" for kind, value in parts) or "unnamed"


_ALERT: Final = "_ALERT_"
_ADVICE_BY_ALERT: Final = {
    "certificate required": "configure a certificate and key that it trusts",
    "handshake failure": "configure a certificate and key that it trusts, or check which ciphers it accepts",
    "unknown ca": "configure a certificate from a CA that it trusts",
    "bad certificate": "configure a certificate that it trusts",
    "certificate unknown": "configure a certificate that it trusts",
    "certificate expired": "renew our certificate",
    "protocol version": "its version is too old: at least TLS 1.2 is needed",
}
_ADVICE_BY_VERIFICATION: Final = {
    9: "check the clocks on both sides",
    10: "it must be renewed by its owner, or the clock here is wrong",
    18: "set ca to the certificate itself if you trust it",
    19: "set ca to the CA that issued it",
    20: "set ca to the CA that issued it",
    62: "use a host name for which it is valid, or set verify_host to false",
    64: "use a host name for which it is valid, or set verify_host to false",
}
_NO_TLS: Final = frozenset(
    ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL",
     "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "BAD_RECORD_TYPE", "UNEXPECTED_MESSAGE")
)  # fmt: skip


def _words(error: ssl.SSLError) -> tuple[str, str]:
    """Return the problem that OpenSSL found, and what to try."""
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = _ADVICE_BY_VERIFICATION.get(error.verify_code, "")
        words = error.verify_message.rstrip(".")
        return f"its certificate is not accepted: {words}", advice
    reason = error.reason or ""
    if _ALERT in reason:
        alert = reason.partition(_ALERT)[2].lower().replace("_", " ")
        return f"the peer rejects it: {alert}", _ADVICE_BY_ALERT.get(alert, "")
    if reason in _NO_TLS:
        return "the peer does not speak TLS", "does it speak TLS on this port?"
    if isinstance(error, ssl.SSLEOFError):
        return "it closed the connection", "does it speak TLS on this port?"
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "the peer sent no certificate", "it needs one issued by our ca"
    return reason.lower().replace("_", " ") or str(error), ""
