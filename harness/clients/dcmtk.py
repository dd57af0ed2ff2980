"""dcmtk's programs as clients for the cases: findscu, storescu, movescu, getscu, echoscu and others."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

from harness.clients.client import Client
from harness.errors import ToolError
from harness.evidence.tools import ToolRun
from harness.programs import find_tool

DECODERS = {
    **dict.fromkeys(JPEGTransferSyntaxes, "dcmdjpeg"),
    **dict.fromkeys(JPEGLSTransferSyntaxes, "dcmdjpls"),
}
"""dcmtk's programs that decode the pixels of a file, by transfer syntax."""


@dataclass(frozen=True, kw_only=True)
class Dcmtk(Client):
    """Runs dcmtk's programs against one server; every run is passed to `keep` as evidence."""

    folder: Path
    keep: Callable[[ToolRun], None]

    def run(
        self, name: str, *arguments: str | Path, expect: int | None = 0, folder: Path | None = None
    ) -> ToolRun:
        """Run a program with `arguments`, in `folder`.

        Fails the case if the exit code is not `expect` (None accepts any) or the time limit
        expires.
        """
        program = find_tool(name)
        if program is None:
            raise ToolError(f"{name} of dcmtk is not installed: apt-get install dcmtk")
        argv = [str(program), *map(str, arguments)]
        # dcmtk leaves Nagle's algorithm on, which costs 40 ms or more for each message.
        environment = {**os.environ, "TCP_NODELAY": "1"}
        begin = time.monotonic()
        done: subprocess.CompletedProcess[bytes] | subprocess.TimeoutExpired
        try:
            done = subprocess.run(
                argv, cwd=folder or self.folder, stdin=subprocess.DEVNULL, capture_output=True,
                check=False, env=environment, timeout=self.time_limit,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            done = error
        out, err = ((each or b"").decode(errors="replace") for each in (done.stdout, done.stderr))
        code = getattr(done, "returncode", None)
        run = ToolRun(tuple(argv), code, out, err, time.monotonic() - begin)
        self.keep(run)
        said = "\n".join((out + err).strip().splitlines()[-12:])
        assert code is not None, f"{name} did not end within {self.time_limit:g} s\n{said}"
        assert expect in (None, code), (
            f"{name}: expected exit code {expect}, received {code}\n{said}"
        )
        return run

    def scu(
        self,
        name: str,
        *arguments: str | Path,
        expect: int | None = 0,
        calling: str | None = None,
        called: str | None = None,
    ) -> ToolRun:
        """Run a service class user with its options, the peer, and the `arguments` after `--`."""
        border = arguments.index("--") if "--" in arguments else len(arguments)
        options, files = arguments[:border], arguments[border + 1 :]
        limits = [str(max(1, int(self.time_limit)))]
        titles = ("-aet", calling or self.calling, "-aec", called or self.called)
        encrypted = [] if self.tls is None else self.tls.options(self.folder)
        return self.run(
            name,
            "-v", "-to", *limits, "-ta", *limits, "-td", *limits,
            *titles, *encrypted, *options, self.peer.host, str(self.peer.port), *files,
            expect=expect,
        )  # fmt: skip

    def echo(self, **how: Any) -> ToolRun:
        """Send a C-ECHO; `how` as for `scu`, here and below."""
        return self.scu("echoscu", **how)

    def store(self, *arguments: str | Path, **how: Any) -> ToolRun:
        """Send files in C-STORE requests: options, then `--`, then the files."""
        return self.scu("storescu", *arguments, **how)

    def find(self, level: str, *keys: str, root: str = "-S", **how: Any) -> list[Dataset]:
        """Send a C-FIND and return the answers, read from the files that findscu extracts.

        `keys` are findscu's (`PatientName=Mul*`); `root` is -P, -S or -W. Its text output is not parsed.
        """
        folder = _new_folder(self.folder, "findscu")
        asked = _asked("" if root == "-W" else level, keys)  # a worklist has no levels
        self.scu("findscu", root, "-X", "-od", folder, *asked, **how)
        return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]

    def move(self, level: str, to: str, *keys: str, root: str = "-S", **how: Any) -> ToolRun:
        """Send a C-MOVE with the destination `to`."""
        return self.scu("movescu", root, "-aem", to, *_asked(level, keys), **how)

    def get(
        self, level: str, *keys: str, root: str = "-S", options: Sequence[str] = ("+B",)
    ) -> list[Path]:
        """Retrieve with C-GET and return the files written; `+B` keeps the bytes as received."""
        folder = _new_folder(self.folder, "getscu")
        self.scu("getscu", root, *options, "-od", folder, *_asked(level, keys))
        return sorted(folder.iterdir())

    def pixels(self, data_set: Dataset) -> NDArray[Any]:
        """Return the pixels of an object; dcmtk decodes JPEG and JPEG-LS, for which pydicom has no decoder.

        Fails the case if they cannot be decoded.
        """
        program = DECODERS.get(data_set.file_meta.TransferSyntaxUID)
        if program is not None:
            folder = _new_folder(self.folder, program)
            data_set.save_as(folder / "compressed.dcm")
            self.run(program, "compressed.dcm", "native.dcm", folder=folder)
            data_set = pydicom.dcmread(folder / "native.dcm")
        pixels: NDArray[Any] = data_set.pixel_array
        return pixels


def _asked(level: str, keys: Sequence[str]) -> list[str]:
    """Return the options that request `keys`, at a level if there is one."""
    all_keys = (f"QueryRetrieveLevel={level}", *keys) if level else keys
    return [part for key in all_keys for part in ("-k", key)]


def _new_folder(parent: Path, name: str) -> Path:
    folder = parent / f"{name}-{1 + sum(1 for _ in parent.glob(f'{name}-*'))}"
    folder.mkdir()
    return folder
