"""C-STORE with the remote as SCP: kept data and responses.

SAME-001 to -005 compare whole objects.
"""

from collections.abc import Iterable
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    RLELossless,
)
from pynetdicom import evt

from harness.cases import (
    NATIVE,
    SUCCESS,
    UNKNOWN_UID,
    Corpus,
    Dcmtk,
    Dimse,
    Maker,
    Party,
    Rest,
    Suite,
    differences,
    instance_uids,
    needs,
    single,
    unique_keys,
    values,
)

suite = Suite(needs="dimse.store")


# Kept data


@suite.case("CSTORE-004", ref="PS3.4 B.4.1.1", needs="dimse.get.study")
@pytest.mark.parametrize("name", ["c01", "c04", "c11", "c12", "c14", "c15", "c16-gb18030"])
def test_character_set_is_kept(dimse: Dimse, corpus: Corpus, name: str) -> None:
    """Specific Character Set and the bytes of Patient's Name are retrieved as they were stored."""
    sample = corpus[name]

    dimse.store_all([sample])

    received = dimse.get_instance(sample)
    assert received.get("SpecificCharacterSet") == sample.dataset().SpecificCharacterSet
    assert "PatientName" in received
    name_bytes = received.get_item("PatientName").value.rstrip(b" ")
    assert name_bytes.hex() == sample.properties["patient_name_bytes"]


@suite.case(
    "CSTORE-005",
    ref="PS3.5 10.1",
    covers="Orthanc.test_getscu",
    level="should",
    needs=("dcmtk", "dimse.get.study"),
)
@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        pytest.param("p01", "-xi", id="implicit"),
        pytest.param("p08", "-xe", id="explicit"),
        pytest.param("p05", "-xb", id="big-endian"),
        pytest.param("p07", "-xd", id="deflated"),
        pytest.param(
            *("p12-jpeg-lossless", "-xs"), id="jpeg-lossless", marks=needs("dimse.store.compressed")
        ),
    ],
)
def test_pixels_survive_a_change_of_syntax(
    dcmtk: Dcmtk, corpus: Corpus, name: str, proposed: str
) -> None:
    """An image that storescu sends in any syntax reaches getscu uncompressed, with every pixel."""
    sample = corpus[name]
    dcmtk.store(proposed, "--", sample.write(dcmtk.folder))

    files = dcmtk.get("STUDY", f"StudyInstanceUID={sample.study_instance_uid}")

    received = dcmread(single(files, "file"))
    assert received.file_meta.get("TransferSyntaxUID") in (*NATIVE, ExplicitVRBigEndian)
    assert differences(sample.dataset(), received, sample.picture) == []


@suite.case("CSTORE-006", ref="PS3.4 B.2.2", needs=("dimse.get.study", "dimse.store.compressed"))
def test_classes_and_syntaxes_can_alternate(dimse: Dimse, make: Maker) -> None:
    """Objects of several SOP classes and syntaxes are stored alternately on one association."""
    order = [
        ("CT", ExplicitVRLittleEndian),
        ("MR", ImplicitVRLittleEndian),
        ("OT", RLELossless),
        ("CT", ExplicitVRLittleEndian),
        ("MR", ImplicitVRLittleEndian),
    ]
    samples = [
        make.instance(series=modality, number=number, Modality=modality, transfer_syntax=syntax)
        for number, (modality, syntax) in enumerate(order, start=1)
    ]

    statuses = dimse.store(*samples)

    assert statuses == [SUCCESS] * len(samples)
    storage = {each.sop_class_uid: [each.transfer_syntax] for each in samples}
    retrieved = dimse.get(
        "STUDY", storage=storage.items(), StudyInstanceUID=samples[0].study_instance_uid
    )
    assert values(retrieved.datasets, "SOPInstanceUID") == instance_uids(samples)


@suite.case("CSTORE-007", ref="PS3.4 C.4.1.3.1.1", needs="dimse.find.study")
def test_object_sent_twice_is_stored_once(dimse: Dimse, make: Maker) -> None:
    """An instance sent twice is found once."""
    sample = make.instance()

    dimse.store(sample)
    dimse.store(sample)

    found = dimse.find("IMAGE", **{**unique_keys(sample, "SERIES"), "SOPInstanceUID": ""})
    assert values(found.datasets, "SOPInstanceUID") == [sample.sop_instance_uid]


# The responses


