"""A page of pictures: one self-contained HTML file without scripts."""

import base64
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from dcm.view.entries import Entry, Shown
from dcm.view.tile import Tile, is_no_image

_HEAD: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="dcm view">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --back: #f4f5f7; --card: #fff; --text: #1c2127; --soft: #586069;
  --line: #d8dce1; --bad: #a3231b; --size: {size}px; }}
@media (prefers-color-scheme: dark) {{ :root {{ --back: #14171b; --card: #1e2328; --text: #e8eaed;
  --soft: #a3acb5; --line: #343b43; --bad: #ff9d94; }} }}
* {{ box-sizing: border-box; }}
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 0; padding: 1rem clamp(.75rem, 2vw, 2rem) 3rem;
  background: var(--back); color: var(--text); overflow-wrap: anywhere; }}
h1 {{ font-size: 1.35rem; margin: .5rem 0 0; }}
h2 {{ font-size: 1.1rem; margin: 0; }}
p {{ margin: .2rem 0; }} .soft, figcaption {{ color: var(--soft); }}
main {{ display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; align-items: flex-start; margin-top: 1rem; }}
section {{ max-width: 100%; border-top: 1px solid var(--line); padding-top: .8rem; }}
h2, section > p {{ width: 0; min-width: 100%; }}
.tiles {{ display: flex; flex-wrap: wrap; gap: .75rem; margin-top: .7rem; }}
.tiles figure {{ width: max(9rem, calc(var(--size) + 2px)); max-width: 100%; }}
figure {{ margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  overflow: hidden; display: flex; flex-direction: column; content-visibility: auto;
  contain-intrinsic-size: auto {size}px auto {tall}px; }}
.picture {{ background: #000; aspect-ratio: 1; display: flex; align-items: center;
  justify-content: center; }}
.picture img {{ width: 100%; height: 100%; object-fit: contain; }}
.picture img.small {{ image-rendering: pixelated; }}
.none {{ background: none; border-bottom: 1px solid var(--line); color: var(--soft); padding: 1rem;
  text-align: center; }} .bad {{ color: var(--bad); }}
figcaption {{ padding: .4rem .6rem .5rem; font-size: .8rem; font-variant-numeric: tabular-nums; }}
figcaption b {{ color: var(--text); font-weight: 600; }}
{columns}@media (max-width: 40rem) {{ section {{ width: 100%; }} body {{ font-size: 14px; }}
  .tiles {{ display: grid; grid-template-columns: repeat(2, 1fr); gap: .5rem; }}
  .tiles figure {{ width: auto; }} }}
@media print {{ figure {{ break-inside: avoid; content-visibility: visible; }} }}
</style>
"""
_COLUMNS: Final = """\
@media (min-width: 40.01rem) {{ section {{ width: 100%; }} .tiles figure {{ width: auto; }}
  .tiles {{ display: grid; grid-template-columns: repeat({}, 1fr); }} }}
"""


def page(
    title: str, said: str, tiles: Iterable[tuple[Shown, Tile]], size: int, columns: int
) -> Iterator[str]:
    """Yield the page in parts as tiles arrive."""
    wide = _COLUMNS.format(columns) if columns else ""
    yield _HEAD.format(title=escape(title), size=size, tall=size + 60, columns=wide)
    yield f"<h1>{escape(title)}</h1>\n<p class=soft>{escape(said)}</p>\n<main>\n"
    study = None
    for shown, tile in tiles:
        if shown.entry.study != study:
            yield "</div></section>\n" if study is not None else ""
            yield _study(shown.entry)
            study = shown.entry.study
        yield _figure(shown, tile)
    yield "</div></section>\n</main>\n"


def _study(entry: Entry) -> str:
    return (
        f"<section><h2>{escape(patient_text(entry))}</h2>\n"
        f"<p class=soft>{escape(study_text(entry))}</p>\n<div class=tiles>\n"
    )


def patient_text(entry: Entry) -> str:
    """Describe the patient."""
    name = _readable(entry.patient_name.partition("=")[0].replace("^", " ").strip())
    return ", ".join(filter(None, (name or "no name", _readable(entry.patient_id))))


def study_text(entry: Entry) -> str:
    """Describe the study."""
    accession = entry.accession_number and f"accession number {entry.accession_number}"
    parts = (_date(entry.study_date), entry.study_description, accession)
    return _readable(", ".join(filter(None, parts))) or "a study without date and description"


def series_text(entry: Entry) -> str:
    """Describe the series."""
    number = f"Series {entry.series_number}" if entry.series_number else "Series without number"
    return _readable(", ".join(filter(None, (number, entry.modality, entry.series_description))))


def number_text(shown: Shown) -> str:
    """Describe the number of the image."""
    entry = shown.entry
    number = f"Image {entry.instance_number}" if entry.instance_number else "Image"
    return _readable(
        f"{number}, frame {shown.frame} of {entry.frames}" if entry.frames > 1 else number
    )


def _date(text: str) -> str:
    whole = len(text) == 8 and text.isdecimal()
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if whole else text


def _readable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _figure(shown: Shown, tile: Tile) -> str:
    number = number_text(shown)
    name = escape(_readable(shown.entry.path), quote=True)
    caption = f'<figcaption title="{name}"><b>{escape(number)}</b>'
    lines = series_text(shown.entry), *tile.facts
    caption += "".join(f"<br>{escape(each)}" for each in lines) + "</figcaption>"
    if tile.words:
        kind = "none" if is_no_image(tile.words) else "none bad"
        words = escape(_readable(tile.words))
        return f'<figure><div class="picture {kind}">{words}</div>{caption}</figure>\n'
    alt = escape(f"{number} of {series_text(shown.entry)}, {patient_text(shown.entry)}", quote=True)
    data = base64.b64encode(tile.picture).decode()
    kind = " class=small" if tile.media == "image/png" else ""
    return (
        f'<figure><div class=picture><img{kind} width={tile.width} height={tile.height} alt="{alt}"'
        f' loading=lazy decoding=async src="data:{tile.media};base64,{data}"></div>{caption}</figure>\n'
    )
