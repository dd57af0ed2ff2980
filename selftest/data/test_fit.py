"""Whether an answer matches a key: a difference counts only if the standard allows none."""

import pytest

from dcm.data.fit import Fit, fit
from dcm.data.match import WORKLIST


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        ("Muller*", "Müller^Anna", Fit.YES),
        ("MÜLLER^ANNA", "Muller^Anna", Fit.YES),
        ("Anna*", "Müller^Anna", Fit.YES),
        ("Oconnor*", "O'Connor^Sean", Fit.YES),
        ("Yamada*", "Yamada^Tarou=山田^太郎=やまだ^たろう", Fit.YES),
        ("Müller*", "Mueller^Anna", Fit.UNCERTAIN),
        ("Smith", "Smyth^John", Fit.UNCERTAIN),
    ],
)
def test_names_may_be_matched_by_other_rules(key: str, name: str, expected: Fit) -> None:
    """PS3.4 C.2.2.2.1.1: accents, position and other variants are up to the archive."""
    assert fit("PatientName", key, name) is expected


def test_many_stars_take_no_time() -> None:
    """Matching does not try all ways; the answer is uncertain."""
    assert fit("PatientName", "*a" * 500 + "b", "a" * 2000) is Fit.UNCERTAIN


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        ("CT\\SR", Fit.YES), ("CT,SR", Fit.YES), ("CT/SR", Fit.YES), ("SR CT", Fit.YES),
        ("*", Fit.UNCERTAIN), ("ct-scan", Fit.UNCERTAIN), ("MR", Fit.NO), ("MR,SR", Fit.NO),
    ],
)  # fmt: skip
def test_modalities_with_other_delimiters(answered: str, expected: Fit) -> None:
    """An invalid value of CS does not show what the archive matched."""
    assert fit("ModalitiesInStudy", "CT", answered) is expected


@pytest.mark.parametrize(
    ("keyword", "key", "answered", "expected"),
    [
        ("StudyDate", "20240101-", "20240103", Fit.YES),
        ("StudyDate", "20240101-", "20231231", Fit.NO),
        ("StudyDate", "20240101-", "3 Jan 2024", Fit.UNCERTAIN),
        ("StudyTime", "2200-2359", "233000", Fit.YES),
        ("SeriesNumber", "1", "01", Fit.YES),
        ("SeriesNumber", "1", "2", Fit.NO),
        ("SeriesNumber", "1", "one", Fit.UNCERTAIN),
        ("PatientID", "123", "1234", Fit.NO),
        ("PatientID", "ab*", "ABC", Fit.YES),
        ("StudyInstanceUID", "1.2\\1.3", "1.3", Fit.YES),
        ("StudyInstanceUID", "1.2", "1.20", Fit.NO),
        ("StudyDescription", "tete*", "Tête", Fit.YES),
    ],
)
def test_other_keys(keyword: str, key: str, answered: str, expected: Fit) -> None:
    """A different well-formed value shows that the key was ignored."""
    assert fit(keyword, key, answered) is expected


def test_sequences_fit_by_their_best_item() -> None:
    """All keys of one item must fit."""
    key = [{"Modality": "CT", "ScheduledPerformingPhysicianName": "Muller*"}]
    step = "ScheduledProcedureStepSequence"
    name = "ScheduledPerformingPhysicianName"
    assert fit(step, key, [{"Modality": "MR"}, {"Modality": "CT", name: "Müller"}]) is Fit.YES
    assert fit(step, key, [{"Modality": "CT", name: "Mueller"}]) is Fit.UNCERTAIN
    assert fit(step, key, [{"Modality": "MR", name: "Müller"}]) is Fit.NO
    assert fit(step, key, [{"Modality": "CT", name: ""}], WORKLIST) is Fit.NO
    assert fit(step, [{"Modality": ""}], []) is Fit.YES