@suite.case("CSTORE-008", ref="PS3.7 9.3.1.2")
def test_response_names_class_and_instance(dimse: Dimse, make: Maker) -> None:
    """A response names its request, and the SOP class and instance of the request, if any."""
    samples = make.study(instances=2)
    answered: list[tuple[int, str, str]] = []

    def note(event: Any) -> None:
        command = event.message.command_set
        answered.append(
            (
                command.MessageIDBeingRespondedTo,
                command.get("AffectedSOPClassUID", samples[0].sop_class_uid),
                command.get(
                    "AffectedSOPInstanceUID", samples[min(len(answered), 1)].sop_instance_uid
                ),
            )
        )

    with dimse.associate(
        [samples[0].context], handlers=[(evt.EVT_DIMSE_RECV, note)]
    ) as association:
        for message_id, sample in zip((65535, 3), samples, strict=True):
            association.send_c_store(sample.dataset(), msg_id=message_id)

    one, two = samples
    assert answered == [
        (65535, one.sop_class_uid, one.sop_instance_uid),
        (3, two.sop_class_uid, two.sop_instance_uid),
    ]


@suite.case(
    "CSTORE-009",
    ref="Orthanc Book: metadata of instances",
    covers=("Orthanc.test_incoming_storescu", "Orthanc.test_metadata_origin"),
    level="product",
    needs=("rest", "dcmtk"),
)
def test_origin_is_in_the_metadata(dcmtk: Dcmtk, rest: Rest, corpus: Corpus, remote: Party) -> None:
    """The metadata of an instance stored by C-STORE have its origin: AE titles, transfer syntax, class."""
    sample = corpus["p03"]

    dcmtk.store("--", sample.write(dcmtk.folder), calling="MODALITY7")

    instance = single(rest.json("/instances"), "instance")
    metadata = rest.json(f"/instances/{instance}/metadata", expand="")
    names = ("Origin", "RemoteAET", "CalledAET", "TransferSyntax", "SopClassUid", "IndexInSeries")
    assert {name: metadata.get(name) for name in names} == {
        "Origin": "DicomProtocol",
        "RemoteAET": "MODALITY7",
        "CalledAET": remote.ae_title,
        "TransferSyntax": sample.transfer_syntax,
        "SopClassUid": sample.sop_class_uid,
        "IndexInSeries": "1",
    }


@suite.case(
    "CSTORE-010",
    ref="Orthanc REST API: PUT /tools/accepted-transfer-syntaxes",
    covers="Orthanc.test_incoming_jpeg",
    level="product",
    needs=("rest", "orthanc>=1.9.0"),
)
def test_transfer_syntax_can_be_refused(dimse: Dimse, rest: Rest) -> None:
    """With only native AcceptedTransferSyntaxes, a context with JPEG is rejected; others are not."""
    native = [ImplicitVRLittleEndian, ExplicitVRLittleEndian]
    proposed = [JPEGLosslessSV1, ExplicitVRLittleEndian]

    with rest.setting("/tools/accepted-transfer-syntaxes", native):
        results = _results(dimse, [(CTImageStorage, each) for each in proposed])

    assert {context_id for context_id, result in results.items() if result == 0} == {3}


@suite.case(
    "CSTORE-011",
    ref="Orthanc REST API: PUT /tools/unknown-sop-class-accepted",
    covers="Orthanc.test_incoming_jpeg",
    level="product",
    needs=("rest", "orthanc>=1.9.0"),
)
@pytest.mark.parametrize(("accepted", "result"), [("0", 3), ("1", 0)], ids=["refused", "accepted"])
def test_unknown_sop_class_can_be_accepted(
    dimse: Dimse, rest: Rest, accepted: str, result: int
) -> None:
    """A SOP class unknown to Orthanc is accepted if, and only if, UnknownSopClassAccepted is on."""
    contexts = [(UNKNOWN_UID, ExplicitVRLittleEndian)]

    with rest.setting("/tools/unknown-sop-class-accepted", accepted):
        results = _results(dimse, contexts)

    assert results == {1: result}


def _results(dimse: Dimse, contexts: Iterable[tuple[str, str]]) -> dict[int, int]:
    """Propose contexts of one transfer syntax each, and return the result of each by its ID."""
    association = dimse.request_association([(uid, [syntax]) for uid, syntax in contexts])
    answered = [*association.accepted_contexts, *association.rejected_contexts]
    if association.is_established:
        association.release()
    return {context.context_id: context.result for context in answered}
