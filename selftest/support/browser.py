"""Pages in a real browser; a page may request nothing else, and its script may have no error."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"width": 390, "height": 844}
EVIL = (
    "</script></pre></details><script>window.hacked=1</script>"
    "\"'><img src=http://x.test/ onerror=hacked=1>"
)

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a module."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a page; the test fails if it requests anything else or its script has an error."""
    context = None
    own: list[str] = []
    asked: list[str] = []
    errors: list[str] = []

    def open_(path: Path, hash_: str = "", **options: Any) -> Page:
        nonlocal context
        own.append(path.as_uri())
        context = context or browser.new_context(**options)
        context.set_default_timeout(
            20_000
        )  # a page takes a tenth of a second; other work may delay the browser
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(own[-1] + hash_, timeout=30_000)
        return page

    yield open_
    assert context is not None
    context.close()
    assert [url for url in asked if not url.startswith((*own, "data:"))] == []
    assert errors == []


def cases(page: Page) -> list[str]:
    """Return the ids of the cases that the filters leave, including those in folded groups."""
    return page.locator(".case:not([hidden]) > summary .id").all_text_contents()


def focused(page: Page) -> str:
    """Return the id of the focused case."""
    return str(page.evaluate("document.activeElement.closest('.case')?.id ?? ''"))


# For each kind of text on the page: its contrast with its background, as WCAG 2.1 computes it.
CONTRASTS = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (each) => {
    const colour = getComputedStyle(each).backgroundColor;
    const clear = colour === "rgba(0, 0, 0, 0)";
    return clear && each.parentElement ? behind(each.parentElement) : colour;
  };
  const found = {};
  for (const each of document.querySelectorAll("body *")) {
    const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const back = behind(each);
    if (!own || !each.checkVisibility() || !back.startsWith("rgb")) continue;
    const [a, b] = [light(rgb(getComputedStyle(each).color)), light(rgb(back))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const what = `${each.tagName} ${each.className} in ${each.parentElement.className}`;
    found[what] = Math.min(found[what] ?? 99, ratio);
  }
  return found;
}"""
