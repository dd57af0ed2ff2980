"""`dcm view`: show images on an HTML page or in a PNG picture, with the main data of each.

Images are shown with their own window, lookup tables and colours. They come from files and folders, or from
a query: `dcm query mypacs PatientID=4711 | dcm view -o page.html`. An image that cannot be decoded is shown
as a tile with the reason, and the exit status is 1.
"""

import os
import tempfile
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from dcm.cli.logs import LOG
from dcm.cli.options import add_connection, add_network_options, number
from dcm.cli.output import print_text
from dcm.cli.progress import Progress, in_thread, wanted
from dcm.cli.report import Reporter
from dcm.cli.running import run_async
from dcm.cli.selection import read_result, stdin_holds_something
from dcm.cli.session import opener, reporter
from dcm.cli.usage import UsageError
from dcm.data.levels import Level
from dcm.outcome import InstanceResult
from dcm.sinks import Folder
from dcm.view import CannotView, Look, ViewReport, view
from dcm.view.tile import is_no_image
from dcm.wire.status import readable

if TYPE_CHECKING:
    from dcm.data.query_result import QueryResult

_MOST: Final = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: what to show, where to write it, and how."""
    parser.add_argument(
        "paths", metavar="PATH", nargs="*",
        help="a file, or a folder with everything below it; by default, the query result on stdin",
    )  # fmt: skip
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        required=True,
        help="the page (.html) or picture (.png) to write",
    )
    parser.add_argument(
        "--columns", metavar="N", type=number(1, 50), default=0,
        help="the number of images in a row; by default as many as fit, and 6 in a PNG",
    )  # fmt: skip
    parser.add_argument(
        "--size", metavar="PX", type=number(16, 4096), default=256,
        help="the longer side of an image, in pixels; 256 by default",
    )  # fmt: skip
    parser.add_argument(
        "--window", metavar="C,W", type=_window,
        help="center and width of the window for all grayscale images, instead of their own: 40,400;"
        " write --window=-600,1500 for a negative center",
    )  # fmt: skip
    parser.add_argument(
        "--every", metavar="N", type=number(1, 1_000_000), default=0,
        help="show only every Nth image of a series, and every Nth frame of an image; by default all images,"
        " and the middle frame of each",
    )  # fmt: skip
    parser.add_argument(
        "--query-res", metavar="FILE", help="show what an earlier `dcm query` found (JSON)"
    )
    add_connection(parser, "the node")
    add_network_options(parser)


def run(arguments: Namespace) -> int:
    """Fetch the images if necessary, make the page or picture, and print the number of images."""
    name = arguments.query_res
    if arguments.paths:
        if name is not None:
            raise UsageError("give either PATH or --query-res")
        missing = [each for each in arguments.paths if not os.path.exists(each)]
        if missing:
            raise UsageError(f"{missing[0]} does not exist")
        return run_async(_view(arguments, None))
    if name is None:
        if not stdin_holds_something():
            raise UsageError("nothing to show: give a PATH, or the JSON output of `dcm query`")
        name = "-"
    return run_async(_view(arguments, read_result(name)))


async def _view(arguments: Namespace, found: "QueryResult | None") -> int:
    asked = {"paths": arguments.paths, "output": arguments.output}
    with reporter(arguments, "files", **asked) as summary:
        if found is None:
            await _make(arguments, arguments.paths, "", summary)
        else:
            with tempfile.TemporaryDirectory(prefix="dcm-view-") as folder:
                if await _fetch(arguments, found, folder, summary):
                    await _make(arguments, [folder], f"From {found.source}", summary)
    print_text(str(summary))
    return summary.status


async def _fetch(arguments: Namespace, found: "QueryResult", folder: str, summary: Reporter) -> int:
    """Fetch all instances into a folder; return how many were received."""
    from pathlib import Path  # noqa: PLC0415 - only for this

    came = 0
    place = opener(arguments).of_result(found.source)
    total = found.count(Level.IMAGE)
    async with place, Progress("retrieving", total, shown=wanted(arguments)) as progress:

        def on_result(result: InstanceResult) -> None:
            nonlocal came
            progress.done += 1
            came += result.stored
            if not result.stored:
                summary.trouble(
                    f"{result.sop_instance_uid}: {result.outcome.value}: {result.words}"
                )

        report = await place.fetch(found, Folder(Path(folder)), on_result=on_result)
    if report.trouble:
        summary.trouble(report.trouble)
    if not came:
        summary.trouble(f"nothing was received from {found.source}")
    return came


async def _make(arguments: Namespace, paths: Sequence[str], title: str, summary: Reporter) -> None:
    look = Look(arguments.size, arguments.columns, arguments.window, arguments.every)
    async with Progress("scanned", shown=wanted(arguments)) as progress:
        stages = {"scanned": progress, "shown": progress.stage("shown")}

        def work(alive: Callable[[], None]) -> ViewReport:
            def tell(what: str, done: int, total: int | None) -> None:
                alive()
                stages[what].done, stages[what].total = done, total

            return view(paths, arguments.output, look, title=title, on_progress=tell)

        try:
            report = await in_thread(work)
        except CannotView as error:
            summary.trouble(str(error))
            return
    _tell(report, summary)


def _tell(report: ViewReport, summary: Reporter) -> None:
    for path in report.shown:
        summary.add("shown", good=True, path=path)
    for path, words in report.missing:
        image = not is_no_image(words)
        summary.add("failed" if image else "no image", good=not image, path=path, words=words)
    for path, words in report.left:
        summary.add("left: not DICOM", good=True, path=path, words=words)
    failed = [each for each in report.missing if not is_no_image(each[1])]
    for path, words in failed[:_MOST]:
        LOG.error("%s: %s", readable(path), words)
    if len(failed) > _MOST:
        LOG.error("and %d more; use --report FILE to list all", len(failed) - _MOST)


def _window(text: str) -> tuple[float, float]:
    try:
        center, width = map(float, text.split(","))
    except ValueError:
        center, width = 0.0, 0.0
    if not (0 < width < 1e12 and abs(center) < 1e12):
        raise ArgumentTypeError(
            f"{text!r} is not CENTER,WIDTH: use two numbers, with a width greater than 0"
        )
    return center, width
