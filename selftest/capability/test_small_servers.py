"""The small archives, probed whole, and their own ways."""

import pytest
from capability.steps import steps

from harness.capability import (
    ProbeResult,
    as_text,
    capabilities_of,
    matching,
    probe,
    querying,
    retrieving,
    storing,
)
from harness.capability.starting import started
from harness.corpus.place import uid
from harness.errors import ServerNotFound


def test_dcmqrscp_says_more_than_it_does(archive_result: ProbeResult) -> None:
    """It answers FF00 and heeds no optional key that is not in its index; everything else is as it says."""
    found = archive_result.by_id()

    assert archive_result.ended is None
    assert archive_result.troubles == ()
    assert {each.clause for each in archive_result.contradictions} == {"PS3.4 C.4.1.1.4"}
    [series] = [each for each in archive_result.contradictions if each.id == "query/study/SERIES"]
    assert "BodyPartExamined" in series.does
    assert "Modality," not in series.does
    assert found["query/study/SERIES/BodyPartExamined"].probed == "not returned, not matched"
    assert found["query/study/STUDY/PatientSex"].probed == "returned, matched"
    assert found["association/called-ae-title"].probed == (
        "rejected permanently by the service user: called AE title not recognized"
    )
    assert found["retrieve/C-MOVE/study/unknown"].probed == (
        "A801H failure: refused: move destination unknown"
    )
    assert found["transfer-syntax/1.2.840.10008.1.2.4.50"].declared == "not accepted"


def test_what_stays_in_a_server_that_is_not_ours_is_listed(archive_result: ProbeResult) -> None:
    """Nothing can be deleted over DICOM: the studies are named, in JSON and as text."""
    study = uid("HARNESS-PROBE", "study", "HARNESS-PROBE-A", "1")

    assert f"study {study} of patient HARNESS-PROBE-A" in archive_result.left_behind
    assert f"  study {study} of patient HARNESS-PROBE-A" in as_text(archive_result)


def test_text_fits_a_terminal(archive_result: ProbeResult) -> None:
    """No line is longer than asked for, and what contradicts itself comes first."""
    lines = as_text(archive_result, 100).splitlines()

    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("dcmqrscp, AE title DCMQRSCP")
    assert "It says one thing and does another, 7 times:" in lines[:5]
    assert max(map(len, as_text(archive_result, 60).splitlines())) <= 60


def test_qrscp_answers_once_for_each_instance() -> None:
    """Its own mistakes are found: a match is told once for each instance, UID lists fail."""
    with started("qrscp") as target:
        notes = steps(
            target, storing.echo, storing.store_study, querying.keys, matching.matching,
            retrieving.retrieve,
        )  # fmt: skip

    told = {str(each) for each in notes.contradictions}
    assert (
        "It accepts Patient Root Query/Retrieve Information Model - FIND, but at level PATIENT it gives its "
        "answer 3 times for one (PS3.4 C.4.1.3.1.1)."
    ) in told
    assert any("list of UIDs is not supported: it finds 0 of 1, C320H" in each for each in told)
    assert notes.troubles == []
    assert notes.findings["sop-class/1.2.840.10008.1.1"].probed == "answered"
    assert notes.findings["matching/star"].probed == "supported"
    assert notes.findings["retrieve/C-MOVE/study/STUDY"].probed == "3 of 3 objects"


def test_a_server_that_takes_hardly_anything() -> None:
    """A worklist server rejects an association of which it accepts nothing; it is found out all the same."""
    try:
        with started("wlmscpfs") as target:
            result = probe(target)
    except ServerNotFound as missing:
        pytest.skip(str(missing))

    found = result.by_id()
    assert (result.ended, result.troubles) == (None, ())
    assert found["worklist/answered"].probed == "answered"
    assert found["worklist/Modality"].probed == "matched"
    assert found["sop-class/1.2.840.10008.5.1.4.1.1.2"].declared is False
    assert capabilities_of(result).as_json() == {"dimse.echo": None, "dimse.worklist": None}
