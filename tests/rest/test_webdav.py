"""WebDAV: the folders of the virtual tree, their contents, uploads, deletions and errors (RFC 4918)."""

import io
import zipfile
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, unquote

import pytest

from harness.cases import (
    Maker,
    Rest,
    Sample,
    Stored,
    Suite,
    configured,
    header,
    orthanc_ids,
    single,
    wait_until,
    xml,
)

suite = Suite(level="product", needs="rest", ref="Orthanc Book: WebDAV")

FOLDERS = ("by-dates", "by-patients", "by-studies", "by-uids", "uploads")
DAV = "{DAV:}"


class Entry(NamedTuple):
    """One response of a PROPFIND."""

    path: str
    name: str
    is_folder: bool
    size: int | None


def propfind(rest: Rest, path: str, depth: str = "1") -> list[Entry]:
    """Return the result of a PROPFIND, the resource itself first; requires a multistatus."""
    answer = rest.request("PROPFIND", quote(path), headers={"Depth": depth}, expect=207)
    root = xml(answer)
    assert root.tag == f"{DAV}multistatus"

    def told() -> Iterator[Entry]:
        for each in root.findall(f"{DAV}response"):
            status = each.findtext(f"{DAV}propstat/{DAV}status") or ""
            assert status.split()[1:2] == ["200"]
            properties = each.find(f"{DAV}propstat/{DAV}prop")
            assert properties is not None
            size = properties.findtext(f"{DAV}getcontentlength")
            yield Entry(
                unquote(each.findtext(f"{DAV}href") or ""),
                properties.findtext(f"{DAV}displayname") or "",
                properties.find(f"{DAV}resourcetype/{DAV}collection") is not None,
                None if size is None else int(size),
            )

    return list(told())


def children(rest: Rest, path: str) -> list[Entry]:
    """Return the contents of a folder."""
    return propfind(rest, path)[1:]


def files_below(rest: Rest, path: str) -> list[tuple[str, int | None]]:
    """Return path and size of all DICOM files below a folder; the tree by UIDs also has JSON."""
    found: list[tuple[str, int | None]] = []
    for entry in children(rest, path):
        below = f"{path.rstrip('/')}/{entry.name}"
        if entry.is_folder:
            found += files_below(rest, below)
        elif not entry.name.endswith(".json"):
            found.append((below, entry.size))
    return found


# The tree


@suite.case("DAV-001", covers="Orthanc.test_webdav")
@pytest.mark.parametrize("path", ["/webdav", "/webdav/"])
def test_root_itself(rest: Rest, path: str) -> None:
    """With Depth 0, only the root itself is listed, as a folder with its name."""
    assert propfind(rest, path, "0") == [Entry("/webdav/", "webdav", is_folder=True, size=None)]


@suite.case("DAV-002", covers=("Orthanc.test_webdav", "WebDav.test_root"))
@pytest.mark.parametrize("path", ["/webdav", "/webdav/"])
def test_folders_of_the_root(rest: Rest, path: str) -> None:
    """With Depth 1, the root has the folders by dates, patients, studies and UIDs, and one for uploads."""
    found = children(rest, path)

    assert tuple(sorted(each.name for each in found)) == FOLDERS
    assert all(each.is_folder for each in found)
    assert {each.path.rstrip("/") for each in found} == {f"/webdav/{each}" for each in FOLDERS}


@suite.case("DAV-003", covers=("Orthanc.test_webdav", "WebDav.test_root"))
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("depth", ["0", "1"])
@pytest.mark.parametrize("end", ["", "/"], ids=["bare", "slash"])
def test_folder_of_an_empty_server(rest: Rest, folder: str, depth: str, end: str) -> None:
    """On an empty server, each folder lists only itself, with its name."""
    itself, *others = propfind(rest, f"/webdav/{folder}{end}", depth)

    assert (itself.path, itself.name, itself.is_folder) == (f"/webdav/{folder}/", folder, True)
    assert [each for each in others if not each.is_folder] == []
    assert folder == "uploads" or others == []


@suite.case("DAV-004", covers="Orthanc.test_webdav", ref="RFC 4918 9.1")
@pytest.mark.parametrize("depth", ["2", "infinity", "nope"])
def test_other_depths_are_refused(rest: Rest, depth: str) -> None:
    """A PROPFIND with a Depth other than 0 or 1 is rejected, and the next one is answered."""
    answer = rest.request("PROPFIND", "/webdav/", headers={"Depth": depth}, expect=None)

    assert answer.status_code in range(400, 600)
    assert len(children(rest, "/webdav/")) == len(FOLDERS)


@suite.case("DAV-005", ref="RFC 4918 9.1")
def test_unknown_folder_is_not_found(rest: Rest) -> None:
    """A folder that the root does not have is not found."""
    rest.request("PROPFIND", "/webdav/nope", headers={"Depth": "0"}, expect=404)
    rest.get("/webdav/nope", expect=404)


