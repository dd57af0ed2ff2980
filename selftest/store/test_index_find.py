"""An index gives the same answers as `dcm.data.match` for each instance."""

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store.objects import CT, EXPLICIT, IMPLICIT, MR, write

from dcm.data.attributes import attributes_of_file
from dcm.data.levels import Level
from dcm.data.match import Attributes, Value, matches
from dcm.store.index import Index

NAMES = (
    "", "Muller^Anna", "MULLER^ANNA", "Müller^Anna=ミュラー^アンナ", "Mul[d]er", "Mulder^^", "=Yamada",
    "Smith^A\\Jones^B", " Muller ^ Anna", "^^", "ẞmith",
)  # fmt: skip
DATES = ("", "20240101", "2024.01.01", "20231231", "nonsense", "20240101\\20240301", "20240230")
TIMES = ("", "10", "1030", "103015", "103015.5", "10:30:15", "2360")
NUMBERS = ("", "1", "01", "1.0", "2", "x", "1\\2", "nan")
CODES = ("", "CT", "MR", "CT\\MR", "C[T", "US")
TEXTS = ("", "A1", "a1", "A1 ", "A*1", "A1\\B2", "äöü", "Ab1", " A1")
UIDS = ("1.2.1", "1.2.2", "1.2.3", "1.2.1\\1.2.2")
STORED = {
    "PatientName": NAMES, "PatientID": TEXTS, "PatientSex": CODES, "PatientBirthDate": DATES,
    "PatientComments": TEXTS, "StudyDate": DATES, "StudyTime": TIMES, "AccessionNumber": TEXTS,
    "StudyDescription": TEXTS, "Modality": CODES, "SeriesNumber": NUMBERS, "ImageType": CODES,
    "InstanceNumber": NUMBERS, "SliceThickness": NUMBERS, "BodyPartExamined": CODES,
    "AcquisitionDateTime": ("", "20240101103015+0100", "2024", "20240101103015"),
    "TimezoneOffsetFromUTC": ("", "+0100", "-1200"),
}  # fmt: skip
ASKED = {
    **STORED,
    "PatientName": (*NAMES, "*", "mul*", "*anna", "m?ll*", "ミ*", "=ミ*", "*[d]*", "m*l*e*r*a*n*a", "="),
    "PatientID": (*TEXTS, "A*", "?1", "*ö*", "a1\\B2", "*"),
    "AccessionNumber": (*TEXTS, "A*", "A?1", "*1*", "A1\\", "**"),
    "StudyDescription": (*TEXTS, "A*", "[A]*"),
    "PatientSex": (*CODES, "C?", "C[*"),
    "StudyDate": (*DATES, "20240101-", "-20231231", "20231231-20240101", "*", "20240101\\20231231"),
    "PatientBirthDate": (*DATES, "20240101-", "-20231231"),
    "StudyTime": (*TIMES, "1000-1031", "1030-", "-1015", "101500-103014"),
    "Modality": (*CODES, "*", "C*"),
    "ModalitiesInStudy": (*CODES, "C*", "*"),
    "SOPClassesInStudy": ("", CT, MR),
    "NumberOfStudyRelatedInstances": ("", "1", "2"),
    "NumberOfPatientRelatedStudies": ("", "1", "02"),
    "NumberOfSeriesRelatedInstances": ("", "1"),
    "SOPClassUID": ("", CT, MR, f"{CT}\\{MR}"),
    "StudyInstanceUID": ("", *UIDS, "1.2.9"),
    "SeriesInstanceUID": ("", *UIDS),
    "SOPInstanceUID": ("", *UIDS, "\\".join(f"1.2.{number}" for number in range(20))),
    "AcquisitionDateTime": ("", "20240101-", "20240101093015", "20240101103015+0100", "2023-2024"),
    "RetrieveAETitle": ("", "X"),
    "00100010": ("", "Mul*"),
}  # fmt: skip
LEVELS = st.sampled_from(Level)


