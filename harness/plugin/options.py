"""The command-line options and ini settings of the plugin, and the values read from them."""

import argparse
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import pytest

from harness.case import LEVELS, SUITES
from harness.config.options import VARIABLE, checked, matching
from harness.config.overrides import Override
from harness.errors import ConfigError
from harness.model import AETitle, Port
from harness.orthanc_plugins import PLUGINS, Choice
from harness.report.load import load
from harness.servers import registry
from harness.servers.container import ContainerLimits
from harness.servers.locate import is_root_folder
from harness.variant import DATABASES

CASE_LIMIT = 30.0  # seconds
WEB = matching(
    "/.*", "path such as /dicom-web; the port is that of --rest", lambda it: it.rstrip("/")
)
MEMORY = matching(r"[1-9]\d*[bkmg]?", "number with b, k, m or g, such as 512m", str)
ALL = Path("all")
CPUS = matching(r"\d*\.?\d+", "number of processors, such as 2 or 0.5", float)


def _option(says: str, metavar: str | None = None, *, name: str = "", **how: Any) -> Any:
    """Declare an option of argparse, named like the field unless `name` is given."""
    if metavar is not None:
        how["metavar"] = metavar
    return field(metadata={"name": name, "help": says, **how})


def _several(says: str, metavar: str | None = None, **how: Any) -> Any:
    return _option(says, metavar, action="append", default=[], **how)


def _root(folder: str) -> str:
    if not is_root_folder(Path(folder)):
        raise ConfigError(
            f"{folder} is not the root folder of a Debian release: it has no "
            "etc/debian_version; debootstrap creates such a folder"
        )
    return f"orthanc:{Path(folder).absolute()}"


def _plugin(name: str) -> str:
    if name not in PLUGINS:
        raise ConfigError(f"unknown plugin {name!r}; choose from {', '.join(PLUGINS)}")
    return name


