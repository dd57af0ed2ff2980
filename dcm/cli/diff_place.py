"""Compare a folder with a place: for each study in the folder, all of its instances in both."""

import os
import tempfile
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from dcm.cli.diff_sides import Comparison, Side
from dcm.cli.running import run_async
from dcm.cli.session import opener
from dcm.cli.usage import UsageError
from dcm.data.header import NotDicom, scan
from dcm.data.pairing import Held, paired
from dcm.outcome import Report
from dcm.sinks import Folder
from dcm.store.place import Place


def compare_with_place(
    arguments: Namespace, left: Side | None, right: Side | None, comparison: Comparison
) -> None:
    """Compare a folder or file with the other side, which is a place."""
    side = left or right
    if side is None:
        raise UsageError(
            f"{arguments.left} and {arguments.right}: one of the two must be a file or a folder"
        )
    arguments.max_associations = None
    name = arguments.left if left is None else arguments.right
    place = opener(arguments).place(name)
    run_async(_compare(side, place, comparison, swapped=left is None))


async def _compare(side: Side, place: Place, comparison: Comparison, *, swapped: bool) -> int:
    studies: defaultdict[str, list[Held]] = defaultdict(list)
    for each in side:
        studies[each.study_instance_uid].append(each)
    comparison.problems.extend(side.problems)
    for each in studies.pop("", ()):
        comparison.trouble(f"{each}: no Study Instance UID, so {place} cannot be queried")
    async with place:
        for uid, ours in studies.items():
            with tempfile.TemporaryDirectory(prefix="dcm-diff-") as folder:
                report = await place.fetch({"StudyInstanceUID": uid}, Folder(Path(folder)))
                others = [*_fetched(folder, place, comparison)]
                if not side.is_folder:
                    wanted = {each.sop_instance_uid for each in ours}
                    others = [each for each in others if each.sop_instance_uid in wanted]
                for one, other in paired(ours, others):
                    if other is None and one is not None and _is_unknown(one, report):
                        continue
                    comparison.take(*((other, one) if swapped else (one, other)))
            _tell(report, place, comparison)
    return 0


def _fetched(folder: str, place: Place, comparison: Comparison) -> Iterable[Held]:
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        try:
            uid = scan(path, ()).sop_instance_uid
        except NotDicom as error:
            comparison.trouble(f"{place}: {name}: {error.reason}")
        else:
            yield Held(uid, name, path, origin=f"{place}: {uid}")


def _is_unknown(one: Held, report: Report) -> bool:
    """Return whether the place may have an instance although it was not received."""
    lost = {result.sop_instance_uid for result in report.lost}
    return bool(report.trouble) or one.sop_instance_uid in lost


def _tell(report: Report, place: Place, comparison: Comparison) -> None:
    for result in report.lost:
        comparison.trouble(f"{place}: {result.sop_instance_uid}: {result.words}")
    if report.trouble:
        comparison.trouble(f"{place}: {report.trouble}")
