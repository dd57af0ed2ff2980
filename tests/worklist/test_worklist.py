"""C-FIND of the modality worklist with the remote as SCP."""

from collections.abc import Callable
from typing import Any

import pytest
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from harness.cases import (
    Corpus,
    Dcmtk,
    Maker,
    Party,
    Rest,
    Suite,
    Worklist,
    asking,
    modules,
    names_of,
    single,
    step_of,
)

suite = Suite(needs="dimse.worklist", shows="Worklist")


# The first three samples: CT at station ONE on 15 January at 8:00, MR at TWO on that day at 10:30,
# CT at TWO on the following day, a second before midnight.
THREE = ("w01", "w02", "w03")


@pytest.fixture
def three(worklist: Worklist, corpus: Corpus) -> Worklist:
    """Return the worklist with three items: One, Two and Three."""
    worklist.put(*(corpus[each] for each in THREE))
    return worklist


def named(*names: str) -> list[str]:
    """Return the names of the patients of the samples, in order."""
    return sorted(f"Worklist^{name}" for name in names)


def keywords(dataset: Dataset) -> set[str]:
    """Return the keywords of an answer except the character set, which PS3.4 K.4.1.1.3 allows."""
    return {keyword_for_tag(element.tag) for element in dataset} - {"SpecificCharacterSet"}


@suite.case("WLIST-001", ref="PS3.4 K.2.2, C.2.2.2.3", covers="Worklists.test_all")
def test_empty_key_matches_every_item(three: Worklist) -> None:
    """An empty key matches every item."""
    assert three.names() == named("One", "Two", "Three")


@suite.case("WLIST-002", ref="PS3.4 K.4.1.3.1, C.4.1.3.1")
def test_empty_worklist(worklist: Worklist) -> None:
    """If the worklist is empty, the only response is a Success without an identifier."""
    found = worklist.dimse.worklist(asking(PatientName=""))

    assert (found.status, found.datasets) == (0x0000, [])


@suite.case(
    "WLIST-003", ref="PS3.4 K.6.1.2.2, Table K.6-1: Modality", covers="Worklists.test_single"
)
@pytest.mark.parametrize(
    ("modality", "names"), [("CT", ["One", "Three"]), ("MR", ["Two"]), ("US", [])]
)
def test_modality(three: Worklist, modality: str, names: list[str]) -> None:
    """A query for a modality finds the items whose step has this modality."""
    assert three.names({"Modality": modality}) == named(*names)


@suite.case(
    "WLIST-004",
    ref="PS3.4 K.6.1.2.2, Table K.6-1: Scheduled Station AE Title",
    covers="Worklists.test_single",
)
@pytest.mark.parametrize(
    ("station", "names"), [("ONE", ["One"]), ("TWO", ["Two", "Three"]), ("SIX", [])]
)
def test_station_ae_title(three: Worklist, station: str, names: list[str]) -> None:
    """A query for a station finds the items scheduled for it."""
    assert three.names({"ScheduledStationAETitle": station}) == named(*names)


@suite.case(
    "WLIST-005",
    ref="PS3.4 K.6.1.2.2, C.2.2.2.5.1",
    covers=("Worklists.test_single", "Worklists.test_vet"),
)
@pytest.mark.parametrize(
    ("date", "names"),
    [
        ("20240115", ["One", "Two"]),
        ("20240116", ["Three"]),
        ("20240115-20240116", ["One", "Two", "Three"]),
        ("20240116-", ["Three"]),
        ("-20240115", ["One", "Two"]),
        ("20240117-", []),
    ],
)
def test_start_date(three: Worklist, date: str, names: list[str]) -> None:
    """A query for a date, or a range of dates including both ends, finds the items that start then."""
    assert three.names({"ScheduledProcedureStepStartDate": date}) == named(*names)


@suite.case("WLIST-006", ref="PS3.4 K.6.1.2.2, C.2.2.2.5.2", covers="Worklists.test_single")
@pytest.mark.parametrize(
    ("time", "names"),
    [
        ("080000-103000", ["One", "Two"]),
        ("103001-", ["Three"]),
        ("-075959", []),
        ("-080000", ["One"]),
    ],
)
def test_start_time(three: Worklist, time: str, names: list[str]) -> None:
    """A query for a range of times finds the items that start within it."""
    assert three.names({"ScheduledProcedureStepStartTime": time}) == named(*names)


