"""Small images with the Orthanc of this computer, in the forms in which Orthanc is published.

Nothing is pulled: an image holds the programs, their libraries, and the files that Orthanc reads.
"""

import io
import os
import re
import subprocess
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.servers.container_engine import Engine
from harness.servers.locate import OrthancInstallation

SHELL = ("sh", "cat", "grep", "mkdir", "mv", "rm")
PATH = "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
PLUGINS = "usr/share/orthanc/plugins"
# DICOM dictionary, locale and character sets.
DATA = ("share/libdcmtk*/*.dic", "share/dcmtk/*.dic", "lib/locale/C.*", "lib/*/gconv")
LINKS = ("bin", "lib", "sbin")  # into usr/, as in Debian

# Like orthancteam/orthanc: plugins are disabled until a section of the configuration or a
# variable enables them; the files of /etc/orthanc become one, with which Orthanc is started.
ENTRY_POINT = """#!/bin/sh
set -e
cat /etc/orthanc/*.json > /tmp/orthanc.json
enable() {
  if [ "$2" = true ] || grep -q "\\"$1\\"" /tmp/orthanc.json; then
    mv "/usr/share/orthanc/plugins-available/$3" /usr/share/orthanc/plugins/ || true
  fi
}
enable DicomWeb "$DICOM_WEB_PLUGIN_ENABLED" libOrthancDicomWeb.so
enable Worklists "$WORKLISTS_PLUGIN_ENABLED" libModalityWorklists.so
enable Gdcm "$GDCM_PLUGIN_ENABLED" libOrthancGdcm.so
[ "$VERBOSE_ENABLED" = true ] && verbose=--verbose
exec Orthanc $verbose "$@"
"""
# Files in these images that must not interfere with our configuration.
OWN_CONFIGURATION = '{ "Name": "from the image", "HttpPort": 8042 }'


class Images:
    """Makes images and removes them."""

    def __init__(self, engine: Engine, orthanc: OrthancInstallation) -> None:
        self.engine = engine
        self.orthanc = orthanc
        self._made: list[str] = []
        self._base = ""

    def plain(self) -> str:
        """Orthanc alone, without an entry point."""
        if not self._base:
            self._base = self._name("plain")
            repository, tag = self._base.split(":")
            self.engine.api.import_image_from_data(
                orthanc_files(self.orthanc), repository=repository, tag=tag, changes=[f"ENV {PATH}"]
            )
        return self._base

    def orthanc_plugins(self) -> str:
        """Like jodogne/orthanc-plugins: the program is the entry point, its argument a folder."""
        return self._derived(
            "orthanc-plugins",
            {
                "etc/orthanc/orthanc.json": OWN_CONFIGURATION,
                "etc/orthanc/more.json": '{ "Name": "" }',
            },
            ['ENTRYPOINT ["Orthanc"]', 'CMD ["/etc/orthanc/"]', "VOLUME /var/lib/orthanc/db"],
        )

    def orthancteam(self) -> str:
        """Like orthancteam/orthanc: a script merges files and variables into one configuration."""
        return self._derived(
            "orthancteam",
            {"docker-entrypoint.sh": ENTRY_POINT, "etc/orthanc/orthanc.json": OWN_CONFIGURATION},
            ['ENTRYPOINT ["/docker-entrypoint.sh"]', 'CMD ["/tmp/orthanc.json"]'],
            aside=True,
        )

    def deaf(self) -> str:
        """Start Orthanc with its own configuration, ignoring /etc/orthanc."""
        return self._derived(
            "deaf",
            {
                "own.json": '{ "Name": "deaf", "RemoteAccessAllowed": true, "StorageDirectory": "/tmp" }'
            },
            ['ENTRYPOINT ["Orthanc"]', 'CMD ["/own.json"]'],
        )

    def grumpy(self) -> str:
        """Contain Orthanc, with an entry point that prints an error and starts nothing."""
        script = "#!/bin/sh\necho no licence found\nexit 3\n"
        return self._derived("grumpy", {"start": script}, ['ENTRYPOINT ["/start"]'])

    def without_orthanc(self) -> str:
        """Contain a shell and nothing else."""
        name = self._name("empty")
        repository, tag = name.split(":")
        files = archive({f"/usr/bin/{each}": Path(f"/usr/bin/{each}") for each in ("sh",)})
        self.engine.api.import_image_from_data(files, repository=repository, tag=tag)
        return name

    def dcmqrscp(self, program: Path) -> str:
        """Contain dcmtk's archive, a shell and little else."""
        name = self._name("dcmqrscp")
        repository, tag = name.split(":")
        files = {f"/usr/bin/{each}": Path(f"/usr/bin/{each}") for each in SHELL}
        files["/usr/bin/dcmqrscp"] = program
        files |= {str(each): each for pattern in DATA for each in Path("/usr").glob(pattern)}
        programs = [program, *(files[f"/usr/bin/{each}"] for each in SHELL)]
        content = archive(files | {str(each): each for each in libraries(programs)})
        self.engine.api.import_image_from_data(
            content, repository=repository, tag=tag, changes=[f"ENV {PATH}"]
        )
        return name

    def remove(self) -> None:
        """Remove all images that were made."""
        for name in reversed(self._made):
            self.engine.api.remove_image(name, force=True)

    def _name(self, shape: str) -> str:
        name = f"dicom-harness-selftest-{shape}:{uuid.uuid4().hex[:12]}"
        self._made.append(name)
        return name

    def _derived(
        self, shape: str, texts: dict[str, str], changes: Sequence[str], *, aside: bool = False
    ) -> str:
        """Add files to the plain image; `aside` moves the plugins to where an entry point looks."""
        api = self.engine.api
        container = api.create_container(self.plain(), ["/bin/sh", "-c", MOVE_ASIDE])["Id"]
        try:
            if aside:
                api.start(container)
                assert api.wait(container)["StatusCode"] == 0, api.logs(container)
            api.put_archive(container, "/", archive({}, texts))
            repository, tag = self._name(shape).split(":")
            api.commit(container, repository, tag, changes=[*changes])
        finally:
            api.remove_container(container, force=True)
        return f"{repository}:{tag}"


