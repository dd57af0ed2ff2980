"""Which peers a listener accepts, and its response if a handler fails."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from net.files import CT, data_sets, make
from net.peers import QUICK, US

from dcm.errors import LocalProtocolError
from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.admission import Admission
from dcm.net.association import Association
from dcm.net.errors import AssociationRejected
from dcm.outcome import Outcome, Report
from dcm.sinks import NotKept, ReceivedInstance, Refused
from dcm.wire import PresentationContextRQ

ENTITY = LocalEntity(US, QUICK)
MR = "1.2.840.10008.5.1.4.1.1.4"
VERIFICATION = PresentationContextRQ(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",))


def echo(admission: Admission, called: str, folder: Path) -> bool:
    """Send C-ECHO to a listener with these titles."""

    async def scenario() -> bool:
        async with ENTITY.listen(folder, admission=admission) as listener:
            return await ENTITY.echo(DcmNode("127.0.0.1", called, listener.node.port))

    return asyncio.run(scenario())


def test_everybody_is_taken(tmp_path: Path) -> None:
    """By default AE titles do not matter."""
    assert echo(Admission(), "WHOEVER", tmp_path)


@pytest.mark.parametrize("called", ["TOOLKIT", " TOOLKIT"])
def test_names_that_are_right(called: str, tmp_path: Path) -> None:
    """Both titles match; leading spaces are ignored."""
    admission = Admission(by_our_name=True, calling_ae_titles=frozenset(("TOOLKIT",)))
    assert echo(admission, called, tmp_path)


@pytest.mark.parametrize(
    ("admission", "words"),
    [
        (Admission(by_our_name=True), "called AE title not recognized"),
        (Admission(calling_ae_titles=frozenset(("FRIEND",))), "calling AE title not recognized"),
        (Admission(associations=0), "rejected transiently .*local limit exceeded"),
    ],
)
def test_who_does_not_fit_is_told_why(admission: Admission, words: str, tmp_path: Path) -> None:
    """Result, source and reason are those of the standard."""
    with pytest.raises(AssociationRejected, match=words) as caught:
        echo(admission, "WHOEVER", tmp_path)
    assert caught.value.permanent is ("transiently" not in words)


def test_so_many_at_once(tmp_path: Path) -> None:
    """With a limit of two the third is rejected; after one has ended, another is accepted."""

    async def scenario() -> bool:
        async with ENTITY.listen(tmp_path, admission=Admission(associations=2)) as listener:

            def request() -> Awaitable[Association]:
                return Association.request(US, Remote(listener.node, QUICK), [VERIFICATION])

            async with await request():
                async with await request():
                    with pytest.raises(AssociationRejected, match="local limit exceeded"):
                        await request()
                async with await request():
                    return True

    assert asyncio.run(scenario())


def send(
    paths: list[Path],
    folder: Path,
    handler: Callable[[ReceivedInstance], Awaitable[None]] | None = None,
    admission: Admission | None = None,
) -> tuple[Report, list[NotKept]]:
    """Send to a listener; return the results of both sides."""
    failures: list[NotKept] = []

    async def scenario() -> Report:
        async with ENTITY.listen(
            folder, handler, admission=admission, on_failure=failures.append
        ) as listener:
            remote = Remote(listener.node, QUICK, max_associations=1)
            return await ENTITY.store(remote, paths)

    return asyncio.run(scenario()), failures


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for received files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_only_some_classes(tmp_path: Path, target: Path) -> None:
    """An unwanted class gets no context."""
    admission = Admission(sop_classes=frozenset((MR,)))
    paths = [make(tmp_path, 1, sop_class=MR), make(tmp_path, 2, sop_class=CT)]
    report, _ = send(paths, target, admission=admission)
    assert [result.outcome for result in report.results] == [Outcome.STORED, Outcome.FAILED]
    assert data_sets(target).keys() == {"1.2.3.1"}


def test_a_handler_that_raises_is_no_success(tmp_path: Path, target: Path) -> None:
    """The sender gets a failure, with the handler's message if it set one; others are stored."""

    async def handle(received: ReceivedInstance) -> None:
        if received.sop_instance_uid == "1.2.3.1":
            raise KeyError("a mistake")
        if received.sop_instance_uid == "1.2.3.2":
            received.path.unlink()
            raise Refused(0xA702, "das Archiv ist überfüllt\n" + "x" * 100)

    report, failures = send([make(tmp_path, number) for number in range(4)], target, handle)
    assert [result.status for result in report.results] == [0, 0x0110, 0xA702, 0]
    assert "the receiver could not process it" in report.results[1].words
    assert "das Archiv ist ?berf?llt?xxxx" in report.results[2].words
    refused = [failure.sop_instance_uid for failure in failures]
    assert refused == ["1.2.3.1", "1.2.3.2", "1.2.3.2"]  # out of resources: the sender retries once
    assert data_sets(target).keys() == {"1.2.3.0", "1.2.3.1", "1.2.3.3"}


def test_an_instance_that_was_there_before_stays(tmp_path: Path, target: Path) -> None:
    """If it is sent again and refused, the acknowledged one is kept."""
    path = make(tmp_path, 1)
    assert send([path], target)[0].complete

    async def handle(received: ReceivedInstance) -> None:
        raise Refused(0xA700, "no room")

    assert not send([path], target, handle)[0].complete
    assert data_sets(target).keys() == {"1.2.3.1"}


def test_a_success_is_no_refusal() -> None:
    """A handler cannot refuse with a status of success."""
    with pytest.raises(LocalProtocolError, match="0000H is not a failure status"):
        Refused(0, "never mind")
