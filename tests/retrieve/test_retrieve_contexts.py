"""C-MOVE and C-GET (PS3.4 C.4.2, C.4.3, C.5): classes, roles and transfer syntaxes of the sub-operations."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
)
from pynetdicom import build_role, evt
from pynetdicom.presentation import AllStoragePresentationContexts

from harness.cases import (
    C_STORE_RQ,
    CT,
    GET,
    NATIVE,
    SUCCESS,
    Dimse,
    Maker,
    Party,
    Sample,
    StorageScp,
    Stored,
    Suite,
    differences,
    identifier_of,
    needs,
    unique_keys,
    values,
)

suite = Suite(needs="dimse.store")


move, get = needs("dimse.move.study"), needs("dimse.get.study")


@suite.case("CONRT-030", ref="PS3.4 C.4.3.3.1 (2020b)")
@get
def test_class_without_context_fails_alone(dimse: Dimse, stored: Stored, make: Maker) -> None:
    """A C-GET sends the instances whose class has a context, and counts the other one as failed."""
    ct, mr = _ct_and_mr(stored, make)

    retrieved = dimse.get("STUDY", storage=CT, **unique_keys(mr, "STUDY"))

    assert values(retrieved.datasets, "SOPInstanceUID") == [ct.sop_instance_uid]
    assert retrieved.ended == {"completed": 1, "failed": 1, "warning": 0}
    assert f"{retrieved.status:#06x}" == "0xb000"


@suite.case("CONRT-031", ref="PS3.4 C.4.2.3.1 (2020b)")
@move
def test_class_refused_by_the_destination_fails_alone(
    dimse: Dimse, stored: Stored, make: Maker, local: Party
) -> None:
    """A C-MOVE sends the instances whose class is accepted, and counts the other one as failed."""
    ct, mr = _ct_and_mr(stored, make)

    with _receiver(local, [CTImageStorage], [ExplicitVRLittleEndian]) as receiver:
        moved = dimse.move("STUDY", receiver.ae_title, **unique_keys(mr, "STUDY"))
        arrived = receiver.received_uids(0)

    assert arrived == [ct.sop_instance_uid]
    assert moved.ended == {"completed": 1, "failed": 1, "warning": 0}
    assert f"{moved.status:#06x}" == "0xb000"


@suite.case("CONRT-032", ref="PS3.4 C.5.3 (2020b)")
@get
def test_role_is_accepted(dimse: Dimse, stored: Stored) -> None:
    """The SCP role that a requestor of C-GET proposes for a storage class is accepted."""
    stored.study()

    with dimse.associate(
        [(GET["study"], NATIVE), *CT], roles=[build_role(CTImageStorage, scp_role=True)]
    ) as association:
        roles = {each.abstract_syntax: each.as_scp for each in association.accepted_contexts}

    assert roles.get(CTImageStorage) is True


@suite.case("CONRT-033", ref="PS3.7 D.3.3.4 (2020b)")
@get
def test_nothing_is_sent_without_the_role(dimse: Dimse, stored: Stored) -> None:
    """A C-GET requestor that proposes no role for a storage class is sent no C-STORE."""
    (one,) = stored.study()
    identifier = identifier_of({"QueryRetrieveLevel": "STUDY", **unique_keys(one, "STUDY")})
    sent: list[str] = []

    def note(event: evt.Event) -> None:
        command = event.message.command_set
        if command.CommandField == C_STORE_RQ:
            sent.append(command.AffectedSOPInstanceUID)

    with dimse.associate(
        [(GET["study"], NATIVE), *CT], handlers=[(evt.EVT_DIMSE_RECV, note)]
    ) as association:
        list(association.send_c_get(identifier, GET["study"]))

    assert sent == []


@suite.case("CONRT-034", ref="PS3.5 10.1 (2020b)")
@move
@pytest.mark.parametrize("name", ["p01", "p08", "p05"], ids=["implicit", "explicit", "big-endian"])
def test_default_transfer_syntax_is_offered(
    dimse: Dimse, stored: Stored, local: Party, name: str
) -> None:
    """A native image reaches a destination that accepts only Implicit VR Little Endian."""
    _moved_in_the_default_syntax(dimse, stored.sample(name), local)


@suite.case(
    "CONRT-036", ref="PS3.5 10.1 (2020b)", needs=("dimse.move.study", "dimse.store.compressed")
)
@pytest.mark.parametrize("name", ["p07", "p09-rle-gray"], ids=["deflated", "rle"])
def test_default_transfer_syntax_is_offered_for_lossless_compression(
    dimse: Dimse, stored: Stored, local: Party, name: str
) -> None:
    """A losslessly compressed image reaches a destination that accepts only Implicit VR Little Endian."""
    _moved_in_the_default_syntax(dimse, stored.sample(name), local)


def _moved_in_the_default_syntax(dimse: Dimse, sample: Sample, local: Party) -> None:
    """Move an object to a destination that accepts only the default syntax, and compare it."""
    with _receiver(local, [sample.sop_class_uid], [ImplicitVRLittleEndian]) as receiver:
        moved = dimse.move("STUDY", receiver.ae_title, **unique_keys(sample, "STUDY"))
        assert moved.status == SUCCESS, f"status {moved.status:#06x}"
        arrived = [each.dataset for each in receiver.received(1)]

    assert values(arrived, "SOPInstanceUID") == [sample.sop_instance_uid]
    assert arrived[0].file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert differences(sample.dataset(), arrived[0], sample.picture) == []


@suite.case("CONRT-035", ref="PS3.4 C.4.3.3.1 (2020b)")
@get
def test_association_serves_several_gets(dimse: Dimse, stored: Stored) -> None:
    """Two successive C-GETs on one association each return their own study."""
    (one,), (two,) = stored.study(PatientID="A"), stored.study(PatientID="B")
    received: list[str] = []

    def keep(event: evt.Event) -> int:
        received.append(event.request.AffectedSOPInstanceUID)
        return SUCCESS

    with dimse.associate(
        [(GET["study"], NATIVE), *CT],
        handlers=[(evt.EVT_C_STORE, keep)],
        roles=[build_role(CTImageStorage, scp_role=True)],
    ) as association:
        for message_id, sample in ((11, two), (12, one)):
            identifier = identifier_of(
                {"QueryRetrieveLevel": "STUDY", **unique_keys(sample, "STUDY")}
            )
            list(association.send_c_get(identifier, GET["study"], msg_id=message_id))

    assert received == [two.sop_instance_uid, one.sop_instance_uid]


@suite.case("CONRT-037", ref="PS3.8 9.3.2.2; PS3.4 C.4.3.3.1 (2020b)")
@get
def test_get_with_all_contexts_in_use(dimse: Dimse, stored: Stored, make: Maker) -> None:
    """With 128 contexts proposed, a C-GET sends the class of the last one; a class without a context fails.

    A requestor that needs more classes than an association has contexts gets what it proposed.
    """
    ct, mr = _ct_and_mr(stored, make)
    classes = [each.abstract_syntax for each in AllStoragePresentationContexts]
    others = [each for each in classes if each not in (CTImageStorage, MRImageStorage)]
    storage = [(uid, [ExplicitVRLittleEndian]) for uid in others[:126]]

    retrieved = dimse.get("STUDY", storage=[*storage, *CT], **unique_keys(mr, "STUDY"))

    assert values(retrieved.datasets, "SOPInstanceUID") == [ct.sop_instance_uid]
    assert retrieved.ended == {"completed": 1, "failed": 1, "warning": 0}
    assert f"{retrieved.status:#06x}" == "0xb000"


def _ct_and_mr(stored: Stored, make: Maker) -> tuple[Sample, ...]:
    """Store a study of two classes, the MR first."""
    mr = make.instance(series="1", Modality="MR")
    ct = make.instance(series="2", Modality="CT")
    stored.these(mr, ct)
    assert mr.sop_class_uid == MRImageStorage
    return ct, mr


@contextmanager
def _receiver(
    local: Party, sop_classes: list[str], transfer_syntaxes: list[str]
) -> Iterator[StorageScp]:
    """Receive in place of the local server, accepting only these classes and syntaxes."""
    with StorageScp(sop_classes, transfer_syntaxes, local.time_limit) as scp:
        scp.expect(local.ae_title)
        local.dicom_relay.target = scp.endpoint
        try:
            yield scp
        finally:
            local.aim_relays()
