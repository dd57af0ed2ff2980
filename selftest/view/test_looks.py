"""The look of pages in a browser, wide and narrow, light and dark."""

import warnings
from pathlib import Path

import pytest
from support.browser import CONTRASTS, EVIL, Open, browser, open_page
from view.test_pixels import RAMP, made

from dcm.view import Look, view

__all__ = ["browser", "open_page"]

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 400, "height": 800}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_page_looks_right(
    size: dict[str, int], scheme: str, folder: Path, tmp_path: Path, open_page: Open
) -> None:
    """Nothing is cut off, and all pictures are shown, with alternative text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of values that are too long for their VR
        evil = made(RAMP, PatientName=EVIL, SeriesDescription="x" * 300)
        evil.save_as(folder / "evil.dcm", enforce_file_format=True)
    page = tmp_path / "page.html"
    view([folder], page)
    shown_ = open_page(page, viewport=size, color_scheme=scheme)
    assert shown_.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert shown_.evaluate("window.hacked") is None
    images = shown_.locator("img")
    assert images.count() == 6
    for each in images.all():
        each.scroll_into_view_if_needed()
        assert each.evaluate("each => each.decode().then(() => each.naturalWidth)") > 0
        assert "Image" in (each.get_attribute("alt") or "")
        box = each.bounding_box()
        assert box is not None
        assert box["width"] >= 120
    assert min(shown_.evaluate(CONTRASTS).values()) >= 4.5
    assert shown_.title() == "folder"


@pytest.mark.parametrize("columns", [1, 3])
def test_columns(columns: int, folder: Path, tmp_path: Path, open_page: Open) -> None:
    """Each full row has this number of tiles."""
    for number in range(4):
        ds = made(RAMP, InstanceNumber=str(number))
        ds.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    page = tmp_path / "page.html"
    view([folder], page, Look(columns=columns))
    shown_ = open_page(page, viewport=WIDE)
    boxes = shown_.evaluate(
        "[...[...document.querySelectorAll('.tiles')].sort((a, b) => b.children.length -"
        " a.children.length)[0].children].map((each) => each.getBoundingClientRect().top)"
    )
    assert boxes.count(min(boxes)) == columns
