"""Contact sheets: pictures of images with their key data, as one HTML page or PNG image.

from dcm.view import Look, view

view(["scans"], "page.html", Look(size=192))
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from dcm.errors import DcmError
from dcm.net.folders import files_in
from dcm.part_file import PartFile
from dcm.processes import Processes
from dcm.view.entries import Entry, Shown, chosen, entries
from dcm.view.page import page
from dcm.view.sheet import sheet
from dcm.view.tile import Tile, Work, is_no_image, lost

__all__ = ["CannotView", "Look", "ViewReport", "view"]

OnProgress = Callable[[str, int, int | None], object]
"""Called with what is counted, the number so far, and the total if it is known."""
_COLUMNS: Final = 6


class CannotView(DcmError):  # noqa: N818 - reads as the sentence it is
    """A page or sheet cannot be made, with the reason."""


class Look(NamedTuple):
    """The appearance of a page or sheet.

    size: of the longer side of a picture, in pixels. columns: 0 for as many as fit, or 6 on a
    sheet.
    window: center and width for all grayscale images; None for each image's own. every: see
    `dcm.view.entries.chosen`.
    """

    size: int = 256
    columns: int = 0
    window: tuple[float, float] | None = None
    every: int = 0


class ViewReport:
    """What is shown: the path of each picture.

    missing: paths, with the reason why there is no picture. left: the same for files that are not
    DICOM.
    """

    def __init__(self) -> None:
        self.shown: Final[list[str]] = []
        self.missing: Final[list[tuple[str, str]]] = []
        self.left: Final[list[tuple[str, str]]] = []

    @property
    def complete(self) -> bool:
        """Whether every image could be decoded."""
        return all(is_no_image(words) for _, words in self.missing)


def view(
    paths: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    look: Look = Look(),  # noqa: B008 - immutable
    *,
    title: str = "",
    on_progress: OnProgress | None = None,
) -> ViewReport:
    """Write a page (a name ending in .html) or sheet (.png) of the images in files and folders.

    A few processes make one picture at a time, so memory does not grow with their number. An image
    that cannot be decoded has a tile with the reason. Raises `CannotView` if nothing is found or no
    pictures can be made here, and `OSError`.
    """
    _require_libraries()
    output = os.path.abspath(os.fspath(output))
    ending = os.path.splitext(output)[1].lower()
    if ending not in (".html", ".htm", ".png"):
        raise CannotView(f"{output}: use the extension .html for a page or .png for a picture")
    report = ViewReport()
    shown = chosen(_found(paths, output, report, on_progress), look.every)
    if not shown:
        raise CannotView(f"no DICOM files in {', '.join(os.fspath(each) for each in paths)}")
    raw = ending == ".png"
    work = [
        tuple(
            Work(
                each.entry.path,
                each.entry.transfer_syntax_uid,
                each.frame,
                look.size,
                look.window,
                raw,
            )
        )
        for each in shown
    ]
    most = max(1, min(8, len(work) // 4))
    with (
        PartFile(os.path.dirname(output)) as part,
        Processes("dcm.view.tile:made", lost, most) as processes,
    ):
        made = map(Tile._make, processes.map(work))
        tiles = _counted(shown, made, report, on_progress)
        if raw:
            columns = look.columns or min(_COLUMNS, len(shown))
            sheet(lambda data: part.write([data]), tiles, len(shown), look.size, columns)
        else:
            heading = title or ", ".join(os.path.basename(os.path.abspath(each)) for each in paths)
            said = _said(shown)
            for some in page(heading, said, tiles, look.size, look.columns):
                part.write([some.encode("utf-8", "replace")])
        part.replace(output)
    return report


def _require_libraries() -> None:
    try:
        import numpy  # noqa: F401, ICN001, PLC0415 - an extra
        import PIL  # noqa: F401, PLC0415
    except ImportError as error:
        raise CannotView(f"{error.name} is not installed: pip install 'dicom-dcm[view]'") from None


def _found(
    paths: Sequence[str | os.PathLike[str]],
    output: str,
    report: ViewReport,
    on_progress: OnProgress | None,
) -> Iterator[Entry]:
    listed = (path for path in files_in(paths) if os.path.abspath(path) != output)
    for count, each in enumerate(entries(listed), 1):
        if each.words:
            report.left.append((each.path, each.words))
        else:
            yield each
        if on_progress and count % 100 == 0:
            on_progress("scanned", count, None)


def _counted(
    shown: Sequence[Shown],
    made: Iterator[Tile],
    report: ViewReport,
    on_progress: OnProgress | None,
) -> Iterator[tuple[Shown, Tile]]:
    for count, both in enumerate(zip(shown, made, strict=True), 1):
        if both[1].words:
            report.missing.append((both[0].entry.path, both[1].words))
        else:
            report.shown.append(both[0].entry.path)
        yield both
        if on_progress:
            on_progress("shown", count, len(shown))


def _said(shown: Sequence[Shown]) -> str:
    """Describe how much is shown."""
    counts = Counter(
        {
            "patients": len({each.entry.study[:2] for each in shown}),
            "studies": len({each.entry.study for each in shown}),
            "series": len({(each.entry.study, each.entry.series) for each in shown}),
            "pictures": len(shown),
        }
    )
    return ", ".join(
        f"{count:,} {_one(name) if count == 1 else name}" for name, count in counts.items()
    )


def _one(name: str) -> str:
    return {"patients": "patient", "studies": "study", "pictures": "picture"}.get(name, name)
