"""User identity, as requestor and as acceptor; a password is never shown."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from net.files import make
from net.peers import QUICK, US, liar
from pynetdicom import AE, evt
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import Verification

from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.admission import Admission
from dcm.net.errors import AssociationRejected, NetworkError, NotAccepted
from dcm.net.identity import kerberos, saml, token, user
from dcm.net.remote import UnprotectedIdentity
from dcm.wire import UserIdentityRQ, UserIdentityType

ENTITY = LocalEntity(US, QUICK)
SECRET = "correct-horse"
IDENTITIES = {
    "name": user("anna"),
    "password": user("anna", SECRET),
    "empty-password": user("anna", ""),
    "kerberos": kerberos(SECRET.encode()),
    "saml": saml(SECRET.encode()),
    "token": token(SECRET),
}

Known = Callable[[UserIdentityRQ | None], bool | bytes]


@pytest.fixture(scope="module")
def pynetdicom_server() -> Iterator[tuple[DcmNode, list[tuple[int, bytes, bytes | None]]]]:
    """A pynetdicom server that records users, and rejects Mallory."""
    seen: list[tuple[int, bytes, bytes | None]] = []

    def check(event: evt.Event) -> tuple[bool, bytes | None]:
        seen.append((event.user_id_type, event.primary_field, event.secondary_field))
        return event.primary_field != b"mallory", b"we know you"

    ae = AE("PYNETDICOM")
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_USER_ID, check)])
    port = server.server_address[1]
    yield Remote(DcmNode("127.0.0.1", "PYNETDICOM", port), QUICK, allow_plaintext=True), seen
    server.shutdown()


@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=IDENTITIES.keys())
def test_pynetdicom_learns_who_we_are(
    identity: UserIdentityRQ,
    pynetdicom_server: tuple[DcmNode, list[tuple[int, bytes, bytes | None]]],
) -> None:
    """All five kinds arrive unchanged."""
    node, seen = pynetdicom_server
    assert asyncio.run(ENTITY.echo(replace(Remote.at(node, QUICK), user_identity=identity)))
    kind, primary, secondary = seen[-1]
    assert (kind, primary) == (identity.user_identity_type, identity.primary_field)
    assert (secondary or b"") == identity.secondary_field


@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=IDENTITIES.keys())
def test_without_tls_an_identity_must_be_allowed(identity: UserIdentityRQ) -> None:
    """Nothing is sent, and no connection is opened."""
    taken: list[object] = []
    with liar(taken.append) as node:
        for ask in (ENTITY.echo, ENTITY.accepted, ENTITY.query):
            with pytest.raises(
                UnprotectedIdentity, match=r"without TLS.*allow_plaintext"
            ) as caught:
                asyncio.run(ask(replace(Remote.at(node, QUICK), user_identity=identity)))
            assert SECRET not in str(caught.value)
    assert taken == []


def test_a_confirmation_is_demanded(
    pynetdicom_server: tuple[DcmNode, list[tuple[int, bytes, bytes | None]]],
) -> None:
    """The server confirms tickets only; for user names the association then fails."""
    node, _ = pynetdicom_server
    ticket, name = kerberos(b"ticket", confirmed=True), user("anna", SECRET, confirmed=True)
    assert asyncio.run(ENTITY.echo(replace(Remote.at(node, QUICK), user_identity=ticket)))
    with pytest.raises(NotAccepted, match="association: it does not confirm the user identity"):
        asyncio.run(ENTITY.echo(replace(Remote.at(node, QUICK), user_identity=name)))


def test_a_user_that_is_not_taken(
    pynetdicom_server: tuple[DcmNode, list[tuple[int, bytes, bytes | None]]],
) -> None:
    """The error describes the rejection, without the password."""
    node = replace(pynetdicom_server[0], user_identity=user("mallory", SECRET))
    with pytest.raises(AssociationRejected, match="no reason given") as caught:
        asyncio.run(ENTITY.echo(node))
    assert SECRET not in str(caught.value) + repr(caught.value) + repr(node) + str(node)


def listening(check: Known, folder: Path, ask: Callable[[int], int]) -> int:
    """Call `ask` with the port of a listener that checks its users."""

    async def checked(identity: UserIdentityRQ | None) -> bool | bytes:
        return check(identity)

    async def scenario() -> int:
        async with ENTITY.listen(folder, admission=Admission(check_user=checked)) as listener:
            return await asyncio.to_thread(ask, listener.node.port)

    return asyncio.run(scenario())


def only_anna(identity: UserIdentityRQ | None) -> bool:
    """Accept Anna with her password only."""
    return identity is not None and (identity.primary_field, identity.secondary_field) == (
        b"anna",
        SECRET.encode(),
    )


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["-usr", "anna", "-pwd", SECRET], 0),
        (["-usr", "anna", "-pwd", SECRET, "-rsp"], 0),
        (["-usr", "anna", "-pwd", "wrong"], 1),
        (["-usr", "anna", "-epw"], 1),
        ([], 1),
    ],
    ids=["right", "right-and-confirmed", "wrong", "empty", "none"],
)
def test_dcmtk_says_who_it_is(options: list[str], status: int, tmp_path: Path) -> None:
    """The hook decides about storescu, which also requests a confirmation."""
    program = shutil.which("storescu")
    if program is None:
        pytest.skip("storescu is not installed")
    path = make(tmp_path, 1, size=2)

    def ask(port: int) -> int:
        command = [program, *options, "-R", "127.0.0.1", str(port), path]
        return subprocess.run(command, timeout=60, check=False, capture_output=True).returncode

    assert bool(listening(only_anna, tmp_path, ask)) is bool(status)


def test_the_servers_response_arrives(tmp_path: Path) -> None:
    """The peer gets the hook's response to a ticket."""
    ae = AE("PYNETDICOM")
    ae.add_requested_context(Verification)
    ticket = UserIdentityNegotiation()
    ticket.user_identity_type = UserIdentityType.KERBEROS.value
    ticket.primary_field, ticket.positive_response_requested = b"ticket", True
    found: list[bytes] = []

    def ask(port: int) -> int:
        association = ae.associate("127.0.0.1", port, ext_neg=[ticket])
        found.append(association.acceptor.user_identity.server_response)
        association.release()
        return 0

    listening(lambda _: b"ticket of the server", tmp_path, ask)
    assert found == [b"ticket of the server"]


def _echo(check: Known, folder: Path, identity: UserIdentityRQ | None) -> bool:
    def ask(port: int) -> int:
        node = Remote(
            DcmNode("127.0.0.1", "TOOLKIT", port),
            QUICK,
            user_identity=identity,
            allow_plaintext=True,
        )
        return asyncio.run(ENTITY.echo(node))

    return bool(listening(check, folder, ask))


def test_both_ends_are_ours(tmp_path: Path) -> None:
    """A name with a password, confirmed; and no identity."""
    assert _echo(only_anna, tmp_path, user("anna", SECRET, confirmed=True))
    with pytest.raises(NetworkError, match="rejected permanently by the service user"):
        _echo(only_anna, tmp_path, None)


def test_a_check_that_fails_lets_nobody_in(tmp_path: Path) -> None:
    """A hook that raises rejects the user; the next one may be accepted."""

    def broken(identity: UserIdentityRQ | None) -> bool:
        raise ConnectionError("the directory is down")

    with pytest.raises(NetworkError, match="rejected transiently by the service user"):
        _echo(broken, tmp_path, user("anna", SECRET))
