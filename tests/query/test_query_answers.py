"""C-FIND (PS3.4 C.4.1): the contents of each answer, at each level of each information model."""

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt

from dcm.wire import CCancelRQ, CFindRQ
from harness.cases import (
    CANCELLED,
    FIND,
    FIND_STUDIES,
    LEVELS,
    NATIVE,
    SUCCESS,
    UNASKED,
    UNIQUE_KEYS,
    Dimse,
    Maker,
    Party,
    Root,
    Sample,
    Stored,
    Suite,
    Wire,
    identifier,
    status_of,
    unique_keys,
    values,
)

suite = Suite(needs=("dimse.store", "dimse.find.study", "dimse.find.patient"))


NO_DATA_SET = 0x0101
# Unique and required keys of each level (PS3.4 Tables C.6-1 to C.6-4 and C.6-5).
REQUIRED: dict[tuple[Root, str], tuple[str, ...]] = {
    ("patient", "PATIENT"): ("PatientName", "PatientID"),
    ("patient", "STUDY"): (
        *("StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyInstanceUID"),
    ),
    ("study", "STUDY"): (
        *("StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyInstanceUID"),
        *("PatientName", "PatientID"),
    ),
    ("study", "SERIES"): ("Modality", "SeriesNumber", "SeriesInstanceUID"),
    ("patient", "SERIES"): ("Modality", "SeriesNumber", "SeriesInstanceUID"),
    ("study", "IMAGE"): ("InstanceNumber", "SOPInstanceUID"),
    ("patient", "IMAGE"): ("InstanceNumber", "SOPInstanceUID"),
}


def at(*places: tuple[Root, str]) -> pytest.MarkDecorator:
    """Run a case at these levels, named by information model and level."""
    ids = [f"{root}-{level.lower()}" for root, level in places]
    return pytest.mark.parametrize(("root", "level"), places, ids=ids)


# The contents of an answer


@suite.case("CONQR-001", ref="PS3.4 C.2.2.1.2 (2020b)")
@at(*REQUIRED)
def test_required_keys_are_returned(dimse: Dimse, stored: Stored, root: Root, level: str) -> None:
    """Each required key in a request is returned with the value that was stored."""
    (one,) = stored.study(PatientName="Muller^Anna", StudyID="S1")
    asked = REQUIRED[root, level]

    found = dimse.find(level, root=root, **{**_above(one, level, root), **dict.fromkeys(asked, "")})

    dataset = one.dataset()
    returned = [{key: str(each.get(key)) for key in asked} for each in found.datasets]
    assert returned == [{key: str(dataset[key].value) for key in asked}]


@suite.case("CONQR-002", ref="PS3.4 C.4.1.3.1.1 (2020b)")
@at(
    ("study", "SERIES"),
    ("study", "IMAGE"),
    ("patient", "STUDY"),
    ("patient", "SERIES"),
    ("patient", "IMAGE"),
)
def test_unique_keys_of_higher_levels_are_returned(
    dimse: Dimse, stored: Stored, root: Root, level: str
) -> None:
    """An answer has the unique keys of all levels above that of the request."""
    (one,) = stored.study()
    above = _above(one, level, root)

    found = dimse.find(level, root=root, **{**above, UNIQUE_KEYS[level]: ""})

    assert [{key: str(each.get(key)) for key in above} for each in found.datasets] == [above]


@suite.case("CONQR-003", ref="PS3.4 C.4.1.1.3.2 (2020b)")
@at(("patient", "PATIENT"), ("study", "STUDY"), ("study", "SERIES"), ("study", "IMAGE"))
def test_nothing_is_returned_unless_requested(
    dimse: Dimse, stored: Stored, root: Root, level: str
) -> None:
    """An answer has the requested attributes, and besides them only those of the service."""
    (one,) = stored.study()
    asked = {**_above(one, level, root), UNIQUE_KEYS[level]: ""}

    found = dimse.find(level, root=root, **asked)

    returned = [{element.keyword for element in each} - UNASKED for each in found.datasets]
    assert returned == [{*asked}]


@suite.case("CONQR-004", ref="PS3.4 C.4.1.1.3.2 (2020b)")
@at(*((root, level) for root in LEVELS for level in LEVELS[root]))
def test_level_is_returned(dimse: Dimse, stored: Stored, root: Root, level: str) -> None:
    """An answer has the Query/Retrieve Level of the request."""
    (one,) = stored.study()

    found = dimse.find(level, root=root, **unique_keys(one, level, root))

    assert values(found.datasets, "QueryRetrieveLevel") == [level]


@suite.case(
    "CONQR-005",
    ref="PS3.4 C.4.1.1.3.2 (2020b)",
    covers="Orthanc.test_incoming_findscu",
)
@at(("patient", "STUDY"), ("study", "STUDY"), ("study", "SERIES"), ("study", "IMAGE"))
def test_answer_names_where_to_retrieve(
    dimse: Dimse, stored: Stored, remote: Party, root: Root, level: str
) -> None:
    """An answer has the AE title of the server from which its entity can be retrieved."""
    (one,) = stored.study()

    found = dimse.find(level, root=root, **unique_keys(one, level, root))

    assert values(found.datasets, "RetrieveAETitle") == [remote.ae_title]


# The number of answers


