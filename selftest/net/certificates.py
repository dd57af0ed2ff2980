"""Certificates for tests, made by the openssl program: an authority, and those that it issued."""

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

_REGISTER = """
[here]
database = {register}
serial = {register}.serial
new_certs_dir = {folder}
default_md = sha256
policy = any
[any]
commonName = supplied
"""


@dataclass(frozen=True)
class Authority:
    """An authority that issues certificates in its own folder."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """Make a key and a self-signed certificate."""
        folder.mkdir()
        found = cls(folder)
        found._sign("ca", "authority", "IP:127.0.0.1", "-signkey", folder / "ca.key")
        return found

    @property
    def ca(self) -> Path:
        """The certificate for verifying those that it issued."""
        return self.folder / "ca.pem"

    def issue(self, name: str, names: str = "IP:127.0.0.1", *, expired: bool = False) -> Tls:
        """Issue a certificate that is valid from now on, or was valid in the year 2020."""
        if expired:
            self._sign_for_2020(name, names)
        else:
            ca = ("-CA", self.ca, "-CAkey", self.folder / "ca.key", "-CAcreateserial")
            self._sign(name, "node", names, *ca)
        return Tls(
            ca=self.ca,
            certificate=self.folder / f"{name}.pem",
            key=self.folder / f"{name}.key",
        )

    def _sign(self, name: str, kind: str, names: str, *signer: str | Path) -> None:
        request, extensions = self._request(name, names)
        _openssl("x509", "-req", "-in", request, *signer, "-days", "30", "-extensions", kind,
                 "-extfile", extensions, "-out", self.folder / f"{name}.pem")  # fmt: skip

    def _sign_for_2020(self, name: str, names: str) -> None:
        """Sign like a CA with a register: `x509` of OpenSSL 3.5 refuses an end before the start."""
        request, extensions = self._request(name, names)
        register, settings = self.folder / f"{name}.register", self.folder / f"{name}.ca"
        register.touch()
        settings.write_text(_REGISTER.format(register=register, folder=self.folder))
        _openssl("ca", "-batch", "-config", settings, "-name", "here", "-rand_serial",
                 "-cert", self.ca, "-keyfile", self.folder / "ca.key", "-in", request,
                 "-startdate", "20200101000000Z", "-enddate", "20201231235959Z",
                 "-extfile", extensions, "-extensions", "node",
                 "-out", self.folder / f"{name}.pem")  # fmt: skip

    def _request(self, name: str, names: str) -> tuple[Path, Path]:
        """Make a key, a request for its certificate, and a file with the extensions."""
        key, extensions = self.folder / f"{name}.key", self.folder / f"{name}.cnf"
        extensions.write_text(_EXTENSIONS.format(names=names))
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        request = self.folder / f"{name}.csr"
        _openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        return request, extensions


def _openssl(*arguments: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    subprocess.run([program, *arguments], check=True, capture_output=True, timeout=60)
