"""Query results: set laws, the tree byte for byte, JSON without loss."""

import json
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcm.data.levels import Level
from dcm.data.query_result import MissingUniqueKey, QueryResult
from dcm.errors import AnswerError

many = settings(max_examples=50, deadline=None, database=None)
Answer = dict[str, str]


def study(patient: str, name: str, uid: str, moment: str, related: tuple[int, int]) -> Answer:
    """Make an answer of level STUDY, as archives send it, with its series and instance counts."""
    date, hour = moment.split()
    series, instances = related
    return {
        "PatientID": patient,
        "PatientName": name,
        "StudyInstanceUID": uid,
        "StudyDate": date,
        "StudyTime": hour,
        "NumberOfStudyRelatedSeries": str(series),
        "NumberOfStudyRelatedInstances": str(instances),
    }


VAMPIRES = [
    study("Vamp001", "Dracula^Count", "1.1", "20201031 164315.866000", (21, 8200)),
    study("Vamp001", "Dracula^Count", "1.2", "20201031 203205.137000", (14, 774)),
    study("Vamp002", "Chocula^Count", "1.3", "20201031 102407.269000", (21, 8200)),
]
VAMPIRE_TREE = """\
2 patients | 3 studies | 56 series | 17174 instances
└── ID: Vamp001 | Name: Dracula^Count | 2 studies | 35 series | 8974 instances
│   ├── Date: 20201031 | Time: 164315.866000 | 21 series | 8200 instances
│   └── Date: 20201031 | Time: 203205.137000 | 14 series | 774 instances
└── ID: Vamp002 | Name: Chocula^Count | 1 studies | 21 series | 8200 instances
    └── Date: 20201031 | Time: 102407.269000 | 21 series | 8200 instances"""


def instance(patient: str, study_uid: str, series: str, uid: str, **more: str) -> Answer:
    """Make an answer of level IMAGE."""
    return {
        "PatientID": patient,
        "StudyInstanceUID": study_uid,
        "SeriesInstanceUID": series,
        "SOPInstanceUID": uid,
        **more,
    }


INSTANCES = [
    instance("A", "1", "1.1", "1.1.2", InstanceNumber="2", Modality="CT", SeriesNumber="10"),
    instance("A", "1", "1.1", "1.1.1", InstanceNumber="10", Modality="CT", SeriesNumber="10"),
    instance("A", "1", "1.2", "1.2.1", Modality="SR", SeriesNumber="9"),
    instance("B", "2", "2.1", "2.1.1"),
]
INSTANCE_TREE = """\
2 patients | 2 studies | 3 series | 4 instances
└── ID: A | 1 studies | 2 series | 3 instances
│   └── UID: 1 | 2 series | 3 instances
│       ├── Number: 9 | Modality: SR | 1 instances
│       │   └── UID: 1.2.1
│       └── Number: 10 | Modality: CT | 2 instances
│           ├── Number: 2 | UID: 1.1.2
│           └── Number: 10 | UID: 1.1.1
└── ID: B | 1 studies | 1 series | 1 instances
    └── UID: 2 | 1 series | 1 instances
        └── UID: 2.1 | 1 instances
            └── UID: 2.1.1"""


@pytest.mark.parametrize(
    ("level", "answers", "tree"),
    [(Level.STUDY, VAMPIRES, VAMPIRE_TREE), (Level.IMAGE, INSTANCES, INSTANCE_TREE)],
    ids=["studies", "instances"],
)
def test_tree(level: Level, answers: list[Answer], tree: str) -> None:
    """The tree is the same byte for byte in any order of the answers."""
    for seed in range(5):
        shuffled = random.Random(seed).sample(answers, len(answers))
        assert QueryResult(level, shuffled).to_tree() == tree


def test_patients_with_two_names() -> None:
    """The displayed name does not depend on the order of the answers."""
    two = [VAMPIRES[0], VAMPIRES[1] | {"PatientName": "Tepes^Vlad"}]
    trees = {QueryResult(Level.STUDY, order).to_tree() for order in (two, two[::-1])}
    assert len(trees) == 1


