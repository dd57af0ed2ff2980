"""Routes choose by the content of objects, by the sender, and by time."""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from net.files import make
from pydicom import dcmread

from dcm.conf import Configuration
from dcm.data.levels import Level
from dcm.filt import read_selector
from dcm.instances import Instance, instance_of
from dcm.route.dead import bury, count_dead
from dcm.route.queue import Entry, Queue
from dcm.route.router import Decisions, RouteError, Router
from dcm.route.routes import Condition, Origin, SelectorDestMap, StaticRoute
from dcm.sync.pace import Hours

CONFIGURATION = """
[selectors.heads]
attr = "BodyPartExamined"
rvalue = "HEAD"
[static_routes.archive]
dests = ["pacs", "backup"]
filt = "PatientID != TEST"
[static_routes.night]
dests = ["cold"]
hours = "22:00-06:00"
calling = ["CT1"]
[dynamic_routes.sorted]
routing_map = { "Modality == CT" = ["ctpacs"], heads = ["archive", "neuro"] }
default_dests = ["rest"]
exclude = ["SeriesDescription ~= ^test"]
stop_on_first = false
"""


@pytest.fixture
def known() -> Configuration:
    """A configuration with routes."""
    return Configuration.parse(CONFIGURATION, "some.toml")


def instance(folder: Path, number: int = 1, **values: str) -> Instance:
    """Make an object with some elements."""
    path = make(folder, number, size=100)
    image = dcmread(path)
    for keyword, value in values.items():
        setattr(image, keyword, value)
    image.save_as(path)
    return instance_of(path)


def test_static_route_filters_what_goes(known: Configuration, tmp_path: Path) -> None:
    """Objects that the filter does not select go nowhere, with a note."""
    router = Router([known.static_routes["archive"]])
    assert sorted(router.destinations) == ["backup", "pacs"]
    assert router.choose(instance(tmp_path), Origin()) == (("pacs", "backup"), "")
    destinations, words = router.choose(instance(tmp_path, PatientID="TEST"), Origin())
    assert (destinations, words) == ((), "it does not match the filter of the route archive")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"Modality": "CT"}, ("ctpacs",)),
        ({"Modality": "MR", "BodyPartExamined": "HEAD"}, ("pacs", "backup", "neuro")),
        ({"Modality": "CT", "BodyPartExamined": "HEAD"}, ("ctpacs", "pacs", "backup", "neuro")),
        ({"Modality": "MR", "BodyPartExamined": "HEAD", "PatientID": "TEST"}, ("neuro",)),
        ({"Modality": "MR"}, ("rest",)),
        ({"Modality": "CT", "SeriesDescription": "test 1"}, ()),
    ],
)
def test_dynamic_route_goes_by_elements(
    known: Configuration, tmp_path: Path, values: dict[str, str], expected: tuple[str, ...]
) -> None:
    """All selectors count, static routes stand for their destinations, exclusions apply."""
    router = Router([known.dynamic_routes["sorted"]], known.static_routes)
    found = router.choose(instance(tmp_path, **values), Origin())
    assert found.destinations == expected
    assert bool(found.words) is not bool(expected)
    assert set(expected) <= {*router.destinations}


def test_first_selector_is_enough() -> None:
    """By default, the others are not evaluated."""
    one, two = read_selector("Modality == CT"), read_selector("Rows == 1")
    by_selector = SelectorDestMap(((one, ("a",)), (two, ("b",))))
    known = {"Modality": [], "Rows": []}
    assert by_selector.lookup(known) == ()
    assert by_selector.required_elems == {"Modality", "Rows"}
    route = by_selector.get_dynamic_route("x", Level.IMAGE)
    assert route.targets == {"Modality", "Rows"}


