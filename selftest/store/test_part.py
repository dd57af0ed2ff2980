"""A part of a place (`[remote_repos.NAME]`): what its base query matches is found and copied."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from store.objects import in_loop, instance, write

from dcm.conf import Configuration
from dcm.data.header import scan
from dcm.data.levels import Level
from dcm.net.remote import Listen
from dcm.opening import NotAPlace, Opener
from dcm.outcome import Outcome
from dcm.sinks import Folder
from dcm.store.part import OutsidePart, Part
from dcm.store.place import Ability, CannotDo, Place
from dcm.sync import SamePlace, sync

TEXT = """
[local_dirs.all]
path = "all"
[remote_repos.trial]
remote = "all"
base_query = { StudyDescription = "TRIAL*" }
[remote_repos.inner]
remote = "trial"
base_query = { Modality = "CT" }
"""
INSIDE = {f"1.2.3.{number}.3" for number in (0, 2, 4)}


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    """Six studies in a folder, every second one of a trial, and a configuration for that part."""
    for number in range(6):
        described = "TRIAL A" if number % 2 == 0 else "ROUTINE"
        write(tmp_path / "all" / f"{number}.dcm", instance(number, StudyDescription=described))
    path = tmp_path / "dcm.toml"
    path.write_text(TEXT)
    return Opener(Configuration.read(str(path)), Listen(port=0))


async def found(place: Place, **query: str) -> set[str]:
    """Return the SOP Instance UIDs that a query finds."""
    async with place:
        pieces = [piece async for piece in place.queries(query, level=Level.IMAGE)]
    return {str(node.answer["SOPInstanceUID"]) for piece in pieces for node in piece.members()}


@in_loop
async def test_queries_find_the_part(opener: Opener) -> None:
    """With the caller's own keys and without."""
    assert await found(opener.place("trial")) == INSIDE
    assert await found(opener.place("trial"), PatientID="P2") == {"1.2.3.2.3"}
    assert await found(opener.place("trial"), PatientID="P1") == set()
    assert await found(opener.place("trial"), StudyDescription="TRIAL*") == INSIDE


@in_loop
async def test_what_lies_outside_is_refused(opener: Opener) -> None:
    """Two conditions on one element cannot be combined: this is an error."""
    with pytest.raises(
        OutsidePart, match=r"^trial is limited to StudyDescription TRIAL\*, which excludes ROUTINE$"
    ):
        await found(opener.place("trial"), StudyDescription="ROUTINE")


@in_loop
async def test_fetch_and_copy_take_the_part(opener: Opener, tmp_path: Path) -> None:
    """They are limited to the part."""
    target = tmp_path / "target"
    target.mkdir()
    async with opener.place("trial") as part:
        report = await part.fetch({}, Folder(target))
    assert [each.outcome for each in report.results] == [Outcome.STORED] * 3
    assert {scan(path).sop_instance_uid for path in target.iterdir()} == INSIDE

    copied = tmp_path / "copied"
    async with opener.place("trial") as part, opener.place(f"{copied}/", to_write=True) as to:
        await part.copy({}, to)
    assert {scan(path).sop_instance_uid for path in copied.rglob("*.dcm")} == INSIDE


@in_loop
async def test_sync_from_a_part(opener: Opener, tmp_path: Path) -> None:
    """It can be a source; as a destination it is refused before anything is done."""
    target = tmp_path / "target"
    report = await sync("trial", f"{target}/", opener=opener)
    assert report.complete
    assert {scan(path).sop_instance_uid for path in target.rglob("*.dcm")} == INSIDE
    with pytest.raises(NotAPlace, match=r"^trial is a part of all, which can only be read$"):
        await sync(str(target), "trial", opener=opener)


@in_loop
async def test_the_part_is_in_the_place_that_it_is_of(opener: Opener) -> None:
    """A folder is not copied into itself under the name of a part."""
    with pytest.raises(SamePlace):
        await sync("trial", "all", opener=opener)


@in_loop
async def test_nothing_is_stored(opener: Opener) -> None:
    """A stored instance might not be in the part; a part of a part is refused."""
    part = opener.place("trial")
    assert isinstance(part, Part)
    assert Ability.STORE not in part.abilities
    with pytest.raises(CannotDo):
        part.writer()
    with pytest.raises(NotAPlace, match=r"^inner is a part of trial, which is itself a part$"):
        opener.place("inner")


def test_commands_know_it(opener: Opener, tmp_path: Path) -> None:
    """`dcm query NAME`."""
    run = subprocess.run(
        [
            sys.executable, "-m", "dcm", "query", "trial", "PatientID=P*", "--level", "study",
            "--config", opener.known.path, "--out-format", "json",
        ],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert [f'"P{number}"' in run.stdout for number in range(6)] == [True, False] * 3
