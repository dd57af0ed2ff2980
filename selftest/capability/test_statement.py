"""The observed conformance statement: complete, in the layout of PS3.2, and readable in a real browser."""

import dataclasses
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from support.browser import CONTRASTS, browser

from harness.capability import ProbeResult, as_markdown, statement
from harness.report.statement import render

__all__ = ["browser"]  # the fixture

EVIL = "</td></table><script>window.hacked=1</script><img src=http://x.test/ onerror=hacked=1>"


@pytest.fixture(scope="module")
def page(
    browser: Browser, archive_result: ProbeResult, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """The page of a real probe, with a hostile word in it; it asks for nothing, and reports no error."""
    hostile = dataclasses.replace(archive_result.findings[0], subject=EVIL)
    result = dataclasses.replace(archive_result, findings=(hostile, *archive_result.findings[1:]))
    file = tmp_path_factory.mktemp("page") / "statement.html"
    file.write_text(render(statement(result)), encoding="utf-8")
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


def test_layout_of_the_standard(archive_result: ProbeResult) -> None:
    """The chapters of PS3.2 Annex A stand in their order, and each is in the table of contents."""
    made = statement(archive_result)
    chapters = [each.title for each in made.sections if each.depth == 1]

    assert chapters == [
        "Conformance Statement Overview", "Introduction", "Networking", "Media Interchange",
        "Support of Character Sets", "Security", "Annexes",
    ]  # fmt: skip
    numbers = [tuple(map(int, each.number.split("."))) for each in made.sections]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == len(numbers)


def test_nothing_that_was_found_is_left_out(archive_result: ProbeResult) -> None:
    """Every probed finding and every contradiction stands in the document."""
    text = as_markdown(statement(archive_result)).replace("\\", "")

    for each in archive_result.contradictions:
        assert str(each).replace("\\", "") in text
    for each in archive_result.findings:
        if each.probed is not None or each.declared is True:
            assert f"| {each.subject.replace(chr(92), '')} |" in text, each


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_sticks_out(page: Page, width: int) -> None:
    """The page scrolls down only, and captions stand on a line as others do."""
    page.set_viewport_size({"width": width, "height": 844})

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (
        page.evaluate(
            "Math.max(...[...document.querySelectorAll('caption')].map((each) => each.offsetHeight))"
        )
        < 60
    )


def test_a_phone_shows_what_each_value_is(page: Page) -> None:
    """Where the head of a table has no room, each value says what it is."""
    page.set_viewport_size({"width": 390, "height": 844})

    before = page.locator("td:nth-child(2)").first.evaluate(
        "each => getComputedStyle(each, '::before').content"
    )
    assert before == '"User of service (SCU): "'


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page: Page, scheme: str) -> None:
    """Each kind of text has the contrast that WCAG 2.1 asks for."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    contrasts = page.evaluate(CONTRASTS)

    assert len(contrasts) > 8
    assert {what: ratio for what, ratio in contrasts.items() if ratio < 4.5} == {}


def test_contents_lead_to_their_sections(page: Page) -> None:
    """Each entry of the table of contents names a heading that is there; no text becomes markup."""
    dead = page.evaluate(
        "[...document.querySelectorAll('.contents a')].filter("
        "(each) => !document.getElementById(decodeURIComponent(each.hash.slice(1)))).length"
    )
    assert dead == 0
    assert page.evaluate("window.hacked") is None
    assert page.pdf().startswith(b"%PDF")
