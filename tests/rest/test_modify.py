"""Modification of instances, series, studies and patients: what is changed, kept or rejected."""

from typing import Any

import pytest
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from harness.cases import (
    BAD_FILE_FORMAT,
    BAD_REQUEST,
    BAD_TYPE,
    Maker,
    Rest,
    Sample,
    Stored,
    Suite,
    changed,
    configured,
    copied,
    dataset_of,
    file_of,
    files,
    finished_job,
    listed,
    needs,
    orthanc_ids,
    refused,
)

MODIFY = "Orthanc REST API: POST /studies/{id}/modify"
INSTANCE = "Orthanc REST API: POST /instances/{id}/modify"
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")

suite = Suite(level="product", needs="rest", ref=MODIFY)

levels = pytest.mark.parametrize("level", ["patient", "study", "series"])


def request_at(level: str, **request: Any) -> dict[str, Any]:
    """Return a request for a level: a patient's must change PatientID (1.10.1)."""
    if level == "patient":
        request["Replace"] = {"PatientID": "OTHER", **request.get("Replace", {})}
        request["Force"] = True
    return request


def modified(rest: Rest, sample: Sample, level: str, **request: Any) -> str:
    """Modify the resource of `sample` at a level, and return the path of the result."""
    path = f"{orthanc_ids(sample).path(level)}/modify"
    return str(rest.post(path, request_at(level, **request)).json()["Path"])


@suite.case(
    "MODI-001", ref=INSTANCE, covers=("Orthanc.test_modify_instance", "Orthanc.test_shanon_2")
)
def test_modified_instance_is_returned(rest: Rest, stored: Stored) -> None:
    """The modified instance is returned but not stored; the source is unchanged, byte for byte."""
    sample = stored.instance(StationName="STATION")
    path = orthanc_ids(sample).path("instance")

    answer = rest.post(f"{path}/modify", {"Replace": {"PatientName": "New^Name"}})

    assert answer.headers["Content-Type"] == "application/dicom"
    assert listed(rest) == {orthanc_ids(sample).instance}
    assert rest.get(f"{path}/file").content == sample.data
    uploaded = rest.upload(answer.content)
    assert rest.get(f"{uploaded['Path']}/content/0010-0010").text.strip() == "New^Name"


@suite.case(
    "MODI-002", ref=INSTANCE, covers=("Orthanc.test_modify_instance", "Orthanc.test_shanon_2")
)
@pytest.mark.parametrize("sample", ["p01", "p05", "p07", "p09-rle-gray", "p12-jpeg-2000", "t05"])
def test_nothing_else_changes(rest: Rest, stored: Stored, sample: str) -> None:
    """One attribute is replaced, the copy has a new UID, and everything else is kept, including pixels."""
    uploaded = stored.sample(sample)

    after = copied(rest, uploaded, "modify", Replace={"StudyDescription": "Changed"})

    assert changed(uploaded.dataset(), after) == {"StudyDescription", "SOPInstanceUID"}
    assert after.StudyDescription == "Changed"
    assert after.file_meta.TransferSyntaxUID == uploaded.transfer_syntax
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID


@suite.case("MODI-003", ref=INSTANCE, covers="Orthanc.test_shanon_2")
@pytest.mark.parametrize(
    ("given", "renewed"),
    [
        pytest.param({}, {"SOPInstanceUID"}, id="none"),
        pytest.param({"SOPInstanceUID": "1.2.5"}, set(), id="instance"),
        pytest.param({"SeriesInstanceUID": "1.2.4"}, {"SOPInstanceUID"}, id="series"),
        pytest.param(
            {"StudyInstanceUID": "1.2.3"}, {"SeriesInstanceUID", "SOPInstanceUID"}, id="study"
        ),
        pytest.param({"PatientID": "GIVEN"}, set(UIDS), id="patient"),
        pytest.param(
            {
                "PatientID": "GIVEN",
                "StudyInstanceUID": "1.2.3",
                "SeriesInstanceUID": "1.2.4",
                "SOPInstanceUID": "1.2.5",
            },
            set(),
            id="all",
        ),
    ],
)
def test_identifiers_below_are_renewed(
    rest: Rest, stored: Stored, given: dict[str, str], renewed: set[str]
) -> None:
    """The copy has the given identifiers; all below them are new, and those above are kept."""
    sample = stored.instance()

    after = copied(rest, sample, "modify", Replace=given, Force=True)

    assert changed(sample.dataset(), after) == {*given, *renewed}
    assert {each: after[each].value for each in given} == given
    assert "DeidentificationMethod" not in after


