"""Data that survives a restart: each kind of data that the server keeps, however it was stopped."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.cases import (
    LOCAL_MODALITY,
    Ending,
    Rest,
    Sample,
    Stored,
    Story,
    Suite,
    md5,
    needs,
    orthanc_ids,
    thorough,
    wait_until,
)

suite = Suite(
    level="product",
    ref="Orthanc Book: understanding DICOM with Orthanc",
    needs=("rest", "server.configure", "server.restart"),
)
SETTINGS: dict[str, Any] = {"StableAge": 1, "SaveJobs": True}
IN_DATABASE = {"DicomModalitiesInDatabase": True, "OrthancPeersInDatabase": True}
"""Needed to keep nodes that are set by REST; other nodes are then unknown."""
ANY = "/metadata/1024", "/attachments/1025"


@dataclass(frozen=True)
class Thing:
    """A kind of data that is kept: how to create it, and how to read it."""

    make: Callable[[Rest, Sample], object]
    look: Callable[[Rest, Sample], Any]
    settings: Mapping[str, Any] = field(default_factory=lambda: SETTINGS)


def _stable(rest: Rest, sample: Sample) -> None:
    path = orthanc_ids(sample).path("study")
    wait_until(lambda: rest.json(path)["IsStable"], what="the study to be stable")


def _all_stable(rest: Rest) -> bool:
    """Return whether nothing will change any more without a request."""
    levels = "patients", "studies", "series"
    return all(each["IsStable"] for level in levels for each in rest.json(f"/{level}?expand"))


def _delete(rest: Rest, sample: Sample) -> None:
    rest.delete(orthanc_ids(sample).path("instance"))


def _job(rest: Rest, sample: Sample) -> None:
    rest.post(f"{orthanc_ids(sample).path('study')}/anonymize", {"Synchronous": True})


def _jobs(rest: Rest, _: Sample) -> list[tuple[Any, ...]]:
    kept = ("ID", "Type", "State")
    return sorted(tuple(each[name] for name in kept) for each in rest.json("/jobs?expand"))


def _expanded(log: str) -> Callable[[Rest, Sample], list[Any]]:
    def look(rest: Rest, _: Sample) -> list[Any]:
        entries: list[Any] = rest.json(f"/{log}", limit=1000)[log.capitalize()]
        return entries

    return look


def _files(rest: Rest, _: Sample) -> dict[str, str]:
    return {
        each: md5(rest.get(f"/instances/{each}/file").content) for each in rest.json("/instances")
    }


THINGS = {
    "objects": Thing(lambda *_: None, _files),
    "statistics": Thing(lambda *_: None, lambda rest, _: rest.json("/statistics")),
    "deletions": Thing(_delete, _files),
    "metadata": Thing(
        lambda rest, sample: rest.put(f"{orthanc_ids(sample).path('study')}{ANY[0]}", "a value"),
        lambda rest, sample: rest.json(f"{orthanc_ids(sample).path('study')}/metadata?expand"),
    ),
    "attachments": Thing(
        lambda rest, sample: rest.put(
            f"{orthanc_ids(sample).path('study')}{ANY[1]}", b"some bytes"
        ),
        lambda rest, sample: rest.get(f"{orthanc_ids(sample).path('study')}{ANY[1]}/data").content,
    ),
    "labels": Thing(
        lambda rest, sample: rest.put(f"{orthanc_ids(sample).path('study')}/labels/kept"),
        lambda rest, sample: rest.json(f"{orthanc_ids(sample).path('study')}/labels"),
    ),
    "protection": Thing(
        lambda rest, sample: rest.put(f"{orthanc_ids(sample).path('patient')}/protected", "1"),
        lambda rest, sample: rest.get(f"{orthanc_ids(sample).path('patient')}/protected").text,
    ),
    "changes": Thing(_stable, _expanded("changes")),
    "exports": Thing(
        lambda rest, sample: rest.post(f"{LOCAL_MODALITY}/store", orthanc_ids(sample).study),
        _expanded("exports"),
    ),
    "stability": Thing(
        _stable, lambda rest, sample: rest.json(orthanc_ids(sample).path("study"))["IsStable"]
    ),
    "modalities": Thing(
        lambda rest, _: rest.put(
            "/modalities/kept", {"AET": "KEPT", "Host": "192.0.2.1", "Port": 104}
        ),
        lambda rest, _: rest.json("/modalities?expand")["kept"],
        IN_DATABASE,
    ),
    "peers": Thing(
        lambda rest, _: rest.put("/peers/kept", {"Url": "http://192.0.2.1:8042/"}),
        lambda rest, _: rest.json("/peers?expand")["kept"]["Url"],
        IN_DATABASE,
    ),
    "jobs": Thing(_job, _jobs),
}
MARKS = {"labels": [needs("orthanc>=1.12.0")], "exports": [needs("local.rest")]}
SAMPLE = ("objects", "deletions", "labels", "changes", "jobs")


@suite.case("LIVES-001")
@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(
            thing, id=name,
            marks=MARKS.get(name, []) + [thorough()] * (name not in SAMPLE),
        )
        for name, thing in THINGS.items()
    ],
)  # fmt: skip
def test_outlives_sigkill(story: Story, rest: Rest, stored: Stored, thing: Thing) -> None:
    """Everything acknowledged by the server is unchanged after a SIGKILL and a restart."""
    story.start(**thing.settings)
    sample, *_ = stored.study(series=2, instances=2)
    thing.make(rest, sample)
    before = thing.look(rest, sample)
    assert before

    story.end("SIGKILL")
    story.start(**thing.settings)

    assert thing.look(rest, sample) == before


@suite.case("LIVES-002", needs="local.rest", thorough=True)
@pytest.mark.parametrize("ending", ["SIGTERM", "shutdown"])
def test_all_outlives_a_good_end(story: Story, rest: Rest, stored: Stored, ending: Ending) -> None:
    """After a regular shutdown, everything is unchanged."""
    story.start(**SETTINGS)
    sample, *_ = stored.study(series=2, instances=2)
    deleted = stored.instance(study="deleted")
    left_out = ("labels", "deletions")
    able = {
        name: each
        for name, each in THINGS.items()
        if each.settings is SETTINGS and name not in left_out
    }
    for each in able.values():
        each.make(rest, sample)
    rest.delete(orthanc_ids(deleted).path("instance"))
    wait_until(lambda: _all_stable(rest), what="everything to be stable")
    before = {name: each.look(rest, sample) for name, each in able.items()}

    story.end(ending)
    story.start(**SETTINGS)

    after = {name: each.look(rest, sample) for name, each in able.items()}
    assert [name for name in able if after[name] != before[name]] == []


@suite.case(
    "LIVES-003", ref="Orthanc Book: configuration, DicomModalitiesInDatabase", thorough=True
)
def test_configured_modalities_come_from_the_configuration(story: Story, rest: Rest) -> None:
    """A modality set by REST is gone after a restart if it is not kept in the database."""
    rest.put("/modalities/gone", {"AET": "GONE", "Host": "192.0.2.1", "Port": 104})
    before = set(rest.json("/modalities")) - {"gone"}

    story.end("SIGKILL")
    story.start()

    assert set(rest.json("/modalities")) == before


@suite.case("LIVES-004")
def test_changes_are_numbered_on(story: Story, rest: Rest, stored: Stored) -> None:
    """The numbering of changes continues after a SIGKILL, even if the last ones were of deleted resources."""
    rest.delete(orthanc_ids(stored.instance(study="old")).path("study"))
    last = rest.json("/changes?last")["Last"]
    assert last

    story.end("SIGKILL")
    story.start()

    stored.instance(study="new")
    numbers = [each["Seq"] for each in rest.json("/changes", limit=1000)["Changes"]]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > last
