"""What a run is going to test: found out before the first case, or told in a sentence why not."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from harness.config.overrides import Override
from harness.config.reading import read
from harness.config.settings import FILE_NAME, LOCAL, REMOTE, Instance, Pair, Setup
from harness.errors import ConfigError, ServerNotFound
from harness.model import Credentials
from harness.plugin.options import Options
from harness.servers import registry
from harness.servers.attached import check_attached
from harness.servers.identity import Identity
from harness.servers.product import Asked, Build

EMBEDDED = "qrscp"
WITHOUT_ORTHANC = (
    "no Orthanc was found, so that pynetdicom's qrscp was tested instead: "
    "the REST, DICOMweb and worklist suites are left out"
)


@dataclass(frozen=True)
class Plan:
    """The servers of a run: what the remote is, or where it runs already, and what the local server is."""

    setup: Setup
    """AE titles, credentials; in attached mode also hosts, ports and folders."""
    remote: Build | None
    """The server to start as remote; None in attached mode."""
    local: Build
    identity: Identity
    notes: tuple[str, ...] = ()
    patients: int = 0
    """How many patients the attached server holds: they will be deleted."""
    configured: Callable[[tuple[str, ...]], Build] | None = None
    """Finds the remote with the settings that a case names; None if its settings are not ours to choose."""

    @property
    def attached(self) -> bool:
        """True where the remote runs already."""
        return self.remote is None

    @property
    def mode(self) -> Literal["attached", "managed"]:
        """The word for it in records."""
        return "attached" if self.attached else "managed"

    @property
    def in_containers(self) -> bool:
        """Return whether a server is to be started in a container."""
        return any(
            each is not None and each.image is not None for each in (self.remote, self.local)
        )

    def has_rest(self, role: str) -> bool:
        """Return whether the server in this role speaks HTTP."""
        found = self.remote if role == "remote" else self.local
        return found is None or found.rest


PLAN = pytest.StashKey[Plan]()


def make_plan(options: Options) -> Plan:
    """Decide what is tested. Raises HarnessError with what to do where that is impossible."""
    return _attached(options) if options.attached else _managed(options)


def _managed(options: Options) -> Plan:
    # A password of this run alone: it can be found and blotted out wherever it turns up.
    user = Credentials("alice", secrets.token_hex(12))
    pair = Pair(replace(REMOTE, credentials=user), replace(LOCAL, credentials=user))
    remote, notes = _remote(options)
    local, more = _local(options, remote)
    return Plan(
        Setup(pair, Path(), None),
        remote,
        local,
        remote.identity(pair.remote.ae_title),
        notes=(*notes, *remote.notes, *more),
        configured=_configurator(options, remote),
    )


def _configurator(options: Options, remote: Build) -> Callable[[tuple[str, ...]], Build] | None:
    name = (options.remote or "orthanc").partition(":")[0]
    if remote.product == EMBEDDED or "--with" not in registry.product(name).heeds:
        return None
    return lambda settings: _remote(options, tuple(map(Override.parse, settings)))[0]


def _remote(options: Options, settings: tuple[Override, ...] = ()) -> tuple[Build, tuple[str, ...]]:
    """Find what was asked for, else an Orthanc, else the embedded server, with a note that tells."""
    overrides = (*options.overrides, *settings)
    asked = Asked(None, options.plugins, overrides, options.limits)
    if options.remote is not None:
        return registry.find(options.remote, asked), ()
    try:
        return _orthanc(options, asked), ()
    except ServerNotFound as missing:
        if options.overrides:
            raise ConfigError(f"--with is for Orthanc: {missing}") from None
        return registry.find(EMBEDDED), (f"{WITHOUT_ORTHANC} ({missing})",)


def _local(options: Options, remote: Build | None) -> tuple[Build, tuple[str, ...]]:
    """Find the second instance: an Orthanc, for its REST interface, wherever one is to be had."""
    try:
        return _orthanc(options, Asked()), ()
    except ServerNotFound as missing:
        if remote is not None and remote.product == "Orthanc":
            what = "image" if remote.image else "Orthanc"
            return remote, (f"the local server was of the same {what} ({missing})",)
        said = remote is not None and remote.product == EMBEDDED
        note = f"the local server was pynetdicom's qrscp ({missing})"
        return registry.find(EMBEDDED), () if said else (note,)


def _orthanc(options: Options, asked: Asked) -> Build:
    """Find the Orthanc of this computer, or that of --orthanc."""
    return registry.product("orthanc").find(replace(asked, argument=options.orthanc))


def _attached(options: Options) -> Plan:
    if options.overrides:
        raise ConfigError("--with is for managed mode: an attached server has its configuration")
    setup = _attached_setup(options)
    identity, patients = check_attached(setup.pair.remote)
    local, notes = _local(options, None)
    return Plan(setup, None, local, identity, notes=notes, patients=patients)


def _attached_setup(options: Options) -> Setup:
    """Read the configuration that the remote was started with; the options of the command line win."""
    file = options.config or Path(FILE_NAME)
    if options.config is not None or file.exists():
        setup = read(file)
    else:
        setup = Setup(Pair(REMOTE, LOCAL), Path(), None)
    return replace(setup, pair=replace(setup.pair, remote=_overridden(setup.pair.remote, options)))


def _overridden(remote: Instance, options: Options) -> Instance:
    credentials = remote.credentials
    if options.username is not None or options.password is not None:
        known = credentials or Credentials("", "")
        credentials = Credentials(
            known.username if options.username is None else options.username,
            known.password if options.password is None else options.password,
        )
    return Instance(
        options.aet or remote.ae_title,
        options.server or remote.host,
        options.dicom or remote.dicom,
        options.rest or remote.rest,
        credentials,
    )