@dataclass(frozen=True)
class Options:
    """The options given by the user; None for an option that was not given."""

    server: str | None = _option(
        "test the server that is running on HOST (default: the harness starts a server itself)",
        "HOST",
    )
    config: Path | None = _option(
        "the configuration that generate_config.py wrote for the remote "
        "(default: IntegrationTestsConfiguration.json in this folder, if it exists)",
        "FILE",
        type=Path,
    )
    aet: AETitle | None = _option(
        "the AE title of the remote (default: ORTHANC)", "TITLE", type=checked(AETitle)
    )
    dicom: Port | None = _option(
        "the DICOM port of the remote (default: 4242)", "PORT", type=checked(Port)
    )
    rest: Port | None = _option(
        "the HTTP port of the remote (default: 8042)", "PORT", type=checked(Port)
    )
    web: str | None = _option(
        "for a server other than Orthanc: the path of its DICOMweb service at the port of --rest",
        "PATH",
        type=checked(WEB),
    )
    username: str | None = _option("the user name for the REST API of the remote", "NAME")
    password: str | None = _option(
        "the password of that user; it is visible to other users of this computer, so prefer the environment "
        f"variable {VARIABLE} or --password-file",
        "WORD",
    )
    password_file: Path | None = _option(
        "a file with the password on its first line", "FILE", type=Path
    )
    remote: str | None = _option(
        f"the server to start as the remote: {', '.join(registry.names())}, or FILE.py with your own "
        "adapter; orthanc:trixie is the Orthanc of a Debian release, orthanc:PATH an executable or the root "
        "folder of another system, image:NAME a container image (default: orthanc). The local server "
        "is always Orthanc, if it is installed",
        "SPEC",
    )
    """The remote; after reading, it is set whichever option named it."""
    orthanc: str | None = _option(
        "the Orthanc to start as the local server and, without --remote, as the remote: an executable, a "
        "folder with one, or `none` for the embedded server, pynetdicom's qrscp (default: the Orthanc "
        "on the search path)",
        "PATH",
    )
    orthanc_root: str | None = _option(
        "the same as --remote orthanc:DIR: the root folder of another Debian release; must run as root",
        "DIR",
        type=checked(_root),
    )
    image: str | None = _option(
        "start the remote in a container of this image; without --remote, it is Orthanc. The local "
        "server is that of --orthanc, or of the same image if there is none",
        "NAME",
    )
    """The image of the remote; after reading, it is None if `remote` itself names one."""
    memory: str | None = _option(
        "with --image: the memory limit of a container, such as 512m", "SIZE", type=checked(MEMORY)
    )
    cpus: float | None = _option(
        "with --image: the number of processors of a container, such as 0.5",
        "NUMBER",
        type=checked(CPUS),
    )
    plugins: tuple[Path, ...] | None = _option(
        "a plugin, or a folder with plugins, for the remote; with --image, a path inside the image; `all`"
        " loads the plugins installed with Orthanc and those that were unpacked separately; may be"
        " repeated (default: the plugins installed with Orthanc)",
        "PATH",
        type=Path,
        action="append",
    )
    plugin: tuple[str, ...] = _several(
        f"load only the plugins named like this: {', '.join(PLUGINS)}; may be repeated",
        "NAME",
        type=checked(_plugin),
    )
    overrides: tuple[Override, ...] = _several(
        "change the configuration of the remote Orthanc: "
        "StorageCompression=true, DicomWeb.EnableWado=false; null removes a key; may be repeated",
        "NAME=VALUE",
        name="with",
        type=checked(Override.parse),
    )
    database: str = _option(
        "start an instance of this database, in which the remote Orthanc keeps index and objects "
        "(default: files)",
        choices=DATABASES,
        default="",
    )
    wrap: tuple[str, ...] = _option(
        "run the remote under this program, such as a debugger or valgrind, given with its options. The "
        "backtrace of a crash is shown in the failure and kept in the evidence. For gdb: "
        "'gdb -batch -ex run -ex bt --args'",
        "COMMAND",
        type=shlex.split,
        default=(),
    )
    previous: str | None = _option(
        "an older release, named as for --remote, for the cases that upgrade to the remote",
        "SPEC",
    )
    force: bool = _option("empty the remote without asking", action="store_true")
    cases: tuple[str, ...] = _several(
        "run only this case: an id (CFIND-014), a pattern (CFIND-*), the name of a test, or a clause "
        "(PS3.8 9.3*); may be repeated",
        "ID",
        name="case",
    )
    levels: tuple[str, ...] = _several(
        "run only cases of this level: `must` and `should` are required or recommended by the standard, "
        "`quality` and `product` are not; may be repeated",
        name="level",
        choices=LEVELS,
    )
    all: bool = _option(
        "include the thorough cases, which are left out by default because they take long",
        action="store_true",
    )
    suites: tuple[str, ...] = _several(
        "run this suite: `main` (the default), `timing` (the cost of operations, compared with the local "
        "server) or `load` (many clients at once); may be repeated",
        name="suite",
        choices=SUITES,
    )
    profile: str | None = _option(
        "run only the cases of a profile; `smoke` has the cases that find most in little time",
        "NAME",
    )
    case_limit: float = _option(
        f"time limit of one case (default: {CASE_LIMIT:g})",
        "SECONDS",
        type=float,
        default=CASE_LIMIT,
    )
    runs: Path = _option(
        "where run folders are written (default: runs)",
        "DIR",
        type=lambda folder: Path(folder).absolute(),
        default="runs",
    )
    keep_exchanges: bool = _option("keep the evidence of passed cases, too", action="store_true")
    conversations: Path | None = _option(
        "save what each case sends to the remote, for `harness fuzz --from DIR`",
        "DIR",
        name="keep-conversations",
        type=lambda folder: Path(folder).absolute(),
    )
    baseline: Path | None = _option(
        "an earlier run: show the differences from it at the end and in the report",
        "RUN",
        type=Path,
    )
    known: Path | None = _option(
        "the folder with the lists of known issues, one file for each server (default: those of the harness)",
        "DIR",
        type=Path,
    )

    @property
    def choice(self) -> Choice:
        """The plugins that the remote loads."""
        if self.plugins == (ALL,):
            return Choice(every=True)
        return Choice(self.plugins, self.plugin)

    @property
    def limits(self) -> ContainerLimits:
        """The resources that a container may use."""
        return ContainerLimits(self.memory, self.cpus)

    @property
    def attached(self) -> bool:
        """Whether the server under test is already running."""
        return self.server is not None or self.config is not None

    @property
    def time_limit(self) -> float:
        """Time limit in seconds of one exchange with a server; a case makes more than one."""
        return self.case_limit / 3