def test_tree_of_nothing_and_of_the_unknown() -> None:
    """Without answers all counts are zero; numbers that a server does not send are omitted."""
    assert QueryResult(Level.PATIENT).to_tree() == "0 patients | 0 studies | 0 series | 0 instances"
    del (some := dict(VAMPIRES[0]))["NumberOfStudyRelatedInstances"]
    result = QueryResult(Level.STUDY, [some, *VAMPIRES[1:]])
    assert result.to_tree().splitlines()[:3] == [
        "2 patients | 3 studies | 56 series",
        "└── ID: Vamp001 | Name: Dracula^Count | 2 studies | 35 series",
        "│   ├── Date: 20201031 | Time: 164315.866000 | 21 series",
    ]


def test_terminal_is_not_steered_by_answers() -> None:
    """Control characters in a name are replaced by question marks."""
    evil = study("P\x1b[2J", "N\n└── ID: forged", "1.1", "20240101 10", (1, 1))
    assert "ID: P?[2J | Name: N?└── ID: forged |" in QueryResult(Level.STUDY, [evil]).to_tree()


def test_counts_given_and_found() -> None:
    """The counts sent by servers are separate from the counts of what was found."""
    result = QueryResult(Level.IMAGE, INSTANCES)
    result.add({"PatientID": "A", "StudyInstanceUID": "1", "NumberOfStudyRelatedInstances": "5",
                "NumberOfStudyRelatedSeries": "2", "StudyDescription": "Head"}, Level.STUDY)  # fmt: skip
    node = result.at(Level.STUDY)[0]
    assert (node.reported(Level.IMAGE), node.found(Level.IMAGE)) == (5, 3)
    assert (node.reported(Level.SERIES), node.found(Level.SERIES)) == (2, 2)
    assert node.text("StudyDescription") == "Head"
    assert node.text("Modality") == "CT"
    assert [result.count(level) for level in Level] == [2, 2, 3, 4]
    assert len(result) == 4


def test_studies_of_which_nothing_was_found() -> None:
    """An archive that lists a study but answers no series is noticed."""
    result = QueryResult(Level.SERIES)
    result.add(VAMPIRES[0], Level.STUDY)
    assert len(result) == 0
    study = result.at(Level.STUDY)[0]
    assert (study.reported(Level.SERIES), study.found(Level.SERIES)) == (21, 0)
    assert result.to_tree().splitlines()[-1].endswith("| 0 series | 0 instances")
    assert QueryResult.from_json(result.to_json()).to_json() == result.to_json()


@pytest.mark.parametrize("text", ["", "many", "-1", "1.5", "١٢٣"])
def test_counts_that_are_none(text: str) -> None:
    """A server's count is used only if it is a number."""
    result = QueryResult(Level.STUDY, [VAMPIRES[0] | {"NumberOfStudyRelatedSeries": text}])
    assert result.count(Level.SERIES) is None


# --- as a set ---------------------------------------------------------------------------------------

numbers = st.integers(0, 2)


def consistent(picks: list[tuple[int, int, int, int]]) -> list[Answer]:
    """Make answers whose UIDs contain those of their parents."""
    return [
        instance(f"{a}", f"{a}.{b}", f"{a}.{b}.{c}", f"{a}.{b}.{c}.{d}", InstanceNumber=f"{d}")
        for a, b, c, d in picks
    ]


answers = st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=12).map(consistent)
results = st.builds(
    QueryResult, st.just(Level.IMAGE), answers, source=st.sampled_from(["", "a", "b"])
)


@many
@given(results, results, results)
def test_set_laws(a: QueryResult, b: QueryResult, c: QueryResult) -> None:
    """`& | - ^` are those of the sets of members."""
    for mine, theirs in (
        (a & b, a.paths() & b.paths()),
        (a | b, a.paths() | b.paths()),
        (a - b, a.paths() - b.paths()),
        (a ^ b, a.paths() ^ b.paths()),
    ):
        assert mine.paths() == theirs
        assert len(mine) == len(theirs) == len(list(mine)) == len(list(mine.members()))
        assert all(path in mine for path in theirs)
    assert a & (b | c) == (a & b) | (a & c)
    assert a - (b | c) == (a - b) & (a - c)
    assert (a ^ b) ^ b == a
    assert a | b == b | a
    assert (a == b) is (a.paths() == b.paths())


