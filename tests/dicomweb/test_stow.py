"""STOW-RS: what is stored, what is rejected, and what the answer reports about each object."""

import pytest

from harness.cases import (
    DICOM,
    DICOM_JSON,
    FAILED_SOP_SEQUENCE,
    FAILURE_REASON,
    REFERENCED_SOP_CLASS_UID,
    REFERENCED_SOP_INSTANCE_UID,
    REFERENCED_SOP_SEQUENCE,
    RETRIEVE_URL,
    SERIES_INSTANCE_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    Corpus,
    DicomWeb,
    Maker,
    Sample,
    Suite,
    file_of,
    header,
    instance_path,
    json_value,
    json_values,
    multipart,
    single,
)

suite = Suite(needs="dicomweb.stow", shows="DICOMweb")


RELATED = 'multipart/related; type="application/dicom"'


def instances(web: DicomWeb) -> list[str]:
    """Return the SOP Instance UIDs of all instances on the server, found level by level."""
    studies = [f"/studies/{json_value(each, STUDY_INSTANCE_UID)}" for each in web.qido("/studies")]
    series = [
        f"{study}/series/{json_value(each, SERIES_INSTANCE_UID)}"
        for study in studies
        for each in web.qido(f"{study}/series")
    ]
    return sorted(
        str(json_value(each, SOP_INSTANCE_UID))
        for path in series
        for each in web.qido(f"{path}/instances")
    )


def referenced(answer: dict[str, object], tag: str) -> list[str]:
    """Return the SOP Instance UIDs of the items of a sequence of the response."""
    items = json_values(answer, tag)
    return sorted(str(json_value(item, REFERENCED_SOP_INSTANCE_UID)) for item in items)


def without(sample: Sample, keyword: str) -> bytes:
    """Return the file of an object without one of its elements."""
    ds = sample.dataset()
    delattr(ds, keyword)
    return file_of(ds)


@suite.case("STOW-001", ref="PS3.18 10.5.3.1", covers="DicomWeb.test_stow")
def test_what_is_stored_can_be_retrieved(web: DicomWeb, make: Maker) -> None:
    """A stored object is returned with the same data set."""
    sample = make.instance(PatientName="Muller^Anna")

    web.stow([sample.data], expect=200)

    part = web.wado_part(instance_path(sample), transfer_syntax="*")
    assert part.dataset() == sample.dataset()


@suite.case("STOW-002", ref="PS3.18 10.5.3.1")
@pytest.mark.parametrize("sample", ["h03-sr", "m07", "p01", "p05", "p12-jpeg-2000", "m01-jpeg"])
def test_object_of_any_kind(web: DicomWeb, corpus: Corpus, sample: str) -> None:
    """Reports, documents, and images of any transfer syntax are stored as they are."""
    stored = corpus[sample]

    web.stow([stored.data], expect=200)

    part = web.wado_part(instance_path(stored), transfer_syntax="*")
    assert part.stored_syntax == stored.transfer_syntax
    assert part.dataset() == stored.dataset()


@suite.case("STOW-003", ref="PS3.18 10.5.2.1", covers="DicomWeb.test_stow")
def test_several_in_one_request(web: DicomWeb, make: Maker) -> None:
    """Every part of a request is stored, and the answer names each."""
    study = make.study(series=2, instances=2)

    answer = web.stow([each.data for each in study], expect=200).json()

    uids = sorted(each.sop_instance_uid for each in study)
    assert instances(web) == uids
    assert referenced(answer, REFERENCED_SOP_SEQUENCE) == uids


@suite.case(
    "STOW-004",
    ref="Orthanc Book: configuration option OverwriteInstances",
    covers="DicomWeb.test_stow",
    level="product",
)
def test_second_store_of_an_object(web: DicomWeb, make: Maker) -> None:
    """Storing an object again succeeds, and the server has it once."""
    sample = make.instance()

    for _ in range(2):
        answer = web.stow([sample.data], expect=200).json()

    assert referenced(answer, REFERENCED_SOP_SEQUENCE) == [sample.sop_instance_uid]
    assert instances(web) == [sample.sop_instance_uid]


@suite.case("STOW-005", ref="PS3.18 I.2", covers="DicomWeb.test_stow")
def test_answer_names_what_was_stored(web: DicomWeb, make: Maker) -> None:
    """The answer names the class and the instance of the stored object."""
    sample = make.instance()

    answer = web.stow([sample.data]).json()

    assert [
        (json_value(item, REFERENCED_SOP_CLASS_UID), json_value(item, REFERENCED_SOP_INSTANCE_UID))
        for item in json_values(answer, REFERENCED_SOP_SEQUENCE)
    ] == [(sample.sop_class_uid, sample.sop_instance_uid)]


