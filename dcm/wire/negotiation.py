"""Negotiate presentation contexts and roles (PS3.8 9.3.3.2, PS3.7 D.3.3.4)."""

from collections.abc import Iterable, Mapping, Sequence

from dcm.frozen import Frozen
from dcm.wire.items import ContextResult, PresentationContextAC, PresentationContextRQ
from dcm.wire.pdu import AssociateAC, AssociateRQ
from dcm.wire.state import Role
from dcm.wire.user_items import RoleSelection


class AcceptedContext(Frozen):
    """An accepted presentation context.

    scu, scp: whether we may request operations on it, and whether the peer may.
    """

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    scu: bool
    scp: bool


def answer_contexts(
    proposed: Iterable[PresentationContextRQ], supported: Mapping[str, Sequence[str]]
) -> tuple[PresentationContextAC, ...]:
    """Answer each proposed context; `supported` maps abstract syntaxes to their transfer syntaxes.

    Each context is accepted with the first transfer syntax in the order of `supported` that was proposed.
    """
    return tuple(_answer(context, supported.get(context.abstract_syntax)) for context in proposed)


def _answer(context: PresentationContextRQ, ours: Sequence[str] | None) -> PresentationContextAC:
    if ours is None:
        result = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED
    else:
        common = [uid for uid in ours if uid in context.transfer_syntaxes]
        if common:
            return PresentationContextAC(context.context_id, ContextResult.ACCEPTANCE, common[0])
        result = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
    # It has no meaning, but many implementations expect a transfer syntax here.
    return PresentationContextAC(context.context_id, result, context.transfer_syntaxes[0])


def unusable(request: AssociateRQ, answer: AssociateAC) -> list[str]:
    """List the contexts of `answer` that do not match a proposal of `request`."""
    proposed = {context.context_id: context for context in request.presentation_contexts}
    found = []
    for context in answer.presentation_contexts:
        asked = proposed.get(context.context_id)
        if asked is None:
            found.append(f"context {context.context_id} was not proposed")
        elif context.accepted and context.transfer_syntax not in asked.transfer_syntaxes:
            found.append(
                f"context {context.context_id} is accepted with transfer syntax"
                f" {context.transfer_syntax}, which was not proposed for it"
            )
    return found


def incomplete(request: AssociateRQ, answer: AssociateAC) -> list[str]:
    """List what `answer` omits or grants unasked; the association can still be used.

    Each context must be answered (PS3.8 7.1.1.14), and only proposed roles may be accepted (PS3.7 D.3.3.4).
    """
    proposed = {context.context_id for context in request.presentation_contexts}
    missing = proposed - {context.context_id for context in answer.presentation_contexts}
    found = [f"context {context_id} is not answered" for context_id in sorted(missing)]
    asked = _roles(request)
    for uid, granted in _roles(answer).items():
        if uid not in asked:
            found.append(f"a role is selected for {uid}, for which none was proposed")
        elif any(given and not wanted for given, wanted in zip(granted, asked[uid], strict=True)):
            found.append(f"a role is accepted for {uid} that was not proposed")
    return found


def accepted_contexts(
    request: AssociateRQ, answer: AssociateAC, role: Role
) -> dict[int, AcceptedContext]:
    """Return the contexts that were accepted, by ID, as seen by the requestor or acceptor (`role`)."""
    proposed = {context.context_id: context for context in request.presentation_contexts}
    asked, granted = _roles(request), _roles(answer)
    accepted = {}
    for context in answer.presentation_contexts:
        uid = proposed[context.context_id].abstract_syntax
        scu, scp = True, False  # the requestor's roles, unless others are negotiated
        if uid in asked and uid in granted:
            scu, scp = (
                mine and yours for mine, yours in zip(asked[uid], granted[uid], strict=True)
            )
        if role == "acceptor":
            scu, scp = scp, scu
        if context.accepted:
            accepted[context.context_id] = AcceptedContext(
                context.context_id, uid, context.transfer_syntax or "", scu, scp
            )
    return accepted


def _roles(pdu: AssociateRQ | AssociateAC) -> dict[str, tuple[bool, bool]]:
    return {item.sop_class_uid: (item.scu, item.scp) for item in pdu.items(RoleSelection)}
