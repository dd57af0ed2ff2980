"""The command-line options and ini settings of the plugin, and the values read from them."""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from harness.case import LEVELS
from harness.config.options import checked
from harness.config.overrides import Override
from harness.errors import ConfigError
from harness.model import AETitle, Port
from harness.report.load import load
from harness.servers import registry
from harness.servers.container import ContainerLimits
from harness.servers.locate import is_root_folder
from harness.variant import DATABASES

CASE_LIMIT = 30.0  # seconds


@dataclass(frozen=True)
class Options:
    """What the user asked for; None where an option was left out."""

    server: str | None
    config: Path | None
    aet: AETitle | None
    dicom: Port | None
    rest: Port | None
    web: str | None
    """The path of DICOMweb at an attached server that is not an Orthanc."""
    username: str | None
    password: str | None
    image: str | None
    """The image in which it is started, if `remote` does not say so itself."""
    remote: str | None
    """What is started as remote, as `harness.servers.registry` reads it."""
    orthanc: str | None
    plugins: tuple[Path, ...] | None
    limits: ContainerLimits
    overrides: tuple[Override, ...]
    database: str
    """The kind of database in which the remote keeps what it stores; empty for its own files."""
    previous: str | None
    """The release from which cases upgrade to the remote, as `remote` names it."""
    force: bool
    cases: tuple[str, ...]
    case_limit: float
    runs: Path
    baseline: Path | None
    known: Path | None

    @property
    def attached(self) -> bool:
        """True when the server under test is already running somewhere."""
        return self.server is not None or self.config is not None

    @property
    def time_limit(self) -> float:
        """Seconds that one exchange with a server may take: a case makes more than one."""
        return self.case_limit / 3


def add_options(parser: pytest.Parser) -> None:
    """Declare the options (`pytest --help` shows them), whose values `Options` has under the same names."""
    group = parser.getgroup("dicom-harness", "DICOM servers under test")

    def add(option: str, metavar: str | None, says: str, *, to: str = "", **how: Any) -> None:
        if metavar is not None:
            how["metavar"] = metavar
        dest = f"harness_{to or option.replace('-', '_')}"
        group.addoption(f"--{option}", dest=dest, help=says, **how)

    several: dict[str, Any] = {"action": "append", "default": []}
    add(
        "server",
        "HOST",
        "test the server that already runs on HOST (attached mode); without it the harness starts "
        "a remote and a local Orthanc itself (managed mode)",
    )
    add(
        "config",
        "FILE",
        "attached mode: the configuration that generate_config.py wrote for the remote "
        "(default: IntegrationTestsConfiguration.json in this folder, if it is there)",
        type=Path,
    )
    node = "attached mode:"
    add("aet", "TITLE", f"{node} AE title of the remote (default ORTHANC)", type=checked(AETitle))
    add("dicom", "PORT", f"{node} DICOM port of the remote (default 4242)", type=checked(Port))
    add("rest", "PORT", f"{node} HTTP port of the remote (default 8042)", type=checked(Port))
    add(
        "web",
        "PATH",
        "attached mode, a server that is not an Orthanc: the path of its DICOMweb at the port of --rest",
        type=checked(_path),
    )
    add("username", "NAME", f"{node} user of the remote's REST interface")
    add("password", "WORD", f"{node} password of that user")
    add(
        "remote",
        "SPEC",
        f"the server to start as remote: {', '.join(registry.names())}, or FILE.py with an adapter "
        "of your own; orthanc:trixie is that of a Debian release, orthanc:PATH an executable or the root "
        "folder of another system, image:NAME a container image (default: orthanc). The local server "
        "is an Orthanc all the same, where there is one",
    )
    add(
        "orthanc",
        "PATH",
        "the Orthanc to start, as local server and, without --remote, as remote: an executable, a "
        "folder that holds one, or `none` for the embedded server, pynetdicom's qrscp (default: the Orthanc "
        "on the search path)",
    )
    add(
        "orthanc-root",
        "DIR",
        "the same as --remote orthanc:DIR, the root folder of another Debian release; needs root",
        type=checked(_root),
    )
    add(
        "image",
        "NAME",
        "the container image in which the server of --remote is started; without --remote that is an "
        "Orthanc. The local server is --orthanc, or of the same image where there is none",
    )
    add("memory", "SIZE", "with --image: what a container may use, such as 512m")
    add("cpus", "NUMBER", "with --image: processors for a container, such as 0.5")
    add(
        "plugins",
        "PATH",
        "managed mode: a plugin, or a folder of plugins, for the remote; with --image a path inside it; "
        "repeatable (default: all plugins that belong to the Orthanc)",
        type=Path,
        action="append",
    )
    add(
        "with",
        "NAME=VALUE",
        "managed mode: another value in the configuration of the remote Orthanc, such as "
        "StorageCompression=true or DicomWeb.EnableWado=false; repeatable",
        to="overrides",
        type=checked(Override.parse),
        **several,
    )
    add(
        "database",
        None,
        "managed mode: where the remote Orthanc keeps index and objects: a private instance of this "
        "database (default: its own files)",
        choices=DATABASES,
        default="",
    )
    add(
        "previous",
        "SPEC",
        "managed mode: the release before the remote, named as for --remote: cases upgrade from it",
    )
    add("force", None, "attached mode: empty the remote without asking", action="store_true")
    add(
        "case",
        "ID",
        "run this case only: an id (CFIND-014), a pattern (CFIND-*), or a test's name; repeatable",
        to="cases",
        **several,
    )
    add(
        "level",
        None,
        "run cases of this level only: `must` and `should` are clauses of the standard, `quality` and "
        "`product` are not; repeatable",
        to="levels",
        choices=LEVELS,
        **several,
    )
    add(
        "profile",
        "NAME",
        "run the cases of a profile only; `smoke` has those that find most for their time",
    )
    add(
        "case-limit",
        "SECONDS",
        f"time limit of one case (default {CASE_LIMIT:g})",
        type=float,
        default=CASE_LIMIT,
    )
    add(
        "runs",
        "DIR",
        "where run folders are written",
        type=lambda folder: Path(folder).absolute(),
        default="runs",
    )
    add(
        "baseline",
        "RUN",
        "an earlier run: what is different from it is told at the end, and in the report",
        type=Path,
    )
    add(
        "known",
        "DIR",
        "where known issues are listed, a file for each server (default: the lists of our own suites)",
        type=Path,
    )
    parser.addini(
        "harness_needs",
        "needs that an adapter of your own can meet, beside those of the harness's vocabulary",
        type="args",
        default=[],
    )
    parser.addini(
        "harness_suites", "this folder holds cases for servers", type="bool", default=False
    )


