"""The command-line options and ini settings of the plugin, and the values read from them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from harness.case import LEVELS
from harness.config.overrides import Override
from harness.errors import ConfigError
from harness.model import AETitle, Port
from harness.report.load import load
from harness.servers import registry
from harness.servers.container import ContainerLimits
from harness.servers.locate import is_root_folder
from harness.variant import DATABASES

CASE_LIMIT = 30.0  # seconds
T = TypeVar("T")


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
    database: str | None
    """The kind of database in which the remote keeps what it stores."""
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
    """Declare the options (`pytest --help` shows them)."""
    group = parser.getgroup("dicom-harness", "DICOM servers under test")
    add = group.addoption
    add(
        "--server",
        metavar="HOST",
        help="test the server that already runs on HOST (attached mode); without it the harness starts "
        "a remote and a local Orthanc itself (managed mode)",
    )
    add(
        "--config",
        type=Path,
        dest="harness_config",
        metavar="FILE",
        help="attached mode: the configuration that generate_config.py wrote for the remote "
        "(default: IntegrationTestsConfiguration.json in this folder, if it is there)",
    )
    add("--aet", help="attached mode: AE title of the remote (default ORTHANC)")
    add("--dicom", metavar="PORT", help="attached mode: DICOM port of the remote (default 4242)")
    add("--rest", metavar="PORT", help="attached mode: HTTP port of the remote (default 8042)")
    add(
        "--web",
        metavar="PATH",
        help="attached mode, a server that is not an Orthanc: the path of its DICOMweb at the port of --rest",
    )
    add("--username", help="attached mode: user of the remote's REST interface")
    add("--password", help="attached mode: password of that user")
    add(
        "--remote",
        metavar="SPEC",
        help=f"the server to start as remote: {', '.join(registry.names())}, or FILE.py with an adapter "
        "of your own; orthanc:trixie is that of a Debian release, orthanc:PATH an executable or the root "
        "folder of another system, image:NAME a container image (default: orthanc). The local server "
        "is an Orthanc all the same, where there is one",
    )
    add(
        "--orthanc",
        metavar="PATH",
        help="the Orthanc to start, as local server and, without --remote, as remote: an executable, a "
        "folder that holds one, or `none` for the embedded server, pynetdicom's qrscp (default: the Orthanc "
        "on the search path)",
    )
    add(
        "--orthanc-root",
        metavar="DIR",
        help="the same as --remote orthanc:DIR, the root folder of another Debian release; needs root",
    )
    add(
        "--image",
        metavar="NAME",
        help="the container image in which the server of --remote is started; without --remote that is an "
        "Orthanc. The local server is --orthanc, or of the same image where there is none",
    )
    add("--memory", metavar="SIZE", help="with --image: what a container may use, such as 512m")
    add("--cpus", metavar="NUMBER", help="with --image: processors for a container, such as 0.5")
    add(
        "--plugins",
        type=Path,
        action="append",
        dest="harness_plugins",
        metavar="PATH",
        help="managed mode: a plugin, or a folder of plugins, for the remote; with --image a path inside it; "
        "repeatable (default: all plugins that belong to the Orthanc)",
    )
    add(
        "--with",
        action="append",
        default=[],
        dest="harness_with",
        metavar="NAME=VALUE",
        help="managed mode: another value in the configuration of the remote Orthanc, such as "
        "StorageCompression=true or DicomWeb.EnableWado=false; repeatable",
    )
    add(
        "--database",
        choices=DATABASES,
        dest="harness_database",
        help="managed mode: where the remote Orthanc keeps index and objects: a private instance of this "
        "database (default: its own files)",
    )
    add(
        "--previous",
        dest="harness_previous",
        metavar="SPEC",
        help="managed mode: the release before the remote, named as for --remote: cases upgrade from it",
    )
    add("--force", action="store_true", help="attached mode: empty the remote without asking")
    add(
        "--case",
        action="append",
        default=[],
        metavar="ID",
        dest="harness_cases",
        help="run this case only: an id (CFIND-014), a pattern (CFIND-*), or a test's name; repeatable",
    )
    add(
        "--level",
        action="append",
        choices=LEVELS,
        default=[],
        dest="harness_levels",
        help="run cases of this level only: `must` and `should` are clauses of the standard, `quality` and "
        "`product` are not; repeatable",
    )
    add(
        "--profile",
        dest="harness_profile",
        metavar="NAME",
        help="run the cases of a profile only; `smoke` has those that find most for their time",
    )
    add(
        "--case-limit",
        type=float,
        default=CASE_LIMIT,
        metavar="SECONDS",
        help=f"time limit of one case (default {CASE_LIMIT:g})",
    )
    add(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="where run folders are written",
    )
    add(
        "--baseline",
        type=Path,
        metavar="RUN",
        help="an earlier run: what is different from it is told at the end, and in the report",
    )
    add(
        "--known",
        type=Path,
        dest="harness_known",
        metavar="DIR",
        help="where known issues are listed, a file for each server (default: the lists of our own suites)",
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
    """Check the options. Raises ConfigError naming the one that cannot be used."""
    get = config.getoption
    plugins = get("harness_plugins")
    remote = _remote(config)
    return Options(
        server=get("--server"),
        config=get("harness_config"),
        aet=_given(AETitle, get("--aet")),
        dicom=_given(Port, get("--dicom")),
        rest=_given(Port, get("--rest")),
        web=_path(get("--web")),
        username=get("--username"),
        password=get("--password"),
        image=get("--image") if get("--remote") not in (None, "orthanc") else None,
        remote=remote,
        orthanc=get("--orthanc"),
        plugins=None if plugins is None else tuple(plugins),
        limits=_limits(remote, get("--memory"), get("--cpus")),
        overrides=tuple(Override.parse(each) for each in get("harness_with")),
        database=get("harness_database"),
        previous=get("harness_previous"),
        force=get("--force"),
        cases=tuple(get("harness_cases")),
        case_limit=get("--case-limit"),
        runs=get("--runs").absolute(),
        baseline=_run(get("--baseline")),
        known=get("harness_known"),
    )


def _remote(config: pytest.Config) -> str | None:
    """Return what is to be started as remote, by whichever option it was named."""
    get = config.getoption
    image, remote = get("--image"), get("--remote")
    if image is not None and remote in (None, "orthanc"):
        image, remote = f"image:{image}", None
    else:
        image = None  # it is that of the program that --remote names
    named = {
        "--remote": remote,
        "--image": image,
        "--orthanc-root": _root(get("--orthanc-root")),
    }
    given = [option for option, spec in named.items() if spec is not None]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} both name the remote: leave one of them out")
    if given and (get("--server") is not None or get("harness_config") is not None):
        raise ConfigError(f"{given[0]} starts the remote, --server and --config name one that runs")
    return named[given[0]] if given else None


def _root(folder: str | None) -> str | None:
    if folder is None:
        return None
    if not is_root_folder(Path(folder)):
        raise ConfigError(
            f"--orthanc-root {folder}: this is not the root of another Debian release, since it has no "
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


def _run(folder: Path | None) -> Path | None:
    """Return the folder of a run under its own name: `latest` will soon be another."""
    if folder is None:
        return None
    load(folder)
    return folder.resolve()


def _path(text: str | None) -> str | None:
    if text is not None and not text.startswith("/"):
        raise ConfigError(f"--web {text}: a path such as /dicom-web; --rest names the port")
    return text and text.rstrip("/")


def _given(kind: Callable[[str], T], text: str | None) -> T | None:
    return None if text is None else kind(text)
