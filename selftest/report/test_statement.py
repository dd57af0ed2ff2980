"""`harness probe` of a real server, and the observed conformance statement, read in a real browser."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from support.browser import CONTRASTS, browser
from support.telling import ROOT

from harness.report.abilities import as_text, by_topic, contradictions
from harness.report.load import Ability, Run, load
from harness.report.statement import as_markdown, render, statement

__all__ = ["browser"]  # the fixture

EVIL = "</td></table><script>window.hacked=1</script><img src=http://x.test/ onerror=hacked=1>"


def probe(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "harness", "probe", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which dcmqrscp was probed, with the result as JSON."""
    folder = tmp_path_factory.mktemp("probed")
    done = probe("dcmqrscp", "--orthanc", "none", "-o", "result.json", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def archive(folder: Path) -> Run:
    """The run of that probe."""
    return load(folder / "runs/latest")


def test_probe_as_json(folder: Path) -> None:
    """The JSON has the known abilities of dcmqrscp: what it declares and what it did."""
    found = json.loads((folder / "result.json").read_text())
    abilities = {(each["topic"], each["subject"]): each for each in found["abilities"]}

    assert found["server"]["product"] == "dcmqrscp"
    assert found["complete"] is True
    assert abilities["SOP classes", "CT Image Storage"]["declared"] == "accepted"
    assert abilities["SOP classes", "Modality Worklist Information Model - FIND"]["declared"] == (
        "not accepted"
    )
    assert abilities["Storage", "CT Image Storage"]["found"] == "stored"
    key = abilities["Query keys", "StudyID (study root, STUDY)"]
    assert (key["declared"], key["found"]) == ("required", "returned, matched")
    assert "DICOMweb" in {each["topic"] for each in found["abilities"]}


def test_probe_as_text(archive: Run) -> None:
    """The text begins with the problems, has every topic, and no line is too long."""
    lines = as_text(archive, 90).splitlines()

    assert lines[0].startswith("dcmqrscp 3.")
    assert [line for line in lines if len(line) > 90] == []
    assert [topic for topic in by_topic(archive) if topic not in lines] == []
    wrong = contradictions(archive)
    assert ("It violates the standard:" in lines) is bool(wrong)


def test_read_only_probe_stores_nothing(tmp_path: Path) -> None:
    """With --read-only, only associations are requested."""
    done = probe("qrscp", "--orthanc", "none", "--read-only", "--format", "json", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    topics = {each["topic"] for each in json.loads(done.stdout)["abilities"]}
    assert topics == {"Associations", "SOP classes", "Transfer syntaxes"}


def test_probe_of_nothing(tmp_path: Path) -> None:
    """A missing server is a usage error, and the message has the address."""
    done = probe("127.0.0.1:NOBODY:9", "--force", folder=tmp_path)

    assert done.returncode == 2
    assert "127.0.0.1" in done.stderr


@pytest.fixture(scope="module")
def page(
    browser: Browser, archive: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """The page of the probe, with hostile text; it requests nothing and has no script error."""
    shows = next(each for each in archive.cases if each.abilities)
    hostile = dataclasses.replace(shows, abilities=(Ability(EVIL, "no", "no"), *shows.abilities))
    cases = tuple(hostile if each is shows else each for each in archive.cases)
    file = tmp_path_factory.mktemp("page") / "statement.html"
    made = statement(dataclasses.replace(archive, cases=cases))
    file.write_text(render(made), encoding="utf-8")
    page = browser.new_page()
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert errors == []


def test_layout_of_the_standard(archive: Run) -> None:
    """The chapters of PS3.2 Annex A are in order, and each section has its own number."""
    made = statement(archive)
    chapters = [each.title for each in made.sections if each.depth == 1]

    assert chapters == [
        "Conformance Statement Overview", "Introduction", "Networking", "Media Interchange",
        "Support of Character Sets", "Security",
    ]  # fmt: skip
    numbers = [tuple(map(int, each.number.split("."))) for each in made.sections]
    assert numbers == sorted(set(numbers))


def test_nothing_that_was_found_is_left_out(archive: Run) -> None:
    """Every ability and every contradiction is in the document."""
    text = as_markdown(statement(archive)).replace("\\", "")

    for each in contradictions(archive):
        assert " ".join(str(each).replace("\\", "").split()) in text
    for abilities in by_topic(archive).values():
        for ability in abilities:
            assert f"| {' '.join(ability.subject.replace(chr(92), '').split())} |" in text, ability


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_sticks_out(page: Page, width: int) -> None:
    """The page scrolls vertically only, and captions are not squeezed into a narrow column."""
    page.set_viewport_size({"width": width, "height": 844})

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (
        page.evaluate(
            "Math.max(...[...document.querySelectorAll('caption')].map((each) => each.offsetHeight))"
        )
        < 60
    )


def test_a_phone_shows_what_each_value_is(page: Page) -> None:
    """Where a table's head has no room, each value has its own label."""
    page.set_viewport_size({"width": 390, "height": 844})

    before = page.locator("td:nth-child(2)").first.evaluate(
        "each => getComputedStyle(each, '::before').content"
    )
    assert before == '"Value: "'


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page: Page, scheme: str) -> None:
    """Each kind of text has the contrast that WCAG 2.1 requires."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    contrasts = page.evaluate(CONTRASTS)

    assert len(contrasts) > 8
    assert {what: ratio for what, ratio in contrasts.items() if ratio < 4.5} == {}


def test_contents_lead_to_their_sections(page: Page) -> None:
    """Each entry of the table of contents names an existing heading; no text becomes markup."""
    dead = page.evaluate(
        "[...document.querySelectorAll('.contents a')].filter("
        "(each) => !document.getElementById(decodeURIComponent(each.hash.slice(1)))).length"
    )
    assert dead == 0
    assert page.evaluate("window.hacked") is None
    assert page.pdf().startswith(b"%PDF")