def test_study_follows_its_first_object(known: Configuration, tmp_path: Path) -> None:
    """It is not split; other studies, and objects at the IMAGE level, are decided separately."""
    memory = Decisions()
    router = Router([known.dynamic_routes["sorted"]], known.static_routes, memory)
    first = instance(tmp_path, 1, Modality="CT")
    second = instance(tmp_path, 2, Modality="MR", BodyPartExamined="HEAD")
    other = instance(tmp_path, 3, Modality="MR", StudyInstanceUID="1.2.9")
    assert router.choose(first, Origin()).destinations == ("ctpacs",)
    assert router.choose(second, Origin()).destinations == ("ctpacs",)
    assert router.choose(other, Origin()).destinations == ("rest",)
    again = Router([known.dynamic_routes["sorted"]], known.static_routes, memory)
    assert again.choose(second, Origin()).destinations == ("ctpacs",)
    changed = Configuration.parse(CONFIGURATION.replace('"rest"', '"others"'), "some.toml")
    anew = Router([changed.dynamic_routes["sorted"]], changed.static_routes, memory)
    assert anew.choose(second, Origin()).destinations == ("pacs", "backup", "neuro")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (Origin("CT1", "", datetime(2026, 1, 1, 23)), ("cold",)),  # noqa: DTZ001 - local
        (Origin("CT1", "", datetime(2026, 1, 1, 12)), ()),  # noqa: DTZ001
        (Origin("CT2", "", datetime(2026, 1, 1, 23)), ()),  # noqa: DTZ001
    ],
)
def test_route_of_a_sender_and_of_hours(
    known: Configuration, tmp_path: Path, origin: Origin, expected: tuple[str, ...]
) -> None:
    """Both conditions must hold."""
    router = Router([known.static_routes["night"]])
    assert router.choose(instance(tmp_path), origin).destinations == expected


def test_route_of_an_ae_title_of_ours() -> None:
    """The called AE title selects the route."""
    condition = Condition(called=frozenset({"ARCHIVE"}), hours=Hours.parse("00:00-23:59"))
    router = Router([StaticRoute("a", ("b",), condition=condition)])
    noon = datetime(2026, 1, 1, 12)  # noqa: DTZ001
    assert router.choose_known({}, Origin("X", "ARCHIVE ", noon)).destinations == ("b",)
    assert router.choose_known({}, Origin("X", "OTHER", noon)).destinations == ()


def test_static_route_leads_to_no_other() -> None:
    """It could lead back to itself."""
    one, two = StaticRoute("one", ("two",)), StaticRoute("two", ("one",))
    with pytest.raises(RouteError, match="the route one has two as a destination"):
        Router([one], {"one": one, "two": two})


DECIDING = """
import sys
from dcm.data.levels import Level
from dcm.instances import instance_of
from dcm.route.queue import Queue
from dcm.route.router import Router
from dcm.route.routes import Condition, DynamicRoute, Origin

def lookup(known):
    return [sys.argv[3]]

condition = Condition(frozenset(["CT1", "CT2", "MR1", "US1"]))
names = frozenset(["first", "second", "third", "fourth"])
route = DynamicRoute("by_hand", lookup, Level.STUDY, names=names, condition=condition)
with Queue(sys.argv[1]) as queue:
    print(*Router([route], memory=queue).choose(instance_of(sys.argv[2]), Origin("CT1")).destinations)
"""


def test_study_follows_its_first_object_after_a_restart(tmp_path: Path) -> None:
    """The decision holds in another process, where sets have another order and functions another address."""
    path, queue = make(tmp_path, 1, size=100), tmp_path / "queue"
    found = [
        subprocess.run(
            [sys.executable, "-c", DECIDING, queue, path, name],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout.strip()
        for seed, name in (("1", "first"), ("2", "second"), ("3", "third"))
    ]  # fmt: skip
    assert found == ["first", "first", "first"]


def test_queue_in_a_folder_with_a_name_that_looks_quoted(tmp_path: Path) -> None:
    """The file is the one that was named, not one that the name means in a URL."""
    for name in ("a%41", "b?c#d"):
        (tmp_path / name).mkdir()
        with Queue(str(tmp_path / name / "queue")):
            pass
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a%41", "b?c#d"]
    assert (tmp_path / "a%41/queue").exists()


def test_dead_letters_of_destinations_with_similar_names(tmp_path: Path) -> None:
    """Each destination has a folder of its own, even if their names differ in unsafe characters only."""
    file = make(tmp_path, 1, size=100)
    entry = Entry(
        1, "1.dcm", "1.2", "1.3", "1.2.840.10008.1.2", 200, 300, 0.0, "CT1", "HERE", "host"
    )
    for destination in ("a/b", "a_b", "a:b"):
        bury(str(tmp_path / "spool"), str(file), entry, destination, "refused")
    assert count_dead(str(tmp_path / "spool")) == {"a/b": 1, "a_b": 1, "a:b": 1}