def orthanc_files(orthanc: OrthancInstallation) -> bytes:
    """Return a system with Orthanc, a shell and little else, as a tar archive."""
    files = orthanc_sources(orthanc)
    programs = [each for each in files.values() if each in (orthanc.executable, *orthanc.plugins)]
    programs += [files[f"/usr/bin/{each}"] for each in SHELL]
    return archive(files | {str(each): each for each in libraries(programs)})


def orthanc_sources(orthanc: OrthancInstallation) -> dict[str, Path]:
    """Return the files of that system by path, without the libraries of its programs."""
    files = {f"/usr/bin/{each}": Path(f"/usr/bin/{each}") for each in SHELL}
    files["/usr/sbin/Orthanc"] = orthanc.executable
    files |= {f"/{PLUGINS}/{each.name}": each for each in orthanc.plugins}
    files |= {str(each): each for pattern in DATA for each in Path("/usr").glob(pattern)}
    files["/etc/localtime"] = Path("/usr/share/zoneinfo/Etc/UTC")
    files["/etc/debian_version"] = Path("/etc/debian_version")
    return files


MOVE_ASIDE = f"mv /{PLUGINS} /{PLUGINS}-available && mkdir /{PLUGINS}"


def libraries(programs: Sequence[Path]) -> Iterator[Path]:
    """Return the libraries that programs load, directly and indirectly."""
    done = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False)
    for found in re.findall(r"(/\S+) \(0x", done.stdout):
        yield Path(found)


def archive(
    files: dict[str, Path], texts: dict[str, str] | None = None, folders: Sequence[str] = ("tmp",)
) -> bytes:
    """Pack files of this computer, and texts as files that all users may read and run."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        for name in LINKS if files else ():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(entry)
        for name in folders if files else ():
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(entry)
        places = {
            re.sub(r"^/(?=(bin|lib|sbin)/)", "usr/", os.path.normpath(place)).lstrip("/"): file
            for place, file in files.items()
        }
        for place, file in places.items():
            tar.add(file, place)
        for name, text in (texts or {}).items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