@suite.case("STOW-006", ref="PS3.18 I.2: Retrieve URL", covers="DicomWeb.test_stow")
def test_retrieve_urls_work(web: DicomWeb, make: Maker) -> None:
    """The URLs in the answer, of the study and of the object, lead to what was stored."""
    sample = make.instance()

    answer = web.stow([sample.data]).json()

    item = single(json_values(answer, REFERENCED_SOP_SEQUENCE), "stored object")
    for url in (json_value(answer, RETRIEVE_URL), json_value(item, RETRIEVE_URL)):
        got = web.follow(url, headers={"Accept": f"{RELATED}; transfer-syntax=*"})
        assert [part.dataset() for part in multipart.parts_of(got)] == [sample.dataset()]


@suite.case("STOW-007", ref="PS3.18 10.5.4, 8.7.3")
@pytest.mark.parametrize("accept", [DICOM_JSON, "application/json", None])
def test_answer_is_json(web: DicomWeb, make: Maker, accept: str | None) -> None:
    """The answer is in the DICOM JSON model by default, and says so."""
    answer = web.stow([make.instance().data], accept=accept)

    assert header(answer, "Content-Type").partition(";")[0] == DICOM_JSON


@suite.case(
    "STOW-008", ref="PS3.18 I.2: Failed SOP Sequence; PS3.5 7.4.2", covers="DicomWeb.test_stow"
)
def test_no_failures_where_nothing_failed(web: DicomWeb, make: Maker) -> None:
    """A successful response has no Failed SOP Sequence, not even an empty one."""
    answer = web.stow([make.instance().data], expect=200).json()

    assert {FAILED_SOP_SEQUENCE} & {*answer} == set()


@suite.case("STOW-009", ref="PS3.18 10.5.1, 10.5.3.1: 409", covers="DicomWeb.test_stow_errors")
def test_object_of_another_study(web: DicomWeb, make: Maker) -> None:
    """An object that does not belong to the named study is refused with 409 and not stored."""
    sample = make.instance()

    web.stow([sample.data], study="1.2.3", expect=409)

    assert instances(web) == []


@suite.case("STOW-020", ref="PS3.18 I.2: Failed SOP Sequence", covers="DicomWeb.test_stow_errors")
def test_answer_names_what_failed(web: DicomWeb, make: Maker) -> None:
    """The answer to a failure names the class and the instance of the object, with a reason."""
    sample = make.instance()

    answer = web.stow([sample.data], study="1.2.3", expect=None).json()

    assert json_values(answer, REFERENCED_SOP_SEQUENCE) == []
    item = single(json_values(answer, FAILED_SOP_SEQUENCE), "failed object")
    assert json_value(item, REFERENCED_SOP_CLASS_UID) == sample.sop_class_uid
    assert json_value(item, REFERENCED_SOP_INSTANCE_UID) == sample.sop_instance_uid
    assert isinstance(json_value(item, FAILURE_REASON), int)


@suite.case("STOW-010", ref="PS3.18 10.5.1")
def test_object_of_the_named_study(web: DicomWeb, make: Maker) -> None:
    """An object that belongs to the named study is stored."""
    sample = make.instance()

    web.stow([sample.data], study=sample.study_instance_uid, expect=200)

    assert instances(web) == [sample.sop_instance_uid]


@suite.case("STOW-011", ref="PS3.18 10.5.3.2, I.2")
def test_failure_of_one_is_not_the_failure_of_all(web: DicomWeb, make: Maker) -> None:
    """Of two objects, only the one of the named study is stored, and the answer lists both correctly.

    CWEB-201 is about the status.
    """
    right, wrong = make.instance(PatientID="A"), make.instance(PatientID="B")

    answer = web.stow([right.data, wrong.data], study=right.study_instance_uid, expect=None).json()

    assert instances(web) == [right.sop_instance_uid]
    assert referenced(answer, REFERENCED_SOP_SEQUENCE) == [right.sop_instance_uid]
    assert referenced(answer, FAILED_SOP_SEQUENCE) == [wrong.sop_instance_uid]


@suite.case("STOW-012", ref="PS3.18 10.5.3.1: 400", covers="DicomWeb.test_stow_errors")
@pytest.mark.parametrize("content", [b"this is no DICOM file", b""], ids=["text", "nothing"])
def test_part_that_is_no_dicom_file(web: DicomWeb, content: bytes) -> None:
    """A part that is not a DICOM file is rejected with 400, and nothing is stored."""
    answer = web.stow([content], expect=400).json()

    assert json_values(answer, REFERENCED_SOP_SEQUENCE) == []
    assert instances(web) == []


