"""The pair of servers of one worker behind their relays: started once, and cleaned up between cases."""

import contextlib
import functools
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, Self

from harness.certificates import Encryption, TlsClient
from harness.clients.dimse import Dimse
from harness.clients.handshake import agreed_on
from harness.clients.rest import Rest
from harness.config.overrides import Override
from harness.config.settings import Node, Pair
from harness.errors import HarnessError, ServerError
from harness.evidence.recording import Action, Handshake
from harness.evidence.tools import ToolRun
from harness.model import Credentials, Endpoint, Port, Version
from harness.plugin.plan import Plan
from harness.programs import dcmtk_version
from harness.relay import Relay, RelayLoop, Tape
from harness.servers.adapter import Adapter, Lasting
from harness.servers.attached import Attachment, attach
from harness.servers.capabilities import Capabilities
from harness.servers.container_site import ContainerSite
from harness.servers.databases.place import DatabasePlace, Databases, Occupied
from harness.servers.deployment import deploy
from harness.servers.guard import Guard
from harness.servers.party import SERVER_NAME, Party
from harness.servers.product import Build, Role
from harness.variant import USUAL, Variant

ALIVE = 2
"""How many servers with other settings are kept; cases with the same settings are adjacent."""
NOWHERE = Endpoint("127.0.0.1", 1)  # the target of a relay until its server is up


