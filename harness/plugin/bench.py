"""The pair of servers of one worker, with relays in front: started once, looked after between cases."""

import contextlib
import functools
from dataclasses import replace
from typing import Literal, Self

from harness.certificates import Encryption, TlsClient
from harness.clients.dimse import Dimse
from harness.clients.rest import Rest
from harness.config.overrides import Override
from harness.config.settings import Node, Pair
from harness.errors import ServerError
from harness.evidence.tools import ToolRun
from harness.model import Endpoint, Port, Version
from harness.plugin.plan import Plan
from harness.programs import dcmtk_version
from harness.relay import Relay, RelayLoop, Tape
from harness.servers.attached import Attachment, attach
from harness.servers.capabilities import Capabilities
from harness.servers.container_site import ContainerSite
from harness.servers.databases.place import Databases
from harness.servers.deployment import deploy
from harness.servers.guard import Guard
from harness.servers.party import SERVER_NAME, Party
from harness.servers.product import Build, Role
from harness.variant import USUAL, Variant

ALIVE = 2
"""Servers with settings of their own that are kept: cases with the same ones come together."""
NOWHERE = Endpoint("127.0.0.1", 1)  # where a relay leads until its server is up


class Bench:
    """Remote and local, their relays and the tape of the case that runs; a context manager."""

    def __init__(self, plan: Plan, time_limit: float) -> None:
        self.plan = plan
        self.time_limit = time_limit
        self.remote: Party
        self.local: Party
        self.tape: Tape
        self.tools: list[ToolRun] = []
        self.notes: list[str] = []
        """What a reader of the case's record should know: a request that was repeated, for one."""
        self._stack = contextlib.ExitStack()
        self._rests: dict[tuple[str, TlsClient | None], Rest] = {}
        self._log_positions: dict[str, int] = {}
        self._began_at: dict[str, Endpoint] = {}
        """Where each server was when the case began: the tape tells of no other place that it was reached."""
        self._remotes: dict[Variant, Party] = {}
        """The remotes that run, by their set-up; the one that was used last is the last."""
        self._changed = False
        """The attached remote has other settings for this case."""
        self._failed: dict[Variant, ServerError] = {}
        """Why a set-up cannot be had: no other case waits for that again."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._guard = stack.enter_context(Guard())
            self.relays = stack.enter_context(RelayLoop())
            self._site = None
            if self.plan.in_containers:
                self._site = stack.enter_context(ContainerSite(self._guard))
            self._databases = stack.enter_context(Databases(self._guard))
            self._open_relays()
            self.tape = self.relays.start_tape("start")
            stack.callback(self._close_remotes)
            self.local = self._party("local", self.plan.local, USUAL)
            stack.callback(self.local.server.close)
            self.remote = self._party("remote", self.plan.remote, self.plan.usual)
            self._remotes[self.plan.usual] = self.remote
            if self.plan.attached:  # a server that we did not start is not empty
                self.remote.server.reset(unsettled=True)
            self.facts = self._facts()
            """What is tested, for the record of the run: other remotes serve some cases of it."""
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def parties(self) -> tuple[Party, Party]:
        """Both servers."""
        return self.remote, self.local

    @property
    def capabilities(self) -> Capabilities:
        """What a case can count on: the remote's abilities, the local server's REST, dcmtk's programs."""
        versions = dict(self.remote.capabilities.versions)
        if "rest" in self.local.capabilities.versions:
            versions["local.rest"] = None
        if self._dcmtk is not None:
            versions["dcmtk"] = self._dcmtk
        versions |= dict.fromkeys(self.plan.variants)
        return Capabilities(versions)

    @functools.cached_property
    def _dcmtk(self) -> Version | None:
        return dcmtk_version()

    def _facts(self) -> dict[str, object]:
        return {
            "server": self.remote.identity.as_json(),
            "local": self.local.identity.as_json(),
            "capabilities": self.capabilities.as_json(),
        }

    def relay(self, name: str) -> Relay:
        """Return a relay by its name: `remote.rest`, `remote.dicom`, `local.rest`, `local.dicom`."""
        return self._relays[name]

    def rest_of(self, party: Party) -> Rest:
        """Return the REST client of a server: one connection, kept open over the cases."""
        tls = party.tls_at("http")
        key = party.role, tls
        if key not in self._rests:
            self._rests[key] = self._stack.enter_context(party.new_rest(tls, self.notes.append))
        return self._rests[key]

    def dimse_of(self, party: Party, *, calling: Party) -> Dimse:
        """Return a DICOM client for `party` that calls itself by the title of `calling`."""
        tls = party.tls_at("dicom")
        return Dimse(party.dicom, party.ae_title, calling.ae_title, self.time_limit, tls)

    def can_change(self, variant: Variant) -> bool:
        """Return whether an attached remote can be set up so while it runs."""
        names = {each.partition("=")[0] for each in variant.settings}
        return (
            self.plan.attached
            and variant == Variant(variant.settings)
            and names <= self.remote.server.adapter.changeable
        )

    def _use(self, variant: Variant) -> None:
        """Have a remote that is set up so: one that runs, or a new one."""
        if self.plan.attached:
            self._changed = bool(variant.settings)
            if variant.settings:
                self.remote.server.adapter.change(map(Override.parse, variant.settings))
            return
        if self.remote.variant == variant:
            return
        self.relays.cut("a server that is set up otherwise takes its place")
        if variant in self._failed:
            raise self._failed[variant]
        party = self._remotes.pop(variant, None)
        if party is None:
            try:
                party = self._party("remote", self.plan.build(variant), variant)
            except ServerError as error:
                self._failed[variant] = error
                raise
        self._remotes[variant] = self.remote = party
        party.aim_relays()
        for each in [each for each in self._remotes if each != self.plan.usual][:-ALIVE]:
            self._remotes.pop(each).server.close()

    def _close_remotes(self) -> None:
        while self._remotes:
            self._remotes.popitem()[1].server.close()

    def begin_case(self, name: str, variant: Variant) -> None:
        """Start a new tape, with a remote that is set up so; the last case left it empty.

        Raises ServerError if such a remote cannot be started.
        """
        self.tools.clear()
        self.notes[:] = variant.words
        self.tape = self.relays.start_tape(name)
        try:
            self._use(self.plan.usual | variant)
        finally:
            self._began_at = {each.role: each.server.dicom for each in self.parties}
            self._log_positions = {
                each.role: each.server.launcher.log_position() for each in self.parties
            }

    def end_case(self, *, passed: bool) -> None:
        """Empty each server that was spoken to, and start one anew that emptying would not restore.

        Raises AssertionError or OSError where a server does not take part in that any more, and
        ServerError where it cannot be started again.
        """
        for relay in self._relays.values():
            if relay.disturb is not None:
                relay.disturb = None
        for party in self.parties:
            requests = party.requests(self.tape)
            changed = any(party.server.adapter.outlasts_emptying(*request) for request in requests)
            changed |= party is self.remote and self._changed
            used = (
                not passed
                or party.server.dicom != self._began_at[party.role]
                or party.was_reached(self.tape)
                or party.server.worklists is not None
            )
            if (
                changed
                or party.server.upgraded
                or (used and not party.server.reset(unsettled=not passed))
            ):
                self.restore(party)

    def restore(self, party: Party) -> None:
        """Bring a server back to how it was configured, and empty."""
        self.relays.cut(f"the {party.role} server is started anew")
        party.server.restore()
        party.aim_relays()

    def log_of(self, party: Party) -> str:
        """Return what the server logged since the case began."""
        return party.server.launcher.log_since(self._log_positions.get(party.role, 0))

    def revive(self, party: Party) -> None:
        """Start a server again that died or hangs. Raises ServerError when it cannot be done."""
        self.relays.cut(f"the {party.role} server is started again")
        party.server.restart()
        party.aim_relays()

    def crash(self, party: Party) -> None:
        """Kill a server and start it again with what it has stored: for cases about that."""
        self.relays.cut(f"the {party.role} server is killed")
        party.server.crash()
        party.aim_relays()

    def upgrade(self, party: Party) -> None:
        """Stop the previous release, and start the remote under test on what it has stored."""
        self.relays.cut(f"the {party.role} server is upgraded")
        build = self.plan.build(replace(party.variant, previous=False))
        party.server.upgrade(build.make(party.server.adapter.role, build))
        party.aim_relays()

    def _open_relays(self) -> None:
        """Open the relays first: the servers' configurations name them."""
        pair = self.plan.pair
        self._relays: dict[str, Relay] = {}
        for role, node in (("remote", pair.remote), ("local", pair.local)):
            doors: list[tuple[str, Literal["dicom", "http"], Port | None]]
            doors = [("dicom", "dicom", node.dicom), ("rest", "http", node.rest)]
            for door, protocol, port in doors if self.plan.has_rest(role) else doors[:1]:
                listen: Endpoint | str = self._own_address
                if self.plan.attached and role == "local":
                    # The remote was told where to find the local instance.
                    listen = Endpoint(_interface(node.host), port or 0)
                name = f"{role}.{door}"
                self._relays[name] = self.relays.open(
                    name, target=NOWHERE, protocol=protocol, listen=listen
                )

    def _party(
        self, role: Literal["remote", "local"], what: Build | Attachment, variant: Variant
    ) -> Party:
        """Start a server in a role, or reach the attached one, and let its relays lead to it."""
        plan = self.plan
        pair = plan.pair if plan.attached else self._advertised()
        encryption = self._encryption(variant.tls) if variant.tls else None
        place = self._databases.place(variant.database) if variant.database else None
        part = Role(role, pair, self._guard, self._site, encryption, place)
        if isinstance(what, Build):
            server = deploy(what, part)
        else:
            server = attach(
                part, plan.worklists, self.time_limit,
                is_orthanc=what.is_orthanc, dicomweb=plan.options.web,
            )  # fmt: skip
        doors = self._relays[f"{role}.dicom"], self._relays.get(f"{role}.rest")
        party = Party(role, server, *doors, self.time_limit, variant, encryption)
        party.aim_relays()
        return party

    @functools.cache  # noqa: B019 - there is one bench in a process
    def _encryption(self, doors: tuple[str, ...]) -> Encryption:
        """Issue certificates once: a client's connection, kept open, has those of its time."""
        return Encryption.new(doors, SERVER_NAME, self._own_address)

    @property
    def _own_address(self) -> str:
        """Where the relays listen: where the servers reach this process, and nobody else does."""
        return "127.0.0.1" if self._site is None else self._site.own_address

    def _advertised(self) -> Pair:
        """Return the pair as the managed servers see each other: through the relays."""
        ports = {name: Port(relay.endpoint.port) for name, relay in self._relays.items()}

        def advertised(role: str, node: Node) -> Node:
            dicom, rest = ports[f"{role}.dicom"], ports.get(f"{role}.rest")
            return replace(node, host=self._own_address, dicom=dicom, rest=rest)

        pair = self.plan.pair
        return Pair(advertised("remote", pair.remote), advertised("local", pair.local))


def _interface(host: str) -> str:
    """Listen on the loopback interface where that is how the remote reaches us, else on all."""
    if host in ("127.0.0.1", "localhost"):
        return "127.0.0.1"
    return "::" if ":" in host else "0.0.0.0"  # noqa: S104 - the remote is another computer
