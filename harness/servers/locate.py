"""Finds Orthanc and its plugins on this computer."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError, ServerNotFound
from harness.model import Version

VARIABLE = "HARNESS_ORTHANC"
CHECKOUT = Path(__file__).resolve().parents[2]

# Relative to the root of an Orthanc installation: Debian's packages, upstream's `make install`,
# upstream's static builds (plugins next to the executable).
PLUGIN_FOLDERS = (
    "usr/share/orthanc/plugins",
    "usr/local/share/orthanc/plugins",
    "share/orthanc/plugins",
)


@dataclass(frozen=True)
class OrthancInstallation:
    """An Orthanc executable, its version, and the plugins that belong to it."""

    executable: Path
    version: Version
    plugins: tuple[Path, ...]
    """Paths as the executable sees them."""
    root: Path | None = None
    """The root folder of another Debian release, needed to find its libraries."""

    @property
    def command(self) -> tuple[str, ...]:
        """The command that starts it."""
        return _command(self.executable, self.root)

    def seen(self, path: Path) -> Path:
        """Return a path of ours as the executable sees it."""
        return path if self.root is None else Path("/") / path.relative_to(self.root)

    def on_disk(self, path: Path) -> Path:
        """Return a path of the executable as we see it."""
        return path if self.root is None else self.root / path.relative_to("/")


def find_orthanc(asked: str | None = None) -> OrthancInstallation:
    """Find the Orthanc to test.

    `asked` (the option `--orthanc`: an executable, a folder that contains one, or the root of
    another release of Debian; `none` means the embedded server) wins, then the environment variable
    HARNESS_ORTHANC, the search path, and `.orthanc/` in the checkout, where `run-local.sh` unpacks
    one. Raises ConfigError if what was named is not an Orthanc, or we may not start it,
    ServerNotFound if there is none.
    """
    if asked == "none":
        raise ServerNotFound("as requested with --orthanc none")
    for source, named in (("--orthanc", asked), (VARIABLE, os.environ.get(VARIABLE))):
        if named:
            return _named(source, Path(named))
    for candidate in usual_places():
        if candidate.is_file():
            return _installation(candidate)
    raise ServerNotFound(
        "no Orthanc on the search path; run ./run-local.sh as root, or use --orthanc PATH"
    )


def is_root_folder(path: Path) -> bool:
    """Return whether `path` holds a whole system, as made by debootstrap, rather than a program."""
    return path != Path("/") and (path / "etc/debian_version").is_file()


def _named(source: str, asked: Path) -> OrthancInstallation:
    if is_root_folder(asked):
        root = asked.resolve()
        executable = root / "usr/sbin/Orthanc"
        if not executable.is_file():
            raise ConfigError(
                f"{source} {asked}: this system has no Orthanc; as root, run: "
                f"chroot {asked} apt-get install orthanc orthanc-dicomweb orthanc-gdcm"
            )
        if os.geteuid() != 0:
            raise ConfigError(
                f"{source} {asked}: only root can start a program in another system (chroot): run the "
                "harness as root, or create an image of it for --image"
            )
        return _installation(executable, root)
    inside = (asked / "Orthanc", asked / "usr/sbin/Orthanc", asked / "sbin/Orthanc")
    for candidate in (asked, *inside):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return _installation(candidate.absolute())
    raise ConfigError(f"{source} {asked}: neither an executable nor a folder with an Orthanc")


def usual_places() -> Iterator[Path]:
    """Yield the default locations of an Orthanc."""
    on_path = shutil.which("Orthanc")
    if on_path:
        yield Path(on_path)
    yield Path("/usr/sbin/Orthanc")  # not on the path of ordinary users in Debian
    yield CHECKOUT / ".orthanc/usr/sbin/Orthanc"


def _installation(executable: Path, root: Path | None = None) -> OrthancInstallation:
    version, plugins = _version_of(executable, root), _plugins_of(executable)
    if root is not None:
        plugins = (Path("/") / each.relative_to(root) for each in plugins)
    return OrthancInstallation(executable, version, tuple(plugins), root)


def _command(executable: Path, root: Path | None) -> tuple[str, ...]:
    if root is None:
        return (str(executable),)
    # Each program becomes the process that it starts, so ending that one ends everything.
    return *_as_localhost(), "chroot", str(root), f"/{executable.relative_to(root)}"


@functools.cache
def _as_localhost() -> tuple[str, ...]:
    """Return a command that starts another on a host named `localhost`; empty if that is not possible.

    DCMTK looks up the host name for new UIDs. Another system does not know the name of this computer:
    each lookup would take seconds in DNS.
    """
    command = ("unshare", "--uts", "sh", "-c", 'hostname localhost && exec "$@"', "sh")
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return command if tried.returncode == 0 else ()


def _version_of(executable: Path, root: Path | None) -> Version:
    command = [*_command(executable, root), "--version"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{executable} cannot be run: {error}") from error
    found = re.match(r"\S*Orthanc (\S+)", answer.stdout)
    if found is None:
        said = (answer.stdout + answer.stderr).strip().splitlines()
        raise ConfigError(
            f"{executable} is not Orthanc: its --version printed {said[0] if said else 'nothing'!r}"
        )
    return Version(found.group(1))


def _plugins_of(executable: Path) -> Iterator[Path]:
    """Yield the plugins of this Orthanc, but not those of another installation.

    Every loaded plugin changes what is tested, so each of two installations uses its own.
    """
    root = executable.resolve().parent.parent  # /usr for /usr/sbin/Orthanc
    folders = [
        executable.parent,
        *(base / name for base in (root.parent, root) for name in PLUGIN_FOLDERS),
    ]
    for folder in dict.fromkeys(folders):
        yield from sorted(folder.glob("lib*.so"))