def read_options(config: pytest.Config) -> Options:
    """Return the options. Raises ConfigError naming the one that cannot be used."""
    found = {each.name: config.getoption(f"harness_{each.name}", None) for each in fields(Options)}
    for name, value in found.items():
        if isinstance(value, list):
            found[name] = tuple(value)
    found["remote"], found["image"] = _remote(config)
    found["limits"] = _limits(
        found["remote"], config.getoption("--memory"), config.getoption("--cpus")
    )
    if found["baseline"] is not None:
        load(found["baseline"])
        found["baseline"] = found["baseline"].resolve()  # `latest` will soon be another
    return Options(**found)


def _remote(config: pytest.Config) -> tuple[str | None, str | None]:
    """Return what is to be started as remote, by whichever option it was named, and in which image."""
    get = config.getoption
    image, remote = get("--image"), get("--remote")
    inside = None
    if remote not in (None, "orthanc"):
        image, inside = None, image  # it is that of the program that --remote names
    elif image is not None:
        image, remote = f"image:{image}", None
    named = {"--remote": remote, "--image": image, "--orthanc-root": get("--orthanc-root")}
    given = [option for option, spec in named.items() if spec is not None]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} both name the remote: leave one of them out")
    if given and (get("--server") is not None or get("--config") is not None):
        raise ConfigError(f"{given[0]} starts the remote, --server and --config name one that runs")
    return named[given[0]] if given else None, inside


def _root(folder: str) -> str:
    if not is_root_folder(Path(folder)):
        raise ConfigError(
            f"{folder}: this is not the root of another Debian release, since it has no "
            "etc/debian_version: debootstrap makes one"
        )
    return f"orthanc:{Path(folder).absolute()}"


def _limits(remote: str | None, memory: str | None, cpus: str | None) -> ContainerLimits:
    if remote is None and (memory is not None or cpus is not None):
        raise ConfigError("--memory and --cpus limit a container: name its --image")
    if memory is not None and not re.fullmatch(r"[1-9]\d*[bkmg]?", memory):
        raise ConfigError(f"--memory {memory}: a number with b, k, m or g, such as 512m")
    if cpus is not None and not re.fullmatch(r"\d*\.?\d+", cpus):
        raise ConfigError(f"--cpus {cpus}: a number of processors, such as 2 or 0.5")
    return ContainerLimits(memory, None if cpus is None else float(cpus))


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise ConfigError(f"{text}: a path such as /dicom-web; --rest names the port")
    return text.rstrip("/")
