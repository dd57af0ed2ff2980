"""ZIP archives: their objects, byte for byte, the names of these, and what is rejected."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from harness.cases import (
    OUT_OF_RANGE,
    Maker,
    Rest,
    Sample,
    Stored,
    Suite,
    entries_of,
    error_of,
    header,
    orthanc_ids,
    single,
)

suite = Suite(level="product", needs="rest", ref="Orthanc REST API: GET /studies/{id}/archive")

LEVELS = ("patients", "studies", "series")
UNKNOWN = "-".join(["0" * 8] * 5)
"""An identifier that no resource has."""
NAMED: dict[str, Any] = {
    "PatientID": "ID-1",
    "PatientName": "Anna^One",
    "StudyDescription": "Größe/a",
    "SeriesDescription": "T2 (axial)",
    "AccessionNumber": "A1",
    "SeriesNumber": 7,
}
"""Elements used in the names of an archive, with a slash and non-ASCII letters."""


def assert_holds(entries: Mapping[str, bytes], samples: Iterable[Sample]) -> None:
    """Assert that an archive has each sample once, byte for byte, under any name."""
    assert sorted(entries.values()) == sorted(each.data for each in samples)


@suite.case("ARC-001", covers="Orthanc.test_archive")
@pytest.mark.parametrize("level", LEVELS)
def test_archive_has_every_byte(rest: Rest, stored: Stored, level: str) -> None:
    """The archive of a resource has the files of its instances, unchanged, and no others."""
    samples = stored.study(series=2, instances=2, PatientID="ID-1")
    stored.study(instances=1, PatientID="ID-2")

    answer = rest.get(f"{orthanc_ids(samples[0]).path(level)}/archive")

    within = samples[:2] if level == "series" else samples
    assert_holds(entries_of(answer), within)


@suite.case("ARC-002", covers="Orthanc.test_archive")
@pytest.mark.parametrize("level", LEVELS)
def test_archive_calls_itself_zip(rest: Rest, stored: Stored, level: str) -> None:
    """An archive is application/zip, and its file name is the identifier of the resource."""
    ids = orthanc_ids(stored.instance())

    answer = rest.get(f"{ids.path(level)}/archive")

    assert header(answer, "Content-Type") == "application/zip"
    assert header(answer, "Content-Disposition") == f'filename="{ids.at(level)}.zip"'


@suite.case("ARC-003", covers="Orthanc.test_archive")
@pytest.mark.parametrize(
    "body", [{}, {"Synchronous": True}, {"Asynchronous": False}], ids=["empty", "sync", "not-async"]
)
@pytest.mark.parametrize("level", LEVELS)
def test_archive_by_post(rest: Rest, stored: Stored, level: str, body: dict[str, bool]) -> None:
    """An archive requested by POST is returned in the answer, with the same files."""
    samples = stored.study(series=2)
    path = f"{orthanc_ids(samples[0]).path(level)}/archive"

    entries = entries_of(rest.post(path, body))

    assert_holds(entries, samples[:1] if level == "series" else samples)


@suite.case("ARC-004", covers="Orthanc.test_archive")
@pytest.mark.parametrize(
    "name", ["p01", "p05", "p07", "p09-rle-gray", "p12-jpeg-2000", "h03-sr", "t01-un", "c11", "x02"]
)
def test_archive_of_any_object(rest: Rest, stored: Stored, name: str) -> None:
    """An object of any transfer syntax, class and character set is in the archive byte for byte."""
    sample = stored.sample(name)

    entries = entries_of(rest.get(f"{orthanc_ids(sample).path('study')}/archive"))

    assert single(entries.values(), "entry") == sample.data


@suite.case("ARC-005", covers="Orthanc.test_archive", needs="orthanc>=1.13.0")
def test_names_in_an_archive(rest: Rest, stored: Stored) -> None:
    """Folders are named after patient, study and series, parts joined by dashes; in ASCII without Utf8."""
    samples = stored.study(series=2, instances=2, **NAMED)

    entries = entries_of(rest.get(f"{orthanc_ids(samples[0]).path('study')}/archive"))

    study = "ID-1 - Anna^One/A1 - Gre a"
    series = ("7 - CT - T2 (axial)", "7 - CT - T2 (axial)-2")
    assert set(entries) == {
        f"{study}/{folder}/CT{number:06}.dcm" for folder in series for number in (1, 2)
    }


@suite.case("ARC-006", covers="Orthanc.test_archive_utf8", needs="orthanc>=1.13.0")
@pytest.mark.parametrize(
    ("body", "study"),
    [
        ({"Utf8": True}, "A1 - Größe a"),
        ({"Utf8": False}, "A1 - Gre a"),
        ({}, "A1 - Gre a"),
    ],
    ids=["utf8", "ascii", "default"],
)
def test_names_in_utf_8(rest: Rest, stored: Stored, body: dict[str, bool], study: str) -> None:
    """With Utf8 the names have non-ASCII letters; without it, these are left out."""
    ids = orthanc_ids(stored.instance(**NAMED))

    answer = rest.post("/tools/create-archive", {"Resources": [ids.instance], **body})

    assert single(entries_of(answer)).split("/")[1] == study


@suite.case("ARC-007", covers="Orthanc.test_archive")
@pytest.mark.parametrize(
    "description",
    ["../../up", "a/b\\c", "C:\\Windows", "..", " ", "x" * 64, "Größe", "tab\tand\x7f"],
)
def test_names_stay_within_the_archive(rest: Rest, stored: Stored, description: str) -> None:
    """Whatever a description contains, an entry is three folders deep, and its name leads nowhere else."""
    sample = stored.instance(StudyDescription=description, SeriesDescription=description)

    entries = entries_of(rest.get(f"{orthanc_ids(sample).path('patient')}/archive"))

    parts = single(entries, "entry").split("/")
    assert len(parts) == 4
    assert not {"", ".", ".."} & set(parts)
    assert not any(set(part) & set("\\:\t\x7f") for part in parts)


@suite.case(
    "ARC-008",
    covers="Orthanc.test_archive_with_patient_ids_collision",
    needs="orthanc>=1.13.0",
)
@pytest.mark.parametrize("name", ["HELLO", "WORLD"])
def test_folder_of_the_patient_has_the_name_of_the_study(
    rest: Rest, make: Maker, stored: Stored, name: str
) -> None:
    """If two studies of a Patient ID have different names, each archive has its own name."""
    collide(make, stored)
    asked = bare(make, name)

    entries = entries_of(rest.get(f"{orthanc_ids(asked).path('study')}/archive"))

    assert entries == {f"COMMON - {name}/{name}^SERIES/Unknown Series/00000000.dcm": asked.data}


def bare(make: Maker, name: str) -> Sample:
    """Return an object of the patient COMMON with no attributes used in names, except its study."""
    return make.instance(
        PatientID="COMMON",
        PatientName=name,
        study=name,
        StudyDescription=f"{name}^SERIES",
        pixels=False,
        Modality="",
        AccessionNumber="",
        SeriesDescription="",
        SeriesNumber=None,
        InstanceNumber=None,
    )


def collide(make: Maker, stored: Stored) -> tuple[Sample, ...]:
    """Store one object for each of two studies with the same Patient ID but different patient names."""
    return stored.these(bare(make, "HELLO"), bare(make, "WORLD"))


@suite.case("ARC-009", covers="Orthanc.test_archive_with_patient_ids_collision")
def test_patient_with_two_names_has_both_studies(rest: Rest, make: Maker, stored: Stored) -> None:
    """The archive of a patient has the objects of all studies with its Patient ID."""
    samples = collide(make, stored)

    entries = entries_of(rest.get(f"{orthanc_ids(samples[0]).path('patient')}/archive"))

    assert_holds(entries, samples)


@suite.case("ARC-010", covers="Orthanc.test_archive")
def test_equal_names_do_not_collide(rest: Rest, make: Maker, stored: Stored) -> None:
    """Studies, series and instances with equal names are all in the archive."""
    same: dict[str, Any] = {"PatientID": "ID-1", "AccessionNumber": "A", "StudyDescription": "S"}
    samples = stored.these(
        *(
            make.instance(study=study, series=series, number=number, **same, InstanceNumber=1)
            for study in ("1", "2")
            for series in ("1", "2")
            for number in (1, 2)
        )
    )

    entries = entries_of(rest.get(f"{orthanc_ids(samples[0]).path('patient')}/archive"))

    assert_holds(entries, samples)


@suite.case("ARC-011", covers="Orthanc.test_batch_archive")
@pytest.mark.parametrize("form", ["list", "object"])
@pytest.mark.parametrize("chosen", ["nothing", "patient", "overlapping", "mixed"])
def test_archive_of_several_resources(rest: Rest, stored: Stored, chosen: str, form: str) -> None:
    """An archive of several resources of any level has each instance once."""
    first = stored.study(series=2, instances=2, PatientID="ID-1")
    second = stored.study(series=2, instances=2, PatientID="ID-2")
    one, other, last = (orthanc_ids(each) for each in (first[0], second[0], second[3]))
    resources, samples = {
        "nothing": ([], ()),
        "patient": ([one.patient], first),
        "overlapping": ([one.patient, one.study, one.instance, other.series], first + second[:2]),
        "mixed": ([one.patient, other.series, last.instance], (*first, *second[:2], second[3])),
    }[chosen]

    answer = rest.post(
        "/tools/create-archive", resources if form == "list" else {"Resources": resources}
    )

    assert_holds(entries_of(answer), samples)


@suite.case("ARC-012", covers="Orthanc.test_batch_archive", needs="orthanc>=1.12.2")
def test_archive_of_several_resources_by_get(rest: Rest, stored: Stored) -> None:
    """The resources of an archive can be given in the URL, separated by commas."""
    first = stored.study(instances=2, PatientID="ID-1")
    second = stored.study(instances=2, PatientID="ID-2")
    resources = f"{orthanc_ids(first[0]).study},{orthanc_ids(second[1]).instance}"

    answer = rest.get(f"/tools/create-archive?resources={resources}")

    assert_holds(entries_of(answer), (*first, second[1]))


@suite.case("ARC-013")
@pytest.mark.parametrize("route", ["create-archive", "create-media", "create-media-extended"])
@pytest.mark.parametrize("place", ["first", "last"])
def test_unknown_resource_is_refused(rest: Rest, stored: Stored, route: str, place: str) -> None:
    """An archive of resources, one of which does not exist, is rejected as a whole with 404."""
    known = orthanc_ids(stored.instance()).study
    resources = [UNKNOWN, known] if place == "first" else [known, UNKNOWN]

    status, code = error_of(rest.post(f"/tools/{route}", resources, expect=None))

    assert status == 404
    assert code in {7, 17}  # InexistentItem; until 1.11 UnknownResource
    assert len(entries_of(rest.post("/tools/create-archive", [known]))) == 1


@suite.case("ARC-014")
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["archive", "media"])
def test_archive_of_an_unknown_resource(rest: Rest, level: str, kind: str) -> None:
    """The archive of a resource that does not exist is answered with 404."""
    status, code = error_of(rest.get(f"/{level}/{UNKNOWN}/{kind}", expect=None))

    assert status == 404
    assert code in {7, 17}


@suite.case("ARC-015")
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'"text"', {}, {"Resources": "text"}, [1]],
    ids=["empty", "broken", "text", "nothing-named", "no-list", "number"],
)
def test_malformed_request_is_refused(rest: Rest, body: object) -> None:
    """A body that is not a list of resources is rejected with 400, and the server still answers."""
    status, _ = error_of(rest.post("/tools/create-archive", body, expect=None))

    assert status == 400
    assert entries_of(rest.post("/tools/create-archive", [])) == {}


@suite.case("ARC-016")
def test_instance_has_no_archive(rest: Rest, stored: Stored) -> None:
    """A single instance has no archive (404), only a file."""
    path = orthanc_ids(stored.instance()).path("instance")

    rest.get(f"{path}/archive", expect=404)


@suite.case("ARC-017", covers="Orthanc.test_content_disposition", needs="orthanc>=1.12.7")
@pytest.mark.parametrize("kind", ["archive", "media"])
@pytest.mark.parametrize("level", LEVELS)
def test_file_name_on_demand(rest: Rest, stored: Stored, level: str, kind: str) -> None:
    """The file name of a download is the one given in the URL."""
    path = f"{orthanc_ids(stored.instance()).path(level)}/{kind}"

    answer = rest.get(f"{path}?filename=toto.zip")

    assert header(answer, "Content-Disposition") == 'filename="toto.zip"'
    assert entries_of(answer)


@suite.case(
    "ARC-018",
    ref="RFC 9110 5.5; Orthanc: release notes of 1.12.11",
    covers="Orthanc.test_content_disposition",
    needs="orthanc>=1.12.7",
)
@pytest.mark.parametrize(
    "name",
    [
        "%22toto%22.zip",
        "toto%0d%0aSet-Cookie:%20evil=1",
        "toto%0aSet-Cookie:evil=1",
        "to%22%0d%0ato",
    ],
    ids=["quotes", "crlf", "lf", "both"],
)
def test_file_name_adds_no_header(rest: Rest, stored: Stored, name: str) -> None:
    """Quotes and line breaks in the name of a download terminate neither the name nor the header."""
    path = f"{orthanc_ids(stored.instance()).path('study')}/archive"

    answer = rest.get(f"{path}?filename={name}")

    assert "Set-Cookie" not in answer.headers
    value = header(answer, "Content-Disposition")
    assert value.startswith('filename="')
    assert value.endswith('"')
    assert '"' not in value.removeprefix('filename="')[:-1]


@suite.case("ARC-019")
def test_archive_leaves_nothing_behind(rest: Rest, stored: Stored) -> None:
    """Creating archives changes nothing in the server, and the same request has the same answer."""
    sample = stored.study(series=2)[0]
    path = f"{orthanc_ids(sample).path('study')}/archive"
    before = rest.json("/statistics")

    first, second = (entries_of(rest.get(path)) for _ in range(2))

    assert first == second
    assert rest.json("/statistics") == before


@suite.case(
    "ARC-020", covers="Orthanc.test_archive", ref="Orthanc configuration: StorageCompression"
)
def test_compressed_attachments_are_unpacked(rest: Rest, stored: Stored) -> None:
    """A file that the server stores compressed is in the archive as it was uploaded."""
    sample = stored.instance()
    ids = orthanc_ids(sample)
    rest.post(f"{ids.path('instance')}/attachments/dicom/compress")

    entries = entries_of(rest.get(f"{ids.path('study')}/archive"))

    assert single(entries.values(), "entry") == sample.data
    assert rest.get(f"{ids.path('instance')}/attachments/dicom/is-compressed").text == "1"


@suite.case("ARC-021", covers="Orthanc.test_archive_transcode")
@pytest.mark.parametrize("kind", ["archive", "media"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_transfer_syntax_is_refused(
    rest: Rest, stored: Stored, kind: str, method: str
) -> None:
    """An archive in an unknown transfer syntax is rejected as out of range, and none is created."""
    path = f"{orthanc_ids(stored.instance()).path('study')}/{kind}"

    if method == "GET":
        answer = rest.get(f"{path}?transcode=nope", expect=None)
    else:
        answer = rest.post(path, {"Transcode": "nope"}, expect=None)

    assert error_of(answer) == (400, OUT_OF_RANGE)
    assert entries_of(rest.get(path))
