"""Certificates for tests, made by the openssl program: an authority, and what it has issued."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from dcm.net import Tls

_EXTENSIONS = """
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[node]
basicConstraints = critical, CA:FALSE
subjectAltName = {names}
"""


@dataclass(frozen=True)
class Authority:
    """One that issues certificates, in a folder of its own."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """Make a key and a certificate that is signed by itself."""
        folder.mkdir()
        found = cls(folder)
        found._sign("ca", "authority", "IP:127.0.0.1", "-signkey", folder / "ca.key")
        return found

    @property
    def ca(self) -> Path:
        """What its certificates are checked with."""
        return self.folder / "ca.pem"

    def issue(self, name: str, names: str = "IP:127.0.0.1", days: int = 30) -> Tls:
        """Issue a certificate; below 0 days, it has expired."""
        ca = ("-CA", self.ca, "-CAkey", self.folder / "ca.key", "-CAcreateserial")
        self._sign(name, "node", names, *ca, days=days)
        return Tls(
            ca=self.ca,
            certificate=self.folder / f"{name}.pem",
            key=self.folder / f"{name}.key",
        )

    def _sign(self, name: str, kind: str, names: str, *signer: str | Path, days: int = 30) -> None:
        key, extensions = self.folder / f"{name}.key", self.folder / f"{name}.cnf"
        extensions.write_text(_EXTENSIONS.format(names=names))
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        request = self.folder / f"{name}.csr"
        _openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        _openssl("x509", "-req", "-in", request, *signer, "-days", str(days), "-extensions", kind,
                 "-extfile", extensions, "-out", self.folder / f"{name}.pem")  # fmt: skip


def _openssl(*arguments: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    subprocess.run([program, *arguments], check=True, capture_output=True, timeout=60)