@suite.case("DAV-021")
@pytest.mark.parametrize("path", ["by-uids/nope", "by-patients/nope/nope", "by-dates/1900"])
def test_nothing_is_in_an_unknown_folder(rest: Rest, stored: Stored, path: str) -> None:
    """A folder for something unknown has no files, and none can be read from it."""
    stored.instance()

    answer = rest.request("PROPFIND", f"/webdav/{path}", headers={"Depth": "1"}, expect=(207, 404))

    assert b".dcm" not in answer.content
    rest.get(f"/webdav/{path}/file.dcm", expect=404)


@suite.case("DAV-006", ref="RFC 4918 10.1")
def test_options_name_webdav(rest: Rest) -> None:
    """OPTIONS returns the WebDAV class and the methods."""
    answer = rest.request("OPTIONS", "/webdav/")

    assert "1" in [each.strip() for each in header(answer, "DAV").split(",")]
    allowed = {each.strip() for each in header(answer, "Allow").split(",")}
    assert {"OPTIONS", "GET", "PROPFIND"} <= allowed


# The contents of the tree


@suite.case("DAV-007")
@pytest.mark.parametrize("folder", ["by-dates", "by-patients", "by-studies", "by-uids"])
def test_each_object_is_in_each_tree(rest: Rest, stored: Stored, folder: str) -> None:
    """Each object is in each tree once, with its size and its bytes."""
    samples = [
        *stored.study(PatientID="A", series=2, StudyDate="20240115"),
        *stored.study(PatientID="B", StudyDate="20231231"),
    ]

    files = files_below(rest, f"/webdav/{folder}")

    found = {rest.get(quote(path)).content: size for path, size in files}
    assert found == {each.data: len(each.data) for each in samples}
    assert len(files) == 3


@suite.case("DAV-008", covers="WebDav.test_by_uids")
def test_tree_by_uids(rest: Rest, stored: Stored) -> None:
    """The tree by UIDs has studies, series and instances under their DICOM UIDs."""
    sample = stored.instance()

    [(path, _)] = files_below(rest, "/webdav/by-uids")

    *folders, name = path.removeprefix("/webdav/by-uids/").split("/")
    assert folders == [sample.study_instance_uid, sample.series_instance_uid]
    assert name == f"{sample.sop_instance_uid}.dcm"


@suite.case("DAV-009")
def test_tree_by_dates(rest: Rest, stored: Stored) -> None:
    """The tree by dates has years, and months below them."""
    for patient, date in (("A", "20240115"), ("B", "20240301"), ("C", "20231231")):
        stored.instance(PatientID=patient, StudyDate=date)

    years = {each.name for each in children(rest, "/webdav/by-dates")}
    months = {each.name for each in children(rest, "/webdav/by-dates/2024")}

    assert years == {"2023", "2024"}
    assert months == {"2024-01", "2024-03"}


@suite.case("DAV-010")
def test_tree_by_patients(rest: Rest, stored: Stored) -> None:
    """The tree by patients has a folder for each patient, with identifier and name."""
    # Unique identifiers: the server remembers the name of a deleted patient.
    stored.instance(PatientID="Tree-A", PatientName="Muller^Anna")
    stored.instance(PatientID="Tree-B", PatientName="Mulder^Bob")

    names = sorted(each.name for each in children(rest, "/webdav/by-patients"))

    assert names == ["Tree-A - Muller^Anna", "Tree-B - Mulder^Bob"]


@suite.case("DAV-011")
def test_head_of_a_file(rest: Rest, stored: Stored) -> None:
    """GET of a folder does not return a file, and repeated GETs of a file return the same."""
    sample = stored.instance()
    [(path, _)] = files_below(rest, "/webdav/by-uids")

    answers = [rest.get(quote(path)).content for _ in range(2)]

    assert answers == [sample.data, sample.data]
    assert rest.get(quote(path.rpartition("/")[0]), expect=None).status_code in range(300, 500)


# Uploads


def arrived(rest: Rest, *samples: Sample) -> None:
    """Wait until these objects are stored."""
    expected = sorted(orthanc_ids(each).instance for each in samples)
    wait_until(lambda: sorted(rest.json("/instances")) == expected, what="the uploaded objects")


@suite.case("DAV-012", covers=("Orthanc.test_webdav", "WebDav.test_upload"))
@pytest.mark.parametrize("name", ["dummy", "file.dcm", "two words.dcm"])
def test_upload(rest: Rest, make: Maker, name: str) -> None:
    """A file that is put into `uploads` is stored unchanged."""
    sample = make.instance()

    rest.put(quote(f"/webdav/uploads/{name}"), sample.data, expect=(200, 201))

    arrived(rest, sample)
    assert rest.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data


