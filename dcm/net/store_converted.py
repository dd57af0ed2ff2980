"""Storage of what a peer does not take as it is: converted to a native transfer syntax."""

import asyncio
import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from dcm.net.association import Association
from dcm.net.convert import CannotConvert, conversion, native_contexts_for, write_converted
from dcm.net.errors import NotAccepted
from dcm.net.outcome import InstanceResult, Outcome, Results
from dcm.net.outgoing import OutgoingFile
from dcm.net.pool import Pool
from dcm.net.store import Sender
from dcm.wire import PresentationContextRQ


class ConvertingSender(Sender):
    """Sends files that the peer has refused as they are, in a native transfer syntax."""

    def __init__(
        self,
        pool: Pool,
        results: Results,
        reasons: Mapping[int, str],
    ) -> None:
        super().__init__(pool, results)
        self._reasons: Final = reasons

    def _words(self, file: OutgoingFile, error: Exception) -> str:
        return f"{self._reasons[file.number]}; converted, it was lost as well: {error}"

    def _contexts(self, files: Sequence[OutgoingFile]) -> list[PresentationContextRQ]:
        return native_contexts_for(files)

    async def _offer(self, association: Association, file: OutgoingFile) -> InstanceResult | None:
        reason = self._reasons[file.number]
        try:
            context = association.context(file.kind[0])
        except NotAccepted:
            return file.result(Outcome.FAILED, f"{reason}, nor in a native transfer syntax")
        syntax = context.transfer_syntax
        if syntax == file.kind[1]:  # there are peers that accept one context for each SOP class
            return await self._send_file(association, context.context_id, file)
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dcm-"))
                path = Path(folder) / "converted"
                converted = await asyncio.to_thread(write_converted, file, syntax, path)
            except (OSError, CannotConvert) as error:
                return file.result(Outcome.FAILED, f"{reason}, and it {error}")
            self._next = None  # it will not be sent as it lies there
            result = await self._send_file(association, context.context_id, converted)
        words = ": ".join(filter(None, (conversion(file.kind[1], syntax), result.words)))
        return result._replace(path=file.path, words=words)
