"""C-ECHO with the remote as SCP."""

from typing import Any

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.sop_class import Verification

from harness.cases import SUCCESS, UNKNOWN_UID, Dcmtk, Dimse, Suite

suite = Suite(needs="dimse.echo")


@suite.case("CECHO-001", ref="PS3.7 9.3.5.2")
def test_echo_is_answered_with_success(dimse: Dimse) -> None:
    """A C-ECHO is answered with the status Success."""
    assert dimse.echo() == SUCCESS


@suite.case("CECHO-002", ref="PS3.7 9.3.5.2", needs="dcmtk")
def test_echoscu_repeats(dcmtk: Dcmtk) -> None:
    """The responses to three C-ECHO requests of echoscu on one association are those that it expects."""
    dcmtk.scu("echoscu", "--repeat", "3")


@suite.case("CECHO-003", ref="PS3.7 9.3.5.2")
def test_each_answer_names_its_request(dimse: Dimse) -> None:
    """A response has the message ID of its request, whatever the order of the IDs."""
    answered: list[int] = []

    def note(event: Any) -> None:
        answered.append(event.message.command_set.MessageIDBeingRespondedTo)

    contexts = [(Verification, [ImplicitVRLittleEndian])]
    with dimse.associate(contexts, handlers=[(evt.EVT_DIMSE_RECV, note)]) as association:
        for message_id in (7, 65535, 1):
            association.send_c_echo(message_id)

    assert answered == [7, 65535, 1]


@suite.case("CECHO-006", ref="PS3.8 9.3.3.2")
def test_accepted_transfer_syntax_is_one_of_those_proposed(dimse: Dimse) -> None:
    """A context is accepted with exactly one of its proposed transfer syntaxes."""
    proposed = [UNKNOWN_UID, ExplicitVRLittleEndian]

    with dimse.associate([(Verification, proposed)]) as association:
        accepted = [context.transfer_syntax for context in association.accepted_contexts]

    assert accepted == [[ExplicitVRLittleEndian]]