@suite.case("MODI-004", ref=INSTANCE, covers="Orthanc.test_bitbucket_issue_94")
def test_frame_of_reference_stays(rest: Rest, stored: Stored) -> None:
    """With another patient, the Frame of Reference UID is kept, even in implicit VR."""
    sample = stored.instance(transfer_syntax=ImplicitVRLittleEndian)

    after = copied(rest, sample, "modify", Replace={"PatientID": "OTHER"}, Force=True)

    assert after.FrameOfReferenceUID == sample.dataset().FrameOfReferenceUID
    assert after.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian


@suite.case(
    "MODI-005",
    ref=INSTANCE,
    covers=("Orthanc.test_modify_instance", "Orthanc.test_anonymize_instance"),
)
def test_attributes_are_removed(rest: Rest, stored: Stored) -> None:
    """Remove removes existing attributes, ignores missing ones, and keeps the rest."""
    sample = stored.instance(StationName="STATION")

    after = copied(rest, sample, "modify", Remove=["StationName", "0008-1030", "PatientComments"])

    assert changed(sample.dataset(), after) == {"StationName", "StudyDescription", "SOPInstanceUID"}
    assert "StationName" not in after


@suite.case(
    "MODI-006",
    ref=INSTANCE,
    covers=("Orthanc.test_modify_instance", "Orthanc.test_anonymize_instance"),
)
@pytest.mark.parametrize("sample", ["t01-known-vr", "t01-implicit-vr", "t01-un"])
@pytest.mark.parametrize("remove", [True, False])
def test_private_elements(rest: Rest, stored: Stored, sample: str, remove: bool) -> None:
    """RemovePrivateTags removes all of them with their creators; by default, they are kept."""
    uploaded = stored.sample(sample)
    before = {each.tag for each in uploaded.dataset() if each.tag.is_private}

    after = copied(rest, uploaded, "modify", **({"RemovePrivateTags": True} if remove else {}))

    assert len(before) > 1
    assert {each.tag for each in after if each.tag.is_private} == (set() if remove else before)


@suite.case("MODI-007", ref=INSTANCE)
def test_private_elements_that_are_not_to_be_removed(rest: Rest, stored: Stored) -> None:
    """RemovePrivateTags set to false keeps private elements."""
    uploaded = stored.sample("t01-known-vr")

    after = copied(rest, uploaded, "modify", RemovePrivateTags=False)

    assert changed(uploaded.dataset(), after) == {"SOPInstanceUID"}


@suite.case("MODI-008", ref=INSTANCE, covers="Orthanc.test_anonymize_instance")
@pytest.mark.parametrize(
    ("keyword", "value"),
    [("StudyDescription", "Added"), ("Modality", "ANY THING"), ("PatientComments", "x" * 200)],
)
def test_attribute_is_added_or_replaced(
    rest: Rest, stored: Stored, keyword: str, value: str
) -> None:
    """Replace sets an attribute, whether it existed or not, and whatever its value was."""
    sample = stored.instance()

    after = copied(rest, sample, "modify", Replace={keyword: value})

    assert after[keyword].value == value


@suite.case("MODI-009", covers="Orthanc.test_modify_attribute", needs="orthanc>=1.9.4")
def test_attribute_of_tags(rest: Rest, stored: Stored) -> None:
    """An attribute of VR AT is set by a tag written as text."""
    sample = stored.instance()

    [after] = files(rest, modified(rest, sample, "study", Replace={"0020,9165": "0020,9056"}))

    assert after[0x00209165].VR == "AT"
    assert after[0x00209165].value == 0x00209056