@suite.case("DAV-013", ref="RFC 4918 9.3", covers="WebDav.test_upload_folders")
def test_upload_into_a_new_folder(rest: Rest, make: Maker) -> None:
    """A folder can be created in `uploads`, and files put into it are stored."""
    one, two = make.study(instances=2)

    rest.request("MKCOL", "/webdav/uploads/new", expect=(200, 201))
    for name, sample in (("1.dcm", one), ("2.dcm", two)):
        rest.put(f"/webdav/uploads/new/{name}", sample.data, expect=(200, 201))

    arrived(rest, one, two)


@suite.case("DAV-014")
def test_upload_of_something_else(rest: Rest, make: Maker) -> None:
    """A file that is not DICOM is not stored, and does not prevent the next one from being stored."""
    sample = make.instance()

    rest.put("/webdav/uploads/nope", b"nope", expect=None)
    rest.put("/webdav/uploads/right", sample.data, expect=(200, 201))

    arrived(rest, sample)


@suite.case("DAV-015")
@pytest.mark.parametrize(
    "folder", ["", "by-uids/", "by-patients/"], ids=["root", "uids", "patients"]
)
def test_nothing_is_put_elsewhere(rest: Rest, make: Maker, folder: str) -> None:
    """A file cannot be put into a folder other than `uploads`."""
    answer = rest.put(f"/webdav/{folder}file.dcm", make.instance().data, expect=None)

    assert answer.status_code in range(400, 600)
    assert rest.json("/instances") == []


@suite.case("DAV-016", ref="Orthanc Book: configuration, WebDavUploadAllowed")
@configured(WebDavUploadAllowed=False)
def test_uploads_can_be_forbidden(rest: Rest, make: Maker) -> None:
    """Without WebDavUploadAllowed there is no folder for uploads, and nothing is stored."""
    answer = rest.put("/webdav/uploads/file.dcm", make.instance().data, expect=None)

    assert answer.status_code in range(400, 600)
    assert "uploads" not in [each.name for each in children(rest, "/webdav/")]
    assert rest.json("/instances") == []


# Deletions


@suite.case("DAV-017")
@pytest.mark.parametrize("folder", ["by-uids", "by-dates", "by-patients", "by-studies"])
def test_file_is_deleted(rest: Rest, stored: Stored, folder: str) -> None:
    """Deleting a file deletes this object, and no other."""
    one, two = stored.study(instances=2)
    paths = [path for path, _ in files_below(rest, f"/webdav/{folder}")]
    doomed = single([each for each in paths if rest.get(quote(each)).content == one.data], "file")

    rest.delete(quote(doomed), expect=(200, 204))

    assert rest.json("/instances") == [orthanc_ids(two).instance]


@suite.case("DAV-018", covers="WebDav.test_delete_folder")
def test_folder_is_deleted(rest: Rest, stored: Stored) -> None:
    """Deleting the folder of a study deletes all its objects, and no others."""
    doomed = stored.study(PatientID="A", series=2, instances=2)[0]
    kept = stored.instance(PatientID="B")

    rest.delete(f"/webdav/by-uids/{doomed.study_instance_uid}", expect=(200, 204))

    assert rest.json("/studies") == [orthanc_ids(kept).study]
    assert rest.json("/instances") == [orthanc_ids(kept).instance]


@suite.case("DAV-019", ref="Orthanc Book: configuration, WebDavDeleteAllowed")
@configured(WebDavDeleteAllowed=False)
def test_deletions_can_be_forbidden(rest: Rest, stored: Stored) -> None:
    """Without WebDavDeleteAllowed nothing is deleted."""
    sample = stored.instance()

    answer = rest.delete(f"/webdav/by-uids/{sample.study_instance_uid}", expect=None)

    assert answer.status_code in range(400, 600)
    assert rest.json("/instances") == [orthanc_ids(sample).instance]


@suite.case("DAV-020", ref="Orthanc Book: configuration, WebDavEnabled")
@configured(WebDavEnabled=False)
@pytest.mark.parametrize("method", ["PROPFIND", "GET", "PUT", "DELETE"])
def test_webdav_can_be_off(rest: Rest, method: str) -> None:
    """Without WebDavEnabled there is no WebDAV."""
    answer = rest.request(method, "/webdav/", headers={"Depth": "0"}, expect=None)

    assert answer.status_code in range(400, 600)


# Trees whose names describe their contents

NAMES = {"PatientID": "Named", "PatientName": "Doe^Jane", "StudyDate": "20240115",
         "StudyDescription": "Knee", "SeriesDescription": "Axial"}  # fmt: skip
STUDY, SERIES = "20240115 - Knee", "CT - Axial"
TREES = {
    "by-patients": ("Named - Doe^Jane", STUDY, SERIES),
    "by-studies": ("Named - Doe^Jane - Knee", SERIES),
    "by-dates": ("2024", "2024-01", "Named - Doe^Jane - Knee", SERIES),
}