@many
@given(results, results)
def test_results_of_operations_are_like_those_built_anew(a: QueryResult, b: QueryResult) -> None:
    """Tree and JSON do not show how a result was made."""
    for result in (a | b, a & b, a - b, a ^ b):
        anew = QueryResult(Level.IMAGE, list(result), source=result.source)
        assert anew.to_tree() == result.to_tree()
        assert anew.to_json() == result.to_json()


def test_operations_keep_what_is_known_of_parents() -> None:
    """A study's own answer is kept with its instances, and removed with them."""
    a = QueryResult(Level.IMAGE, INSTANCES, source="one")
    a.add({"PatientID": "A", "StudyInstanceUID": "1", "StudyDescription": "Head"}, Level.STUDY)
    b = QueryResult(Level.IMAGE, INSTANCES[3:], source="other")

    assert "Head" in (a - b).to_json()
    assert "Head" not in (a & b).to_json()
    assert ((a - b).source, (a & b).source, (a ^ a).source) == ("one", "one", "one")
    assert ((a | b).source, (a ^ b).source) == ("", "")
    assert ("A", "1", "1.1") not in a
    assert ("B", "1", "1.1", "1.1.2") not in a
    with pytest.raises(ValueError, match="levels IMAGE and STUDY cannot be combined; see reduced"):
        a - QueryResult(Level.STUDY, VAMPIRES)


def test_reduced_to_a_level_above() -> None:
    """The studies of instances are a result of level STUDY, whether requested or not."""
    result = QueryResult(Level.IMAGE, INSTANCES, source="one")
    result.add({"PatientID": "A", "StudyInstanceUID": "1", "StudyDescription": "Head"}, Level.STUDY)

    studies = result.reduced(Level.STUDY)

    assert list(studies) == [
        {"PatientID": "A", "StudyInstanceUID": "1", "StudyDescription": "Head"},
        {"PatientID": "B", "StudyInstanceUID": "2"},
    ]
    assert QueryResult.from_json(studies.to_json()) == studies
    with pytest.raises(ValueError, match="a result of level STUDY knows nothing of IMAGE"):
        studies.reduced(Level.IMAGE)


# --- JSON -------------------------------------------------------------------------------------------

texts = st.text(max_size=5)
items = st.lists(st.dictionaries(texts, texts, max_size=2), max_size=2)


@many
@given(
    st.lists(st.dictionaries(texts.map("x{}".format), texts | items, max_size=3), max_size=5), texts
)
def test_json_loses_nothing(extras: list[dict[str, str]], source: str) -> None:
    """Any text and any sequence survives the round trip."""
    built = [instance("P", "1", "2", f"3.{number}") | extra for number, extra in enumerate(extras)]
    result = QueryResult(Level.IMAGE, built, source=source)

    back = QueryResult.from_json(result.to_json())

    assert list(back) == list(result)
    assert sorted(map(str, back)) == sorted(map(str, built))
    assert (back.source, back.level, back == result) == (source, Level.IMAGE, True)
    assert back.to_json() == result.to_json()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"level":"BONE","source":"","answers":{}}', "[" * 100_000,
     '{"level":"STUDY","source":"","answers":{"STUDY":["text"]}}',
     '{"level":"STUDY","source":"","answers":{"IMAGE":[{}]}}'],
    ids=["empty", "list", "object", "null", "level", "deep", "answer", "below"],
)  # fmt: skip
def test_foreign_json_is_refused(text: str) -> None:
    """The error is one sentence, not a traceback."""
    with pytest.raises(AnswerError, match="this is not a query result in JSON"):
        QueryResult.from_json(text)


def test_json_is_plain() -> None:
    """Other tools find keywords and texts in it."""
    content = json.loads(QueryResult(Level.STUDY, VAMPIRES[:1], source="pacs:PACS:104").to_json())
    assert content == {
        "level": "STUDY",
        "source": "pacs:PACS:104",
        "answers": {"STUDY": VAMPIRES[:1]},
    }