@suite.case("MODI-010", ref=INSTANCE)
@pytest.mark.parametrize(
    ("keyword", "text", "value"),
    [
        ("Rows", "4", 4),
        ("PixelSpacing", "0.5\\0.25", [0.5, 0.25]),
        ("InstanceNumber", "-7", -7),
        ("EventTimeOffset", "1.5", 1.5),
        ("PatientName", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", None),
        ("StudyDescription", "", ""),
    ],
)
def test_value_of_each_kind(
    rest: Rest, stored: Stored, keyword: str, text: str, value: object
) -> None:
    """Numbers, several values, non-ASCII names and an empty value are written according to their VR."""
    sample = stored.instance(character_set="ISO_IR 192")

    after = copied(rest, sample, "modify", Replace={keyword: text})

    assert after[keyword].value == (text if value is None else value)


@suite.case("MODI-011", ref=INSTANCE)
@pytest.mark.parametrize(
    ("keyword", "value", "code"),
    [
        ("PatientName", 5, BAD_TYPE),
        ("PatientName", {"a": 1}, BAD_TYPE),
        ("Rows", "abc", BAD_FILE_FORMAT),
        ("ReferencedStudySequence", "text", BAD_FILE_FORMAT),
    ],
    ids=["number", "object", "no-number", "no-sequence"],
)
def test_value_of_the_wrong_kind_is_refused(
    rest: Rest, stored: Stored, keyword: str, value: object, code: int
) -> None:
    """A value that the VR of its attribute does not allow is rejected, for an instance and for a study."""
    sample = stored.instance()

    for level in ("instance", "study"):
        path = f"{orthanc_ids(sample).path(level)}/modify"
        refused(rest, path, {"Replace": {keyword: value}}, code=code)

    assert copied(rest, sample, "modify").PatientID == sample.patient_id


@suite.case("MODI-012", ref="PS3.3 C.12.1 (2024e); Orthanc REST API: POST /instances/{id}/modify")
@pytest.mark.parametrize("keyword", UIDS)
@pytest.mark.parametrize("force", [True, False])
def test_identifier_cannot_be_removed(
    rest: Rest, stored: Stored, keyword: str, force: bool
) -> None:
    """No UID of the hierarchy can be removed, with Force or without."""
    sample = stored.instance()

    request = {"Remove": [keyword], "Force": force}
    for level in ("instance", "study"):
        refused(rest, f"{orthanc_ids(sample).path(level)}/modify", request, code=BAD_REQUEST)


@suite.case("MODI-013", ref="PS3.3 C.12.1 (2024e); Orthanc REST API: POST /instances/{id}/modify")
@pytest.mark.parametrize("keyword", UIDS)
def test_identifier_cannot_be_emptied(rest: Rest, stored: Stored, keyword: str) -> None:
    """No UID of the hierarchy can be emptied: the object would have no identity."""
    sample = stored.instance()
    path = f"{orthanc_ids(sample).path('instance')}/modify"

    rest.post(path, {"Replace": {keyword: ""}, "Force": True}, expect=400)


@suite.case(
    "MODI-014",
    ref="Orthanc Book: anonymization, private tags",
    covers="Orthanc.test_bitbucket_issue_140",
)
def test_private_element_keeps_its_representation(rest: Rest, make: Maker) -> None:
    """A private element in the dictionary can be replaced by name, and keeps its VR, name and creator."""
    ds = make.instance().dataset()
    ds.private_block(0x4321, "RadioLogic", create=True).add_new(0x12, "LO", "before")
    ids = orthanc_ids(make.instance())
    rest.upload(file_of(ds))

    request = {"Replace": {"RadioLogic": "after"}, "PrivateCreator": "RadioLogic"}
    path = rest.post(f"{ids.path('series')}/modify", request).json()["Path"]

    [after] = files(rest, path)
    assert (after[0x43211012].VR, after[0x43211012].value) == ("LO", "after")
    instance = rest.json(f"{path}/instances")[0]["ID"]
    assert rest.json(f"/instances/{instance}/tags")["4321,1012"] == {
        "Name": "RadioLogic",
        "PrivateCreator": "RadioLogic",
        "Type": "String",
        "Value": "after",
    }


@suite.case("MODI-015", covers=("Orthanc.test_modify_study", "Orthanc.test_modify_series"))
@levels
def test_copies_name_their_sources(rest: Rest, stored: Stored, level: str) -> None:
    """ModifiedFrom leads from each copy to its source, for instances, series and the requested level."""
    samples = stored.study(series=2, instances=2, PatientName="Muller^Anna")

    path = modified(rest, samples[0], level, Replace={"StudyDescription": "Copy"})

    sources = {}
    for each in rest.json(f"{path}/instances"):
        sources[rest.json(f"/instances/{each['ID']}")["ModifiedFrom"]] = each
    taken = samples[:2] if level == "series" else samples
    assert set(sources) == {orthanc_ids(each).instance for each in taken}
    for source, copy in sources.items():
        series = rest.json(f"/series/{copy['ParentSeries']}")
        assert series["ModifiedFrom"] == rest.json(f"/instances/{source}")["ParentSeries"]
    assert rest.json(path)["ModifiedFrom"] == orthanc_ids(samples[0]).at(level)


@suite.case("MODI-016", covers=("Orthanc.test_modify_study", "Orthanc.test_modify_series"))
@levels
def test_only_the_copies_change(rest: Rest, stored: Stored, level: str) -> None:
    """The copies have the new value; the sources are unchanged, byte for byte."""
    samples = stored.study(series=2, instances=2)

    path = modified(rest, samples[0], level, Replace={"SeriesDescription": "Copy"})

    copies = files(rest, path)
    assert [each.SeriesDescription for each in copies] == ["Copy"] * (2 if level == "series" else 4)
    for sample in samples:
        assert rest.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data


@suite.case("MODI-017", covers="Orthanc.test_mesterhazy_modification")
@pytest.mark.parametrize("keyword", ["SeriesDate", "SeriesDescription", "Modality"])
def test_modified_series_stays_in_its_study(rest: Rest, stored: Stored, keyword: str) -> None:
    """Replacing an attribute of a series creates another series in the same study."""
    sample = stored.instance()
    value = "20240116" if keyword == "SeriesDate" else "OTHER"

    path = modified(rest, sample, "series", Replace={keyword: value})

    assert rest.json(path)["ParentStudy"] == orthanc_ids(sample).study
    assert path != orthanc_ids(sample).path("series")
    assert len(rest.json(orthanc_ids(sample).path("study"))["Series"]) == 2


@suite.case("MODI-018", covers="Orthanc.test_modify_keep_source")
@levels
@pytest.mark.parametrize("keep", [None, True, False], ids=["default", "true", "false"])
def test_source_is_kept_unless_told_otherwise(
    rest: Rest, stored: Stored, level: str, keep: bool | None
) -> None:
    """KeepSource is true by default; false removes the source, and nothing else."""
    samples = stored.study(series=2, StationName="STATION")
    before = {orthanc_ids(each).instance for each in samples}
    request = {} if keep is None else {"KeepSource": keep}

    path = modified(rest, samples[0], level, Replace={"StationName": "TEST"}, **request)

    copies = {each["ID"] for each in rest.json(f"{path}/instances")}
    gone = {orthanc_ids(each).instance for each in samples[: 1 if level == "series" else 2]}
    assert listed(rest) == copies | (before - gone if keep is False else before)


@suite.case("MODI-019", ref="Orthanc REST API: POST /studies/{id}/modify, Asynchronous")
@levels
def test_asynchronous_modification_is_a_job(rest: Rest, stored: Stored, level: str) -> None:
    """In asynchronous mode, the answer is a job whose content names the copy and counts its instances."""
    sample = stored.study(series=2)[0]
    request = request_at(level, Replace={"StationName": "TEST"}, Asynchronous=True)

    job = finished_job(rest, rest.post(f"{orthanc_ids(sample).path(level)}/modify", request).json())

    assert job["Type"] == "ResourceModification"
    assert job["Content"]["IsAnonymization"] is False
    assert job["Content"]["InstancesCount"] == (1 if level == "series" else 2)
    assert job["Content"]["FailedInstancesCount"] == 0
    assert {each.StationName for each in files(rest, job["Content"]["Path"])} == {"TEST"}


@suite.case(
    "MODI-020", covers="Orthanc.test_bitbucket_issue_55", ref="Orthanc Book: anonymization, Force"
)
@pytest.mark.parametrize("keyword", ["PatientID", *UIDS])
@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_identifiers_need_force(rest: Rest, stored: Stored, level: str, keyword: str) -> None:
    """An identifier, of the level itself or of another, is not replaced without Force."""
    sample = stored.instance()

    refused(
        rest,
        f"{orthanc_ids(sample).path(level)}/modify",
        {"Replace": {keyword: "1.2.3"}, "KeepSource": True},
        code=BAD_REQUEST,
    )


@suite.case(
    "MODI-021",
    ref="Orthanc Book: anonymization, Force",
    covers=("Orthanc.test_bitbucket_issue_55", "Orthanc.test_modify_need_force_to_change_uids"),
)
@pytest.mark.parametrize(
    ("level", "keyword"),
    [
        *(("study", each) for each in UIDS),
        ("series", "SeriesInstanceUID"),
        ("instance", "SOPInstanceUID"),
        ("instance", "SeriesInstanceUID"),
        ("patient", "PatientID"),
        pytest.param("study", "PatientID", marks=needs("orthanc>=1.11.2")),
        pytest.param("series", "StudyInstanceUID", marks=needs("orthanc>=1.11.2")),
        pytest.param("series", "PatientID", marks=needs("orthanc>=1.11.2")),
    ],
)
def test_identifier_is_given_by_force(rest: Rest, stored: Stored, level: str, keyword: str) -> None:
    """With Force, an identifier of this, a lower or a higher level is replaced; the source is kept."""
    sample = stored.instance()
    request = {"Replace": {keyword: "1.2.3"}, "Force": True, "KeepSource": True}

    answer = rest.post(f"{orthanc_ids(sample).path(level)}/modify", request)

    copy = copied_or_stored(rest, answer, level)
    assert copy[keyword].value == "1.2.3"
    assert orthanc_ids(sample).instance in listed(rest)
    assert len(listed(rest)) == (1 if level == "instance" else 2)


def copied_or_stored(rest: Rest, answer: Any, level: str) -> Any:
    """Return the object of an answer: the body if an instance was modified, else the stored one."""
    if level == "instance":
        return dataset_of(answer.content)
    [copy] = files(rest, answer.json()["Path"])
    return copy


@suite.case("MODI-022", covers="Orthanc.test_modifying_missing_patientid")
@pytest.mark.parametrize("patient_id", [None, ""], ids=["absent", "empty"])
def test_study_without_patient_id(rest: Rest, make: Maker, patient_id: str | None) -> None:
    """A study of objects without a Patient ID can be modified, and still has none."""
    ds = make.instance().dataset()
    del ds.PatientID
    if patient_id is not None:
        ds.PatientID = patient_id
    study = rest.upload(file_of(ds))["ParentStudy"]

    path = rest.post(f"/studies/{study}/modify", {}).json()["Path"]

    [copy] = files(rest, path)
    assert not copy.get("PatientID")
    assert copy.StudyInstanceUID != ds.StudyInstanceUID


@suite.case("MODI-023", covers="Orthanc.test_bitbucket_issue_42")
@pytest.mark.parametrize(
    "sample", ["t03", "t05", "t06-nested-40", "t01-un", "p13-no-offsets", "m07"]
)
def test_patient_of_an_unusual_object(rest: Rest, stored: Stored, sample: str) -> None:
    """Even objects that are hard to rewrite get another patient, and lose nothing else."""
    uploaded = stored.sample(sample)
    request = {"Replace": {"PatientID": "NEW", "PatientName": "New^Name"}, "Force": True}

    answer = rest.post(f"{orthanc_ids(uploaded).path('patient')}/modify", request).json()

    assert answer["PatientID"] == answer["ID"]
    [copy] = files(rest, answer["Path"])
    renewed = {"PatientID", "PatientName", *UIDS, "DataSetTrailingPadding"}
    assert changed(uploaded.dataset(), copy) - renewed == set()
    assert (copy.PatientID, copy.PatientName) == ("NEW", "New^Name")


SYNTAXES = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "jpeg": JPEGBaseline8Bit,
    "jpeg-extended": JPEGExtended12Bit,
    "jpeg-lossless": JPEGLossless,
    "jpeg-lossless-sv1": JPEGLosslessSV1,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-ls-near": JPEGLSNearLossless,
}
LOSSY = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless}


