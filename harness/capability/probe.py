"""A probe from its beginning to its end, whatever the server does meanwhile."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

from dcm.errors import DcmError
from dcm.net.errors import NetworkError
from harness.capability import (
    associations,
    dicomweb,
    matching,
    orthanc,
    querying,
    retrieving,
    storing,
    worklist,
)
from harness.capability.known_classes import NATIVE, VERIFICATION
from harness.capability.notebook import Gone, Notebook, Trouble
from harness.capability.peer import Peer
from harness.capability.result import ProbeResult, Run
from harness.capability.target import Target
from harness.capability.web import Http, rest_of, web_of
from harness.errors import ServerError, ServerRefused, ServerUnreachable


def probe(target: Target, progress: Callable[[str], object] = lambda _: None) -> ProbeResult:
    """Find out what a server says that it can do, and what it does.

    Raises ServerError where it cannot even be begun: nothing listens, the AE title or the password is wrong.
    What goes wrong later stands in the result.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    notes = Notebook(progress)
    notes.server.update(product=target.product, version=target.version, ae_title=target.ae_title)
    ended, left = asyncio.run(_limited(target, notes))
    return ProbeResult(
        server={key: value for key, value in sorted(notes.server.items()) if value},
        findings=notes.in_order(),
        contradictions=tuple(notes.contradictions),
        troubles=tuple(notes.troubles),
        left_behind=tuple(left),
        ended=ended,
        read_only=target.read_only,
        run=Run(
            started.isoformat(timespec="seconds"),
            round(time.monotonic() - clock, 2),
            str(target.dicom),
        ),
    )


async def _limited(target: Target, notes: Notebook) -> tuple[str | None, list[str]]:
    """Return why it ended too early, and what is left behind."""
    ended: str | None = None
    with rest_of(target) as rest, web_of(target) as web:
        await _greet(Peer(target))
        try:
            has_web = await orthanc.describe(rest, notes) if rest is not None else None
        except (Trouble, Gone) as error:
            words = f"who answers at {target.rest} is no Orthanc, or not well: {error}"
            raise ServerUnreachable(words) from error
        try:
            async with asyncio.timeout(target.limits.whole):
                await _steps(target, notes, rest, web, has_web)
        except Gone as gone:
            ended = str(gone)
        except TimeoutError:
            ended = f"the time limit of {target.limits.whole:g} s for the whole was reached"
        left = [f"study {uid} of patient {patient}" for uid, patient in notes.stored.items()]
        if target.ours:
            left = []
        elif rest is not None and left:
            with contextlib.suppress(Gone):
                left = await orthanc.delete(rest, notes, target)
        return ended, left


async def _greet(peer: Peer) -> None:
    """Ask for an association. Raises ServerError with what to do where there is none."""
    try:
        async with await peer.request([(VERIFICATION, NATIVE)]):
            return
    except NetworkError as error:
        refused = getattr(error, "permanent", None) is not None
        raise (ServerRefused if refused else ServerUnreachable)(
            f"no association with {error}"
        ) from error
    except DcmError as error:
        raise ServerError(f"who answers speaks no DICOM: {error}") from error


async def _steps(
    target: Target, notes: Notebook, rest: Http | None, web: Http | None, has_web: bool | None
) -> None:
    peer = Peer(target)
    found = await associations.negotiate(peer, notes)
    await storing.echo(peer, notes, found)
    stored = False
    if not target.read_only:
        stored = await storing.store_study(peer, notes, found)
    if stored:
        await querying.keys(peer, notes, found)
        await matching.matching(peer, notes, found)
        await retrieving.retrieve(peer, notes, found)
        await retrieving.commitment(peer, notes, found)
    else:
        await querying.levels(peer, notes, found)
    await worklist.worklist(peer, notes, found)
    if rest is not None:
        await orthanc.parts(rest, notes)
    if has_web is False:
        dicomweb.without(notes)
    if web is not None:
        await dicomweb.dicomweb(web, notes, declared=has_web, stored=stored)
    if not target.read_only:
        await storing.classes(peer, notes, found)
        await storing.transfer_syntaxes(peer, notes, found)
        names = await storing.character_sets(peer, notes, found)
        await matching.character_sets(peer, notes, found, names)
    await associations.at_once(peer, notes)
