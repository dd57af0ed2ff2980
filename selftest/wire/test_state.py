"""The state table against an independent transcription."""

import pytest
from pynetdicom.fsm import TRANSITION_TABLE as THEIRS
from wire.tables import BY_STATE, NEXT

from dcm.errors import LocalProtocolError
from dcm.wire.state import ACTIONS, TRANSITIONS, Action, Role, State, StateEvent, StateMachine

ROLES: tuple[Role, ...] = ("requestor", "acceptor")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_each_event_in_each_state(state: State, role: Role) -> None:
    """Action and next state are the standard's; empty cells of the table are refused."""
    for event in StateEvent:
        machine = StateMachine(role)
        machine.state = state
        expected = BY_STATE[state].get(event)
        if expected is None:
            with pytest.raises(LocalProtocolError, match=f"Evt{event:d}.*Sta{state:d}"):
                machine.step(event)
            assert machine.state is state
            continue
        action = machine.step(event)
        second_half = expected == "AR-8" and role == "acceptor"
        assert (event, action.name) == (event, expected)
        assert (event, machine.state) == (event, NEXT[expected][second_half])


def test_a_request_that_the_provider_refuses_leads_to_the_other_half_of_ae_6() -> None:
    """For another version of the protocol there is a rejection, and the peer must close."""
    machine = StateMachine("acceptor")
    machine.state = State.STA2
    assert machine.step(StateEvent.ASSOCIATE_RQ_PDU, acceptable=False).name == "AE-6"
    assert machine.state == NEXT["AE-6"][1]


def test_each_action_is_in_the_table() -> None:
    """No action is unused, and none is missing."""
    used = {name for column in BY_STATE.values() for name in column.values()}
    assert used == {*ACTIONS} == {*NEXT}


def test_pynetdicom_reads_the_table_like_us() -> None:
    """A third, independent reading of Table 9-10."""
    ours = {
        (f"Evt{event:d}", f"Sta{state:d}"): do.name for (event, state), do in TRANSITIONS.items()
    }
    assert ours == THEIRS


def test_an_unexpected_pdu_is_aborted_like_an_invalid_one() -> None:
    """If a PDU's own row aborts, so does that of the invalid PDU; `Connection` relies on this."""

    def aborts(action: Action) -> bool:
        return any("ABORT" in do.name and "SEND" in do.name for do in action.do)

    received = (event for event in StateEvent if event.name.endswith("_PDU"))
    compared = 0
    for event in received:
        for state in State:
            action = TRANSITIONS.get((event, state))
            if action is not None and aborts(action):
                assert action is TRANSITIONS[StateEvent.INVALID_PDU, state]
                compared += 1
    assert compared > 50
