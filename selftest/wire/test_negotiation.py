"""An acceptor's answers to proposed contexts, and invalid answers."""

from wire.pair import CONTEXTS, CT, EXPLICIT, IMPLICIT, VERIFICATION, answer, request

from dcm.wire import (
    ContextResult,
    PresentationContextAC,
    PresentationContextRQ,
    RoleSelection,
    answer_contexts,
    incomplete,
)


def test_the_acceptors_order_decides() -> None:
    """Of the common transfer syntaxes, the one that the acceptor prefers is chosen."""
    proposed = [PresentationContextRQ(1, CT, (IMPLICIT, EXPLICIT, "1.2.3"))]
    for order in ((EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT)):
        assert answer_contexts(proposed, {CT: order}) == (PresentationContextAC(1, 0, order[0]),)


def test_a_refusal_says_what_is_not_supported() -> None:
    """Result 3 for the abstract syntax, 4 for the transfer syntaxes (PS3.8 9.3.3.2)."""
    found = answer_contexts(CONTEXTS, {VERIFICATION: ("1.2.3",), CT: (IMPLICIT,)})
    assert [each.result for each in found] == [
        ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED,
        ContextResult.ACCEPTANCE,
        ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED,
    ]
    assert [each.context_id for each in found] == [1, 3, 5]


def test_all_128_contexts_can_be_used() -> None:
    """IDs 1 to 255, each answered (PS3.8 9.3.2.2)."""
    proposed = [PresentationContextRQ(2 * n + 1, f"1.2.{n}", (IMPLICIT,)) for n in range(128)]
    found = answer_contexts(proposed, {f"1.2.{n}": (IMPLICIT,) for n in range(128)})
    assert [each.context_id for each in found if each.accepted] == list(range(1, 256, 2))


def test_roles_beyond_what_was_proposed_are_told() -> None:
    """A role may be accepted only if it was proposed (PS3.7 D.3.3.4)."""
    both, scp = RoleSelection(CT, scu=True, scp=True), RoleSelection(CT, scu=False, scp=True)
    assert incomplete(request(both), answer(request(), scp)) == []
    assert incomplete(request(scp), answer(request(), both)) == [
        f"a role is accepted for {CT} that was not proposed"
    ]
    assert incomplete(request(), answer(request(), scp)) == [
        f"a role is selected for {CT}, for which none was proposed"
    ]
