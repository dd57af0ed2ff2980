"""The report page in a real browser: filters, keys, evidence, and forbidden effects."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.browser import CONTRASTS, EVIL, PHONE, Open, focused
from support.browser import cases as ids

from harness.report import html, write_reports
from harness.report.load import load

if TYPE_CHECKING:
    from conftest import RunFolder


@pytest.fixture(scope="module")
def report(realistic_run: "RunFolder") -> Path:
    """Write the page of a realistic run."""
    write_reports(realistic_run.path)
    return realistic_run.path / "report.html"


def test_known_cases_are_listed_by_issue(open_page: Open, report: Path) -> None:
    """A line for each issue leads to its cases."""
    issues = open_page(report).locator(".issues")

    expect(issues.locator("summary")).to_have_text("1 known issue in 1 case")
    issues.locator("summary").click()
    expect(issues.locator("li")).to_contain_text("in the order of the file names (tracker 214)")
    expect(issues.locator("a")).to_have_attribute("href", "#WLIST-004")


def test_the_page_says_what_was_tested(open_page: Open, report: Path) -> None:
    """Verdict, servers, plugins, environment and every case with its facts are on the page."""
    page = open_page(report)

    expect(page).to_have_title(re.compile("^Orthanc 1.10.1: 72 passed, 2 failed"))
    expect(page.locator("h1")).to_have_text(page.title())
    expect(page.locator("header")).to_contain_text("80 cases in 48.20 s")
    expect(page.locator("header")).to_contain_text("dicom-web 1.7")
    facts = page.locator(".facts")
    facts.locator("summary").click()
    for text in ("ORTHANCTEST", "/usr/sbin/Orthanc", "pytest tests -n 2", "dcmtk 3.6.7"):
        expect(facts).to_contain_text(text)
    assert len(ids(page)) == 80
    case = page.locator("[id='CMOVE-003']")
    for text in ("PS3.4 C.4.2.1.6", "312 ms", "must", "dimse.find.study", "by gw0"):
        expect(case).to_contain_text(text)
    expect(case).to_contain_text("Orthanc.test_move_counters")
    expect(page.get_by_role("img")).to_have_attribute(
        "aria-label", "72 passed, 2 failed, 1 error, 1 known, 4 unsupported"
    )


def test_outcomes_filter_and_stay_in_the_address(open_page: Open, report: Path) -> None:
    """Cases of all selected outcomes are shown; the address restores the view."""
    page = open_page(report)

    page.get_by_role("button", name="failed 2").click()
    assert ids(page) == ["CFIND-014", "CMOVE-003"]
    expect(page.locator("#shown")).to_have_text("2 of 80 cases")
    expect(page.locator(".suite:visible")).to_have_count(2)
    page.get_by_role("button", name="known 1").click()
    assert ids(page) == ["CFIND-014", "CMOVE-003", "WLIST-004"]
    page.reload()
    assert ids(page) == ["CFIND-014", "CMOVE-003", "WLIST-004"]
    page.get_by_role("button", name="failed 2").click()
    page.get_by_role("button", name="known 1").click()
    assert len(ids(page)) == 80
    assert "#" not in page.url


def test_suite_level_and_words_narrow_together(open_page: Open, report: Path) -> None:
    """All filters apply together, and each word of a search must be found."""
    page = open_page(report)

    page.get_by_label("Suite").select_option("rest/hierarchy")
    assert len(ids(page)) == 12
    page.get_by_label("Level").select_option("product")
    assert len(ids(page)) == 4
    page.get_by_role("searchbox").fill("LABELS ohif")
    assert ids(page) == ["REST-093"]
    assert page.url.endswith("#level=product&suite=rest%2Fhierarchy&q=LABELS+ohif")
    page.get_by_role("searchbox").fill("nothing like this")
    assert ids(page) == []
    page.get_by_role("button", name="Show all").click()
    assert len(ids(page)) == 80


def test_the_search_looks_everywhere(open_page: Open, report: Path) -> None:
    """A search in any fact of a case finds it."""
    page = open_page(report)
    found = {}
    facts = {
        "cmove-003": "CMOVE-003",
        "counts_suboperations": "CMOVE-003",
        "order of their start": "WLIST-004",
        "PS3.5 A.4": "STORE-009",
        "test_move_counters": "CMOVE-003",
        "plugin.ohif": "REST-093",
        "jpeg-ls": "STORE-009",
    }

    for words in facts:
        page.get_by_role("searchbox").fill(words)
        found[words] = ids(page)

    assert found == {words: [case] for words, case in facts.items()}


def test_a_filter_in_the_address_is_followed(open_page: Open, report: Path) -> None:
    """A link with filters opens that view; unknown values filter nothing."""
    page = open_page(report, "#outcome=error,known&suite=gone")

    assert ids(page) == ["STORE-009", "WLIST-004"]


def test_a_link_to_a_case_opens_it(open_page: Open, report: Path) -> None:
    """The address of a case unfolds it, and removes filters that would hide it."""
    page = open_page(report, "#FIND-021")

    expect(page.locator("[id='FIND-021']")).to_have_attribute("open", "")
    assert focused(page) == "FIND-021"
    page.get_by_role("button", name="passed").click()
    page.locator(".attention").get_by_role("link", name="STORE-009-jpeg-ls").click()
    expect(page.locator("[id='STORE-009-jpeg-ls'] > summary")).to_be_focused()
    assert len(ids(page)) == 80


def test_evidence_unfolds_in_place(open_page: Open, report: Path) -> None:
    """A failure shows both values side by side, and each file of its evidence on request."""
    page = open_page(report)
    case = page.locator("[id='CFIND-014']")

    left, right = (
        case.locator(f"figure.{each}").bounding_box() for each in ("expected", "received")
    )
    assert left
    assert right
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] < right["x"]
    expect(case.locator("figure.expected mark")).to_have_text("Mulder^Bob, ")
    for name, text in {
        "Traceback": "test_find.py:88",
        "exchange.txt": "status FF00 (pending)",
        "server.log": "C-FIND SCP request",
        "repro.sh": "findscu -v -S",
        "Text for a tracker": "### Orthanc 1.10.1: A star in PatientName",
    }.items():
        fold = case.locator("details", has=page.locator("summary", has_text=name))
        expect(fold.locator("pre")).to_be_hidden()
        fold.locator("summary").click()
        expect(fold.locator("pre")).to_be_visible()
        expect(fold.locator("pre")).to_contain_text(text)
    expect(case.get_by_role("link", name="body-1.bin")).to_have_attribute(
        "href", "cases/CFIND-014/body-1.bin"
    )


def test_keys_move_between_cases_and_unfold_them(open_page: Open, report: Path) -> None:
    """j, k and the arrows move; Enter unfolds and folds."""
    page = open_page(report)

    page.keyboard.press("j")
    assert focused(page) == "ECHO-020"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    assert focused(page) == "ECHO-038"
    page.keyboard.press("k")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("k")
    assert focused(page) == "ECHO-020"
    case = page.locator("[id='ECHO-020']")
    page.keyboard.press("Enter")
    expect(case).to_have_attribute("open", "")
    page.keyboard.press("Enter")
    expect(case).not_to_have_attribute("open", "")


def test_keys_filter_search_and_clear(open_page: Open, report: Path) -> None:
    """Pressing f shows only problems, / searches, Esc clears; typed letters stay letters."""
    page = open_page(report)

    page.keyboard.press("f")
    assert ids(page) == ["CFIND-014", "CMOVE-003", "STORE-009"]
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert focused(page) == "CMOVE-003"
    page.keyboard.press("f")
    assert len(ids(page)) == 80
    page.keyboard.press("/")
    page.keyboard.type("jpeg-ls f")
    expect(page.get_by_role("searchbox")).to_have_value("jpeg-ls f")
    page.keyboard.press("Escape")
    assert len(ids(page)) == 80
    assert "#" not in page.url
    expect(page.get_by_role("searchbox")).to_have_value("")
    expect(page.get_by_role("searchbox")).not_to_be_focused()


def test_a_question_mark_shows_the_keys(open_page: Open, report: Path) -> None:
    """Esc closes the help and keeps the filters."""
    page = open_page(report, "#outcome=failed")

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert ids(page) == ["CFIND-014", "CMOVE-003"]


def test_a_failure_is_copied_for_the_tracker(open_page: Open, report: Path) -> None:
    """The clipboard gets Markdown with server, clause, both values, and how to reproduce it."""
    page = open_page(report, permissions=["clipboard-read", "clipboard-write"])
    page.clock.install()
    button = page.locator("[id='CFIND-014'] .actions button")

    button.click()

    expect(button).to_have_text("Copied")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("### Orthanc 1.10.1: A star in PatientName matches every name")
    assert "- Plugins: dicom-web 1.7, worklists 1.10.1, gdcm 1.5\n" in text
    assert "- Clause: PS3.4 C.2.2.2.4 (must)\n" in text
    assert "**Expected**\n\n```\nMulder^Bob, Muller^Anna\n```\n" in text
    assert "**Received**\n\n```\nMuller^Anna\n```\n" in text
    assert "```sh\n#!/bin/sh\n" in text
    assert "curl -s http://localhost:8042/tools/find" in text
    page.clock.run_for(2_000)
    expect(button).to_have_text("Copy for tracker")


def test_copying_works_without_the_clipboard_interface(open_page: Open, report: Path) -> None:
    """Pages over plain http have no navigator.clipboard; the older interface works, too."""
    page = open_page(report)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.evaluate(
        "document.addEventListener('copy', () => { window.copied = String(getSelection()); })"
    )

    page.locator("[id='CFIND-014']").get_by_role("button", name="Copy for tracker").click()

    assert "### Orthanc 1.10.1" in page.evaluate("window.copied")


def test_without_script_everything_is_there(open_page: Open, report: Path) -> None:
    """Without JavaScript, cases can be unfolded; only filters and copying are missing."""
    page = open_page(report, java_script_enabled=False)

    expect(page.locator(".tools")).to_be_hidden()
    expect(page.locator(".copy:visible")).to_have_count(0)
    fold = page.locator("[id='CFIND-014'] .fold", has_text="exchange.txt").first
    fold.locator("summary").click()
    expect(fold.locator("pre")).to_contain_text("C-FIND-RSP")
    page.locator("[id='ECHO-020'] > summary").click()
    expect(page.locator("[id='ECHO-020'] .about")).to_contain_text("harness run ECHO-020")


def test_hostile_content_stays_text(open_page: Open, run_folder: "RunFolder") -> None:
    """Markup in any field is shown as text; a huge log is truncated, with a link to the file."""
    evil = f"{EVIL}\x00\x1b[31m\ud800{{{{7*7}}}}"
    server = {"name": evil, "version": evil, "ae_title": evil, "plugins": {evil: evil}}
    run_folder.write_run(
        server=server | {"executable": evil},
        local=server,
        mode=evil,
        command=[evil],
        notes=[evil],
        capabilities={evil: evil},
        environment={evil: evil, "harness": evil},
    )
    texts = ("name", "title", "suite", "nodeid", "parameters", "ref", "level", "reason")
    facts: dict[str, object] = dict.fromkeys(texts, evil)
    failure = dict.fromkeys(("message", "expected", "received", "text"), evil)
    for number in range(2):  # the same id twice: anchors must stay unique
        twice = facts | {"nodeid": f"{evil}{number}"}
        run_folder.fail("CFIND-014", **twice, needs=[evil], covers=[evil], failure=failure)
        run_folder.add(f"CFIND-00{number}", **facts, needs=[evil], covers=[evil])
    name = "%2e<img src=x onerror=hacked=1>#?.log"
    log = (EVIL.encode() + b"\x00\xff\x1b[2J\n") * 10_000
    run_folder.file(f"cases/CFIND-014/{name}", log)
    write_reports(run_folder.path)

    page = open_page(run_folder.path / "report.html", viewport=PHONE)

    assert (run_folder.path / "report.html").stat().st_size < 2_000_000
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate(
        "new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size"
        " === document.querySelectorAll('[id]').length"
    )
    expect(page.locator("h1")).to_contain_text(EVIL)
    expect(page.locator("h1")).to_contain_text("{{7*7}}")
    page.get_by_role("searchbox").fill("window.hacked cfind-014")
    assert ids(page) == ["CFIND-014", "CFIND-014"]
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    shown = page.locator(".fold", has_text="onerror=hacked=1>#?.log").first
    expect(shown.locator("pre")).to_contain_text("left out")
    href = shown.get_by_role("link", name="the whole file").evaluate("each => each.href")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("figure pre").first.evaluate("each => each.scrollWidth <= each.clientWidth")
    (run_folder.path / "report.html").unlink()
    assert Path(page.evaluate("href => decodeURIComponent(new URL(href).pathname)", href)).exists()
    assert page.evaluate("window.hacked") is None


def test_nothing_sticks_out_at_any_width(open_page: Open, report: Path) -> None:
    """With everything unfolded the page scrolls vertically only."""
    page = open_page(report)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")

    for width in (320, 390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(open_page: Open, report: Path, scheme: str) -> None:
    """Each kind of text has at least the contrast of 4.5 that WCAG 2.1 requires (1.4.3)."""
    page = open_page(report, color_scheme=scheme)
    page.keyboard.press("f")

    contrasts = page.evaluate(CONTRASTS)

    assert len(contrasts) > 15
    assert {what: ratio for what, ratio in contrasts.items() if ratio < 4.5} == {}


def test_print_is_black_on_white_and_whole(open_page: Open, report: Path) -> None:
    """On paper there are no buttons and no scrolling, also when printed from a dark screen."""
    page = open_page(report, color_scheme="dark")
    page.locator("[id='CFIND-014'] .fold > summary").first.click()

    page.emulate_media(media="print")

    expect(page.locator(".tools")).to_be_hidden()
    expect(page.locator(".copy:visible")).to_have_count(0)
    style = "getComputedStyle(document.body)"
    assert page.evaluate(f"[{style}.color, {style}.backgroundColor]") == [
        "rgb(0, 0, 0)",
        "rgb(255, 255, 255)",
    ]
    assert page.locator("[id='CFIND-014'] .fold pre").first.evaluate(
        "each => getComputedStyle(each).maxHeight === 'none'"
        " && each.scrollWidth <= each.clientWidth"
    )
    assert {what: ratio for what, ratio in page.evaluate(CONTRASTS).items() if ratio < 4.5} == {}
    assert page.pdf().startswith(b"%PDF")


def test_a_run_without_cases_has_a_page(open_page: Open, run_folder: "RunFolder") -> None:
    """If a run is interrupted before the first case, the page says so."""
    run_folder.write_run(finished=None, duration=None, exit_status=None, local=None)
    write_reports(run_folder.path)

    page = open_page(run_folder.path / "report.html")

    expect(page.locator("h1")).to_have_text("Orthanc 1.10.1: no case ran; interrupted")
    expect(page.locator("main")).to_contain_text("This run was interrupted")
    expect(page.locator("main")).to_contain_text("No case ran.")


def test_many_failures_stay_folded_and_small(run_folder: "RunFolder") -> None:
    """If every case fails, the page keeps its size limit and still shows every case."""
    for number in range(300):
        run_folder.fail(f"CFIND-{number:03}")
        run_folder.file(f"cases/CFIND-{number:03}/server.log", b"x" * 150_000)

    page = html.render(load(run_folder.path))

    assert len(page) < 45_000_000
    assert 'data-outcome="failed" data-level' in page
    assert " open>" not in page
