"""Recycling: which patient is deleted if there are more than MaximumPatientCount."""

from harness.cases import Maker, Rest, Stored, Suite, configured, orthanc_ids

suite = Suite(level="product", needs="rest", ref="Orthanc Book: configuration, MaximumPatientCount")
pytestmark = configured(MaximumPatientCount=4)


def patients(rest: Rest) -> str:
    """Return the identifiers of the stored patients, in alphabetical order."""
    return "".join(
        sorted(each["MainDicomTags"]["PatientID"] for each in rest.json("/patients?expand"))
    )


def store(stored: Stored, names: str) -> None:
    """Store an instance of each of these patients, whose identifiers are single letters."""
    for name in names:
        stored.instance(PatientID=name)


@suite.case("RECY-001", covers="Recycling.test_config")
def test_oldest_patient_goes(rest: Rest, stored: Stored) -> None:
    """When there is one patient too many, the first one is deleted, with all its instances."""
    stored.study(PatientID="A", series=2, instances=2)
    store(stored, "BCD")
    assert patients(rest) == "ABCD"

    store(stored, "E")

    assert patients(rest) == "BCDE"
    assert len(rest.json("/instances")) == 4


@suite.case("RECY-002", covers="Recycling.test_loop")
def test_patients_in_turn(rest: Rest, stored: Stored) -> None:
    """With five patients in turn, again and again, the oldest is deleted at each step."""
    store(stored, "ABCDE")

    left = [patients(rest)]
    for name in "ABCDE" * 2:
        store(stored, name)
        left.append(patients(rest))

    assert left == ["BCDE", *["ACDE", "ABDE", "ABCE", "ABCD", "BCDE"] * 2]


@suite.case("RECY-003", covers="Recycling.test_protection")
def test_protected_patient_stays(rest: Rest, stored: Stored) -> None:
    """A protected patient is kept, and another is deleted instead."""
    store(stored, "ABCD")
    oldest = orthanc_ids(stored.instance(PatientID="A", number=2)).path("patient")
    # The new instance makes A the most recent patient: B, C and D are deleted first.
    rest.put(f"{oldest}/protected", "1")

    store(stored, "EFG")
    assert patients(rest) == "AEFG"
    store(stored, "HI")

    assert patients(rest) == "AGHI"
    assert rest.get(f"{oldest}/protected").text == "1"


@suite.case("RECY-004", covers="Recycling.test_protection")
def test_patient_that_is_not_protected_any_more(rest: Rest, stored: Stored) -> None:
    """A patient whose protection ends counts as the newest: it is deleted after all existing ones."""
    store(stored, "ABCD")
    path = orthanc_ids(stored.instance(PatientID="B", number=2)).path("patient")
    rest.put(f"{path}/protected", "1")
    rest.put(f"{path}/protected", "0")

    left = []
    for name in "EFGH":
        store(stored, name)
        left.append(patients(rest))

    assert left == ["BCDE", "BDEF", "BEFG", "EFGH"]


@suite.case("RECY-005", covers="Recycling.test_bitbucket_issue_58")
def test_new_instance_makes_a_patient_young(rest: Rest, stored: Stored) -> None:
    """A patient with a new instance counts as the newest."""
    store(stored, "ABCDE")
    stored.instance(PatientID="B", number=2)

    store(stored, "F")
    assert patients(rest) == "BDEF"
    store(stored, "GH")

    assert patients(rest) == "BFGH"


@suite.case("RECY-006")
def test_nobody_can_go(rest: Rest, make: Maker, stored: Stored) -> None:
    """If every patient is protected, a new one is rejected, and none is deleted."""
    for name in "ABCD":
        ids = orthanc_ids(stored.instance(PatientID=name))
        rest.put(f"{ids.path('patient')}/protected", "1")
    newcomer = make.instance(PatientID="E")

    answer = rest.post("/instances", newcomer.data, expect=None)

    assert answer.status_code in range(400, 600)
    assert patients(rest) == "ABCD"
