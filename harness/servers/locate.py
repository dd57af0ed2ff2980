"""Finding Orthanc and its plugins on this computer."""

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

# Relative to the root below which Orthanc stands: Debian's packages, upstream's `make install`,
# upstream's static builds (plugins beside the executable).
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
    """The root folder of another release of Debian, in which alone it finds its libraries."""

    @property
    def command(self) -> tuple[str, ...]:
        """What starts it."""
        return _command(self.executable, self.root)

    def seen(self, path: Path) -> Path:
        """Return a path of ours as the executable sees it."""
        return path if self.root is None else Path("/") / path.relative_to(self.root)


def find_orthanc(asked: str | None = None) -> OrthancInstallation:
    """Find the Orthanc to test.

    `asked` (the option `--orthanc`: an executable, a folder that holds one, or the root of another release
    of Debian; `none` stands for the embedded server) wins, then the environment variable HARNESS_ORTHANC,
    the search path, and `.orthanc/` of the checkout, where `run-local.sh` unpacks one. Raises ConfigError
    where what is named is no Orthanc, or cannot be started by who we are, ServerNotFound where there is none.
    """
    if asked == "none":
        raise ServerNotFound("as --orthanc none asked for")
    for source, named in (("--orthanc", asked), (VARIABLE, os.environ.get(VARIABLE))):
        if named:
            return _named(source, Path(named))
    for candidate in usual_places():
        if candidate.is_file():
            return _installation(candidate)
    raise ServerNotFound(
        "no Orthanc on the search path; run ./run-local.sh as root, or name one with --orthanc PATH"
    )


def is_root_folder(path: Path) -> bool:
    """Return whether `path` holds a whole system, as debootstrap makes it, rather than a program."""
    return path != Path("/") and (path / "etc/debian_version").is_file()


def _named(source: str, asked: Path) -> OrthancInstallation:
    if is_root_folder(asked):
        root = asked.resolve()
        executable = root / "usr/sbin/Orthanc"
        if not executable.is_file():
            raise ConfigError(
                f"{source} {asked}: there is no Orthanc in this system; as root: "
                f"chroot {asked} apt-get install orthanc orthanc-dicomweb orthanc-gdcm"
            )
        if os.geteuid() != 0:
            raise ConfigError(
                f"{source} {asked}: only root may start a program in another system (chroot): run the "
                "harness as root, or make an image of it, which --image names"
            )
        return _installation(executable, root)
    inside = (asked / "Orthanc", asked / "usr/sbin/Orthanc", asked / "sbin/Orthanc")
    for candidate in (asked, *inside):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return _installation(candidate.absolute())
    raise ConfigError(f"{source} {asked}: no executable file, and no folder that holds an Orthanc")


def usual_places() -> Iterator[Path]:
    """Return where an Orthanc may be that nobody has named."""
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
    # It becomes the process that it starts: to end that one ends all there is.
    return "chroot", str(root), f"/{executable.relative_to(root)}"


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
            f"{executable} is no Orthanc: asked for --version it said {said[0] if said else 'nothing'!r}"
        )
    return Version(found.group(1))


def _plugins_of(executable: Path) -> Iterator[Path]:
    """Return the plugins of this Orthanc, and not those of another one on the machine.

    Every loaded plugin changes what is tested, so that of two installations each uses its own.
    """
    root = executable.resolve().parent.parent  # /usr for /usr/sbin/Orthanc
    folders = [
        executable.parent,
        *(base / name for base in (root.parent, root) for name in PLUGIN_FOLDERS),
    ]
    for folder in dict.fromkeys(folders):
        yield from sorted(folder.glob("lib*.so"))