@suite.case(
    "WLIST-007", ref="PS3.4 C.2.2.2.4, K.6.1.2.2: Patient's Name", covers="Worklists.test_vet"
)
@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*", ["One", "Two", "Three"]), ("Worklist^T*", ["Two", "Three"]), ("Worklist^T?o", ["Two"]),
     ("*^One", ["One"]), ("Work", [])],
    ids=["only-star", "star-at-end", "question-mark", "star-in-front", "part"],
)  # fmt: skip
def test_patient_name(three: Worklist, pattern: str, names: list[str]) -> None:
    """A name is matched with wildcards; without them, part of a name matches nothing."""
    assert three.names(PatientName=pattern) == named(*names)


@suite.case("WLIST-008", ref="PS3.4 C.2.2.2.1, K.6.1.2.2: Patient ID", covers="Worklists.test_all")
def test_patient_id(three: Worklist, corpus: Corpus) -> None:
    """A query for a Patient ID finds only the items of this patient."""
    assert three.names(PatientID=corpus["w02"].patient_id) == named("Two")


@suite.case("WLIST-009", ref="PS3.4 C.2.2.2.6, K.6.1.2.2", covers="Worklists.test_all")
def test_keys_are_combined(three: Worklist) -> None:
    """An item is found if it matches all keys, those of the patient and those of the step."""
    step = {"Modality": "CT", "ScheduledStationAETitle": "TWO"}

    assert three.names(step, PatientName="*") == named("Three")


@suite.case("WLIST-010", ref="PS3.4 K.4.1.1.3.2, C.4.1.1.3.2", covers="Worklists.test_single")
def test_only_requested_attributes_come(three: Worklist) -> None:
    """An answer has the requested attributes and no others, and so does its step."""
    step = {"Modality": "MR", "ScheduledProcedureStepID": ""}

    item = single(three.find(step, PatientID="", AccessionNumber=""), "item")

    assert keywords(item) == {"PatientID", "AccessionNumber", "ScheduledProcedureStepSequence"}
    assert keywords(step_of(item)) == {"Modality", "ScheduledProcedureStepID"}


@suite.case("WLIST-011", ref="PS3.4 C.2.2.2.3, C.4.1.1.3.2", covers="Worklists.test_single")
def test_values_are_those_of_the_item(three: Worklist, corpus: Corpus) -> None:
    """Each requested attribute has the value that it has in the item."""
    stored = corpus["w02"].dataset()
    of_item = ("PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyInstanceUID",
             "RequestedProcedureID", "RequestedProcedureDescription", "ReferringPhysicianName")  # fmt: skip
    of_step = ("ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepID",
               "ScheduledProcedureStepStartTime", "ScheduledPerformingPhysicianName")  # fmt: skip

    found = three.find(
        {"Modality": "MR", **dict.fromkeys(of_step, "")}, **dict.fromkeys(of_item, "")
    )

    item = single(found, "item")
    for answered, kept, requested in (
        (item, stored, of_item),
        (step_of(item), step_of(stored), of_step),
    ):
        values = {each: answered.get(each) for each in requested}
        assert values == {each: kept[each].value for each in requested}


@suite.case("WLIST-012", ref="PS3.4 C.2.2.2.6: sequence matching", covers="Worklists.test_vet")
def test_sequence_that_is_empty_or_absent(worklist: Worklist, make: Maker) -> None:
    """A sequence key without items matches all items, whether the sequence is absent, empty or filled."""
    code = modules.code("HEAD", "99HARNESS", "Head")
    worklist.put(
        make.worklist_item(PatientName="Absent"),
        make.worklist_item(PatientName="Empty", RequestedProcedureCodeSequence=Sequence()),
        make.worklist_item(PatientName="Filled", RequestedProcedureCodeSequence=code),
    )

    names = worklist.names({}, RequestedProcedureCodeSequence=Sequence())

    assert names == ["Absent", "Empty", "Filled"]


