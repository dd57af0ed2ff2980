"""An archive of our own in a test's event loop, with a few files or a generated catalogue."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

from net.peers import QUICK, installed

from dcm.data.identifier import write_identifier
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.net import DcmNode, Listen, Remote
from dcm.net.association import Association
from dcm.serve.dimse import dimse_listener
from dcm.sinks import Sink
from dcm.store.catalogue import Catalogue, Found
from dcm.store.index import Index
from dcm.wire import Command, DataFragment, Message, PresentationContextRQ

TITLE = "SERVE"
EXPLICIT = "1.2.840.10008.1.2.1"


OPEN: list[Index] = []
"""The indexes of a module's tests; a fixture closes them."""


def catalogue_of(paths: Sequence[Path]) -> Index:
    """Return an index, in memory, of files in one folder."""
    [folder] = {each.parent for each in paths}
    index = Index(folder, "")
    OPEN.append(index)
    index.update()
    return index


class Many:
    """A catalogue with any number of studies; `taken` counts those that were requested."""

    def __init__(self, count: int, *, broken_after: int | None = None) -> None:
        self.total = count
        self.taken = 0
        self._broken_after = broken_after

    def find(
        self,
        query: Attributes,  # noqa: ARG002 - everything matches
        level: Level,  # noqa: ARG002
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[Attributes]:
        """Yield the studies."""
        return islice(self._studies(), offset, None if limit is None else offset + limit)

    def _studies(self) -> Iterator[Attributes]:
        for number in range(self.total):
            if number == self._broken_after:
                raise OSError("the disk is gone")
            self.taken += 1
            yield {"PatientID": f"{number}", "StudyInstanceUID": f"1.2.{number}"}

    def count(self, query: Attributes, level: Level) -> int:  # noqa: ARG002
        """Return the number of studies."""
        return self.total

    def instances(self, query: Attributes) -> Iterator[Found]:  # noqa: ARG002
        """Raise an error."""
        raise OSError("the disk is gone")


@asynccontextmanager
async def serving(
    catalogue: Catalogue, *, peers: Iterable[Remote] = (), sink: Sink | None = None
) -> AsyncIterator[DcmNode]:
    """Serve a catalogue; `peers`: the destinations of C-MOVE."""
    known: Mapping[str, Remote] = {each.node.ae_title: each for each in peers}
    local = Listen("127.0.0.1", TITLE, 0)
    async with dimse_listener(local, catalogue, sink, peers=known, limits=QUICK) as listener:
        yield listener.node


async def run(program: str, *arguments: str | int | Path) -> tuple[int, str]:
    """Run one of dcmtk's programs; return its exit status and output."""
    command = [installed(program), *map(str, arguments)]
    done = await asyncio.to_thread(
        subprocess.run, command, timeout=60, check=False, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


@asynccontextmanager
async def associated(node: DcmNode, *models: str) -> AsyncIterator[Association]:
    """Open an association with a context for each model, numbered 1, 3, 5."""
    contexts = [
        PresentationContextRQ(2 * at + 1, each, (EXPLICIT,)) for at, each in enumerate(models)
    ]
    us = Listen("127.0.0.1", "TOOLKIT", 0)
    async with await Association.request(us, Remote(node, QUICK), contexts) as association:
        yield association


async def ask(
    association: Association, request: Message, identifier: Attributes | bytes, context_id: int = 1
) -> None:
    """Send a request with an identifier, which may be any bytes."""
    data = identifier if isinstance(identifier, bytes) else write_identifier(identifier, EXPLICIT)
    await association.send(Command(context_id, request), DataFragment(context_id, data, last=True))


async def answer(association: Association) -> tuple[Message, bytes]:
    """Return the next message with its data set."""
    command = await association.command()
    assert command is not None
    data = await association.data_set() if command.message.has_data_set else b""
    return command.message, data
