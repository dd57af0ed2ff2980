"""The page of the matrix in a real browser: filters, evidence, keys, a phone, paper."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from matrix.conftest import SERVERS, Fleet
from playwright.sync_api import Page, expect
from report.conftest import RunFolder
from support.browser import CONTRASTS, EVIL, PHONE, Open, cases, focused

from harness.matrix import page as matrix_page
from harness.matrix.model import columns, make_matrix
from harness.report.load import load

FAILED_ON_TWO = "DICOMFIND-013"
"""Failed on the third and the fourth server, passed on the others."""


@pytest.fixture(scope="module")
def made(real_looking: tuple[Fleet, list[RunFolder]]) -> Path:
    """The page of five servers, and a sixth that did not start."""
    fleet, folders = real_looking
    found = [
        (asked, load(folder.path), None) for asked, folder in zip(SERVERS, folders, strict=True)
    ]
    gone = ("orthanc:testing", None, "no Orthanc of Debian testing is here")
    path = fleet.runs / "matrix.html"
    matrix_page.write(make_matrix(columns([*found, gone])), path)
    return path


def unfold(page: Page) -> None:
    """Open the facts and the differences, and one case of each other kind."""
    page.evaluate(
        "for (const each of document.querySelectorAll('.facts, .case[data-kind=different],"
        " .suite:first-of-type .case:nth-of-type(2)')) each.open = true"
    )


def cell(page: Page, case: str, server: int) -> str:
    """Return the selector of one cell, by the number of its server."""
    return f"[id='{case}'] > summary > .cell >> nth={server}"


def test_the_page_begins_with_the_whole(open_page: Open, made: Path) -> None:
    """Verdict, picture with legend, then each server: identity, counts, or why it did not run."""
    page = open_page(made)

    expect(page).to_have_title("144 cases on 6 servers: 11 differ; 1 server did not run")
    expect(page.locator("h1")).to_have_text(page.title())
    order = page.evaluate(
        "['.picture', '.servers', '.tools', '.part'].map("
        " (each) => document.querySelector(each).getBoundingClientRect().top)"
    )
    assert order == sorted(order)
    expect(page.locator(".tile")).to_have_count(9)
    expect(page.get_by_role("img", name="dicom/find: 16 cases, 2 with")).to_be_visible()
    servers = page.locator(".server")
    expect(servers).to_have_count(6)
    expect(servers.nth(0)).to_contain_text("Orthanc 1.10.1")
    expect(servers.nth(0)).to_contain_text("orthanc:bookworm")
    expect(servers.nth(2)).to_contain_text("77 passed")
    expect(servers.nth(2)).to_contain_text("64 unsupported")
    expect(servers.nth(5)).to_contain_text("no Orthanc of Debian testing is here")


def test_differences_come_first(open_page: Open, made: Path) -> None:
    """First what differs, then what some servers lack, then what is the same, each by suite."""
    page = open_page(made)

    titles = page.locator(".part > h2").all_inner_texts()
    kinds = page.locator(".case").evaluate_all("all => all.map((each) => each.dataset.kind)")

    assert [title.split("\n")[0].strip() for title in titles] == [
        "Differences 11",
        "Not on every server 64",
        "The same everywhere 69",
    ]
    assert kinds == ["different"] * 11 + ["partly"] * 64 + ["alike"] * 69


def test_filters_narrow_together_and_stay_in_the_address(open_page: Open, made: Path) -> None:
    """Kind, outcome, suite, level and words apply together; the address restores the view."""
    page = open_page(made)

    page.get_by_role("button", name="differences 11").click()
    assert len(cases(page)) == 11
    expect(page.locator(".part:visible")).to_have_count(1)
    page.get_by_role("button", name="error 1").click()
    assert cases(page) == ["DICOMECHO-003"]
    page.reload()
    assert cases(page) == ["DICOMECHO-003"]
    page.get_by_role("button", name="known").click()
    page.get_by_label("Suite").select_option("dicom/echo")
    assert cases(page) == ["DICOMECHO-002", "DICOMECHO-003"]
    page.get_by_role("searchbox").fill("unknown ae")
    assert cases(page) == ["DICOMECHO-003"]
    page.get_by_label("Level").select_option("should")
    expect(page.locator("#shown")).to_have_text("0 of 144 cases")
    page.get_by_role("button", name="Show all").click()
    assert len(cases(page)) == 144
    assert "#" not in page.url


def test_an_outcome_on_any_server_is_found(open_page: Open, made: Path) -> None:
    """An outcome filter shows the rows in which a server has it."""
    page = open_page(made)

    page.get_by_role("button", name="failed 7").click()

    assert len(cases(page)) == 7
    shown = page.locator(".case:visible > summary")
    expect(shown.filter(has=page.locator(".cell.failed"))).to_have_count(7)


def test_a_cell_unfolds_its_answer(open_page: Open, made: Path) -> None:
    """Values side by side, the reason, and links into that run and to existing files."""
    page = open_page(made)
    page.get_by_role("button", name="differences 11").click()

    page.locator(cell(page, FAILED_ON_TWO, 2)).click()

    answer = page.locator(f"[id='{FAILED_ON_TWO}~C']")
    expect(answer).to_be_focused()
    expect(answer).to_be_in_viewport()
    expect(answer).to_contain_text("dcmqrscp 3.6.7")
    expect(answer.locator("figure.expected mark")).to_have_text("Mulder^Bob, ")
    expect(answer.get_by_role("link", name="report")).to_have_attribute(
        "href", f"20261122-094103-dcmqrscp-3.6.7/report.html#{FAILED_ON_TWO}"
    )
    links = answer.get_by_role("link").evaluate_all("all => all.map((each) => each.pathname)")
    assert [Path(each).name for each in links] == [
        *("report.html", "exchange.txt", "server.log", "repro.sh", "body-1.bin"),
    ]
    assert all(Path(unquote(each)).exists() for each in links)
    assert len(cases(page)) == 11  # the filter stays


def test_the_link_to_the_report_opens_the_case_there(open_page: Open, made: Path) -> None:
    """A link to the report of a run opens the case in it."""
    page = open_page(made)
    page.locator(cell(page, FAILED_ON_TWO, 3)).click()
    link = page.locator(f"[id='{FAILED_ON_TWO}~D']").get_by_role("link", name="report")
    path, _, hash_ = str(link.evaluate("each => each.href")).partition("#")

    report = open_page(Path(unquote(path.removeprefix("file://"))), f"#{hash_}")

    expect(report.locator(f"[id='{FAILED_ON_TWO}']")).to_have_attribute("open", "")
    assert focused(report) == FAILED_ON_TWO
    expect(report.locator("h1")).to_contain_text("qrscp 3.0.4")


def test_outcomes_are_told_apart_by_words(open_page: Open, made: Path) -> None:
    """A known failure shows its reason, an unmet need its need, an error its message."""
    page = open_page(made)
    unfold(page)

    known = page.locator("[id='DICOMECHO-002~D']")
    expect(known.locator(".badge")).to_have_text(re.compile("known"))
    expect(known).to_contain_text("a list of UIDs makes it fail with C320 (pynetdicom #1001)")
    lacks = page.locator("[id='RESTHIERARCHY-001~C']")
    expect(lacks.locator(".badge")).to_have_text(re.compile("unsupported"))
    expect(lacks).to_contain_text("needs rest, which this server does not have")
    error = page.locator("[id='DICOMECHO-003~C']")
    expect(error.locator(".badge")).to_have_text(re.compile("error"))
    expect(error).to_contain_text("findscu was not found: install dcmtk")
    for server in (0, 5):
        gap = page.locator(cell(page, "DICOMECHO-002", server))
        assert ("absent" in str(gap.get_attribute("class"))) is (server == 5)


def test_the_picture_leads_to_the_case(open_page: Open, made: Path) -> None:
    """A click in the picture unfolds that case, whatever the filters are."""
    page = open_page(made, "#outcome=known")
    picture = page.get_by_role("img", name="dicom/find")
    box = picture.bounding_box()
    assert box

    scale = box["width"] / (13 + 16 * 8)
    picture.click(position={"x": (13 + 13 * 8 + 3) * scale, "y": 20})

    expect(page.locator(f"[id='{FAILED_ON_TWO}']")).to_have_attribute("open", "")
    assert focused(page) == FAILED_ON_TWO
    assert len(cases(page)) == 144


def test_keys_reach_everything(open_page: Open, made: Path) -> None:
    """Keys select and filter cases and servers; Enter opens, Esc folds, then clears the filters."""
    page = open_page(made)
    page.keyboard.press("d")
    assert len(cases(page)) == 11
    page.keyboard.press("f")
    assert len(cases(page)) == 8
    page.keyboard.press("j")
    assert focused(page) == "DICOMECHO-003"
    case = page.locator("[id='DICOMECHO-003']")
    page.keyboard.press("Enter")
    expect(case).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(case).not_to_have_attribute("open", "")
    expect(case.locator("summary")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator(cell(page, "DICOMECHO-003", 2))).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[id='DICOMECHO-003~C']")).to_be_focused()
    page.keyboard.press("j")
    assert focused(page) == "DICOMFIND-005"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[id='DICOMFIND-005'] > summary")).to_be_focused()
    page.keyboard.press("Escape")
    assert len(cases(page)) == 144
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("only differences")


def test_without_script_everything_is_there(open_page: Open, made: Path) -> None:
    """Without JavaScript cases unfold, and a cell links to its answer; only filters are missing."""
    page = open_page(made, java_script_enabled=False)

    expect(page.locator(".tools")).to_be_hidden()
    page.locator(f"[id='{FAILED_ON_TWO}'] > summary .title").click()
    answer = page.locator(f"[id='{FAILED_ON_TWO}~D']")
    expect(answer).to_be_visible()
    page.locator(cell(page, FAILED_ON_TWO, 3)).click()
    assert page.url.endswith(f"#{FAILED_ON_TWO}~D")
    expect(answer).to_be_in_viewport()


def test_facts_stand_side_by_side(open_page: Open, made: Path) -> None:
    """Capabilities are a table of servers; differences are marked."""
    page = open_page(made)
    facts = page.locator(".facts", has_text="Capabilities")

    facts.locator("summary").click()

    row = facts.get_by_role("row", name="rest")
    assert row.get_by_role("cell").all_inner_texts() == ["yes", "yes", *["\N{EN DASH}"] * 4]
    expect(row).to_have_class("differs")
    expect(facts.get_by_role("row", name="dimse.find.study")).not_to_have_class("differs")


def test_names_stay_beside_the_cells_on_a_phone(open_page: Open, made: Path) -> None:
    """At 390 px six servers fit; the page never scrolls sideways; letters are above the cells."""
    page = open_page(made, viewport=PHONE)

    first = page.locator(cell(page, FAILED_ON_TWO, 0)).bounding_box()
    last = page.locator(cell(page, FAILED_ON_TWO, 5)).bounding_box()

    assert first
    assert last
    assert first["x"] >= 140
    assert last["x"] + last["width"] <= PHONE["width"]
    assert first["width"] >= 32
    head = page.locator(".suite[data-suite='dicom/find'] h3 .head").first.bounding_box()
    assert head
    assert abs(head["x"] - first["x"]) <= 1
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_many_servers_scroll_below_names_that_stay(open_page: Open, fleet: Fleet) -> None:
    """Ten servers do not fit a phone: the cells scroll sideways, name and answer stay readable."""
    folders = [fleet.run("server", str(number)) for number in range(10)]
    for number, folder in enumerate(folders):
        folder.add("CFIND-001")
        (folder.fail if number == 9 else folder.add)("CFIND-014")
    path = fleet.runs / "matrix.html"
    matrix_page.write(fleet.matrix(*folders), path)
    page = open_page(path, viewport=PHONE)
    last = page.locator(cell(page, "CFIND-014", 9))

    last.scroll_into_view_if_needed()
    scrolled = page.locator(".matrix").evaluate("each => each.scrollLeft")
    name, there = page.locator("[id='CFIND-014'] .what").bounding_box(), last.bounding_box()

    assert scrolled > 50
    assert name
    assert there
    assert 0 <= name["x"] <= 13
    assert name["x"] + name["width"] <= there["x"]
    last.click()
    inside = page.locator("[id='CFIND-014'] .inside").bounding_box()
    assert inside
    assert inside["x"] >= 0
    assert inside["x"] + inside["width"] <= PHONE["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_nothing_sticks_out_at_any_width(open_page: Open, made: Path) -> None:
    """With everything unfolded the page itself scrolls vertically only."""
    page = open_page(made)
    unfold(page)

    for width in (320, 390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(open_page: Open, made: Path, scheme: str) -> None:
    """Each kind of text has at least the contrast of 4.5 that WCAG 2.1 requires (1.4.3)."""
    page = open_page(made, color_scheme=scheme)
    unfold(page)

    contrasts = page.evaluate(CONTRASTS)

    assert len(contrasts) > 30
    assert {what: ratio for what, ratio in contrasts.items() if ratio < 4.5} == {}


def test_paper_gets_the_whole_and_nothing_to_press(open_page: Open, made: Path) -> None:
    """Printed from a dark screen: black on white, no controls, picture in colours, facts open."""
    page = open_page(made, color_scheme="dark")
    page.locator(cell(page, FAILED_ON_TWO, 2)).click()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")

    page.emulate_media(media="print")

    expect(page.locator(".tools")).to_be_hidden()
    for table in page.locator(".facts table").all():
        expect(table).to_be_visible()
    expect(page.locator(f"[id='{FAILED_ON_TWO}~C'] .expected")).to_be_visible()
    style = "getComputedStyle(document.body)"
    assert page.evaluate(f"[{style}.color, {style}.backgroundColor]") == [
        "rgb(0, 0, 0)",
        "rgb(255, 255, 255)",
    ]
    adjust = "each => getComputedStyle(each).printColorAdjust"
    assert page.locator(".picture path.failed").first.evaluate(adjust) == "exact"
    assert page.locator(".cell.failed").first.evaluate(adjust) == "exact"
    assert {what: ratio for what, ratio in page.evaluate(CONTRASTS).items() if ratio < 4.5} == {}
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 without its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_hostile_content_stays_text(open_page: Open, fleet: Fleet) -> None:
    """Markup in any field is shown as text, and every id is unique."""
    evil = f"{EVIL}\x00\x1b[31m\ud800{{{{7*7}}}}"
    server = {"name": evil, "version": evil, "ae_title": evil, "plugins": {evil: evil}}
    texts = ("name", "title", "suite", "nodeid", "parameters", "ref", "level", "reason")
    facts: dict[str, object] = dict.fromkeys(texts, evil)
    failure = dict.fromkeys(("message", "expected", "received", "text"), evil)
    folders = [fleet.run("server", "1", server=server), fleet.run("server", "2")]
    for folder in folders:
        folder.write_run(
            server=server,
            local=server,
            notes=[evil],
            capabilities={evil: evil},
            environment={evil: evil, "harness": evil},
        )
        folder.file("cases/CFIND-014/%2e<img src=x onerror=hacked=1>#?.log", b"x")
    folders[0].fail("CFIND-014", **facts, needs=[evil], covers=[evil], failure=failure)
    folders[1].add("CFIND-014", **facts, needs=[evil], covers=[evil])
    found = [(evil, load(folder.path), None) for folder in folders]
    path = fleet.runs / "matrix.html"
    matrix_page.write(make_matrix(columns([*found, (evil, None, evil)])), path)

    page = open_page(path, viewport=PHONE)
    unfold(page)

    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate(
        "new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size"
        " === document.querySelectorAll('[id]').length"
    )
    expect(page.locator(".answers figure.received").first).to_contain_text(EVIL)
    expect(page.locator(".trouble")).to_contain_text(EVIL)
    log = page.get_by_role("link", name="onerror=hacked=1>#?.log")
    assert Path(
        page.evaluate("h => decodeURIComponent(new URL(h).pathname)", log.evaluate("e => e.href"))
    ).exists()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.locator("a.cell.failed").click()
    assert page.evaluate("window.hacked") is None


def test_a_page_elsewhere_leads_into_the_runs(
    open_page: Open, real_looking: tuple[Fleet, list[RunFolder]], tmp_path: Path
) -> None:
    """Links are relative to the page at any path; an interrupted run gets its report."""
    fleet, folders = real_looking
    cut_off = Fleet(tmp_path / "run s").run(
        "server", "1", finished=None, duration=None, exit_status=None
    )
    cut_off.fail("DICOMFIND-013")
    path = tmp_path / "pages" / "all.html"
    path.parent.mkdir()
    matrix_page.write(fleet.matrix(folders[0], cut_off), path)

    page = open_page(path)
    page.locator(cell(page, "DICOMFIND-013", 1)).click()

    links = page.locator(".answers:visible a")
    expect(links).to_have_count(6)
    paths = links.evaluate_all("all => all.map((each) => decodeURIComponent(each.pathname))")
    assert [each for each in paths if not Path(each).is_file()] == []
    expect(page.locator(".server").nth(1)).to_contain_text("interrupted")


def test_thousands_of_cases_stay_quick(open_page: Open, fleet: Fleet) -> None:
    """2000 cases on two servers: the page opens, filters and unfolds quickly; its picture fits."""
    folders = [fleet.run("server", "1"), fleet.run("server", "2")]
    for number in range(2000):
        for folder in folders:
            outcome = "failed" if folder is folders[1] and number % 500 == 499 else "passed"
            suite = f"dicom/suite{number // 200}"
            folder.add(f"CFIND-{number:04}", suite=suite, outcome=outcome)
    path = fleet.runs / "matrix.html"
    for folder in folders:
        folder.file("report.html", b"")
    matrix_page.write(fleet.matrix(*folders), path)

    page = open_page(path)
    page.keyboard.press("d")

    assert path.stat().st_size < 5_000_000
    assert cases(page) == [f"CFIND-{number:04}" for number in range(499, 2000, 500)]
    expect(page.locator(".tile")).to_have_count(10)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    took = page.evaluate(
        "(() => { const begin = performance.now();"
        " const box = document.getElementById('search'); box.value = 'cfind-01';"
        " box.dispatchEvent(new Event('input')); document.body.offsetHeight;"
        " return performance.now() - begin; })()"
    )
    assert took < 3000