@suite.case("WLIST-013", ref="PS3.4 K.4.1.1.2, C.4.1.1.2")
def test_keys_in_an_empty_step(three: Worklist) -> None:
    """A step without keys matches every item."""
    assert three.names({}) == named("One", "Two", "Three")


@suite.case("WLIST-014", ref="PS3.4 K.6.1.2.2, Table K.6-1: Requested Procedure ID", level="should")
def test_optional_key(worklist: Worklist, make: Maker) -> None:
    """A query for a Requested Procedure ID finds only the items of this procedure."""
    worklist.put(
        make.worklist_item(PatientName="First", RequestedProcedureID="RP-1"),
        make.worklist_item(PatientName="Second", RequestedProcedureID="RP-2"),
    )

    assert worklist.names(RequestedProcedureID="RP-2") == ["Second"]


@suite.case(
    "WLIST-015",
    ref="PS3.5 7.8.1; PS3.4 C.2.2.1.3",
    covers="Worklists.test_private_creator",
)
@pytest.mark.parametrize(
    ("wanted", "names"), [("private value", ["Six"]), ("other", []), ("", ["Six"])]
)
def test_private_element(worklist: Worklist, corpus: Corpus, wanted: str, names: list[str]) -> None:
    """A private element is matched like any other if the query contains its creator."""
    worklist.put(corpus["w06"])
    query = asking({}, PatientName="")
    block = step_of(query).private_block(0x0041, "DICOM-HARNESS", create=True)
    block.add_new(0x01, "LO", wanted)

    found = worklist.dimse.worklist(query)

    assert names_of(found.datasets) == named(*names)


@suite.case(
    "WLIST-016", ref="PS3.4 C.4.1.1.3.2; PS3.3 C.12.1.1.2", covers="Worklists.test_encodings"
)
@pytest.mark.parametrize("query", ["Yamada*", "*"])
def test_japanese_name(worklist: Worklist, corpus: Corpus, query: str) -> None:
    """A name in kanji and kana is returned unchanged, in the character set that the answer names."""
    worklist.put(corpus["w05"])

    names = worklist.names(PatientName=query)

    assert names == [corpus["w05"].properties["patient_name"]]


@suite.case("WLIST-017", ref="PS3.4 C.2.2.2; PS3.3 C.12.1.1.2", covers="Worklists.test_encodings")
@pytest.mark.parametrize("character_set", ["ISO_IR 100", "ISO_IR 192"])
def test_query_in_another_character_set(
    worklist: Worklist, make: Maker, character_set: str
) -> None:
    """A name is found whatever the character set of the query."""
    worklist.put(
        make.worklist_item(PatientName="Größe^Jörg", character_set="ISO_IR 100"),
        make.worklist_item(PatientName="Grube^Jorg"),
    )

    found = worklist.names(PatientName="Gr*J*ö*", SpecificCharacterSet=character_set)

    assert found == ["Größe^Jörg"]


@suite.case(
    "WLIST-018",
    ref="Orthanc REST API: PUT /tools/default-encoding; PS3.3 C.12.1.1.2",
    covers=("Worklists.test_bitbucket_issue_49", "Worklists.test_encodings"),
    level="product",
    needs="rest",
)
@pytest.mark.parametrize(
    ("encoding", "answer"),
    [
        ("Utf8", ("ISO_IR 192", "Größe^Jörg")),
        ("Latin1", ("ISO_IR 100", "Größe^Jörg")),
        ("Latin2", ("ISO_IR 101", "Größe^Jörg")),
        ("Ascii", ("ISO_IR 6", "Gre^Jrg")),
        ("Cyrillic", ("ISO_IR 144", "Gre^Jrg")),
    ],
    ids=["utf-8", "latin-1", "latin-2", "ascii", "cyrillic"],
)
def test_default_encoding(
    worklist: Worklist,
    make: Maker,
    default_encoding: Callable[[str], None],
    encoding: str,
    answer: tuple[str, str],
) -> None:
    """Answers are in the default encoding and say so; characters that it cannot represent are dropped."""
    worklist.put(make.worklist_item(PatientName="Größe^Jörg", character_set="ISO_IR 100"))
    default_encoding(encoding)

    item = single(worklist.find(PatientName="*"), "item")

    assert (item.get("SpecificCharacterSet"), str(item.get("PatientName"))) == answer