@suite.case(
    "MODI-024",
    ref="Orthanc REST API: POST /instances/{id}/modify, Transcode",
    covers="Orthanc.test_modify_transcode_instance",
)
@pytest.mark.parametrize(
    "syntax",
    [
        *(pytest.param(each, id=name) for name, each in SYNTAXES.items()),
        pytest.param(DeflatedExplicitVRLittleEndian, id="deflated", marks=needs("orthanc>=1.12.7")),
    ],
)
def test_instance_is_transcoded(rest: Rest, stored: Stored, syntax: str) -> None:
    """Transcode sets the transfer syntax of the copy; if it is lossy, also a new UID in spite of Keep."""
    sample = stored.sample("p11")

    after = copied(rest, sample, "modify", Transcode=syntax, Keep=["SOPInstanceUID"], Force=True)

    assert after.file_meta.TransferSyntaxUID == syntax
    assert (after.SOPInstanceUID != sample.sop_instance_uid) == (syntax in LOSSY)
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID


@suite.case(
    "MODI-025",
    ref="Orthanc REST API: POST /studies/{id}/modify, Transcode",
    covers="Orthanc.test_modify_transcode_study",
)
@pytest.mark.parametrize("keep", [True, False])
def test_study_is_transcoded(rest: Rest, stored: Stored, keep: bool) -> None:
    """A study is transcoded; each copy names its source, even if that is removed."""
    sample = stored.sample("p11")
    request = {"Transcode": JPEGBaseline8Bit, "KeepSource": keep}

    path = rest.post(f"{orthanc_ids(sample).path('study')}/modify", request).json()["Path"]

    [instance] = rest.json(f"{path}/instances")
    metadata = rest.json(f"/instances/{instance['ID']}/metadata?expand")
    assert metadata["ModifiedFrom"] == orthanc_ids(sample).instance
    assert metadata["TransferSyntax"] == JPEGBaseline8Bit
    assert files(rest, path)[0].file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert len(listed(rest)) == (2 if keep else 1)


