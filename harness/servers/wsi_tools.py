"""The two programs of Orthanc's plugin for whole-slide images, directed at the remote."""

import os
import subprocess
from pathlib import Path

from harness.clients.rest import Rest
from harness.errors import ServerError, ServerNotFound
from harness.servers.party import Party
from harness.servers.plugins import unpacked_roots

SECONDS = 60


class WsiTools:
    """`OrthancWSIDicomizer` and `OrthancWSIDicomToTiff`, which belong to the remote's plugin."""

    def __init__(self, remote: Party, rest: Rest) -> None:
        folder = remote.server.folder
        if folder is None:
            raise ServerError(
                "the programs for whole-slide images run only on the computer of the server"
            )
        self._rest, self._folder = rest, folder
        self._root = remote.server.adapter.build.root

    def dicomize(self, image: bytes, name: str, *options: str) -> None:
        """Turn an image into instances, and store them at the remote."""
        self._place(name).write_bytes(image)
        self._run("OrthancWSIDicomizer", *options, self._seen(name))

    def to_tiff(self, series: str) -> bytes:
        """Return a series of the remote as a hierarchical TIFF."""
        target = self._place("back.tiff")
        target.unlink(missing_ok=True)
        self._run("OrthancWSIDicomToTiff", series, self._seen("back.tiff"))
        return target.read_bytes()

    def _place(self, name: str) -> Path:
        return self._folder / name

    def _seen(self, name: str) -> str:
        """Return the path of a file as the programs see it."""
        place = self._place(name)
        return str(place if self._root is None else Path("/") / place.relative_to(self._root))

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._command(program), "--orthanc", f"{self._rest.base}/", *arguments]
        if isinstance(self._rest.session.auth, tuple):
            user, password = self._rest.session.auth
            command += ["--username", str(user), "--password", str(password)]
        environment = {**os.environ, "no_proxy": "*", "NO_PROXY": "*"}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment
        )
        said = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        assert done.returncode == 0, f"{program} ended with exit code {done.returncode}: {said}"

    def _command(self, program: str) -> list[str]:
        if self._root is not None:
            return ["chroot", str(self._root), f"/usr/bin/{program}"]
        for root in (*unpacked_roots(), Path("/")):
            if (root / "usr/bin" / program).is_file():
                return [str(root / "usr/bin" / program)]
        raise ServerNotFound(f"{program} is not installed: it is in the Debian package orthanc-wsi")
