"""C-STORE with the remote as SCP: what was sent is kept, and comes back the same."""

from collections.abc import Iterable
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1, RLELossless
from pynetdicom import evt

from harness.cases import Corpus, Dcmtk, Dimse, Maker, Party, Rest, Sample, Suite, values

suite = Suite(needs="dimse.store")


UNKNOWN_SOP_CLASS = "2.25.202"  # valid, and nobody's


# What is kept


@suite.case("CSTORE-001", ref="PS3.4 B.4.1.1", needs="dimse.get.study")
@pytest.mark.parametrize("name", ["p01", "p02"], ids=["implicit", "explicit"])
def test_object_comes_back_the_same(dimse: Dimse, corpus: Corpus, name: str) -> None:
    """An object in a native little endian syntax comes back with every attribute and pixel."""
    sample = corpus[name]

    dimse.store_all([sample])

    assert _retrieved(dimse, sample).to_json_dict() == sample.dataset().to_json_dict()


@suite.case(
    "CSTORE-002",
    ref="PS3.4 B.4.1.1",
    covers="Orthanc.test_incoming_jpeg",
    level="should",
    needs="dimse.get.study",
)
@pytest.mark.parametrize(
    "name",
    [
        "p05",
        "p07",
        "p09-rle-gray",
        "p10-jpeg-colour",
        "p12-jpeg-lossless",
        "p12-jpeg-ls",
        "p12-jpeg-2000",
        "p13-offsets",
        "p13-no-offsets",
        "p14",
        "m01-jpeg",
    ],
)
def test_object_comes_back_in_its_transfer_syntax(dimse: Dimse, corpus: Corpus, name: str) -> None:
    """An object in any other syntax comes back in it, its compressed frames untouched."""
    sample = corpus[name]

    dimse.store_all([sample])

    assert _retrieved(dimse, sample).to_json_dict() == sample.dataset().to_json_dict()


@suite.case("CSTORE-003", ref="PS3.4 B.4.1.1", needs="dimse.get.study")
@pytest.mark.parametrize(
    "name", ["t01-known-vr", "t01-implicit-vr", "t01-un", "t05", "t06-nested-40", "c18", "m07"]
)
def test_unusual_elements_are_kept(dimse: Dimse, corpus: Corpus, name: str) -> None:
    """Private, empty, unknown and deeply nested elements come back as they were sent."""
    sample = corpus[name]

    dimse.store_all([sample])

    assert _retrieved(dimse, sample).to_json_dict() == sample.dataset().to_json_dict()


@suite.case("CSTORE-004", ref="PS3.4 B.4.1.1", needs="dimse.get.study")
@pytest.mark.parametrize("name", ["c01", "c04", "c11", "c12", "c14", "c15", "c16-gb18030"])
def test_character_set_is_kept(dimse: Dimse, corpus: Corpus, name: str) -> None:
    """Specific Character Set and the bytes of Patient's Name come back as they were sent."""
    sample = corpus[name]

    dimse.store_all([sample])

    received = _retrieved(dimse, sample)
    assert received.SpecificCharacterSet == sample.dataset().SpecificCharacterSet
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
    [("p01", "-xi"), ("p08", "-xe"), ("p05", "-xb"), ("p07", "-xd"), ("p12-jpeg-lossless", "-xs")],
    ids=["implicit", "explicit", "big-endian", "deflated", "jpeg-lossless"],
)
def test_pixels_survive_a_change_of_syntax(
    dcmtk: Dcmtk, corpus: Corpus, name: str, proposed: str
) -> None:
    """What storescu sends in one syntax, getscu gets without compression, pixel for pixel."""
    sample = corpus[name]
    dcmtk.store(proposed, "--", sample.write(dcmtk.folder))

    files = dcmtk.get("STUDY", f"StudyInstanceUID={sample.study_instance_uid}")

    received = [dcmread(file) for file in files]
    assert [each.file_meta.TransferSyntaxUID.is_encapsulated for each in received] == [False]
    assert [each.pixel_array.tolist() for each in received] == [sample.frame(0).tolist()]


@suite.case("CSTORE-006", ref="PS3.4 B.2.2", needs="dimse.get.study")
def test_classes_and_syntaxes_in_turn(dimse: Dimse, make: Maker) -> None:
    """Objects of several SOP classes and syntaxes, in turn on one association, are all stored."""
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

    assert statuses == [0x0000] * 5
    storage = {each.sop_class_uid: [each.transfer_syntax] for each in samples}
    retrieved = dimse.get(
        "STUDY", storage=storage.items(), StudyInstanceUID=samples[0].study_instance_uid
    )
    expected = sorted(sample.sop_instance_uid for sample in samples)
    assert values(retrieved.datasets, "SOPInstanceUID") == expected


