"""The command-line options and ini settings of the plugin, and the values read from them."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest

from harness.case import LEVELS
from harness.config.options import checked, matching
from harness.config.overrides import Override
from harness.errors import ConfigError
from harness.model import AETitle, Port
from harness.report.load import load
from harness.servers import registry
from harness.servers.container import ContainerLimits
from harness.servers.locate import is_root_folder
from harness.variant import DATABASES

CASE_LIMIT = 30.0  # seconds
WEB = matching("/.*", "path such as /dicom-web; --rest names the port", lambda it: it.rstrip("/"))
MEMORY = matching(r"[1-9]\d*[bkmg]?", "number with b, k, m or g, such as 512m", str)
CPUS = matching(r"\d*\.?\d+", "number of processors, such as 2 or 0.5", float)


def _option(says: str, metavar: str | None = None, *, name: str = "", **how: Any) -> Any:
    """Declare an option as argparse has it, under the name of the field where no other is given."""
    if metavar is not None:
        how["metavar"] = metavar
    return field(metadata={"name": name, "help": says, **how})


def _several(says: str, metavar: str | None = None, **how: Any) -> Any:
    return _option(says, metavar, action="append", default=[], **how)


def _root(folder: str) -> str:
    if not is_root_folder(Path(folder)):
        raise ConfigError(
            f"{folder}: this is not the root of another Debian release, since it has no "
            "etc/debian_version: debootstrap makes one"
        )
    return f"orthanc:{Path(folder).absolute()}"


@dataclass(frozen=True)
class Options:
    """What the user asked for; None where an option was left out."""

    server: str | None = _option(
        "test the server that already runs on HOST (attached mode); without it the harness starts "
        "a remote and a local Orthanc itself (managed mode)",
        "HOST",
    )
    config: Path | None = _option(
        "attached mode: the configuration that generate_config.py wrote for the remote "
        "(default: IntegrationTestsConfiguration.json in this folder, if it is there)",
        "FILE",
        type=Path,
    )
    aet: AETitle | None = _option(
        "attached mode: AE title of the remote (default ORTHANC)", "TITLE", type=checked(AETitle)
    )
    dicom: Port | None = _option(
        "attached mode: DICOM port of the remote (default 4242)", "PORT", type=checked(Port)
    )
    rest: Port | None = _option(
        "attached mode: HTTP port of the remote (default 8042)", "PORT", type=checked(Port)
    )
    web: str | None = _option(
        "attached mode, a server that is not an Orthanc: the path of its DICOMweb at the port of --rest",
        "PATH",
        type=checked(WEB),
    )
    username: str | None = _option("attached mode: user of the remote's REST interface", "NAME")
    password: str | None = _option("attached mode: password of that user", "WORD")
    remote: str | None = _option(
        f"the server to start as remote: {', '.join(registry.names())}, or FILE.py with an adapter "
        "of your own; orthanc:trixie is that of a Debian release, orthanc:PATH an executable or the root "
        "folder of another system, image:NAME a container image (default: orthanc). The local server "
        "is an Orthanc all the same, where there is one",
        "SPEC",
    )
    """As read: by whichever option it was named."""
    orthanc: str | None = _option(
        "the Orthanc to start, as local server and, without --remote, as remote: an executable, a "
        "folder that holds one, or `none` for the embedded server, pynetdicom's qrscp (default: the Orthanc "
        "on the search path)",
        "PATH",
    )
    orthanc_root: str | None = _option(
        "the same as --remote orthanc:DIR, the root folder of another Debian release; needs root",
        "DIR",
        type=checked(_root),
    )
    image: str | None = _option(
        "the container image in which the server of --remote is started; without --remote that is an "
        "Orthanc. The local server is --orthanc, or of the same image where there is none",
        "NAME",
    )
    """As read: the image in which the remote is started, if `remote` does not say so itself."""
    memory: str | None = _option(
        "with --image: what a container may use, such as 512m", "SIZE", type=checked(MEMORY)
    )
    cpus: float | None = _option(
        "with --image: processors for a container, such as 0.5", "NUMBER", type=checked(CPUS)
    )
    plugins: tuple[Path, ...] | None = _option(
        "managed mode: a plugin, or a folder of plugins, for the remote; with --image a path inside it; "
        "repeatable (default: all plugins that belong to the Orthanc)",
        "PATH",
        type=Path,
        action="append",
    )
    overrides: tuple[Override, ...] = _several(
        "managed mode: another value in the configuration of the remote Orthanc, such as "
        "StorageCompression=true or DicomWeb.EnableWado=false; repeatable",
        "NAME=VALUE",
        name="with",
        type=checked(Override.parse),
    )
    database: str = _option(
        "managed mode: where the remote Orthanc keeps index and objects: a private instance of this "
        "database (default: its own files)",
        choices=DATABASES,
        default="",
    )
    previous: str | None = _option(
        "managed mode: the release before the remote, named as for --remote: cases upgrade from it",
        "SPEC",
    )
    force: bool = _option("attached mode: empty the remote without asking", action="store_true")
    cases: tuple[str, ...] = _several(
        "run this case only: an id (CFIND-014), a pattern (CFIND-*), or a test's name; repeatable",
        "ID",
        name="case",
    )
    levels: tuple[str, ...] = _several(
        "run cases of this level only: `must` and `should` are clauses of the standard, `quality` and "
        "`product` are not; repeatable",
        name="level",
        choices=LEVELS,
    )
    profile: str | None = _option(
        "run the cases of a profile only; `smoke` has those that find most for their time", "NAME"
    )
    case_limit: float = _option(
        f"time limit of one case (default {CASE_LIMIT:g})",
        "SECONDS",
        type=float,
        default=CASE_LIMIT,
    )
    runs: Path = _option(
        "where run folders are written",
        "DIR",
        type=lambda folder: Path(folder).absolute(),
        default="runs",
    )
    baseline: Path | None = _option(
        "an earlier run: what is different from it is told at the end, and in the report",
        "RUN",
        type=Path,
    )
    known: Path | None = _option(
        "where known issues are listed, a file for each server (default: the lists of our own suites)",
        "DIR",
        type=Path,
    )

    @property
    def limits(self) -> ContainerLimits:
        """What a container may use."""
        return ContainerLimits(self.memory, self.cpus)

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
    for each in fields(Options):
        how = dict(each.metadata)
        name = how.pop("name") or each.name.replace("_", "-")
        group.addoption(f"--{name}", dest=f"harness_{each.name}", **how)
    parser.addini(
        "harness_needs",
        "needs that an adapter of your own can meet, beside those of the harness's vocabulary",
        type="args",
        default=[],
    )


def read_options(config: pytest.Config) -> Options:
    """Return the options. Raises ConfigError naming those that cannot be used."""
    given = {each.name: config.getoption(f"harness_{each.name}") for each in fields(Options)}
    for name, value in given.items():
        if isinstance(value, list):
            given[name] = tuple(value)
    if given["baseline"] is not None:
        load(given["baseline"])
        given["baseline"] = given["baseline"].resolve()  # `latest` will soon be another
    image, remote = given["image"], given["remote"]
    if remote not in (None, "orthanc"):
        image = None  # it is that of the program that --remote names
    elif image is not None:
        image, remote, given["image"] = f"image:{image}", None, None
    named = {"--remote": remote, "--image": image, "--orthanc-root": given["orthanc_root"]}
    named = {option: spec for option, spec in named.items() if spec is not None}
    if len(named) > 1:
        raise ConfigError(f"{' and '.join(named)} both name the remote: leave one of them out")
    given["remote"] = next(iter(named.values()), None)
    options = Options(**given)
    if named and options.attached:
        (option,) = named
        raise ConfigError(f"{option} starts the remote, --server and --config name one that runs")
    if not named and options.limits != ContainerLimits():
        raise ConfigError("--memory and --cpus limit a container: name its --image")
    return options
