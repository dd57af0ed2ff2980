"""The documentation is built as a site without dead links, and readers find what they need."""

import html
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from cli.conftest import ROOT
from playwright.sync_api import Browser, Page
from support.browser import browser
from support.shown import PAGES

from harness.known.lists import parse_known

__all__ = ["browser"]

WIDTHS = (1280, 400)
READERS = {
    "package Orthanc": {"first-run": "--baseline", "comparing": "harness diff"},
    "develop a DICOM": {"adding-a-server": "PRODUCT = Product", "running": "--server HOST"},
    "move, check or de-identify": {"dcm": "dcm sync", "cookbook": "--deidentify"},
    "write Python programs": {"api": "await entity.query", "reference": "LocalEntity"},
}
"""Kinds of readers: the pages to which the first page leads them, and a word that they look for."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built in strict mode: a dead link ends the build."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT, check=True, timeout=120, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    return folder


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """It works without a network: no font, script or style of another host."""
    for page in site.glob("*.html"):
        text = page.read_text()
        for loaded in (' src="http', 'rel="stylesheet" href="http', "fonts.googleapis"):
            assert loaded not in text, page.name


class Links(HTMLParser):
    """The links of a page, and its link targets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Record the attributes that matter."""
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.targets.append(value)
            elif name == "id" and value:
                self.places.add(value)


def test_no_link_is_dead(site: Path) -> None:
    """Each linked page, picture and heading exists, also on generated pages."""
    pages = {path: Links(path.read_text()) for path in site.glob("*.html") if path.stem != "404"}
    assert len(pages) > 20
    dead = []
    for path, links in pages.items():
        for target in links.targets:
            file, place = urldefrag(target)
            if ":" in file:
                continue  # of another host
            leads_to = (path.parent / unquote(file)).resolve() if file else path
            leads_to = leads_to / "index.html" if leads_to.is_dir() else leads_to
            known = pages.get(leads_to)
            if not leads_to.is_file() or (known and unquote(place) not in known.places):
                dead.append(f"{path.name}: {target}")
    assert dead == []


def test_no_link_between_pages_of_the_checkout_is_dead() -> None:
    """The pages read in the checkout, such as README.md."""
    dead = []
    for page in (*PAGES, "SECURITY.md", "database/README.md", "benchmarks/README.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text()):
            made = page.startswith("docs/") and target in (
                "found.md",
                "benchmarks.md",
                "changelog.md",
            )
            if (
                ":" not in target
                and not made
                and not (ROOT / page).parent.joinpath(target).exists()
            ):
                dead.append(f"{page}: {target}")
    assert dead == []


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_gets_there_in_two_links(site: Path, reader: str) -> None:
    """The start page links to their first page in its table, which has the wanted word."""
    rows = re.findall(r"<tr>.*?</tr>", (site / "index.html").read_text(), re.DOTALL)
    [row] = [each for each in rows if reader in each]
    for page, words in READERS[reader].items():
        assert f'href="{page}.html"' in row
        shown = html.unescape(re.sub("<[^>]*>", "", (site / f"{page}.html").read_text()))
        assert words in shown


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """The address of the site on this computer: its search needs a server."""
    handler = partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_and_ask_for_nothing_else(
    site: Path, served: str, browser: Browser, width: int
) -> None:
    """In a browser: no page is too wide, no script has an error, no other host is used."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.extend(_elsewhere(asked.url, served)))
    for path in sorted(site.glob("*.html")):
        page.goto(f"{served}/{path.name}", timeout=30_000)
        wider = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if wider > 0:
            wrong.append(f"{path.name} is {wider} pixels wider than the window")
    context.close()
    assert wrong == []


def _elsewhere(url: str, served: str) -> list[str]:
    return [] if url.startswith((served, "data:")) else [f"asked for {url}"]


@pytest.mark.parametrize(
    ("words", "page"),
    [("findscu", "running"), ("resume", "sync"), ("PS3.4 C.4.1", "found"), ("bisect", "comparing")],
)
def test_search_finds(served: str, browser: Browser, words: str, page: str) -> None:
    """In a browser, with a typed word."""
    opened: Page = browser.new_page()
    opened.goto(f"{served}/index.html", timeout=30_000)
    opened.click("input[name=query]")
    opened.keyboard.type(words)
    opened.wait_for_selector(f'.md-search-result__item a[href*="/{page}.html"]', timeout=20_000)
    opened.close()


@pytest.mark.parametrize("words", ["findscu", "resume", "PS3.4 C.4.1"])
def test_search_has_what_people_look_for(site: Path, words: str) -> None:
    """The search index contains each word."""
    index = json.loads((site / "search" / "search_index.json").read_text())
    texts = [f"{each['title']} {each['text']}" for each in index["docs"]]
    assert any(words in text for text in texts)


def test_each_known_issue_is_shown(site: Path) -> None:
    """The page of known issues has the reason of each listed issue."""
    page = re.sub("<[^>]*>", "", (site / "found.html").read_text())
    text = html.unescape(page)
    for path in (ROOT / "known").glob("*.toml"):
        for issue in parse_known(path, path.read_text()):
            assert issue.reason.replace("`", "") in text