@suite.case("MODI-026", ref="Orthanc REST API: POST /studies/{id}/modify, Transcode")
@pytest.mark.parametrize("syntax", ["nope", "1.2.3", ""])
@pytest.mark.parametrize("level", ["study", "instance"])
def test_unknown_transfer_syntax_is_refused(
    rest: Rest, stored: Stored, level: str, syntax: str
) -> None:
    """An unknown transfer syntax is rejected, and nothing is stored."""
    sample = stored.instance()

    rest.post(f"{orthanc_ids(sample).path(level)}/modify", {"Transcode": syntax}, expect=400)

    assert listed(rest) == {orthanc_ids(sample).instance}


@suite.case(
    "MODI-027",
    covers="Orthanc.test_reconstruct",
    ref="Orthanc Book: anonymization, Keep",
    needs="orthanc>=1.11.2",
)
def test_second_object_in_the_same_series(rest: Rest, stored: Stored) -> None:
    """If study and series are kept, the copy joins them, and their main attributes are updated."""
    sample = stored.instance()
    ids = orthanc_ids(sample)
    request = {
        "Replace": {
            "StudyDescription": "New study",
            "SeriesDescription": "New series",
            "SOPInstanceUID": "1.2.5",
        },
        "Keep": ["StudyInstanceUID", "SeriesInstanceUID"],
        "Force": True,
    }

    rest.post(f"{ids.path('study')}/modify", request)

    assert len(rest.json(ids.path("series"))["Instances"]) == 2
    study = rest.json(f"{ids.path('instance')}/study")["MainDicomTags"]
    series = rest.json(f"{ids.path('instance')}/series")["MainDicomTags"]
    assert (study["StudyDescription"], series["SeriesDescription"]) == ("New study", "New series")
    original = rest.get(f"{ids.path('instance')}/file").content
    assert original == sample.data


