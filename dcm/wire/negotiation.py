"""What two peers agree on: presentation contexts and roles (PS3.8 9.3.3.2, PS3.7 D.3.3.4)."""

from collections.abc import Iterable, Mapping, Sequence

from dcm.frozen import Frozen
from dcm.wire.items import ContextResult, PresentationContextAC, PresentationContextRQ
from dcm.wire.pdu import AssociateAC, AssociateRQ
from dcm.wire.state import Role
from dcm.wire.user_items import RoleSelection


class AcceptedContext(Frozen):
    """A presentation context that can be used.

    scu, scp: whether we may request operations on it, and whether we may perform those of the peer.
    """

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    scu: bool
    scp: bool


def answer_contexts(
    proposed: Iterable[PresentationContextRQ], supported: Mapping[str, Sequence[str]]
) -> tuple[PresentationContextAC, ...]:
    """Answer each proposed context, as an acceptor that supports these transfer syntaxes by abstract syntax.

    Of the transfer syntaxes that both have, the first in the order of `supported` is taken.
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
    # Not significant, but many expect a transfer syntax here.
    return PresentationContextAC(context.context_id, result, context.transfer_syntaxes[0])


def unusable(request: AssociateRQ, answer: AssociateAC) -> list[str]:
    """List the contexts of `answer` that cannot be what `request` asked for."""
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
    """List what `answer` omits, or grants unasked; such an answer is still usable.

    Each context is to be answered (PS3.8 7.1.1.14), and roles only where they were proposed (PS3.7 D.3.3.4).
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
    """Return what `role` can use, by context ID."""
    proposed = {context.context_id: context for context in request.presentation_contexts}
    asked, granted = _roles(request), _roles(answer)
    accepted = {}
    for context in answer.presentation_contexts:
        uid = proposed[context.context_id].abstract_syntax
        scu, scp = True, False  # the requestor's roles, unless something else is agreed on
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
