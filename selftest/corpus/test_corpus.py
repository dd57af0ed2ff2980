"""The corpus as a whole: found by id, the same bytes everywhere, always as the catalogue says."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from harness.corpus import Corpus, corpus
from harness.corpus.recipes import RECIPES
from harness.corpus.registry import catalogue
from harness.errors import CorpusError
from harness.suites import database_folder

ROOT = Path(__file__).resolve().parents[2]
CHECKSUMS = """
import json
from harness.corpus import Corpus, make
from harness.corpus.recipes import RECIPES
made = {sample.id: sample.sha256 for sample in Corpus(RECIPES, verify=False).values()}
made["made"] = make.instance(PatientName="Same^Always").sha256
print(json.dumps(made))
"""


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """Return the command `database/generate.py` as a module."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "database" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checksums(hash_seed: str) -> dict[str, str]:
    """Make all samples in a fresh interpreter."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "TZ": f"UTC+{hash_seed}"}
    done = subprocess.run(
        [sys.executable, "-c", CHECKSUMS],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    made: dict[str, str] = json.loads(done.stdout)
    return made


def test_samples_are_the_same_in_fresh_interpreters() -> None:
    """No byte depends on hash order, time zone or the current time."""
    assert checksums("1") == checksums("2")


def test_catalogue_is_complete_and_current(
    generate: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check for maintainers finds nothing."""
    assert generate.main(["--check"]) == 0
    assert "are as in the catalogue" in capsys.readouterr().out
    assert tuple(catalogue()) == corpus.ids()


def test_generate_writes_all_and_check_names_what_differs(
    generate: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A changed recipe is reported with the changed element, compared to files of the last run."""
    assert generate.main(["--out", str(tmp_path)]) == 0
    assert len(list(tmp_path.iterdir())) == len(corpus)
    changed = dict(RECIPES)
    second = RECIPES["h10-ct-second"]
    changed["h10-ct-first"] = type(second)("h10-ct-first", "changed", second.draft)
    monkeypatch.setattr(generate, "RECIPES", changed)
    capsys.readouterr()
    assert generate.main(["--check", "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("h10-ct-first: bytes differ: (0008,103E) SeriesDescription")
    assert len(printed.splitlines()) == 1


def test_drift_is_refused() -> None:
    """A sample that differs from the catalogue is not returned."""
    other = type(RECIPES["t03"])("t03", "another draft", RECIPES["t05"].draft)
    with pytest.raises(CorpusError, match="t03 differs from the catalogue"):
        Corpus({"t03": other})["t03"]


def test_sample_outside_the_catalogue_is_refused() -> None:
    """A new recipe must be added to the catalogue first."""
    new = type(RECIPES["t03"])("t99", "new", RECIPES["t03"].draft)
    with pytest.raises(CorpusError, match="t99 is not in the catalogue"):
        Corpus({"t99": new})["t99"]


def test_unknown_id_names_the_nearest() -> None:
    """A typing error is answered with the nearest id."""
    with pytest.raises(CorpusError, match=r"unknown sample 'h01-ct-1-9'; similar: h01-ct-1-"):
        corpus["h01-ct-1-9"]


def test_the_number_is_enough_for_one_and_refused_for_several() -> None:
    """`m07` is one sample; `p12` could be any of four."""
    assert corpus["t01-un"] is corpus["t01-un"]
    assert corpus["m07"].id == "m07"
    assert corpus["h08-ct-001"].patient_id == "HIER-MANY"
    with pytest.raises(CorpusError, match="matches several samples: p12-jpeg-lossless"):
        corpus["p12"]


def test_groups_are_studies() -> None:
    """h01 is one study of two series; an unknown group is an error."""
    group = corpus.group("h01")
    assert len({sample.study_instance_uid for sample in group}) == 1
    assert len({sample.series_instance_uid for sample in group}) == 2
    assert len({sample.sop_instance_uid for sample in group}) == 6
    with pytest.raises(CorpusError, match="no sample's id starts with 'z'"):
        corpus.group("z")


def test_no_two_samples_share_an_instance_but_the_pair_that_does_so_on_purpose() -> None:
    """Samples of different groups can be stored together."""
    seen: dict[str, str] = {}
    for sample in corpus.values():
        if "sop_class" in sample.properties:
            uid = sample.sop_instance_uid
            pair = {seen.setdefault(uid, sample.id), sample.id}
            assert len(pair) == 1 or pair == {"h10-ct-first", "h10-ct-second"}


def test_references_of_the_report_and_the_key_object_lead_to_the_ct() -> None:
    """h03 is consistent."""
    ct = corpus["h03-ct"]
    for id_ in ("h03-sr", "h03-ko"):
        ds = corpus[id_].dataset()
        study = ds.CurrentRequestedProcedureEvidenceSequence[0]
        series = study.ReferencedSeriesSequence[0]
        assert ds.StudyInstanceUID == study.StudyInstanceUID == ct.study_instance_uid
        assert series.SeriesInstanceUID == ct.series_instance_uid
        assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == ct.sop_instance_uid


def test_database_folder_is_the_one_of_the_checkout() -> None:
    """The catalogue in use is that of the checkout."""
    assert database_folder() == ROOT / "database"


def test_t06_is_as_deep_as_it_says() -> None:
    """Forty sequences are nested, and the innermost item has that depth."""
    ds = corpus["t06-nested-40"].dataset()
    for _ in range(40):
        ds = ds.ContentSequence[0]
    assert ds.TextValue == "level 40"
    assert "ContentSequence" not in ds