GROUPS = {
    "which cases run": ("cases", "levels", "profile", "suites", "all", "case_limit"),
    "a server that the harness starts (managed mode)": (
        "remote",
        "orthanc",
        "orthanc_root",
        "image",
        "memory",
        "cpus",
        "plugins",
        "plugin",
        "overrides",
        "database",
        "previous",
        "wrap",
    ),
    "a server that is already running (attached mode)": (
        "server",
        "config",
        "aet",
        "dicom",
        "rest",
        "web",
        "username",
        "password",
        "password_file",
        "force",
    ),
    "evidence and reports": ("runs", "keep_exchanges", "conversations", "baseline", "known"),
}
"""The options by subject, in the order of the help."""


class Group(Protocol):
    """A group of options, of argparse or of pytest."""

    def __call__(self, *names: str, **how: Any) -> object:
        """Declare an option."""


def add_groups(group: Callable[[str], Group]) -> None:
    """Declare the options.

    `group` creates a group with a title, and returns a function that adds an option to it.
    """
    declared = {each.name: each for each in fields(Options)}
    for title, names in GROUPS.items():
        add = group(title)
        for name in names:
            how = dict(declared[name].metadata)
            add(f"--{how.pop('name') or name.replace('_', '-')}", dest=f"harness_{name}", **how)


def add_options(parser: pytest.Parser) -> None:
    """Declare the options to pytest."""
    add_groups(lambda title: parser.getgroup(f"dicom-harness, {title}").addoption)
    parser.addini(
        "harness_needs",
        "capabilities of your own adapter that are not in the vocabulary of the harness",
        type="args",
        default=[],
    )


def read_options(config: pytest.Config) -> Options:
    """Return the options. Raises ConfigError if an option cannot be used."""
    return _checked(
        {each.name: config.getoption(f"harness_{each.name}") for each in fields(Options)}
    )


def parse_options(argv: Sequence[str]) -> Options:
    """Return the options in `argv`, the recorded command of a run; unknown ones are ignored."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_groups(lambda title: parser.add_argument_group(title).add_argument)
    found = vars(parser.parse_known_args(list(argv))[0])
    return _checked({each.name: found[f"harness_{each.name}"] for each in fields(Options)})


def _password(word: str | None, file: Path | None) -> str | None:
    """Return the password from the option, the file or the environment, or None."""
    if word is not None and file is not None:
        raise ConfigError("--password and --password-file cannot be used together")
    if file is None:
        return word or os.environ.get(VARIABLE) or None
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--password-file {file} cannot be read: {error}") from error


def _checked(given: dict[str, Any]) -> Options:
    """Build the options from the given values, and check that they can be combined."""
    for name, value in given.items():
        if isinstance(value, list):
            given[name] = tuple(value)
    given["password"] = _password(given["password"], given["password_file"])
    if given["baseline"] is not None:
        load(given["baseline"])
        given["baseline"] = given["baseline"].resolve()  # `latest` will soon point to this run
    image, remote = given["image"], given["remote"]
    if remote not in (None, "orthanc"):
        image = None  # the image applies to the product that --remote names
    elif image is not None:
        image, remote, given["image"] = f"image:{image}", None, None
    named = {"--remote": remote, "--image": image, "--orthanc-root": given["orthanc_root"]}
    named = {option: spec for option, spec in named.items() if spec is not None}
    if len(named) > 1:
        raise ConfigError(f"{' and '.join(named)} both name the remote: use only one of them")
    given["remote"] = next(iter(named.values()), None)
    options = Options(**given)
    if options.plugins and ALL in options.plugins and (len(options.plugins) > 1 or options.plugin):
        raise ConfigError("--plugins all loads every plugin, so no other can be named")
    if named and options.attached:
        (option,) = named
        raise ConfigError(
            f"{option} starts a remote, but --server and --config name one that is running"
        )
    if not named and options.limits != ContainerLimits():
        raise ConfigError("--memory and --cpus limit a container: use them with --image")
    return options
