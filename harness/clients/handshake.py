"""TLS handshakes that offer a single version, to see whether a server agrees on it."""

import socket
import ssl
import warnings

from harness.certificates import TlsClient, client_context
from harness.model import Endpoint

TIME_LIMIT = 10.0


def agreed_on(server: Endpoint, client: TlsClient, version: ssl.TLSVersion) -> str:
    """Return the version that a server negotiates with a client that offers this one; empty for none."""
    context = client_context(client.authority, client.shown)
    context.check_hostname = False
    context.set_ciphers("ALL:@SECLEVEL=0")  # otherwise our own library would refuse old versions
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    with socket.create_connection((server.host, server.port), timeout=TIME_LIMIT) as connection:
        try:
            with context.wrap_socket(connection) as encrypted:
                return encrypted.version() or ""
        except (ssl.SSLError, ConnectionError):
            return ""
