"""Find out which SOP classes and transfer syntaxes a peer accepts, by proposing them (PS3.8 7.1.1.13).

First each SOP class is proposed with all transfer syntaxes. Then, for the accepted classes, each transfer
syntax is proposed in a separate context, since an acceptor chooses only one for each context.
"""

from collections.abc import Sequence
from typing import Final

from dcm.data.uids import sop_classes, transfer_syntaxes
from dcm.net.pool import Pool
from dcm.wire import PresentationContextRQ

_MOST: Final = 128  # contexts in an association: the IDs are the odd numbers below 256

_Proposal = tuple[str, tuple[str, ...]]


async def accepted(pool: Pool) -> dict[str, tuple[str, ...]]:
    """Return the transfer syntaxes that the remote accepts, by SOP class; tries all in the standard.

    Uses as many associations as needed, one after the other. Raises `NetworkError`.
    """
    syntaxes = transfer_syntaxes()
    classes = [(uid, syntaxes) for uid in sop_classes()]
    taken = [uid for uid, _ in await _ask(pool, classes)]
    pairs = [(uid, (syntax,)) for uid in taken for syntax in syntaxes]
    found: dict[str, tuple[str, ...]] = {}
    for uid, syntax in await _ask(pool, pairs):
        found[uid] = (*found.get(uid, ()), syntax)
    return found


async def _ask(pool: Pool, proposals: Sequence[_Proposal]) -> list[tuple[str, str]]:
    """Propose contexts, and return the abstract and transfer syntaxes of the accepted ones."""
    found: list[tuple[str, str]] = []
    for first in range(0, len(proposals), _MOST):
        contexts = [
            PresentationContextRQ(2 * place + 1, *proposal)
            for place, proposal in enumerate(proposals[first : first + _MOST])
        ]
        async with pool.lease(contexts) as association:
            found += [
                (each.abstract_syntax, each.transfer_syntax)
                for each in association.accepted_contexts()
            ]
    return found
