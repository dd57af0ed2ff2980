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
from dcm.opening import Opener
from dcm.outcome import Outcome
from dcm.store.layout import Layout
from dcm.sync.manager import SyncManager, SyncReport
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
