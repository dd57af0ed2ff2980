"""Malicious UIDs: in both roles, everything received is stored in the requested folder."""

import asyncio
import socket
from pathlib import Path

import pytest
from net.files import CT
from net.getting import got
from net.peers import QUICK, US, liar
from net.wires import Acceptor

from dcm.errors import DcmError
from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.association import Association
from dcm.sinks import ReceivedInstance
from dcm.wire import (
    CGetRSP,
    Command,
    CStoreRQ,
    CStoreRSP,
    DataFragment,
    PresentationContextRQ,
    raw,
)

pytestmark = pytest.mark.timeout(120)

ENTITY = LocalEntity(US, QUICK)
EXPLICIT = "1.2.840.10008.1.2.1"
TRICKS = {
    "parent": "../../x",
    "parent only": "..",
    "here": ".",
    "absolute": "/tmp/dcm-selftest-trick",  # noqa: S108 - it must not be created
    "hidden": ".hidden",
    "home": "~/x",
    "folder": "1.2/3",
    "back and forth": "1.2.3/../../y",
    "windows": "..\\..\\x",
    "drive": "C:x",
    "NUL": "1.2\0/../x",
    "10 kB": "1." * 5_000 + "1",
    "60 kB": "1" * 60_000,
    "65 characters": "1" * 65,
    "new line": "1.2\n3",
    "escape": "\x1b[2J",
    "high bytes": "\xff\xfe",
    "part": ".0123456789abcdef.part",
    "a name of ours": "uid-0123",
    "a space": "1.2 3",
}
"""Values sent as SOP Instance UID; each character is one byte."""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A folder deep enough to see where malicious names lead."""
    folder = tmp_path / "a" / "b" / "target"
    folder.mkdir(parents=True)
    return folder


def _instance(context_id: int, uid: str) -> bytes:
    """Build a C-STORE-RQ and its data set byte for byte: our own builder refuses some values."""
    command = raw.command_set(
        [
            (0, 0x0002, CT.encode() + b"\0"),
            (0, 0x0100, b"\1\0"),
            (0, 0x0110, b"\1\0"),
            (0, 0x0700, b"\0\0"),
            (0, 0x0800, b"\0\0"),
            (0, 0x1000, uid.encode("latin-1") + b"\0" * (len(uid) % 2)),
        ]
    )
    return raw.p_data(raw.pdv(context_id, 3, command), raw.pdv(context_id, 2, bytes(10)))


def _nothing_outside(target: Path) -> None:
    """Check that only the folder and its parents exist, with whole files and safe names only."""
    root = target.parents[1]
    assert [path.name for path in root.parent.iterdir() if path != root] == []
    assert [path.name for path in root.iterdir()] == ["b"]
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    assert list(Path("/tmp").glob("dcm-selftest-trick*")) == []  # noqa: S108
    for path in target.iterdir():
        assert path.is_file()
        assert path.suffix == ".dcm"
        assert not path.name.startswith(".")


@pytest.mark.parametrize("trick", TRICKS)
def test_a_sender_with_tricks(trick: str, target: Path) -> None:
    """The listener keeps the instance in its folder, or refuses it; the next one is accepted."""

    async def scenario() -> None:
        contexts = [PresentationContextRQ(1, CT, (EXPLICIT,))]
        async with ENTITY.listen(target) as listener:
            node = listener.node
            association = await Association.request(US, Remote(node, QUICK), contexts)
            await association._transport.send([_instance(1, TRICKS[trick])], 5)
            try:
                await association.command()
                await association.release()
            except DcmError:
                await association.abort()
            async with await Association.request(US, Remote(node, QUICK), contexts) as proper:
                proper_one = CStoreRQ(
                    message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3"
                )
                await proper.send(Command(1, proper_one), DataFragment(1, bytes(10), last=True))
                assert (await proper.response(CStoreRSP, 1)).status == 0

    asyncio.run(scenario())
    _nothing_outside(target)
    assert (target / "1.2.3.dcm").exists()


@pytest.mark.parametrize("trick", TRICKS)
def test_an_archive_with_tricks(trick: str, target: Path) -> None:
    """Instances of a C-GET also stay in the folder."""

    def archive(taken: socket.socket) -> None:
        peer = Acceptor(taken)
        peer.message()
        peer.blurt(_instance(5, TRICKS[trick]))
        peer.message()
        done = CGetRSP(
            message_id_being_responded_to=1,
            status=0,
            number_of_completed_suboperations=1,
            number_of_failed_suboperations=0,
            number_of_warning_suboperations=0,
        )
        peer.say(Command(1, done))
        peer.release()

    async def scenario(node: DcmNode) -> None:
        study = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2"}
        async for each in got(node, study, target):
            assert isinstance(each, ReceivedInstance)
            assert each.path.parent == target

    with liar(archive) as node:
        try:
            asyncio.run(scenario(node))
        except DcmError as error:  # an error is as good, if it names the peer as the cause
            assert str(node) in str(error)  # noqa: PT017
    _nothing_outside(target)