@st.composite
def _instances(draw: st.DrawFn) -> dict[str, Value]:
    names = draw(st.sets(st.sampled_from(sorted(STORED)), max_size=8))
    made: dict[str, Value] = {name: draw(st.sampled_from(STORED[name])) for name in sorted(names)}
    if draw(st.integers(0, 3)) == 0:
        made["RequestAttributesSequence"] = [
            {"ScheduledProcedureStepID": draw(st.sampled_from(TEXTS))}
        ]
    made["SOPClassUID"] = draw(st.sampled_from((CT, MR)))
    made["SOPInstanceUID"] = draw(st.sampled_from(UIDS))
    made["StudyInstanceUID"] = draw(st.sampled_from(("", *UIDS)))
    made["SeriesInstanceUID"] = draw(st.sampled_from(("", *UIDS)))
    return made


@st.composite
def _queries(draw: st.DrawFn) -> dict[str, Value]:
    names = draw(st.sets(st.sampled_from(sorted(ASKED)), max_size=4))
    made: dict[str, Value] = {name: draw(st.sampled_from(ASKED[name])) for name in sorted(names)}
    if draw(st.integers(0, 9)) == 0:
        made["RequestAttributesSequence"] = [
            {"ScheduledProcedureStepID": draw(st.sampled_from(TEXTS))}
        ]
    return made


class Brute:
    """All instances with all their attributes, each compared with each query."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.instances: list[dict[str, Value]] = []
        for path in paths:
            attributes = attributes_of_file(str(path))
            for level in Level:
                attributes[level.unique_key] = str(attributes.get(level.unique_key, "")).strip(" ")
            attributes["00100010"] = attributes.get("PatientName", "")
            self.instances.append(attributes)
        self.paths = {id(each): str(path) for each, path in zip(self.instances, paths, strict=True)}
        for each in self.instances:
            each.update(self._computed(each))

    def _computed(self, one: Attributes) -> Mapping[str, str]:
        def below(of: Level) -> list[dict[str, Value]]:
            return [each for each in self.instances if path_of(each, of) == path_of(one, of)]

        def listed(keyword: str) -> str:
            texts = [str(each.get(keyword, "")) for each in below(Level.STUDY)]
            values = {part.strip(" ") for text in texts for part in text.split("\\")}
            return "\\".join(sorted(values - {""}))

        def number(of: Level, level: Level) -> str:
            return str(len({path_of(each, level) for each in below(of)}))

        return {
            "ModalitiesInStudy": listed("Modality"),
            "SOPClassesInStudy": listed("SOPClassUID"),
            "NumberOfPatientRelatedStudies": number(Level.PATIENT, Level.STUDY),
            "NumberOfStudyRelatedInstances": number(Level.STUDY, Level.IMAGE),
            "NumberOfSeriesRelatedInstances": number(Level.SERIES, Level.IMAGE),
        }

    def matching(self, query: Attributes) -> list[dict[str, Value]]:
        """Return the instances that match."""
        return [each for each in self.instances if matches(query, each)]

    def found(
        self, query: Attributes, level: Level
    ) -> dict[tuple[str, ...], list[dict[str, Value]]]:
        """Return the matching entities, each with its matching instances."""
        found = defaultdict(list)
        for each in self.matching(query):
            path = path_of(each, level)
            if all(path[1:]):
                found[path].append(each)
        return found


def path_of(attributes: Attributes, level: Level) -> tuple[str, ...]:
    """Return the unique keys from the patient down."""
    return tuple(str(attributes.get(each.unique_key, "")) for each in list(Level)[: level + 1])


@settings(max_examples=150)
@given(
    st.lists(st.tuples(_instances(), st.sampled_from((EXPLICIT, IMPLICIT))), max_size=8),
    st.lists(st.tuples(_queries(), LEVELS), min_size=1, max_size=12),
)
def test_find_equals_matching_each_instance(
    instances: list[tuple[dict[str, Value], str]], queries: list[tuple[dict[str, Value], Level]]
) -> None:
    """`find`, `count` and `instances` agree with comparing every instance with the query."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            write(Path(folder, str(number), "x.dcm"), attributes, syntax=syntax)
            for number, (attributes, syntax) in enumerate(instances)
        ]
        brute = Brute(paths)
        with Index(folder) as index:
            assert index.update().scanned == len(paths)
            for query, level in queries:
                expected = brute.found(query, level)
                found = list(index.find(query, level))
                assert sorted(path_of(each, level) for each in found) == sorted(expected)
                assert index.count(query, level) == len(expected)
                for each in found:
                    values = [
                        {name: one.get(name, "") for name in each}
                        for one in expected[path_of(each, level)]
                    ]
                    assert _plain(each) in map(_plain, values)
                assert sorted(one.instance.path for one in index.instances(query)) == sorted(
                    brute.paths[id(one)] for one in brute.matching(query)
                )
                assert list(index.find(query, level, limit=2, offset=1)) == found[1:3]
                for read in (1, 3):  # as for a page with answers further on
                    with patch("dcm.store.index_plan._READ", read):
                        assert list(index.find(query, level, limit=3)) == found[:3]
                        assert list(index.find(query, level, limit=2, offset=2)) == found[2:4]
                with patch("dcm.store.index_plan._SHARE", 1):  # along the key with the fewest rows
                    assert list(index.find(query, level)) == found


