"""C-ECHO, and what an association must keep to before any service: the remote as SCP."""

from typing import Any

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.sop_class import Verification

from harness.cases import Dcmtk, Dimse, Suite

suite = Suite(needs="dimse.echo")


UNKNOWN_UID = "2.25.201"  # valid, and nobody's


@suite.case("CECHO-001", ref="PS3.7 9.3.5.2")
def test_echo_is_answered_with_success(dimse: Dimse) -> None:
    """A C-ECHO is answered with the status Success."""
    assert dimse.echo() == 0x0000


@suite.case("CECHO-002", ref="PS3.7 9.3.5.2", needs="dcmtk")
def test_echoscu(dcmtk: Dcmtk) -> None:
    """Three C-ECHOs on one association are answered with Success, asked by echoscu."""
    run = dcmtk.scu("echoscu", "--repeat", "3")

    answers = [line for line in run.stderr.splitlines() if "Received Echo Response" in line]
    assert answers == ["I: Received Echo Response (Success)"] * 3


@suite.case("CECHO-003", ref="PS3.7 9.3.5.2")
def test_each_answer_names_its_request(dimse: Dimse) -> None:
    """The response carries the message id of the request that it answers, whatever the order of ids."""
    answered: list[int] = []

    def note(event: Any) -> None:
        answered.append(event.message.command_set.MessageIDBeingRespondedTo)

    contexts = [(Verification, [ImplicitVRLittleEndian])]
    with dimse.associate(contexts, handlers=[(evt.EVT_DIMSE_RECV, note)]) as association:
        for message_id in (7, 65535, 1):
            association.send_c_echo(message_id)

    assert answered == [7, 65535, 1]


@suite.case("CECHO-004", ref="PS3.8 9.3.3.2")
def test_unknown_abstract_syntax_is_refused_alone(dimse: Dimse) -> None:
    """Of two contexts the one with an unknown abstract syntax gets result 3, the other is accepted."""
    both = [(UNKNOWN_UID, [ImplicitVRLittleEndian]), (Verification, [ImplicitVRLittleEndian])]

    with dimse.associate(both) as association:
        results = _results(association)

    assert results == {1: 3, 3: 0}


@suite.case("CECHO-005", ref="PS3.8 9.3.3.2")
def test_unknown_transfer_syntax_is_refused_alone(dimse: Dimse) -> None:
    """Of two contexts the one with no transfer syntax that the server knows gets result 4."""
    both = [(Verification, [UNKNOWN_UID]), (Verification, [ImplicitVRLittleEndian])]

    with dimse.associate(both) as association:
        results = _results(association)

    assert results == {1: 4, 3: 0}


@suite.case("CECHO-006", ref="PS3.8 9.3.3.2")
def test_accepted_transfer_syntax_is_one_of_those_proposed(dimse: Dimse) -> None:
    """A context is accepted with exactly one transfer syntax, taken from those proposed for it."""
    proposed = [UNKNOWN_UID, ExplicitVRLittleEndian]

    with dimse.associate([(Verification, proposed)]) as association:
        accepted = [context.transfer_syntax for context in association.accepted_contexts]

    assert accepted == [[ExplicitVRLittleEndian]]


def _results(association: Any) -> dict[int, int]:
    """Give the result of each proposed context by its id (PS3.8 9.3.3.2)."""
    answered = [*association.accepted_contexts, *association.rejected_contexts]
    return {context.context_id: context.result for context in answered}
