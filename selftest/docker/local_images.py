"""Images made from this computer, in place of those of `run-docker.sh`: nothing is fetched."""

import importlib.metadata
import random
import string
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from containers.images import archive, libraries, orthanc_sources
from packaging.requirements import Requirement
from support.docker import ROOT, image_name

from harness.servers.locate import OrthancInstallation

OURS = ("dcm", "harness", "tests", "database", "known")
CHECKOUT = "/opt/harness"
STDLIB = Path(sysconfig.get_path("stdlib"))
PACKAGES = Path(sysconfig.get_path("purelib"))
IN_IMAGE = Path("/opt/packages")
"""Path of the packages in the image: a container may hide the original one, for example /tmp."""
LEFT_OUT = {"generated", "dist-packages", "site-packages", "test", "bundle"}
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": f"{CHECKOUT}:{IN_IMAGE}",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HOME": "/tmp",  # noqa: S108 - in the image
    "LANG": "C.UTF-8",
}


@dataclass(frozen=True)
class LocalImages:
    """Images of a fictitious Debian release, found by `--release NAME` and `RELEASE=NAME`."""

    release: str
    names: tuple[str, str]

    def remove(self) -> None:
        """Remove both images."""
        _docker("rmi", *self.names)


def make(orthanc: OrthancInstallation) -> LocalImages:
    """Make the images: Orthanc, and the harness of this checkout with the current Python."""
    release = "selftest" + "".join(random.choices(string.ascii_lowercase, k=12))
    names = (f"dicom-harness-server:{release}", image_name(ROOT, release))
    files = orthanc_sources(orthanc) | dict(_harness_files())
    programs = [
        each for each in files.values() if ".so" in each.name or each.parent.name in ("bin", "sbin")
    ]
    files |= {str(each): each for each in libraries(programs)}
    python = Path(sys.executable).resolve()
    texts = {
        "usr/bin/harness": f'#!/bin/sh\nexec {python} -m harness "$@"\n',
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "etc/group": "root:x:0:\n",
    }
    folders = ("tmp", "work/runs", "var/lib/orthanc/db-v6")
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        file.write(archive(files, texts, folders))
        file.flush()
        changes = [f"ENV {key}={value}" for key, value in ENVIRONMENT.items()]
        changes += ["WORKDIR /work", 'CMD ["harness", "run"]']
        options = [word for change in changes for word in ("--change", change)]
        _docker("import", *options, file.name, names[0])
        _docker("tag", *names)
    return LocalImages(release, names)


def _docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], capture_output=True, timeout=120, check=True)


def _harness_files() -> Iterator[tuple[str, Path]]:
    """Return the files that the harness needs, by their path in the image."""
    for name in ("openssl", "chmod"):
        yield f"/usr/bin/{name}", Path(f"/usr/bin/{name}")
    yield "/usr/lib/ssl/openssl.cnf", Path("/etc/ssl/openssl.cnf")
    python = Path(sys.executable).resolve()
    yield str(python), python
    for folder in (STDLIB, *(ROOT / each for each in OURS)):
        for file in folder.rglob("*"):
            if file.is_file() and not LEFT_OUT & set(file.relative_to(folder).parts):
                place = file if folder == STDLIB else CHECKOUT / file.relative_to(ROOT)
                yield str(place), file
    for distribution in _needed("dicom-harness"):
        for each in distribution.files or ():
            file = Path(str(each.locate()))
            if PACKAGES in file.parents and ".." not in file.parts and file.is_file():
                yield str(IN_IMAGE / file.relative_to(PACKAGES)), file


def _needed(name: str, seen: set[str] | None = None) -> Iterator[importlib.metadata.Distribution]:
    """Return a distribution and its dependencies, direct and indirect."""
    seen = set() if seen is None else seen
    if name in seen:
        return
    seen.add(name)
    found = importlib.metadata.distribution(name)
    yield found
    for each in map(Requirement, found.requires or ()):
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            yield from _needed(each.name, seen)