@suite.case(
    "MODI-028",
    covers="Orthanc.test_modify_with_labels",
    needs="orthanc>=1.12.0",
    ref="Orthanc REST API: POST /studies/{id}/modify, KeepLabels",
)
@pytest.mark.parametrize(
    ("instances", "keep"),
    [
        pytest.param(1, None, id="default"),
        pytest.param(1, False, id="false", marks=needs("orthanc>=1.12.3")),
        pytest.param(1, True, id="true", marks=needs("orthanc>=1.12.3")),
        pytest.param(4, True, id="true-of-four", marks=needs("orthanc>=1.12.3")),
    ],
)
def test_labels_of_a_modified_study(
    rest: Rest, stored: Stored, instances: int, keep: bool | None
) -> None:
    """Labels are lost when a study is modified in place, unless KeepLabels is set, at every level."""
    sample = stored.study(instances=instances)[0]
    ids = orthanc_ids(sample)
    for level in ids._fields:
        rest.put(f"{ids.path(level)}/labels/{level}")
    request: dict[str, Any] = {
        "Replace": {"PatientName": "New^Name"},
        "Keep": list(UIDS),
        "Force": True,
    }

    rest.post(
        f"{ids.path('study')}/modify", request if keep is None else {**request, "KeepLabels": keep}
    )

    for level in ids._fields:
        assert rest.json(ids.path(level))["Labels"] == ([level] if keep else [])
    assert str(files(rest, ids.path("study"))[0].PatientName) == "New^Name"


