"""The difference between two runs in a real browser: as a page, and as a part of a report."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect
from report.conftest import RunFolder
from support.browser import CONTRASTS, EVIL, PHONE, Open

from harness.cli.diff import main
from harness.report import write_reports

ANSWER = "C-FIND-RSP Study Root FIND FF00H pending"
TITLE = "A star in PatientName matches every name with that beginning."


def _said(folder: RunFolder, digest: str, *lines: str) -> str:
    with (folder.path / "content.jsonl").open("a") as file:
        file.write(json.dumps({"digest": digest, "lines": lines}) + "\n")
    return digest


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, RunFolder]:
    """Make two runs with a change of each kind, and content that differs in one case or in many."""
    base = tmp_path_factory.mktemp("runs")
    before, after = RunFolder(base / "before"), RunFolder(base / "after")
    before.write_run()
    server = {"name": "Orthanc", "version": "1.12.7", "ae_title": "ORTHANC", "plugins": {}}
    after.write_run(server=server, baseline=str(before.path))
    was = _said(before, "a1", "connection: keep-alive", "content-length")
    now = _said(after, "a2", "connection: close", "content-length")
    for number in range(30):
        before.add(f"REST-{number:03}", content={f"GET /{number}: 200": was})
        after.add(f"REST-{number:03}", content={f"GET /{number}: 200": now})
    before.add("CFIND-020", content={ANSWER: _said(before, "b1", "00100010", "00080054")})
    after.add("CFIND-020", content={ANSWER: _said(after, "b2", "00100010", f"says {EVIL}")})
    before.add("CFIND-014")
    after.fail("CFIND-014")
    before.fail("CFIND-015")
    after.add("CFIND-015")
    before.add("CFIND-016")
    after.add("CFIND-017", parameters="a b")
    for folder in (before, after):
        write_reports(folder.path)
    return before, after


@pytest.fixture(scope="module")
def page_file(runs: tuple[RunFolder, RunFolder], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page."""
    file = tmp_path_factory.mktemp("page") / "difference.html"
    before, after = (str(folder.path) for folder in runs)
    assert main([before, after, "--format", "html", "-o", str(file)]) == 1
    return file


def test_the_page_says_what_became_of_each_case(open_page: Open, page_file: Path) -> None:
    """A part for each kind of change, the worst first; unfolded by mouse or keyboard."""
    page = open_page(page_file)

    expect(page).to_have_title(
        "Orthanc 1.10.1 to Orthanc 1.12.7: 1 worse, 1 better, 1 gone, 1 new, 35 changed in content"
    )
    heads = [" ".join(each.split()) for each in page.locator(".kind > summary").all_inner_texts()]
    assert heads == [
        "Got worse 1",
        "Got better 1",
        "Missing: only in the earlier run 1",
        "New: only in the later run 1",
        "Changed in content 35",
    ]
    worse = page.locator(".kind.worse")
    expect(worse.locator(".became")).to_have_text("passed → failed: received Muller^Anna")
    content = page.locator(".kind.content")
    expect(content.locator(".changes")).to_be_hidden()
    content.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(content.locator(".shared p").first).to_have_text(
        "In 30 cases: REST-000, REST-001, REST-002, REST-003, REST-004, REST-005, ..."
    )
    assert content.locator(".shared").first.locator(".line").all_inner_texts() == [
        "- connection: keep-alive",
        "+ connection: close",
    ]


def test_what_one_case_has_otherwise_stands_with_it(open_page: Open, page_file: Path) -> None:
    """Messages and elements are named; values from the server are text."""
    page = open_page(page_file)
    page.locator(".kind.content > summary").click()

    own = page.locator(".kind.content li", has=page.get_by_role("link", name="CFIND-020"))
    expect(own.locator(".message")).to_have_text(ANSWER)
    expect(own.locator(".lost")).to_have_text("- (0008,0054) RetrieveAETitle")
    expect(own.locator(".gained")).to_contain_text("</script>")
    assert page.evaluate("window.hacked") is None


def test_a_case_leads_to_its_evidence_in_both_runs(
    open_page: Open, page_file: Path, runs: tuple[RunFolder, RunFolder]
) -> None:
    """The links are relative to the page, and open the case in the report."""
    page = open_page(page_file)
    links = page.locator(".kind.worse .became a")

    found = [str(each.evaluate("each => each.href")) for each in links.all()]

    assert found == [f"{run.path.as_uri()}/report.html#CFIND-014" for run in runs]
    new = page.locator(".kind.new a").first
    assert str(new.get_attribute("href")).endswith("after/report.html#CFIND-017-a-b")


def test_the_report_of_a_run_with_a_baseline_has_the_difference(
    open_page: Open, runs: tuple[RunFolder, RunFolder]
) -> None:
    """Its links lead to cases of the same page, and filters do not change it."""
    page = open_page(runs[1].path / "report.html")

    expect(page.locator("#difference")).to_contain_text("was the baseline: 1 worse, 1 better")
    page.locator(".kind.worse .changes a").first.click()
    expect(page.locator(".case[id='CFIND-014']")).to_have_attribute("open", "")
    page.locator("#search").fill("nothing is called so")
    expect(page.locator(".kind.worse .changes a").first).to_be_visible()


def test_a_baseline_that_is_gone_is_told(open_page: Open, tmp_path: Path) -> None:
    """The report of the run is made all the same."""
    folder = RunFolder(tmp_path / "run")
    folder.write_run(baseline=str(tmp_path / "nowhere"))
    folder.add()
    write_reports(folder.path)

    page = open_page(folder.path / "report.html")
    expect(page.get_by_role("note")).to_contain_text("cannot be compared with its baseline")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", [PHONE, {"width": 1280, "height": 900}], ids=["phone", "desktop"])
def test_it_can_be_read(
    open_page: Open, page_file: Path, view: dict[str, int], scheme: str
) -> None:
    """Nothing overflows to the right, and text contrasts with its background."""
    page = open_page(page_file, viewport=view, color_scheme=scheme)
    for summary in page.locator(".kind:not([open]) > summary").all():
        summary.click()

    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= view["width"]
    faint = {what: ratio for what, ratio in page.evaluate(CONTRASTS).items() if ratio < 4.5}
    assert faint == {}
