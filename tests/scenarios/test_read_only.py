"""A server that is restarted read-only: everything can be read, and nothing changes."""

from collections.abc import Callable

import pytest

from harness.cases import (
    DATABASES,
    SUCCESS,
    DicomWeb,
    Dimse,
    Maker,
    Rest,
    Sample,
    Stored,
    Story,
    Suite,
    configured,
    instance_uids,
    orthanc_ids,
    series_path,
    single,
    study_path,
    thorough,
    values,
)

suite = Suite(
    level="product",
    ref="Orthanc Book: configuration, ReadOnly",
    needs=("orthanc>=1.12.5", "rest", "server.configure", "server.restart"),
    thorough=True,
)
on_each_place = pytest.mark.parametrize(
    "place",
    [
        "files",
        *(pytest.param(each, marks=[configured(database=each), thorough()]) for each in DATABASES),
    ],
)
COVERED = "ReadOnly.test_readonly_pg"

REFUSED = tuple(range(400, 600))

Write = Callable[[Rest, Sample, Maker], object]


def _post(rest: Rest, path: str, body: object) -> None:
    rest.post(path, body, expect=REFUSED)


def _delete(level: str) -> Write:
    def write(rest: Rest, sample: Sample, _: Maker) -> object:
        return rest.delete(orthanc_ids(sample).path(level), expect=REFUSED)

    return write


WRITES: dict[str, Write] = {
    "upload": lambda rest, _, make: _post(rest, "/instances", make.instance(study="new").data),
    **{f"delete-{level}": _delete(level) for level in ("patient", "study", "series", "instance")},
    "metadata": lambda rest, sample, _: rest.put(
        f"{orthanc_ids(sample).path('study')}/metadata/1024", "x", expect=REFUSED
    ),
    "label": lambda rest, sample, _: rest.put(
        f"{orthanc_ids(sample).path('study')}/labels/new", expect=REFUSED
    ),
    "attachment": lambda rest, sample, _: rest.put(
        f"{orthanc_ids(sample).path('study')}/attachments/1024", b"x", expect=REFUSED
    ),
    "protection": lambda rest, sample, _: rest.put(
        f"{orthanc_ids(sample).path('patient')}/protected", "1", expect=REFUSED
    ),
    "modification": lambda rest, sample, _: _post(
        rest, f"{orthanc_ids(sample).path('study')}/modify", {"Replace": {"StudyDescription": "x"}}
    ),
}
"""Operations that must be refused, by name."""


@pytest.fixture
def study(story: Story, stored: Stored) -> tuple[Sample, ...]:
    """Store a study, and restart the server read-only."""
    objects = stored.study(series=2, instances=2, StudyDescription="Kept")
    story.end("SIGKILL")
    story.start(ReadOnly=True)
    return objects


Study = tuple[Sample, ...]


@suite.case("RONLY-001", thorough=False, covers=f"{COVERED}.test_write_methods_fail")
@on_each_place
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(write, id=name, marks=[] if name in ("upload", "delete-study") else thorough())
        for name, write in WRITES.items()
    ],
)
def test_change_is_refused(
    study: Study,
    rest: Rest,
    make: Maker,
    write: Write,
    place: str,
) -> None:
    """A change by REST is answered with an error, and has no effect."""
    before = rest.json("/statistics"), rest.json("/studies?expand"), rest.json("/patients?expand")

    write(rest, study[0], make)

    after = rest.json("/statistics"), rest.json("/studies?expand"), rest.json("/patients?expand")
    assert after == before
    for each in study:
        assert rest.get(f"{orthanc_ids(each).path('instance')}/file").content == each.data


@suite.case("RONLY-002", needs="dimse.store")
@on_each_place
def test_c_store_fails(
    study: Study,
    rest: Rest,
    dimse: Dimse,
    make: Maker,
    place: str,
) -> None:
    """A C-STORE is answered with a failure, and nothing is stored."""
    (status,) = dimse.store(make.instance(study="new"))

    assert status != SUCCESS
    assert len(rest.json("/instances")) == len(study)


@suite.case("RONLY-003", thorough=False, covers=f"{COVERED}.test_read_methods_succeed")
@on_each_place
def test_rest_is_read(study: Study, rest: Rest, place: str) -> None:
    """Tags, files, searches and statistics are available as usual."""
    assert rest.json("/statistics")["CountInstances"] == len(study)
    assert rest.find("Study", {"StudyDescription": "Kept"}) == [orthanc_ids(study[0]).study]
    for each in study:
        path = orthanc_ids(each).path("instance")
        assert rest.json(f"{path}/simplified-tags")["SOPInstanceUID"] == each.sop_instance_uid
        assert rest.get(f"{path}/file").content == each.data


@suite.case(
    "RONLY-004",
    covers=f"{COVERED}.test_read_methods_succeed",
    needs=("plugin.dicomweb>=1.18", "dicomweb.metadata"),
)
@on_each_place
def test_dicomweb_is_read(study: Study, web: DicomWeb, place: str) -> None:
    """DICOMweb metadata is returned, although the plugin cannot cache it."""
    for _ in range(2):
        assert len(web.metadata(study_path(study[0]))) == len(study)
        assert len(web.metadata(series_path(study[0]))) == 2


@suite.case("RONLY-005", needs=("dimse.find.study", "dimse.get.study"))
@on_each_place
def test_dicom_is_read(study: Study, dimse: Dimse, place: str) -> None:
    """C-FIND finds and C-GET retrieves what is stored."""
    uid = study[0].study_instance_uid

    found = single(dimse.find_studies(StudyInstanceUID=uid, StudyDescription=""), "study")
    got = dimse.get("STUDY", storage=[study[0].context], StudyInstanceUID=uid)

    assert values([found], "StudyDescription") == ["Kept"]
    assert values(got.datasets, "SOPInstanceUID") == instance_uids(study)