@suite.case("CONQR-006", ref="PS3.4 C.4.1.3.1.1 (2020b)")
@at(("patient", "PATIENT"), ("patient", "STUDY"), ("study", "STUDY"), ("study", "SERIES"))
def test_one_answer_for_each_entity(dimse: Dimse, stored: Stored, root: Root, level: str) -> None:
    """An entity with several series and instances is returned once."""
    one, *_ = stored.study(PatientID="A", series=2, instances=2)
    stored.study(PatientID="B", study="2")

    found = dimse.find(
        level, root=root, **{**_above(one, level, root), UNIQUE_KEYS[level]: _key(one, level)}
    )

    assert values(found.datasets, UNIQUE_KEYS[level]) == [_key(one, level)]


@suite.case("CONQR-007", ref="PS3.4 C.4.1.3.1.1 (2020b)")
@at(("patient", "STUDY"), ("study", "SERIES"), ("study", "IMAGE"))
def test_other_branches_are_not_returned(
    dimse: Dimse, stored: Stored, root: Root, level: str
) -> None:
    """Only entities below the unique keys of the request are returned."""
    one, *_ = stored.study(PatientID="A")
    stored.study(PatientID="B", study="2")

    found = dimse.find(level, root=root, **{**_above(one, level, root), UNIQUE_KEYS[level]: ""})

    assert values(found.datasets, UNIQUE_KEYS[level]) == [_key(one, level)]


@suite.case("CONQR-008", ref="PS3.4 C.4.1.2.2.1, C.4.1.3.1.1 (2020b)", level="should")
@pytest.mark.parametrize("level", ["SERIES", "IMAGE"])
def test_level_is_not_searched_without_the_keys_above(
    dimse: Dimse, stored: Stored, level: str
) -> None:
    """Without relational queries, a request that lacks the unique keys above its level matches nothing.

    "The SCU shall supply a single value in the Unique Key Attribute for each level above" binds only the
    requestor; no clause tells an SCP how to handle other requests.
    """
    stored.study()

    found = dimse.find(level, **{UNIQUE_KEYS[level]: ""})

    assert values(found.datasets, UNIQUE_KEYS[level]) == []


# The end of a query


@suite.case("CONQR-009", ref="PS3.7 9.3.2.2 (2020b)")
@pytest.mark.parametrize("level", ["STUDY", None], ids=["success", "failure"])
def test_last_response_has_no_identifier(dimse: Dimse, stored: Stored, level: str | None) -> None:
    """A pending response has an identifier; Success and a failure, which end the query, have none."""
    stored.study()
    identifier = Dataset()
    identifier.StudyInstanceUID = ""
    if level is not None:
        identifier.QueryRetrieveLevel = level
    responses: list[tuple[bool, bool]] = []

    def note(event: Any) -> None:
        command = event.message.command_set
        responses.append((command.Status >> 8 == 0xFF, command.CommandDataSetType != NO_DATA_SET))

    with dimse.associate(
        [(FIND["study"], NATIVE)], handlers=[(evt.EVT_DIMSE_RECV, note)]
    ) as association:
        list(association.send_c_find(identifier, FIND["study"]))

    assert responses == [*([(True, True)] if level else []), (False, False)]


@suite.case("CONQR-010", ref="PS3.4 C.4.1.1.4 (2020b)")
@pytest.mark.parametrize(
    ("root", "level"), [("study", "PATIENT"), ("study", "FRAME"), ("patient", "FRAME")]
)
def test_level_unknown_to_the_model_is_refused(
    dimse: Dimse, stored: Stored, root: Root, level: str
) -> None:
    """A level that the information model does not have is answered with A900 or Cxxx, without a match."""
    stored.study(PatientID="A")

    found = dimse.find(level, root=root, PatientID="")

    refused = found.status == 0xA900 or found.status >> 12 == 0xC
    assert refused, f"status {found.status:#06x}"
    assert values(found.datasets, "PatientID") == []


@suite.case("CONQR-011", ref="PS3.4 C.2.2.1.3 (2020b)")
def test_unsupported_optional_key_has_its_status(dimse: Dimse, stored: Stored) -> None:
    """A study that matches because an optional key is not supported is returned with status FF01."""
    (one,) = stored.study(
        PatientReligiousPreference="JEDI"
    )  # so it cannot match if the key is supported

    found = dimse.find(
        "STUDY", StudyInstanceUID=one.study_instance_uid, PatientReligiousPreference="DRUID"
    )

    assert found.status == SUCCESS
    assert set(found.statuses) <= {0xFF01}, f"statuses {[hex(each) for each in found.statuses]}"


@suite.case("CONQR-012", ref="PS3.4 C.4.1.3.1 (2020b)")
def test_cancel_ends_a_query(wire: Wire, stored: Stored, make: Maker) -> None:
    """A C-CANCEL in the same segment as its C-FIND ends it with FE00 before all matches are returned."""
    count = 40
    stored.these(*(make.instance(study=str(number)) for number in range(count)))

    with wire.associate([FIND_STUDIES]) as association:
        query = CFindRQ(message_id=1, affected_sop_class_uid=FIND["study"])
        request = association.encoded(query, identifier("STUDY", {"StudyInstanceUID": ""}))
        cancel = association.encoded(CCancelRQ(message_id_being_responded_to=1))
        association.line.say(request + cancel)
        *pending, final = [each.message for each in association.responses()]

    assert status_of(final) == CANCELLED
    assert len(pending) < count, "every match was returned"


def _above(sample: Sample, level: str, root: Root) -> dict[str, str]:
    """Return the unique keys above a level."""
    return {
        key: value
        for key, value in unique_keys(sample, level, root).items()
        if key != UNIQUE_KEYS[level]
    }


def _key(sample: Sample, level: str) -> str:
    """Return the unique key at a level."""
    return unique_keys(sample, level, "patient")[UNIQUE_KEYS[level]]
