"""Receive instances: from the messages of an association into a sink."""

import os
from typing import Final

from dcm.frozen import replace
from dcm.net.association import Association
from dcm.sinks import OUT_OF_RESOURCES, Head, Part, ReceivedInstance, Refused, Sink
from dcm.wire import Command, CStoreRQ, CStoreRSP, store_response

_WRONG_CLASS: Final = 0xA900
_NOT_UNDERSTOOD: Final = 0xC000


async def receive(
    association: Association, command: Command, sink: Sink
) -> tuple[CStoreRSP, ReceivedInstance | None]:
    """Receive the instance of a C-STORE request; return the response to send, and the instance.

    The sink has it by then. If it was not stored, the instance is None, and the response says why.
    """
    request = command.message
    if not isinstance(request, CStoreRQ):
        raise association.broken(f"{request.NAME} where C-STORE-RQ was expected")
    response, last = store_response(request), not request.has_data_set
    part: Part | None = None
    try:
        part = _begun(association, command.context_id, request, sink)
        while not last:
            fragments, last = await association.fragments()
            part.write(fragments)
        received = await part.commit()
    except (Refused, OSError) as error:
        if part is not None:
            part.discard()
        while not last:  # read the rest, and discard it
            last = (await association.fragments())[1]
        if isinstance(error, Refused):
            return failed(response, error.status, str(error)), None
        return failed(response, OUT_OF_RESOURCES, os.strerror(error.errno or 0)), None
    except BaseException:
        if part is not None:
            part.discard()
        raise
    return response, received


def _begun(association: Association, context_id: int, request: CStoreRQ, sink: Sink) -> Part:
    context = association.contexts[context_id]
    if not request.has_data_set:
        raise Refused(_NOT_UNDERSTOOD, "the data set is missing")
    if request.affected_sop_class_uid != context.abstract_syntax:
        raise Refused(_WRONG_CLASS, "the SOP class does not match the context")
    syntax, titles = context.transfer_syntax, association.ae_titles
    return sink.begin(Head(request, syntax, association.remote, *titles))


def failed(response: CStoreRSP, status: int, words: str) -> CStoreRSP:
    """Return a failure response, with a comment of at most 64 ASCII characters (PS3.7 Annex C)."""
    return replace(response, status=status, error_comment=comment_of(words))


def comment_of(words: str) -> str:
    """Return an Error Comment of at most 64 ASCII characters (PS3.7 Annex C)."""
    return "".join(each if " " <= each <= "~" else "?" for each in words)[:64]