# --- answers that do not match -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "answer", "key"),
    [
        (Level.STUDY, {"PatientID": "A", "StudyDate": "20240101"}, "StudyInstanceUID"),
        (Level.STUDY, {"PatientID": "A", "StudyInstanceUID": " "}, "StudyInstanceUID"),
        (Level.SERIES, {"PatientID": "A", "SeriesInstanceUID": "1"}, "StudyInstanceUID"),
        (Level.PATIENT, {"PatientName": "A"}, "PatientID"),
    ],
)
def test_missing_unique_key(level: Level, answer: Answer, key: str) -> None:
    """The error describes the answer by what it has, and the answer is dropped."""
    result = QueryResult(level)
    with pytest.raises(
        MissingUniqueKey, match=f"level {level.name} has no {key} .{next(iter(answer))}="
    ):
        result.add(answer)
    assert result.to_tree() == QueryResult(level).to_tree()


def test_patient_id_may_be_missing_below() -> None:
    """If a server omits an unknown Patient ID, it counts as empty."""
    result = QueryResult(Level.STUDY, [{"StudyInstanceUID": "1"}])
    assert result.paths() == {("", "1")}


@pytest.mark.parametrize(
    "answer",
    [
        instance("B", "1", "1.1", "1.1.9"),
        instance("C", "1", "1.9", "1.9.9"),
        instance("A", "9", "1.1", "1.1.9"),
        instance("A", "1", "1.2", "1.1.1"),
    ],
    ids=["study", "new-patient", "series", "instance"],
)
def test_one_uid_below_two_parents_is_two_members(answer: Answer) -> None:
    """Merge errors leave a study with two patients: a result or a union keeps both answers."""
    one = QueryResult(Level.IMAGE, [*INSTANCES, answer])
    both = QueryResult(Level.IMAGE, INSTANCES) | QueryResult(Level.IMAGE, [answer])
    assert len(one) == len(INSTANCES) + 1
    assert one == both
    assert tuple(answer[level.unique_key] for level in Level) in one
    assert one.to_tree() == both.to_tree() == QueryResult.from_json(one.to_json()).to_tree()


def test_a_result_that_is_not_complete_says_so() -> None:
    """JSON and set operations keep that: the next program must not take it for complete."""
    result = QueryResult(Level.STUDY, VAMPIRES)
    assert "incomplete" not in result.to_json()
    result.incomplete = "the limit of responses is reached"
    again = QueryResult.from_json(result.to_json())
    assert again.incomplete == result.incomplete
    assert (QueryResult(Level.STUDY) | again).incomplete == result.incomplete
    assert again.reduced(Level.PATIENT).incomplete == result.incomplete


def test_the_first_answer_stays() -> None:
    """An entity that is answered twice counts once."""
    result = QueryResult(Level.STUDY, VAMPIRES)
    assert not result.add(VAMPIRES[0] | {"StudyDate": "19000101"})
    assert result.add(VAMPIRES[0] | {"StudyInstanceUID": "9"})
    assert len(result) == 4
    assert "19000101" not in result.to_json()
    with pytest.raises(ValueError, match="an answer of level IMAGE in a result of STUDY"):
        result.add(INSTANCES[0], Level.IMAGE)


def test_twenty_thousand_instances() -> None:
    """Building, combining and writing take tenths of a second."""
    answers = [
        instance(f"P{n % 7}", f"1.{n % 35}", f"2.{n % 140}", f"9.{n}", InstanceNumber=str(n))
        for n in range(20_000)
    ]
    start = time.process_time()
    result = QueryResult(Level.IMAGE, answers)
    assert time.process_time() - start < 1
    start = time.process_time()
    half = QueryResult(Level.IMAGE, answers[::2])
    assert len(result - half) == 10_000
    assert QueryResult.from_json(result.to_json()) == result
    assert result.to_tree().count("\n") == 7 + 35 + 140 + 20_000
    assert time.process_time() - start < 5
