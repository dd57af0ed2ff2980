"""Predicted destinations of an archive's objects, and objects sent along routes without a spool."""

import asyncio
from pathlib import Path

import pytest
from net.files import make
from pydicom import dcmread

from dcm.cli import main
from dcm.data.levels import Level
from dcm.filt import make_edit_filter, read_selector
from dcm.net import DcmNode, LocalEntity, Remote, TimeLimits
from dcm.outcome import InstanceResult, Outcome
from dcm.route.router import Router
from dcm.route.routes import SelectorDestMap, StaticRoute
from dcm.store.directory import Directory
from dcm.store.node import NodePlace


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three studies: CT, MR of a head, MR of another part."""
    folder = tmp_path / "source"
    folder.mkdir()
    number = 0
    for study, modality, part in ((1, "CT", "HEAD"), (2, "MR", "HEAD"), (3, "MR", "KNEE")):
        for _ in range(2):
            number += 1
            path = make(folder, number, size=200, study=f"1.2.55.{study}")
            image = dcmread(path)
            image.Modality, image.BodyPartExamined = modality, part
            image.PatientID = f"P{study}"
            image.save_as(path)
    return folder


def by_part(level: Level = Level.STUDY) -> Router:
    """Heads go to one destination, everything else to another."""
    selectors = SelectorDestMap(
        ((read_selector("BodyPartExamined == HEAD"), ("heads",)),), ("rest",)
    )
    return Router([selectors.get_dynamic_route("by_part", level)])


def found(source: NodePlace | Directory, router: Router) -> dict[tuple[str, ...], set[str]]:
    """Return the studies by their destinations."""

    async def ask() -> dict[tuple[str, ...], set[str]]:
        async with source:
            routed = await router.pre_route(source, {"PatientID": "P*"})
        return {each.destinations: {path[1] for path in each.what.paths()} for each in routed}

    return asyncio.run(ask())


@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES, Level.IMAGE])
def test_folder_is_routed_beforehand(source: Path, level: Level) -> None:
    """An image is read if the index lacks the element."""
    heads = {"1.2.55.1", "1.2.55.2"}
    assert found(Directory(source), by_part(level)) == {("heads",): heads, ("rest",): {"1.2.55.3"}}


def test_archive_is_routed_beforehand(source: Path, orthanc_node: DcmNode) -> None:
    """Orthanc is queried for the patient; for a study's body part, an image is fetched."""
    assert main(["store", str(orthanc_node), str(source), "--quiet"]) == 0
    place = NodePlace(LocalEntity("ME"), Remote.at(orthanc_node, TimeLimits()))
    heads = {"1.2.55.1", "1.2.55.2"}
    assert found(place, by_part()) == {("heads",): heads, ("rest",): {"1.2.55.3"}}
    patient = SelectorDestMap(((read_selector("PatientID == P1"), ("one",)),))
    router = Router([patient.get_dynamic_route("patients", Level.STUDY)])
    assert found(place, router) == {("one",): {"1.2.55.1"}, (): {"1.2.55.2", "1.2.55.3"}}


def test_instances_go_along_routes(source: Path, tmp_path: Path) -> None:
    """Each to its destinations, edited on the way; objects without a route are reported."""
    for name in ("heads", "backup"):
        (tmp_path / name).mkdir()
    places = {name: Directory(tmp_path / name) for name in ("heads", "backup")}
    paths = sorted(source.iterdir())
    outcomes: list[tuple[str, Outcome]] = []

    def told(name: str, result: InstanceResult) -> None:
        outcomes.append((name, result.outcome))

    async def send() -> list[tuple[str, ...]]:
        selectors = SelectorDestMap(((read_selector("Modality == MR"), ("heads",)),), ())
        only = StaticRoute("all", ("backup",), filt=read_selector("PatientID != P3"))
        router = Router([selectors.get_dynamic_route("mr", Level.IMAGE), only])
        through = make_edit_filter({"PatientID": "ANON", "Modality": "OT"})
        async with router.route(places, told, through=through) as queue:
            return [await queue.put(path) for path in paths]

    chosen = asyncio.run(send())
    assert chosen == [("backup",)] * 2 + [("heads", "backup")] * 2 + [("heads",)] * 2
    kept = {
        name: sorted(str(dcmread(path).SOPInstanceUID) for path in (tmp_path / name).glob("*.dcm"))
        for name in places
    }
    assert kept["heads"] == [
        f"1.2.55.{study}.3.{number}" for study, number in ((2, 3), (2, 4), (3, 5), (3, 6))
    ]
    assert len(kept["backup"]) == 4
    assert all(dcmread(path).PatientID == "ANON" for path in (tmp_path / "heads").glob("*.dcm"))
    assert outcomes.count(("heads", Outcome.STORED)) == 4


def test_what_goes_nowhere_is_told(source: Path) -> None:
    """The report has the reason."""
    results: list[InstanceResult] = []
    path = next(iter(source.iterdir()))

    async def send() -> None:
        router = Router([StaticRoute("none", ("a",), filt=read_selector("Modality == XX"))])
        async with router.route({}, lambda _, result: results.append(result)) as queue:
            assert await queue.put(path) == ()

    asyncio.run(send())
    [result] = results
    assert result.outcome is Outcome.PASSED_OVER
    assert "the filter of the route none" in result.words
