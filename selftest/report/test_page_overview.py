"""The top of the page: what needs attention, one row per case with parameters, earlier runs."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from support.browser import Open, cases, focused

from harness.report import write_reports
from harness.report.clauses import clause_links
from harness.report.load import load

if TYPE_CHECKING:
    from conftest import RunFolder

MANY = 3000


def test_the_most_urgent_comes_first(open_page: Open, run_folder: "RunFolder") -> None:
    """Errors come before failures, failures before known ones, and these before passed cases."""
    run_folder.add("A-001")
    run_folder.add("A-002", outcome="known", reason="wrong (not reported)")
    run_folder.fail("A-003")
    run_folder.fail("A-004", outcome="error")
    write_reports(run_folder.path)

    page = open_page(run_folder.path / "report.html")

    assert cases(page) == ["A-004", "A-003", "A-002", "A-001"]
    assert page.locator(".attention li a").all_text_contents() == ["A-004", "A-003"]


def test_failures_of_a_case_are_one_entry(open_page: Open, run_folder: "RunFolder") -> None:
    """It has a link for each set of parameters; an error among them makes it the first."""
    run_folder.fail("A-001")
    for name, outcome in (("jpeg", "failed"), ("raw", "error"), ("rle", "passed")):
        facts = {"parameters": name, "nodeid": f"t.py::test_b[{name}]"}
        if outcome == "passed":
            run_folder.add("B-001", **facts)
        else:
            run_folder.fail("B-001", outcome=outcome, **facts)
    write_reports(run_folder.path)

    page = open_page(run_folder.path / "report.html")
    entries = page.locator(".attention li")

    expect(entries).to_contain_text(["B-001", "A-001"])
    assert entries.first.locator("a").all_text_contents() == ["B-001", "raw", "jpeg"]
    entries.first.get_by_role("link", name="jpeg").click()
    expect(page.locator("[id='B-001-jpeg']")).to_be_visible()
    assert focused(page) == "B-001-jpeg"


def test_runs_of_a_case_are_one_row(open_page: Open, run_folder: "RunFolder") -> None:
    """The row is folded if all passed; keys, filters and links unfold it."""
    for name in ("jpeg", "rle", "raw"):
        run_folder.add("A-001", parameters=name, nodeid=f"t.py::test_a[{name}]")
        outcome = "known" if name == "rle" else "passed"
        facts = {"outcome": outcome, "reason": "wrong" if outcome == "known" else None}
        run_folder.add("B-001", parameters=name, nodeid=f"t.py::test_b[{name}]", **facts)
    write_reports(run_folder.path)

    page = open_page(run_folder.path / "report.html")
    known, passed = page.locator(".group").all()
    assert passed.get_attribute("open") is None
    assert known.get_attribute("open") is not None
    expect(known.locator("> summary")).to_contain_text("2 passed")
    expect(known.locator("> summary")).to_contain_text("1 known")
    expect(page.locator("[id='A-001-jpeg']")).not_to_be_visible()

    for _ in range(4):
        page.keyboard.press("j")
    assert focused(page) == "A-001-jpeg"
    expect(page.locator("[id='A-001-jpeg']")).to_be_visible()
    page.goto("about:blank")
    page.goto((run_folder.path / "report.html").as_uri() + "#A-001-raw")
    expect(page.locator("[id='A-001-raw']")).to_have_attribute("open", "")
    expect(page.locator("[id='A-001-raw']")).to_be_visible()


@pytest.mark.parametrize(
    ("ref", "links"),
    [
        ("PS3.4 C.2.2.2.4 (2020b)", ["part04.html#sect_C.2.2.2.4"]),
        ("PS3.18 8.7.5; PS3.5 A", ["part18.html#sect_8.7.5", "part05.html#chapter_A"]),
        ("PS3.18 8.2, RFC 9110 4.2.2", ["part18.html#sect_8.2", "rfc9110.html#section-4.2.2"]),
        ("Orthanc Book: Lua", []),
    ],
)
def test_a_clause_leads_to_its_text(ref: str, links: list[str]) -> None:
    """It leads to the current edition of the standard, or to the RFC."""
    assert [each.href.rpartition("/")[2] for each in clause_links(ref)] == links


def test_a_case_links_to_its_clause(open_page: Open, run_folder: "RunFolder") -> None:
    """The link is among the facts of the case."""
    run_folder.add()
    write_reports(run_folder.path)

    link = open_page(run_folder.path / "report.html").locator(
        ".about a", has_text="PS3.4 C.2.2.2.4"
    )

    href = "https://dicom.nema.org/medical/dicom/current/output/html/part04.html#sect_C.2.2.2.4"
    expect(link).to_have_attribute("href", href)


def test_the_runs_before_are_a_picture(open_page: Open, run_folder: "RunFolder") -> None:
    """Each complete run of this server has a bar that leads to its page; others have none."""
    run_folder.add()
    run = load(run_folder.path)
    ours = json.loads((run_folder.path / "run.json").read_text())
    other = {**ours["server"], "name": "dcmqrscp"}
    for number, changes in enumerate(({}, {"selected": True}, {"server": other}), 1):
        folder = run_folder.path.with_name(f"earlier-{number}")
        folder.mkdir()
        started = (run.started - timedelta(days=number)).isoformat()
        facts = {"counts": {"passed": 7, "failed": 1}, "selected": False, "started": started}
        (folder / "run.json").write_text(json.dumps(ours | facts | changes))
        (folder / "report.html").write_text("")
    write_reports(run_folder.path)

    history = open_page(run_folder.path / "report.html").locator(".history")

    expect(history.locator("a")).to_have_count(2)
    expect(history.locator("a").first).to_have_attribute("href", "../earlier-1/report.html")
    expect(history.locator("a title").first).to_contain_text("Orthanc 1.10.1: 7 passed, 1 failed")
    assert history.locator("a").first.locator("rect.failed").get_attribute("height") == "6.0"


def test_thousands_of_cases_are_all_there(open_page: Open, run_folder: "RunFolder") -> None:
    """A page of 3000 outcomes has them all, and is small if there is no evidence."""
    for number in range(MANY):
        key = f"A-{number % 1000:03}"
        parameters = f"p{number // 1000}"
        facts = {"parameters": parameters, "nodeid": f"t.py::test[{number}]"}
        if number % 20:
            run_folder.add(key, suite=f"suite/{number % 30}", **facts)
        else:
            run_folder.fail(key, suite=f"suite/{number % 30}", evidence=None, **facts)
    write_reports(run_folder.path)

    page = open_page(run_folder.path / "report.html")

    assert len(cases(page)) == MANY
    assert (run_folder.path / "report.html").stat().st_size < 10_000_000
