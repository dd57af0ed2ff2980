"""Orthanc, probed whole: what it says and what it does, and what its configuration changes of both."""

import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.capability import ProbeResult, Target, as_text, capabilities_of, differences, probe
from harness.capability.known_classes import FIND, is_storage
from harness.capability.starting import started
from harness.cli import main
from harness.clients.rest import Rest
from harness.config.overrides import Override
from harness.errors import ServerNotFound
from harness.servers.product import Asked

CT, MR = "sop-class/1.2.840.10008.5.1.4.1.1.2", "sop-class/1.2.840.10008.5.1.4.1.1.4"
JPEG = "transfer-syntax/1.2.840.10008.1.2.4.50"


def test_what_is_accepted_is_also_done(orthanc_result: ProbeResult) -> None:
    """Of an Orthanc declared and probed agree: classes, transfer syntaxes, keys, retrieval."""
    found = orthanc_result.by_id()

    assert orthanc_result.ended is None
    assert orthanc_result.troubles == ()
    for id_ in (CT, MR, JPEG):
        assert found[id_].probed == "stored"
    assert found[CT].declared is True
    assert found["query/study/STUDY/PatientName"].probed == "returned, matched"
    assert (
        found["query/patient/PATIENT/NumberOfPatientRelatedInstances"].probed == "returned, matched"
    )
    assert found["matching/uids-all"].probed == "supported"
    assert found["retrieve/C-GET/study/SERIES"].probed == "2 of 2 objects"
    assert found["retrieve/C-MOVE/patient/PATIENT"].probed == "3 of 3 objects"
    assert found["character-set/ISO_IR 144"].probed == "name returned in ISO_IR 192, found by it"
    assert found["worklist/Modality"].probed == "matched"
    assert found["commitment/there"].probed == "committed"
    assert found["dicomweb/search"].declared is True
    assert found["dicomweb/retrieve/frames"].probed == "answered"
    stored = [
        each for each in orthanc_result.findings
        if is_storage(each.id.removeprefix("sop-class/")) and each.probed == "stored"
    ]  # fmt: skip
    assert len(stored) > 150


def test_contradictions_name_clause_and_finding(orthanc_result: ProbeResult) -> None:
    """Each contradiction belongs to a finding, and the sentence ends with the clause."""
    found = orthanc_result.by_id()

    for each in orthanc_result.contradictions:
        assert each.id in found
        assert str(each).endswith(f"({each.clause}).")
        assert each.clause.startswith("PS3.")


def test_a_second_probe_of_another_process_is_equal(
    orthanc_result: ProbeResult, file: Path
) -> None:
    """The command writes JSON, and but for times and address nothing is other than the first time."""
    assert main(["probe", "orthanc", "-o", str(file)]) == 0

    again = ProbeResult.from_json(json.loads(file.read_text()))

    assert differences(orthanc_result, again) == []
    assert again.comparable() == orthanc_result.comparable()


def test_the_names_that_cases_need_follow(orthanc_result: ProbeResult) -> None:
    """What the server's adapter declares is what the probe finds."""
    names = capabilities_of(orthanc_result).as_json()

    assert {"rest", "dimse.echo", "dimse.store", "dimse.worklist", "dicomweb.stow"} <= {*names}
    assert {"dimse.find.patient", "dimse.move.study", "dimse.get.patient"} <= {*names}
    assert names["orthanc"] == orthanc_result.server["version"]
    assert names["plugin.dicomweb"]


def test_without_plugin_and_without_storing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Orthanc without plugins says that it has no DICOMweb; read-only stores nothing."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with _started(Asked(plugins=()), read_only=True) as target:
        assert target.web is None
        result = probe(target)
        with Rest(target.rest, target.credentials) as rest:
            assert rest.json("/patients") == []
    found = result.by_id()

    assert found["dicomweb/search"].declared is False
    assert not [each for each in found if each.startswith("rest/plugin/")]
    assert "no (3): Search (QIDO-RS), Retrieve (WADO-RS), Store (STOW-RS)" in as_text(result)
    assert "dicomweb.qido" not in capabilities_of(result).versions
    assert found[CT].declared is True
    assert found[CT].probed is None
    assert found["query/study/STUDY"].probed == "answered"
    assert not [each for each in found if each.startswith("retrieve/")]
    assert result.left_behind == ()
    assert list(tmp_path.iterdir()) == []


def test_a_plugin_that_is_listed_and_switched_off_contradicts_itself() -> None:
    """The list of plugins names DICOMweb, and nothing answers there."""
    with _started(
        Asked(overrides=(Override.parse("DicomWeb.Enable=false"),)), read_only=True
    ) as target:
        result = probe(target)

    [search] = [each for each in result.contradictions if each.id == "dicomweb/search"]
    assert str(search) == (
        "It declares Search (QIDO-RS), but it answers with status 404 (PS3.18 8.9)."
    )


def test_what_the_configuration_refuses_shows(orthanc: Target) -> None:
    """Strangers may not query, and JPEG is not taken: both are differences from the usual Orthanc."""
    settings = (
        "DicomAlwaysAllowFind=false",
        'AcceptedTransferSyntaxes=["1.2.840.10008.1.2","1.2.840.10008.1.2.1"]',
    )
    stranger = {"calling": type(orthanc.calling)("STRANGER"), "listen": None, "read_only": True}
    before = probe(dataclasses.replace(orthanc, **stranger))
    with _started(Asked(overrides=tuple(map(Override.parse, settings)))) as target:
        after = probe(dataclasses.replace(target, **stranger))

    rows = {row.id: row.values for row in differences(before, after)}

    assert rows[f"sop-class/{FIND['study']}"] == (
        "yes: answered",
        "yes: C-FIND, study root, level IMAGE: aborted by the service user",
    )
    [contradiction] = [each for each in after.contradictions if each.id == "query/study/STUDY"]
    assert (
        contradiction.says
        == "accepts Study Root Query/Retrieve Information Model - FIND in negotiation"
    )
    assert rows[JPEG] == ("accepted", "not accepted")
    assert CT not in rows


@contextlib.contextmanager
def _started(asked: Asked, **options: Any) -> Iterator[Target]:
    try:
        with started("orthanc", asked, **options) as target:
            yield target
    except ServerNotFound as missing:
        pytest.skip(str(missing))