@suite.case("MODI-029", ref="Orthanc REST API: POST /instances/{id}/modify, Transcode")
def test_signed_pixels_to_jpeg_ls(rest: Rest, stored: Stored) -> None:
    """The server survives a request to compress signed pixels of 12 bits with JPEG-LS."""
    sample = stored.sample("p08")

    rest.post(
        f"{orthanc_ids(sample).path('instance')}/modify",
        {"Transcode": JPEGLSLossless},
        expect=(200, 400, 500),
    )

    assert listed(rest) == {orthanc_ids(sample).instance}


@suite.case(
    "MODI-030",
    ref="Orthanc REST API: POST /instances/{id}/modify, Transcode; Orthanc Book: GDCM plugin",
    covers="Orthanc.test_modify_transcode_instance",
    needs="plugin.gdcm",
)
@configured(Gdcm={"RestrictTransferSyntaxes": [JPEG2000Lossless, JPEG2000, ExplicitVRLittleEndian]})
@pytest.mark.parametrize(
    ("syntax", "kept"), [(JPEG2000Lossless, True), (JPEG2000, False)], ids=["lossless", "lossy"]
)
def test_instance_is_transcoded_by_a_plugin(
    rest: Rest, stored: Stored, syntax: str, kept: bool
) -> None:
    """The same for JPEG 2000, created by GDCM: the UID is kept on request if nothing is lost."""
    sample = stored.sample("p11")

    after = copied(rest, sample, "modify", Transcode=syntax, Keep=["SOPInstanceUID"], Force=True)

    assert after.file_meta.TransferSyntaxUID == syntax
    assert (after.SOPInstanceUID == sample.sop_instance_uid) is kept
