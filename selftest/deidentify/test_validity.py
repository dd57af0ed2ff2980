"""An independent validator finds no error in a result that the original did not have."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from dcm.deidentify import FileDeidentifier, make_deidentify_filter
from dcm.store.layout import Layout
from harness.corpus import corpus

Judge = Callable[[Path], Counter[str]]
KEY = b"a key of the selftests"
LAYOUT = Layout("{SOPInstanceUID}.dcm")
OBJECTS = [
    id_ for id_ in corpus if corpus[id_].properties["valid"] and id_[0] in "mpt" and id_ != "t04"
]
PROFILES = {
    "basic": "",
    "most": "full-dates,retain-uids,retain-device,retain-institution,retain-patient,clean-descriptors,"
    "clean-structured,clean-graphics,retain-safe-private",
    "modified": "modified-dates,clean-structured,clean-descriptors",
}


@pytest.mark.parametrize("id_", OBJECTS)
def test_result_has_no_new_error(id_: str, errors_of: Judge, tmp_path: Path) -> None:
    """With any options."""
    source = corpus[id_].write(tmp_path)
    before = errors_of(source)
    for name, options in PROFILES.items():
        through = make_deidentify_filter(options, key=KEY, allow_burned_in=True)
        done = FileDeidentifier(through, str(tmp_path / name), LAYOUT).write(str(source))
        assert errors_of(Path(done.file)) - before == Counter(), name


def test_the_judge_sees_a_new_error(errors_of: Judge, tmp_path: Path) -> None:
    """A result without its series is an error."""
    source = corpus["m07"].write(tmp_path)
    data_set = corpus["m07"].dataset()
    del data_set.SeriesInstanceUID
    data_set.save_as(tmp_path / "bad.dcm")
    assert errors_of(tmp_path / "bad.dcm") - errors_of(source)