def _plain(attributes: Attributes) -> dict[str, Value]:
    """Return attributes without padding."""
    return {
        name: value.strip(" ") if isinstance(value, str) else value
        for name, value in attributes.items()
    }


@pytest.mark.parametrize("keyword", sorted(set(STORED) & set(ASKED)))
def test_each_key_finds_each_value_that_matches(keyword: str, tmp_path: Path) -> None:
    """Every key of an attribute, alone, finds exactly the values that match it."""
    stored = {f"1.2.{number}": value for number, value in enumerate(STORED[keyword])}
    for uid, value in stored.items():
        made = {
            "SOPClassUID": CT, "SOPInstanceUID": uid, "StudyInstanceUID": uid, "SeriesInstanceUID": uid,
            keyword: value,
        }  # fmt: skip
        write(tmp_path / uid, made)
    held = {uid: attributes_of_file(str(tmp_path / uid)) for uid in stored}
    with Index(tmp_path) as index:
        index.update()
        for key in (*ASKED[keyword], *STORED[keyword]):
            found = {
                str(each["SOPInstanceUID"]) for each in index.find({keyword: key}, Level.IMAGE)
            }
            assert found == {uid for uid in held if matches({keyword: key}, held[uid])}, key


@pytest.mark.parametrize("most", [0, 500])
def test_pages_behind_others(tmp_path: Path, most: int) -> None:
    """An offset skips matches only, not instances for which the index is uncertain."""
    dates = ("20240101", "20240101\\20240301", "", "20240301", " ", "nonsense", "2024.01.01")
    modalities = ("CT", "MR", "", "CT\\MR")
    for number in range(2 * len(dates) * len(modalities)):
        attributes = {
            "SOPClassUID": CT, "SOPInstanceUID": f"1.{number}.3", "SeriesInstanceUID": f"1.{number}.2",
            "StudyInstanceUID": f"1.{number}" if number % 9 else "", "PatientID": str(number % 5),
            "StudyDate": dates[number % len(dates)], "Modality": modalities[number % len(modalities)],
        }  # fmt: skip
        write(tmp_path / f"{number}.dcm", attributes)
        # The study has a second description, and a series of another modality.
        attributes |= {"SOPInstanceUID": f"1.{number}.5", "SeriesInstanceUID": f"1.{number}.4"}
        attributes |= {"StudyDate": "20240301", "Modality": "US"} if number % 3 else {}
        write(tmp_path / f"{number}-2.dcm", attributes)
    queries: list[tuple[Attributes, Level]] = [
        ({}, Level.STUDY), ({}, Level.SERIES), ({}, Level.IMAGE), ({"Modality": "CT"}, Level.SERIES),
        ({"StudyDate": "20240101"}, Level.STUDY), ({"StudyDate": "20240201-"}, Level.STUDY),
        ({"ModalitiesInStudy": "CT"}, Level.STUDY), ({"PatientID": "1"}, Level.PATIENT),
        ({"ModalitiesInStudy": "CT", "StudyDate": "20240101-20240201"}, Level.STUDY),
        ({"StudyDate": "20240101"}, Level.SERIES),
    ]  # fmt: skip
    with Index(tmp_path) as index, patch("dcm.store.index_plan._UNCERTAIN", most):
        index.update()
        for query, level in queries:
            found = list(index.find(query, level))
            for offset in range(1, len(found) + 2):
                page = list(index.find(query, level, limit=3, offset=offset))
                assert page == found[offset : offset + 3], (query, level, offset)
