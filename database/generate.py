#!/usr/bin/env python3
"""Write the sample objects to files, and keep the catalogue: see README.md beside this file."""

import argparse
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from harness.corpus import Corpus, Sample  # noqa: E402 - the checkout need not be installed
from harness.corpus.recipes import RECIPES  # noqa: E402
from harness.corpus.registry import catalogue  # noqa: E402

GENERATED = FOLDER / "generated"


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments ask; the answer is the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--list", action="store_true", help="list the samples and their purpose")
    modes.add_argument(
        "--check", action="store_true", help="compare all samples with the catalogue"
    )
    modes.add_argument("--update", action="store_true", help="write the catalogue anew")
    parser.add_argument(
        "--out", type=Path, default=GENERATED, help="where files go and are compared (%(default)s)"
    )
    options = parser.parse_args(arguments)
    samples = Corpus(RECIPES, verify=False)
    if options.list:
        for recipe in RECIPES.values():
            print(f"{recipe.id:<34}{recipe.purpose}")
        return 0
    if options.check:
        troubles = list(_differences(samples, options.out))
        print("\n".join(troubles) or f"{len(samples)} samples are as in the catalogue")
        return 1 if troubles else 0
    if options.update:
        text = json.dumps({"samples": _entries(samples)}, indent=1, ensure_ascii=False)
        (FOLDER / "catalogue.json").write_text(text + "\n", "utf-8")
        print(f"{len(samples)} samples are in the catalogue")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    for sample in samples.values():
        sample.write(options.out)
    print(f"{len(samples)} files are in {options.out}")
    return 0


def _entries(samples: Corpus) -> dict[str, dict[str, Any]]:
    return {sample.id: _entry(sample) for sample in samples.values()}


def _entry(sample: Sample) -> dict[str, Any]:
    return {
        "purpose": sample.purpose,
        "properties": dict(sample.properties),
        "sha256": sample.sha256,
        "size": len(sample.data),
    }


def _differences(samples: Corpus, files: Path) -> Iterator[str]:
    """Name each sample that differs, with its elements where its former file is still there."""
    known = catalogue()
    for sample in samples.values():
        entry = known.get(sample.id)
        if entry is None:
            yield f"{sample.id}: not in the catalogue"
        elif entry["sha256"] != sample.sha256:
            yield f"{sample.id}: bytes differ{_elements(sample, files, entry['sha256'])}"
        elif entry != _entry(sample):
            yield f"{sample.id}: purpose or properties differ"
    for name in known:
        if name not in samples:
            yield f"{name}: in the catalogue, but there is no recipe"


def _elements(sample: Sample, files: Path, sha256: str) -> str:
    """Compare with the file that an earlier run wrote, if it is the one of the catalogue."""
    former = next(files.glob(f"{sample.id}.*"), None)
    if former is None:
        return ""
    try:
        before = Sample(sample.id, "", former.read_bytes(), sample.transfer_syntax)
        if before.sha256 != sha256:
            return ""
        old, new = before.dataset(), pydicom.dcmread(io.BytesIO(sample.data))
    except (OSError, ValueError, pydicom.errors.InvalidDicomError):
        return ""
    tags = sorted({e.tag for ds in (old, new) for e in ds if old.get(e.tag) != new.get(e.tag)})
    return ": " + ", ".join(f"{tag} {pydicom.datadict.keyword_for_tag(tag)}" for tag in tags)


if __name__ == "__main__":
    sys.exit(main())
