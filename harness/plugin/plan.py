"""What a run is going to test: found out before the first case, or told in a sentence why not."""

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.config.overrides import Override
from harness.config.reading import read
from harness.config.settings import FILE_NAME, LOCAL, REMOTE, Pair
from harness.errors import ConfigError, ServerNotFound
from harness.model import Credentials
from harness.plugin.options import Options
from harness.servers import registry
from harness.servers.attached import Attachment, look
from harness.servers.capabilities import CONFIGURE, Identity
from harness.servers.databases.place import available, installed
from harness.servers.product import Build, Spec
from harness.variant import USUAL, Variant

EMBEDDED = "qrscp"
NOT_EMPTIED = (
    "the server is not an Orthanc, so that it cannot be emptied: objects of earlier cases and runs are "
    "there, and those of this run stay"
)
VARIANTS = {CONFIGURE: "--with", "server.tls": "tls"}
"""What a product must heed for a set-up, by the name of the need."""
WITHOUT_ORTHANC = (
    "no Orthanc was found, so that pynetdicom's qrscp was tested instead: "
    "the REST, DICOMweb and worklist suites are left out"
)


@dataclass(frozen=True)
class Plan:
    """The servers of a run: what the remote is, or where it runs already, and what the local server is."""

    pair: Pair
    """AE titles, credentials; in attached mode also hosts and ports."""
    remote: Build | Attachment
    """The server to start as remote, or that was found in attached mode."""
    local: Build
    identity: Identity
    notes: tuple[str, ...]
    options: Options
    worklists: Path | None = None
    """The folder of an attached Orthanc."""
    variants: frozenset[str] = frozenset()
    """What can be had besides, by the names in the vocabulary: `server.configure`, `server.tls`, ..."""

    def build(self, variant: Variant) -> Build:
        """Return what is to be started for a set-up, whose needs have been looked at."""
        return _remote(self.options, variant)[0]

    @property
    def usual(self) -> Variant:
        """How the remote is set up where a case does not say."""
        return USUAL if self.attached else Variant(database=self.options.database)

    @property
    def attached(self) -> bool:
        """True where the remote runs already."""
        return isinstance(self.remote, Attachment)

    @property
    def in_containers(self) -> bool:
        """Return whether a server is to be started in a container."""
        servers = (self.remote, self.local)
        return any(isinstance(each, Build) and each.image is not None for each in servers)

    def has_rest(self, role: str) -> bool:
        """Return whether the server in this role speaks HTTP."""
        found = self.remote if role == "remote" else self.local
        if isinstance(found, Attachment):
            return found.is_orthanc or self.options.web is not None
        return found.rest


PLAN = pytest.StashKey[Plan]()


def make_plan(options: Options) -> Plan:
    """Decide what is tested. Raises HarnessError with what to do where that is impossible."""
    return _attached(options) if options.attached else _managed(options)


def _managed(options: Options) -> Plan:
    # A password of this run alone: it can be found and blotted out wherever it turns up.
    user = Credentials("alice", secrets.token_hex(12))
    pair = Pair(replace(REMOTE, credentials=user), replace(LOCAL, credentials=user))
    name = (options.remote or "orthanc").partition(":")[0]
    heeds = registry.product(name).heeds
    if options.database:
        installed(options.database)
        if "--database" not in heeds:
            raise ConfigError(
                f"--database is for an Orthanc that runs on this computer, not for {name}"
            )
    remote, notes = _remote(options)
    local, more = _local(options, remote)
    variants = {each for each, option in VARIANTS.items() if option in heeds}
    if "--database" in heeds:
        variants |= {f"database.{kind}" for kind in available()}
    if options.previous is not None:
        variants.add("server.upgrade")
    if remote.product == EMBEDDED and options.remote is None:
        variants = set()
    usual = Variant(database=options.database)
    return Plan(
        pair,
        remote,
        local,
        remote.identity(pair.remote.ae_title),
        (*notes, *remote.notes, *usual.words, *more),
        options,
        variants=frozenset(variants),
    )


def _remote(options: Options, variant: Variant = USUAL) -> tuple[Build, tuple[str, ...]]:
    """Find what was asked for, else an Orthanc, else the embedded server, with a note that tells."""
    overrides = (*options.overrides, *map(Override.parse, variant.settings))
    asked = Spec(None, options.plugins, overrides, options.limits, options.image)
    if variant.previous:
        assert options.previous is not None
        return registry.find(options.previous, asked), ()
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
    if options.overrides:
        raise ConfigError("--with is for managed mode: an attached server has its configuration")
    file = options.config or Path(FILE_NAME)
    pair, worklists = Pair(REMOTE, LOCAL), None
    if options.config is not None or file.exists():
        pair, worklists = read(file)
    # The options of the command line win.
    given = _given(
        ae_title=options.aet, host=options.server, dicom=options.dicom, rest=options.rest
    )
    user = _given(username=options.username, password=options.password)
    if user:
        known = pair.remote.credentials or Credentials("", "")
        given["credentials"] = replace(known, **user)
    pair = replace(pair, remote=replace(pair.remote, **given))
    named = options.rest is not None or options.config is not None
    found = look(pair.remote, rest_is_named=named, dicomweb=options.web)
    local, notes = _local(options, None)
    if not found.is_orthanc:
        notes += (NOT_EMPTIED,)
    return Plan(pair, found, local, found.identity, notes, options, worklists)


def _given(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