class Bench:
    """The two servers, their relays and the tape of the current case; a context manager."""

    def __init__(
        self, plan: Plan, time_limit: float, ports: Mapping[str, Endpoint] | None = None
    ) -> None:
        """`ports` are those of the relays in an earlier run; they are reused if they are free."""
        self.plan = plan
        self.time_limit = time_limit
        self._ports = ports or {}
        self.remote: Party
        self.local: Party
        self.tape: Tape
        self.tools: list[ToolRun] = []
        self.notes: list[str] = []
        """Remarks for the record of the case, such as a request that was repeated."""
        self.handshakes: list[Handshake] = []
        """The TLS handshakes that the case made with the remote without a relay."""
        self.actions: list[Action] = []
        """What the case did to the remote other than by messages."""
        self._acting = False
        self._stack = contextlib.ExitStack()
        self._rests: dict[tuple[str, TlsClient | None, Credentials | None], Rest] = {}
        self._log_positions: dict[str, int] = {}
        self._began_at: dict[str, Endpoint] = {}
        """The address of each server when the case began; the tape covers no other address."""
        self._remotes: dict[Variant, Party] = {}
        """The running remotes by set-up, the most recently used last."""
        self._changed = False
        """Whether the attached remote has other settings for this case."""
        self.variant = USUAL
        """The set-up of the remote that the case asks for."""
        self.trouble = ""
        """Why the remote with this set-up did not start, or empty."""
        self._failed: dict[Variant, ServerError] = {}
        """Why a set-up failed, so that no other case waits for it again."""

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
            if self.plan.attached:  # an attached server may not be empty
                self.remote.server.reset(unsettled=True)
            self.facts = self._facts()
            """The servers under test, for the record of the run; other set-ups are not included."""
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def parties(self) -> tuple[Party, Party]:
        """Both servers."""
        return self.remote, self.local

    @property
    def doors(self) -> set[str]:
        """The addresses of the servers behind the relays, now and when the case began."""
        now = (each for party in self.parties for each in (party.server.dicom, party.server.rest))
        return {str(each) for each in (*now, *self._began_at.values()) if each is not None}

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities of the remote, REST of the local server, and dcmtk's programs."""
        return self.capabilities_with(USUAL)

    def capabilities_with(self, variant: Variant) -> Capabilities:
        """Return what a case with this set-up can use; available plugins are loaded."""
        versions = dict(self._remotes[self.plan.usual].capabilities.versions)
        if isinstance(self.plan.remote, Build):
            at_hand = self.plan.remote.loadable
            versions |= {
                f"plugin.{each}": at_hand[each] for each in variant.plugins if each in at_hand
            }
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
        """Return the relay with this name: `remote.rest`, `remote.dicom`, `local.rest`, `local.dicom`."""
        return self._relays[name]

    def rest_of(self, party: Party) -> Rest:
        """Return the REST client of a server: one connection, kept open for all cases."""
        tls = party.tls_at("http")
        key = party.role, tls, party.server.adapter.credentials
        if key not in self._rests:
            self._rests[key] = self._stack.enter_context(party.new_rest(tls, self.notes.append))
        return self._rests[key]

    def dimse_of(self, party: Party, *, calling: Party) -> Dimse:
        """Return a DICOM client for `party` that uses the AE title of `calling`."""
        tls = party.tls_at("dicom")
        return Dimse(party.dicom, party.ae_title, calling.ae_title, self.time_limit, tls)

    def handshake(self, version: ssl.TLSVersion, door: str = "dicom") -> str:
        """Return the version that the remote negotiates with a client that offers only this one.

        It is empty if there is none. The client connects to the server itself: a relay would
        negotiate in its place.
        """
        tls, server = self.remote.tls_at(door), self.remote.server
        address = server.dicom if door == "dicom" else server.rest
        assert tls is not None
        assert address is not None
        agreed = agreed_on(address, tls, version)
        self.handshakes.append(Handshake(door, version.name, agreed))
        return agreed

    @contextlib.contextmanager
    def action(self, name: str, **details: object) -> Iterator[None]:
        """Record that the case does this to the remote in the block, and why it fails if it does.

        An action within another one is a part of it, and is not recorded.
        """
        if self._acting:
            yield
            return
        self._acting, trouble = True, ""
        at = time.monotonic() - self.tape.started
        try:
            yield
        except Exception as error:
            trouble = str(error)
            raise
        finally:
            self._acting = False
            self.actions.append(Action(at, name, details, trouble))

    def can_change(self, variant: Variant) -> bool:
        """Return whether an attached remote can be given this set-up while it runs."""
        names = {each.partition("=")[0] for each in variant.settings}
        return (
            self.plan.attached
            and variant == Variant(variant.settings)
            and names <= self.remote.server.adapter.changeable
        )

    def _use(self, variant: Variant) -> None:
        """Switch to a remote with this set-up: a running one, or a new one."""
        if self.plan.attached:
            self._changed = bool(variant.settings)
            if variant.settings:
                self.remote.server.adapter.change(map(Override.parse, variant.settings))
            return
        if self.remote.variant == variant:
            return
        self.relays.cut("it is replaced by a server with another configuration")
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
        """Start a new tape, with an empty remote of this set-up.

        Raises ServerError if the remote cannot be started.
        """
        self.tools.clear()
        self.handshakes.clear()
        self.actions.clear()
        self.notes[:] = variant.words
        self.tape = self.relays.start_tape(name)
        self.variant, self.trouble = self.plan.usual | variant, ""
        try:
            self._use(self.variant)
        except ServerError as error:
            self.trouble = str(error)
            raise
        finally:
            self._began_at = {each.role: each.server.dicom for each in self.parties}
            self._log_positions = {
                each.role: each.server.launcher.log_position() for each in self.parties
            }

    def end_case(self, *, passed: bool) -> None:
        """Empty each server that was used, and restart it if emptying would not restore it.

        Raises AssertionError or OSError if a server no longer responds, and ServerError if it
        cannot be started again.
        """
        for relay in self._relays.values():
            if relay.disturb is not None:
                relay.disturb = None
        for party in self.parties:
            asked = party.requests(self.tape)
            left = max(
                (party.server.adapter.lasting(*each) for each in asked), default=Lasting.NOTHING
            )
            changed = left is Lasting.SETTINGS or (party is self.remote and self._changed)
            unsettled = left is Lasting.WORK or not passed
            used = (
                not passed
                or party.server.dicom != self._began_at[party.role]
                or party.was_reached(self.tape)
                or party.server.worklists is not None
            )
            if (
                changed
                or party.server.upgraded
                or (used and not party.server.reset(unsettled=unsettled))
            ):
                self.restore(party)

    def restore(self, party: Party) -> None:
        """Restore the original configuration of a server, and empty it."""
        self.relays.cut(f"the {party.role} server is replaced by a new one")
        party.server.restore()
        party.aim_relays()

    def log_of(self, party: Party) -> str:
        """Return what the server logged since the case began."""
        return party.server.launcher.log_since(self._log_positions.get(party.role, 0))

    def revive(self, party: Party) -> None:
        """Restart a server that died or hangs. Raises ServerError if that fails."""
        self.relays.cut(f"the {party.role} server is restarted")
        if party.server.upgraded:
            party.server.restore()
        else:
            party.server.restart()
        party.aim_relays()

    def crash(self, party: Party) -> None:
        """Kill a server and start it again with its stored data, for cases that test this."""
        with self.action("crash"):
            self.relays.cut(f"the {party.role} server is killed")
            party.server.crash()
            party.aim_relays()

    @contextlib.contextmanager
    def beside(self) -> Iterator[Rest]:
        """Run another server like the remote during the block, and return a client for it.

        It uses the remote's database if there is one, or else files of its own. Raises ServerError
        with the server's output if it does not start. There is no relay in front of it.
        """
        adapter = self.remote.server.adapter
        role, database = adapter.role, adapter.role.database
        if isinstance(database, DatabasePlace):
            role = replace(role, database=Occupied(database))
        server = deploy(adapter.build, role)
        try:
            assert server.rest is not None
            with Rest(server.rest, adapter.credentials, self.time_limit) as client:
                yield client
        finally:
            server.close()

    def upgrade(self, party: Party) -> None:
        """Stop the previous release, and start the remote under test with the same stored data."""
        with self.action("upgrade"):
            self.relays.cut(f"the {party.role} server is upgraded")
            self._go_on(party, replace(party.variant, previous=False), party.server.upgrade)

    def go_on(self, party: Party, variant: Variant) -> None:
        """Start a server that has ended, with this set-up and its stored data."""
        variant |= replace(party.variant, settings=(), previous=False)
        self._go_on(party, variant, party.server.go_on)

    def _go_on(self, party: Party, variant: Variant, start: Callable[[Adapter], None]) -> None:
        build = self.plan.build(variant)
        start(build.make(party.server.adapter.role, build))
        party.aim_relays()

    def _open_relays(self) -> None:
        """Open the relays before the servers start: the servers' configurations name them."""
        pair = self.plan.pair
        self._relays: dict[str, Relay] = {}
        for role, node in (("remote", pair.remote), ("local", pair.local)):
            doors: list[tuple[str, Literal["dicom", "http"], Port | None]]
            doors = [("dicom", "dicom", node.dicom), ("rest", "http", node.rest)]
            for door, protocol, port in doors if self.plan.has_rest(role) else doors[:1]:
                listen: Endpoint | str = self._own_address
                if self.plan.attached and role == "local":
                    # The remote is configured with the address of the local instance.
                    listen = Endpoint(_interface(node.host), port or 0)
                name = f"{role}.{door}"
                with contextlib.suppress(HarnessError):  # the port may be taken by now
                    if name in self._ports and isinstance(listen, str):
                        again = Endpoint(listen, self._ports[name].port)
                        self._relays[name] = self.relays.open(
                            name, target=NOWHERE, protocol=protocol, listen=again
                        )
                if name not in self._relays:
                    self._relays[name] = self.relays.open(
                        name, target=NOWHERE, protocol=protocol, listen=listen
                    )

    def _party(
        self, role: Literal["remote", "local"], what: Build | Attachment, variant: Variant
    ) -> Party:
        """Start a server in a role, or connect to the attached one, and point its relays to it."""
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
        """Issue certificates once, because open connections of clients keep using theirs."""
        return Encryption.new(doors, SERVER_NAME, self._own_address)

    @property
    def _own_address(self) -> str:
        """The address of the relays; the servers can reach it, but other computers cannot."""
        return "127.0.0.1" if self._site is None else self._site.own_address

    def _advertised(self) -> Pair:
        """Return the two servers as they see each other: through the relays."""
        ports = {name: Port(relay.endpoint.port) for name, relay in self._relays.items()}

        def advertised(role: str, node: Node) -> Node:
            dicom, rest = ports[f"{role}.dicom"], ports.get(f"{role}.rest")
            return replace(node, host=self._own_address, dicom=dicom, rest=rest)

        pair = self.plan.pair
        return Pair(advertised("remote", pair.remote), advertised("local", pair.local))


def _interface(host: str) -> str:
    """Return the loopback interface if the remote reaches us there, otherwise all interfaces."""
    if host in ("127.0.0.1", "localhost"):
        return "127.0.0.1"
    return "::" if ":" in host else "0.0.0.0"  # noqa: S104 - the remote is another computer