@suite.case(
    "DAV-022",
    covers=("WebDav.test_by_patients", "WebDav.test_by_studies", "WebDav.test_by_dates"),
)
@pytest.mark.parametrize("tree", TREES)
def test_names_of_the_folders(rest: Rest, stored: Stored, tree: str) -> None:
    """Each folder is named after its contents, and each file after its identifier in the REST API."""
    sample = stored.instance(**NAMES)

    path, size = single(files_below(rest, f"/webdav/{tree}"), "file")

    assert tuple(path.split("/")[3:]) == (*TREES[tree], f"{orthanc_ids(sample).instance}.dcm")
    assert size == len(sample.data)


@suite.case("DAV-023", covers="WebDav.test_by_uids")
def test_json_beside_the_files(rest: Rest, stored: Stored) -> None:
    """Next to the files are two JSON files with the UIDs of study and series, with correct size and type."""
    sample = stored.instance()
    study = f"/webdav/by-uids/{sample.study_instance_uid}"
    series = f"{study}/{sample.series_instance_uid}"

    for folder, name, uid in (
        (study, "study.json", ("StudyInstanceUID", sample.study_instance_uid)),
        (series, "series.json", ("SeriesInstanceUID", sample.series_instance_uid)),
    ):
        entry = single([each for each in children(rest, folder) if each.name == name], name)
        answer = rest.get(f"{folder}/{name}")
        assert len(answer.content) == entry.size
        assert header(answer, "Content-Type").partition(";")[0] == "application/json"
        assert answer.json()["MainDicomTags"][uid[0]] == uid[1]
    file = rest.get(f"{series}/{sample.sop_instance_uid}.dcm")
    assert header(file, "Content-Type") == "application/dicom"


@suite.case("DAV-024", covers=("WebDav.test_by_uids", "WebDav.test_delete_folder"))
def test_json_cannot_be_deleted(rest: Rest, stored: Stored) -> None:
    """Deleting a JSON file, which is only a description, deletes nothing."""
    sample = stored.instance()
    study = f"/webdav/by-uids/{sample.study_instance_uid}"

    for path in (f"{study}/study.json", f"{study}/{sample.series_instance_uid}/series.json"):
        rest.delete(path, expect=None)
        assert rest.get(path).content

    assert rest.json("/instances") == [orthanc_ids(sample).instance]


@suite.case("DAV-025", covers="WebDav.test_root")
@pytest.mark.parametrize("path", ["nope", "by-uids"])
def test_what_is_no_content_cannot_be_deleted(rest: Rest, stored: Stored, path: str) -> None:
    """Neither the tree by UIDs as a whole nor a folder that does not exist can be deleted."""
    sample = stored.instance()

    assert rest.delete(f"/webdav/{path}", expect=None).status_code in range(400, 600)

    assert rest.json("/instances") == [orthanc_ids(sample).instance]
    assert tuple(sorted(each.name for each in children(rest, "/webdav/"))) == FOLDERS


@suite.case(
    "DAV-026",
    covers=(
        "WebDav.test_delete_folder",
        "WebDav.test_by_patients",
        "WebDav.test_by_studies",
        "WebDav.test_by_dates",
    ),
)
@pytest.mark.parametrize(
    ("tree", "depth"),
    [(tree, depth) for tree, names in TREES.items() for depth in range(1, len(names) + 1)],
    ids=str,
)
def test_any_folder_can_be_deleted(rest: Rest, stored: Stored, tree: str, depth: int) -> None:
    """Deleting a folder at any depth deletes its contents from all trees, and nothing else."""
    stored.study(instances=2, **NAMES)
    others = stored.instance(PatientID="Other", StudyDate="20231231")
    kept = [orthanc_ids(others).instance]

    folder = "/".join((tree, *TREES[tree][:depth]))
    rest.delete(quote(f"/webdav/{folder}"), expect=(200, 204))

    assert rest.json("/instances") == kept
    for each in ("by-dates", "by-patients", "by-studies", "by-uids"):
        assert len(files_below(rest, f"/webdav/{each}")) == 1


@suite.case("DAV-027", covers="WebDav.test_upload_zip", needs="orthanc>=1.8.2")
def test_upload_of_a_zip(rest: Rest, make: Maker) -> None:
    """The DICOM files of a ZIP put into `uploads` are each stored once, and the rest is ignored."""
    one, two = make.study(instances=2)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("hello.txt", "Hello")
        for name, sample in (("one", one), ("again", one), ("folder/two", two)):
            written.writestr(name, sample.data)

    rest.put("/webdav/uploads/archive.zip", archive.getvalue(), expect=(200, 201))

    arrived(rest, one, two)
