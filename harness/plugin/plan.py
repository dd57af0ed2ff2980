"""The plan of a run, made before the first case, or an error that explains why it cannot run."""

import secrets
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.config.overrides import Override
from harness.config.reading import read
from harness.config.settings import FILE_NAME, LOCAL, REMOTE, USER, Pair
from harness.errors import ConfigError, ServerNotFound
from harness.model import Credentials, tellable
from harness.plugin.options import Options
from harness.servers import registry
from harness.servers.attached import Attachment, look
from harness.servers.capabilities import CONFIGURE, Identity
from harness.servers.databases.installation import find_plugins
from harness.servers.databases.place import available, installed
from harness.servers.product import Build, Spec
from harness.variant import USUAL, Variant

EMBEDDED = "qrscp"
NOT_EMPTIED = (
    "the server is not an Orthanc, so it cannot be emptied: it has the objects of earlier cases and runs, "
    "and will keep those of this run"
)
VARIANTS = {CONFIGURE: "--with", "server.tls": "tls"}
"""The feature that a product must support (`heeds`) for each need of a set-up."""
WITHOUT_ORTHANC = (
    "Orthanc was not found, so pynetdicom's qrscp was tested instead: "
    "the REST, DICOMweb and worklist suites were left out"
)


@dataclass(frozen=True)
class Plan:
    """The servers of a run: a remote that is started or already runs, and a local server."""

    pair: Pair
    """AE titles, credentials; in attached mode also hosts and ports."""
    remote: Build | Attachment
    """The server to start as remote, or the one found in attached mode."""
    local: Build
    identity: Identity
    notes: tuple[str, ...]
    options: Options
    worklists: Path | None = None
    """The worklist folder of an attached Orthanc."""
    variants: frozenset[str] = frozenset()
    """The available set-ups, by their names in the vocabulary, such as `server.configure`."""

    def build(self, variant: Variant) -> Build:
        """Return the remote to start for a set-up whose needs have been checked."""
        return replace(_remote(self.options, variant)[0], wrap=self.options.wrap)

    @property
    def usual(self) -> Variant:
        """The set-up of the remote for cases that do not specify one."""
        return USUAL if self.attached else Variant(database=self.options.database)

    @property
    def attached(self) -> bool:
        """Whether the remote is already running."""
        return isinstance(self.remote, Attachment)

    @property
    def in_containers(self) -> bool:
        """Whether a server has to be started in a container."""
        servers = (self.remote, self.local)
        return any(isinstance(each, Build) and each.image is not None for each in servers)

    def has_rest(self, role: str) -> bool:
        """Return whether the server in this role has an HTTP interface."""
        found = self.remote if role == "remote" else self.local
        if isinstance(found, Attachment):
            return found.is_orthanc or self.options.web is not None
        return found.rest


PLAN = pytest.StashKey[Plan]()


def make_plan(options: Options) -> Plan:
    """Return what is to be tested. Raises HarnessError, with advice, if that is impossible."""
    return _attached(options) if options.attached else _managed(options)


def _managed(options: Options) -> Plan:
    # A password for this run only, so that it can be found and removed wherever it appears.
    user = Credentials(USER, secrets.token_hex(12))
    pair = Pair(replace(REMOTE, credentials=user), replace(LOCAL, credentials=user))
    name = (options.remote or "orthanc").partition(":")[0]
    heeds = registry.product(name).heeds
    if options.database:
        installed(options.database)
        if "--database" not in heeds:
            raise ConfigError(f"--database needs an Orthanc that runs on this computer, not {name}")
    remote, notes = _remote(options)
    if options.wrap and (remote.image is not None or remote.root is not None):
        raise ConfigError("--wrap needs a server that runs as a process on this computer")
    local, more = _local(options, remote)
    variants = {each for each, option in VARIANTS.items() if option in heeds}
    if "--database" in heeds:
        variants |= {f"database.{kind}" for kind in available(remote.root)}
        if options.database:
            find_plugins(options.database, remote.root)
    if options.previous is not None:
        earlier = registry.find(options.previous)
        both = set(available(earlier.root)) if earlier.image is None else set()
        variants |= {f"database.{kind}.upgrade" for kind in both}
        if not options.database or options.database in both:
            variants.add("server.upgrade")
    if remote.product == EMBEDDED and options.remote is None:
        variants = set()
    usual = Variant(database=options.database)
    wrapped = [f"the remote runs under {shlex.join(options.wrap)}"] if options.wrap else []
    return Plan(
        pair,
        replace(remote, wrap=options.wrap),
        local,
        remote.identity(pair.remote.ae_title),
        (*notes, *remote.notes, *usual.words, *wrapped, *more),
        options,
        variants=frozenset(variants),
    )


def _remote(options: Options, variant: Variant = USUAL) -> tuple[Build, tuple[str, ...]]:
    """Find the requested server, or an Orthanc, or else the embedded server (with a note)."""
    overrides = (*options.overrides, *map(Override.parse, variant.settings))
    plugins = replace(options.choice, more=variant.plugins)
    asked = Spec(None, plugins, overrides, options.limits, options.image)
    if variant.previous:
        assert options.previous is not None
        return registry.find(options.previous, asked), ()
    if options.remote is not None:
        return registry.find(options.remote, asked), ()
    try:
        return _orthanc(options, asked), ()
    except ServerNotFound as missing:
        if options.overrides:
            raise ConfigError(f"--with needs Orthanc: {missing}") from None
        return registry.find(EMBEDDED), (f"{WITHOUT_ORTHANC} ({missing})",)


def _local(options: Options, remote: Build | None) -> tuple[Build, tuple[str, ...]]:
    """Find the second instance: if possible an Orthanc, for its REST API."""
    try:
        return _orthanc(options, Spec()), ()
    except ServerNotFound as missing:
        if remote is not None and remote.product == "Orthanc":
            what = "image" if remote.image else "Orthanc"
            return remote, (f"the local server was of the same {what} ({missing})",)
        said = remote is not None and remote.product == EMBEDDED
        note = f"the local server was pynetdicom's qrscp ({missing})"
        return registry.find(EMBEDDED), () if said else (note,)


def _orthanc(options: Options, asked: Spec) -> Build:
    """Find the Orthanc of this computer, or that of --orthanc."""
    return registry.product("orthanc").find(replace(asked, argument=options.orthanc))


def _attached(options: Options) -> Plan:
    if options.wrap:
        raise ConfigError("--wrap needs managed mode: an attached server is already running")
    if options.overrides:
        raise ConfigError("--with needs managed mode: an attached server has its own configuration")
    file = options.config or Path(FILE_NAME)
    pair, worklists = Pair(REMOTE, LOCAL), None
    if options.config is not None or file.exists():
        pair, worklists = read(file)
    # Options of the command line take precedence.
    given = _given(
        ae_title=options.aet, host=options.server, dicom=options.dicom, rest=options.rest
    )
    user = _given(username=options.username, password=options.password)
    if user:
        known = pair.remote.credentials or Credentials("", "")
        given["credentials"] = replace(known, **user)
    pair = replace(pair, remote=replace(pair.remote, **given))
    for node in (pair.remote, pair.local):
        if node.credentials is not None:
            tellable(node.credentials.password)
    named = options.rest is not None or options.config is not None
    found = look(pair.remote, rest_is_named=named, dicomweb=options.web)
    local, notes = _local(options, None)
    if not found.is_orthanc:
        notes += (NOT_EMPTIED,)
    return Plan(pair, found, local, found.identity, notes, options, worklists)


def _given(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