@suite.case("STOW-013", ref="PS3.18 10.5.3.1: 400", covers="DicomWeb.test_stow_errors")
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_object_without_its_place(web: DicomWeb, make: Maker, keyword: str) -> None:
    """An object without the UID of its study or series is rejected with 400, and the answer names it."""
    sample = make.instance()

    answer = web.stow([without(sample, keyword)], expect=400).json()

    assert referenced(answer, FAILED_SOP_SEQUENCE) == [sample.sop_instance_uid]
    assert instances(web) == []


@suite.case("STOW-014", ref="PS3.18 10.5.3.1: 415")
@pytest.mark.parametrize(
    "content_type",
    [
        "image/png",
        f'multipart/related; type="image/png"; boundary={multipart.BOUNDARY}',
    ],
    ids=["single", "related"],
)
def test_unsupported_media_type(web: DicomWeb, make: Maker, content_type: str) -> None:
    """A body of a media type that the service does not store is refused with 415."""
    body = multipart.build([make.instance().data], DICOM)

    web.stow_body(body, content_type=content_type, expect=415)

    assert instances(web) == []


@suite.case("STOW-015", ref="PS3.18 8.6.1.2; RFC 2387 3.1", covers="DicomWeb.test_stow")
@pytest.mark.parametrize(
    "content_type",
    [
        f"{RELATED}; boundary=a-b",
        f'{RELATED}; boundary="a-b"',
        f"multipart/related; boundary=a-b; {RELATED.partition('; ')[2]}",
        "Multipart/Related; Type=application/dicom; Boundary=a-b",
    ],
    ids=["boundary", "quoted-boundary", "boundary-first", "other-case-and-no-quotes"],
)
def test_ways_to_write_the_content_type(web: DicomWeb, make: Maker, content_type: str) -> None:
    """Parameters can be quoted or not, in any order, and their names in any case."""
    sample = make.instance()
    body = multipart.build([sample.data], DICOM, boundary="a-b")

    web.stow_body(body, content_type=content_type, expect=200)

    assert instances(web) == [sample.sop_instance_uid]


@suite.case("STOW-016", ref="RFC 2046 5.1.1")
def test_preamble_and_epilogue(web: DicomWeb, make: Maker) -> None:
    """Text before the first delimiter and after the last one is ignored."""
    sample = make.instance()

    web.stow_body(b"before\r\n" + multipart.build([sample.data], DICOM) + b"after", expect=200)

    assert instances(web) == [sample.sop_instance_uid]


@suite.case("STOW-017", ref="RFC 2046 5.1.1")
def test_content_that_looks_like_a_delimiter(web: DicomWeb, make: Maker) -> None:
    """Dashes and empty lines in an object that are not a delimiter do not end it."""
    sample = make.instance(ImageComments="\r\n\r\n--\r\n--harness\r\n\r\n--harness--\r\n")

    web.stow([sample.data], expect=200)

    part = web.wado_part(instance_path(sample), transfer_syntax="*")
    assert part.dataset() == sample.dataset()


@suite.case("STOW-018", ref="RFC 9112 7.1", covers="DicomWeb.test_stow")
def test_body_without_a_length(web: DicomWeb, make: Maker) -> None:
    """A body sent in chunks, without a length, is stored completely."""
    sample = make.instance(rows=64, columns=64)
    body = multipart.build([sample.data], DICOM)

    chunks = (body[at : at + 1000] for at in range(0, len(body), 1000))
    web.stow_body(chunks, expect=200)

    part = web.wado_part(instance_path(sample), transfer_syntax="*")
    assert part.dataset() == sample.dataset()


@suite.case(
    "STOW-019",
    ref="PS3.18 8.7.3.5.2",
    covers="DicomWeb.test_stow_like_dcm4chee",
)
def test_part_that_names_its_transfer_syntax(web: DicomWeb, make: Maker) -> None:
    """A part can name its transfer syntax in its Content-Type."""
    sample = make.instance()
    body = multipart.build([sample.data], f"{DICOM};transfer-syntax={sample.transfer_syntax}")

    web.stow_body(body, expect=200)

    assert instances(web) == [sample.sop_instance_uid]


@suite.case("STOW-021", ref="RFC 2046 5.1.1; PS3.18 10.5.3.1, Table 10.5.3-1: 400")
@pytest.mark.parametrize("cut", [12, 24], ids=["half-of-it", "all-of-it"])
def test_body_without_its_last_delimiter(web: DicomWeb, make: Maker, cut: int) -> None:
    """A body without its final delimiter is incomplete: it is rejected with 400, and nothing is stored."""
    body = multipart.build([make.instance().data], DICOM)

    web.stow_body(body[:-cut], expect=400)

    assert instances(web) == []