@suite.case("WLIST-019", ref="PS3.4 K.4.1.3.1", covers="Worklists.test_single", needs="dcmtk")
def test_findscu(three: Worklist, dcmtk: Dcmtk) -> None:
    """A query by findscu finds the items of a modality, with the attributes that it requested."""
    step = "ScheduledProcedureStepSequence[0]."

    found = dcmtk.find(
        "", "PatientName", f"{step}Modality=MR", f"{step}ScheduledStationAETitle", root="-W"
    )

    assert names_of(found) == ["Worklist^Two"]
    assert step_of(single(found, "item")).get("ScheduledStationAETitle") == "TWO"


@suite.case(
    "WLIST-020",
    ref="Orthanc Book: Modality worklists plugin, files with the extension .wl",
    level="product",
)
@pytest.mark.parametrize("name", ["lockfile", "note.txt", "broken.wl"])
def test_other_files_in_the_folder(three: Worklist, name: str) -> None:
    """The lock file of dcmtk, other files, or a broken item do not hide any items."""
    other = three.folder / name
    before = other.read_bytes() if other.exists() else None
    other.write_bytes(b"this is no worklist item")
    try:
        assert three.names() == named("One", "Two", "Three")
    finally:
        other.unlink() if before is None else other.write_bytes(before)


@suite.case(
    "WLIST-021",
    ref="Orthanc REST API: POST /modalities/{id}/find-worklist",
    covers="Worklists.test_format",
    level="product",
    needs="rest",
)
@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({}, {"PatientName": "Worklist^One", "SpecificCharacterSet": "ISO_IR 192"}),
        ({"Short": True}, {"0010,0010": "Worklist^One", "0008,0005": "ISO_IR 192"}),
    ],
    ids=["names", "short"],
)
def test_query_through_rest(
    three: Worklist, rest: Rest, options: dict[str, bool], answer: dict[str, str]
) -> None:
    """A query by REST makes the server an SCU, here of its own worklist."""
    query = {"PatientName": "Worklist^One"}

    found = rest.post("/modalities/self/find-worklist", {"Query": query, **options}).json()

    assert found == [answer]


@suite.case(
    "WLIST-022",
    ref="Orthanc Book: Lua, IncomingWorklistRequestFilter",
    covers="Worklists.test_filter_issuer_aet_from_lua",
    level="product",
    needs="rest",
)
def test_filter_by_the_caller(
    worklist: Worklist, make: Maker, remote: Party, query_filter: Callable[[str], None]
) -> None:
    """A Lua filter restricts a query to the station that sent it."""
    caller = worklist.dimse.calling
    worklist.put(
        make.worklist_item(PatientName="Mine", ScheduledStationAETitle=caller),
        make.worklist_item(PatientName="Theirs", ScheduledStationAETitle="ANOTHER"),
    )
    everything = {"ScheduledStationAETitle": ""}
    before = worklist.names(everything)

    query_filter('query["0040,0100"][1]["0040,0001"] = origin["RemoteAet"]')

    assert before == ["Mine", "Theirs"]
    assert worklist.names(everything) == ["Mine"]


@suite.case(
    "WLIST-023",
    ref="Orthanc Book: Lua, IncomingWorklistRequestFilter",
    covers="Worklists.test_remove_aet_from_query",
    level="product",
    needs="rest",
)
def test_filter_removes_a_key(three: Worklist, query_filter: Callable[[str], None]) -> None:
    """A Lua filter removes a key from a query, which then finds every item."""
    nowhere: dict[str, Any] = {"ScheduledStationAETitle": "NOWHERE"}
    before = three.names(nowhere)

    query_filter('query["0040,0100"][1]["0040,0001"] = nil')

    assert before == []
    assert three.names(nowhere) == named("One", "Two", "Three")
