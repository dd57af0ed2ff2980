"""A server that lies, one lie at a time: each stands in the list of contradictions, and nothing else does."""

from typing import TYPE_CHECKING

from capability.steps import steps, unlike

from harness.capability import ProbeResult, probe, querying, retrieving, storing
from harness.relay import DicomLie, Direction, change_status, replace_in_pdata

if TYPE_CHECKING:
    from conftest import Lying

A_ASSOCIATE_AC = 2


def test_a_relay_that_tells_the_truth_changes_nothing(
    lying: "Lying", archive_result: ProbeResult
) -> None:
    """The whole probe through an honest relay is that of the server itself, the second one as the first."""
    with lying(DicomLie(lambda pdu, _: pdu)) as target:
        result = probe(target)

    assert result.comparable() == archive_result.comparable()


def test_a_class_that_is_accepted_and_refused(lying: "Lying", archive_result: ProbeResult) -> None:
    """It accepts storage in negotiation and answers 0122 to each store."""
    with lying(DicomLie(change_status(0x0000, 0x0122))) as target:
        notes = steps(target, storing.classes)

    [(id_, words)] = unlike(notes, archive_result).items()
    assert id_.startswith("sop-class/1.2.840.10008.5.1.4.1.1.")
    assert words.startswith("It accepts Computed Radiography Image Storage, ")
    assert words.endswith(
        "it answers C-STORE with 0122H failure: refused: SOP class not supported (PS3.4 B.2.2)."
    )
    ct = notes.findings["sop-class/1.2.840.10008.5.1.4.1.1.2"]
    assert ct.declared is True
    assert ct.probed == "0122H failure: refused: SOP class not supported"


def test_a_key_that_is_answered_and_not_matched(
    lying: "Lying", archive_result: ProbeResult
) -> None:
    """It looks for what is stored, whatever Accession Number it is asked for, and returns it."""
    blind = replace_in_pdata(b"NOT THERE ", b"PROBEACC1 ", Direction.TO_SERVER)
    with lying(DicomLie(blind)) as target:
        notes = steps(target, storing.store_study, querying.keys)

    told = unlike(notes, archive_result)
    assert {id_.rpartition("/")[2] for id_ in told} == {"AccessionNumber"}
    assert "AccessionNumber is returned, not matched" in next(iter(told.values()))


def test_a_key_that_is_matched_and_not_returned(
    lying: "Lying", archive_result: ProbeResult
) -> None:
    """It finds by Study ID, and gives another value back."""
    other = replace_in_pdata(b"PROBE1", b"PROBE9", Direction.TO_CLIENT)
    with lying(DicomLie(other)) as target:
        notes = steps(target, storing.store_study, querying.keys)

    told = unlike(notes, archive_result)
    assert {id_.rpartition("/")[2] for id_ in told} == {"StudyID"}
    assert "StudyID is returned as 'PROBE9', matched" in next(iter(told.values()))


def test_a_retrieval_that_fails_in_the_middle(lying: "Lying", archive_result: ProbeResult) -> None:
    """C-GET is accepted and ends with a failure instead of its first pending response."""
    with lying(DicomLie(change_status(0xFF00, 0xA702))) as target:
        notes = steps(target, storing.store_study, retrieving.retrieve)

    told = unlike(notes, archive_result)
    assert {id_.split("/")[1] for id_ in told} == {"C-GET"}
    assert "A702H failure" in told["retrieve/C-GET/study/STUDY"]


def test_an_echo_that_fails(lying: "Lying") -> None:
    """Verification is accepted, and its request is answered with a failure."""
    with lying(DicomLie(change_status(0x0000, 0x0110))) as target:
        notes = steps(target, storing.echo)

    [contradiction] = notes.contradictions
    assert str(contradiction) == (
        "It accepts the Verification SOP Class, but it answers C-ECHO with 0110H failure: "
        "processing failure (PS3.7 9.3.5.2)."
    )


def test_contexts_that_are_not_answered(lying: "Lying") -> None:
    """Each A-ASSOCIATE-AC that leaves its first context out is told as such."""
    forgotten = []

    def forget(pdu: bytes, direction: Direction) -> bytes:
        if pdu[0] != A_ASSOCIATE_AC or direction is not Direction.TO_CLIENT:
            return pdu
        at = pdu.index(b"\x21\x00", 74)
        forgotten.append(pdu[at + 4])
        end = at + 4 + int.from_bytes(pdu[at + 2 : at + 4], "big")
        rest = pdu[6:at] + pdu[end:]
        return pdu[:2] + len(rest).to_bytes(4, "big") + rest

    with lying(DicomLie(forget)) as target:
        notes = steps(target)

    assert len(forgotten) == 3  # associations with all SOP classes
    assert [str(each) for each in notes.contradictions] == [
        f"It answers an association, but context {context_id} is not answered (PS3.8 7.1.1.14)."
        for context_id in forgotten
    ]