@suite.case("CSTORE-007", ref="PS3.4 C.4.1.3.1.1", needs="dimse.find.study")
def test_object_sent_twice_is_there_once(dimse: Dimse, make: Maker) -> None:
    """An instance that is sent again is still one instance."""
    sample = make.instance()

    dimse.store(sample)
    dimse.store(sample)

    found = dimse.find(
        "IMAGE",
        StudyInstanceUID=sample.study_instance_uid,
        SeriesInstanceUID=sample.series_instance_uid,
        SOPInstanceUID="",
    )
    assert values(found.datasets, "SOPInstanceUID") == [sample.sop_instance_uid]


# How it is answered


@suite.case("CSTORE-008", ref="PS3.7 9.3.1.2")
def test_response_names_class_and_instance(dimse: Dimse, make: Maker) -> None:
    """A response that names a SOP class and an instance names those of its request."""
    samples = make.study(instances=2)
    answered: list[tuple[int, str, str]] = []

    def note(event: Any) -> None:
        command = event.message.command_set
        answered.append(
            (
                command.MessageIDBeingRespondedTo,
                command.get("AffectedSOPClassUID", samples[0].sop_class_uid),
                command.get("AffectedSOPInstanceUID", samples[len(answered)].sop_instance_uid),
            )
        )

    contexts = [(samples[0].sop_class_uid, [ExplicitVRLittleEndian])]
    with dimse.associate(contexts, handlers=[(evt.EVT_DIMSE_RECV, note)]) as association:
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
def test_origin_is_noted(dcmtk: Dcmtk, rest: Rest, corpus: Corpus, remote: Party) -> None:
    """The metadata of an instance that came by C-STORE say from whom, to whom and in which syntax."""
    sample = corpus["p03"]

    dcmtk.store("--", sample.write(dcmtk.folder), calling="MODALITY7")

    (instance,) = rest.json("/instances")
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
def test_transfer_syntax_that_is_not_accepted(dimse: Dimse, rest: Rest) -> None:
    """With only native syntaxes accepted, a context with JPEG is refused, one without is not."""
    native = [ImplicitVRLittleEndian, ExplicitVRLittleEndian]
    ct = "1.2.840.10008.5.1.4.1.1.2"

    with rest.setting("/tools/accepted-transfer-syntaxes", native):
        results = _results(dimse, [(ct, JPEGLosslessSV1), (ct, ExplicitVRLittleEndian)])

    assert {context_id for context_id, result in results.items() if result == 0} == {3}


@suite.case(
    "CSTORE-011",
    ref="Orthanc REST API: PUT /tools/unknown-sop-class-accepted",
    covers="Orthanc.test_incoming_jpeg",
    level="product",
    needs=("rest", "orthanc>=1.9.0"),
)
@pytest.mark.parametrize(("accepted", "result"), [("0", 3), ("1", 0)], ids=["refused", "accepted"])
def test_unknown_sop_class(dimse: Dimse, rest: Rest, accepted: str, result: int) -> None:
    """A SOP class that Orthanc does not know is refused or accepted, as it is told to."""
    contexts = [(UNKNOWN_SOP_CLASS, ExplicitVRLittleEndian)]

    with rest.setting("/tools/unknown-sop-class-accepted", accepted):
        results = _results(dimse, contexts)

    assert results == {1: result}


def _retrieved(dimse: Dimse, sample: Sample) -> Dataset:
    """Get one object back, in no other syntax than that in which it was sent."""
    retrieved = dimse.get(
        "IMAGE",
        storage=[(sample.sop_class_uid, [sample.transfer_syntax])],
        StudyInstanceUID=sample.study_instance_uid,
        SeriesInstanceUID=sample.series_instance_uid,
        SOPInstanceUID=sample.sop_instance_uid,
    )
    assert len(retrieved.datasets) == 1, f"C-GET ended with status {retrieved.status:#06x}"
    return retrieved.datasets[0]


def _results(dimse: Dimse, contexts: Iterable[tuple[str, str]]) -> dict[int, int]:
    """Propose contexts of one transfer syntax each, and give the result of each by its id."""
    association = dimse.request_association([(uid, [syntax]) for uid, syntax in contexts])
    answered = [*association.accepted_contexts, *association.rejected_contexts]
    if association.is_established:
        association.release()
    return {context.context_id: context.result for context in answered}
