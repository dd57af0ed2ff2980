"""Copying between places of different kinds: what arrives is the same, byte for byte."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from net.files import data_set, make
from net.peers import US, dcmqrscp
from web import services

from dcm.conf import Configuration
from dcm.data.header import scan
from dcm.filt import Filter, MultiFilter, UidFilter, make_edit_filter, make_reject_filter
from dcm.opening import Opener
from dcm.outcome import Outcome
from dcm.store.layout import Layout
from dcm.sync.compare import Comparison
from dcm.sync.manager import SyncManager
from dcm.sync.report import SyncReport
from harness.errors import ServerNotFound
from harness.servers.locate import find_orthanc

pytestmark = pytest.mark.timeout(120)

OPENER = Opener(Configuration("none"), US)
COUNT = 12
KINDS = ("folder", "node", "service", "tiny-pacs")


def sync(source: str, *destinations: str, opener: Opener = OPENER) -> SyncReport:
    """Copy everything, and verify it."""

    async def run() -> SyncReport:
        to = [opener.place(name, to_write=True) for name in destinations]
        async with SyncManager([opener.place(source)], to, verify=True) as manager:
            return await manager.sync()

    report = asyncio.run(run())
    assert report.complete, (report.failures, report.problems)
    return report


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of two studies, in a folder."""
    folder = tmp_path_factory.mktemp("files")
    for number in range(COUNT):
        make(folder, number, size=3000, study=f"1.2.3.{61 + number % 2}", series=number % 4)
    return folder


def _start(stack: ExitStack, kind: str, folder: Path) -> str:
    """Start an empty place of some kind; return its name."""
    if kind == "folder":
        return f"{folder}/"
    if kind == "node":
        return str(stack.enter_context(dcmqrscp(folder)))
    if kind == "tiny-pacs":
        pytest.importorskip("tiny_pacs_dicomweb")
        return stack.enter_context(services.tiny_pacs(folder))
    try:
        return stack.enter_context(services.orthanc(folder, find_orthanc()))
    except ServerNotFound as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module", params=[*KINDS, "zip"])
def source(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, files: Path
) -> Iterator[str]:
    """A place with the files."""
    folder = tmp_path_factory.mktemp("source") / request.param
    if request.param == "zip":
        yield shutil.make_archive(str(folder), "zip", files)
        return
    with ExitStack() as stack:
        name = _start(stack, request.param, folder)
        sync(str(files), name)
        yield name


@pytest.fixture(params=KINDS)
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty place."""
    with ExitStack() as stack:
        yield _start(stack, request.param, tmp_path / "destination")


def contents(folder: Path) -> dict[str, bytes]:
    """Return the data sets below a folder, by SOP Instance UID."""
    paths = [path for path in folder.rglob("*.dcm") if path.is_file()]
    found = {scan(path).sop_instance_uid: data_set(path) for path in paths}
    assert len(found) == len(paths)
    return found


def test_everything_arrives_once(
    source: str, destination: str, files: Path, tmp_path: Path
) -> None:
    """From every kind of place to every other; the second time there is nothing to copy."""
    report = sync(source, destination)
    [(_, counts)] = report.counts.items()
    assert counts == {Outcome.STORED: COUNT}
    [(_, again)] = sync(source, destination).counts.items()
    assert again == {Outcome.ALREADY_THERE: COUNT}
    sync(destination, f"{tmp_path}/back")
    assert contents(tmp_path / "back") == contents(files)


def test_folders_are_made_by_a_layout(files: Path, tmp_path: Path) -> None:
    """A template that is given, and the one that is used without."""
    given = OPENER.__class__(
        OPENER.known, US, layout=Layout("{StudyInstanceUID}/{SOPInstanceUID}.dcm")
    )
    sync(str(files), f"{tmp_path}/given", opener=given)
    sync(str(files), f"{tmp_path}/usual")
    sync(str(files), str(tmp_path / "inline") + ":{Modality}-{SOPInstanceUID}.dcm")
    for name, depth in (("given", 2), ("usual", 4), ("inline", 1)):
        folder = tmp_path / name
        assert contents(folder) == contents(files)
        depths = {len(path.relative_to(folder).parts) for path in folder.rglob("*.dcm")}
        assert depths == {depth}


def _edited(source: str, target: str, *filters: Filter) -> SyncReport:
    """Copy through filters, and verify."""

    async def run() -> SyncReport:
        comparison = Comparison(through=MultiFilter(filters))
        to = [OPENER.place(target, to_write=True)]
        manager = SyncManager([OPENER.place(source)], to, comparison=comparison, verify=True)
        async with manager:
            return await manager.sync()

    return asyncio.run(run())


def test_edited_data_compare_with_their_source(
    destination: str, files: Path, tmp_path: Path
) -> None:
    """With new UIDs and another patient, what is there is found again, and is not copied twice."""
    filters = (UidFilter(b"a key of 16 bytes"), make_edit_filter({"PatientID": "EDITED"}))
    for outcome in (Outcome.STORED, Outcome.ALREADY_THERE):
        report = _edited(str(files), destination, *filters)
        assert report.complete, (report.failures, report.problems)
        assert [*report.counts.values()] == [{outcome: COUNT}]
    sync(destination, f"{tmp_path}/back")
    paths = [*(tmp_path / "back").rglob("*.dcm")]
    headers = [scan(path) for path in paths]
    assert {header.text("PatientID") for header in headers} == {"EDITED"}
    old = {scan(path).sop_instance_uid for path in files.glob("*.dcm")}
    assert {filters[0].new(uid) for uid in old} == {each.sop_instance_uid for each in headers}


def test_what_is_rejected_is_not_missing(files: Path, tmp_path: Path) -> None:
    """By what a series says, and by what only the instances show."""
    by_series, by_instance = f"{tmp_path}/series", f"{tmp_path}/instance"
    last = scan(files / "00000.dcm").text("SeriesInstanceUID")
    report = _edited(str(files), by_series, make_reject_filter(f"SeriesInstanceUID == {last}"))
    assert report.complete
    of_it = {uid for uid in contents(files) if int(uid.rpartition(".")[2]) % 4 == 0}
    assert contents(Path(by_series)).keys() == contents(files).keys() - of_it
    rows = scan(files / "00000.dcm", ("Rows",)).text("Rows")
    report = _edited(str(files), by_instance, make_reject_filter(f"Rows == {rows}"))
    assert report.complete
    assert [*report.counts.values()] == [{Outcome.PASSED_OVER: COUNT}]
