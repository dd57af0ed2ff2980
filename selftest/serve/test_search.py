"""Searches (PS3.18 10.6), by dicomweb-client and in the form that viewers use."""

import statistics
import time
from typing import Any

import pytest
import requests
from serve.service import Service

STUDY = "1.2.3.7"


def found(service: Service, path: str, **headers: str) -> Any:
    """Return the JSON of an answer."""
    answer = requests.get(service.url + path, headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/dicom+json"
    return answer.json()


def test_each_level_by_dicomweb_client(service: Service) -> None:
    """Studies, series and instances are found, with all keys and options of the client."""
    client = service.client
    (study,) = client.search_for_studies(search_filters={"StudyInstanceUID": STUDY})
    assert study["00201206"]["Value"] == [2]
    assert study["00201208"]["Value"] == [7]
    assert len(client.search_for_series(STUDY)) == 2
    (series,) = client.search_for_series(STUDY, search_filters={"SeriesInstanceUID": f"{STUDY}.1"})
    assert series["00080060"]["Value"] == ["CT"]
    assert len(client.search_for_instances(STUDY)) == 7
    assert len(client.search_for_instances(STUDY, f"{STUDY}.2")) == 4
    assert len(client.search_for_series(search_filters={"PatientID": "NET"})) == 2
    assert len(client.search_for_instances(search_filters={"PatientID": "NET"})) == 7
    assert len(client.search_for_instances(STUDY, limit=2, offset=6)) == 1
    (all_,) = client.search_for_studies(
        search_filters={"StudyInstanceUID": STUDY}, fields=["StudyDescription", "00080070"]
    )
    assert {"00081030", "00080070"} <= {*all_}


def test_study_list_of_a_viewer(service: Service, samples: list[Any]) -> None:
    """The study list that OHIF requests: wildcards on both sides, a page, and fields by tag."""
    studies = found(
        service,
        "/studies?limit=101&offset=0&fuzzymatching=false"
        "&includefield=00081030%2C00080060%2C00080090&PatientName=*NE*&00100020=NET",
    )
    (study,) = studies
    assert study["0020000D"]["Value"] == [STUDY]
    assert "00081030" in study
    assert study["00080061"] == {"vr": "CS", "Value": ["CT"]}
    assert study["00081190"]["Value"] == [f"{service.url}/studies/{STUDY}"]
    assert len(found(service, "/studies")) == 1 + len({each.study_instance_uid for each in samples})


def test_pages_are_in_one_order(service: Service) -> None:
    """Pages contain each instance once, in the same order as the complete list."""
    whole = found(service, f"/studies/{STUDY}/instances")
    pages = [
        each
        for offset in range(0, 8, 3)
        for each in found(service, f"/studies/{STUDY}/instances?limit=3&offset={offset}")
    ]
    assert pages == whole


def test_nothing_found_is_an_empty_array(service: Service) -> None:
    """No match is a success."""
    assert found(service, "/studies?PatientID=nobody") == []
    assert found(service, "/studies/1.2.3.99/series") == []
    assert found(service, "/studies?limit=0") == []


def test_answers_of_many_pieces(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys everything matches, and the complete list is returned."""
    assert len(found(service, "/instances")) > 15
    assert len(found(service, "/instances?includefield=all")) == len(found(service, "/instances"))


def test_key_in_a_sequence(service: Service) -> None:
    """A key in a sequence is a path of keywords or tags."""
    path = "RequestAttributesSequence.ScheduledProcedureStepID"
    assert isinstance(found(service, f"/series?{path}=nothing-of-that-name"), list)
    assert found(service, f"/series?{path}=X&PatientID=nobody") == []


def test_fuzzy_matching_is_not_done_in_silence(service: Service) -> None:
    """A warning says that only literal matching was done (8.3.4.2)."""
    answer = requests.get(f"{service.url}/studies?fuzzymatching=true", timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Warning"].startswith("299 ")


def test_xml(service: Service) -> None:
    """Each study is a part in XML if that is preferred."""
    accept = 'multipart/related; type="application/dicom+xml"'
    answer = requests.get(
        f"{service.url}/studies?StudyInstanceUID={STUDY}", headers={"Accept": accept}, timeout=20
    )
    assert answer.headers["Content-Type"].startswith(f"{accept}; boundary=")
    assert answer.text.count("<NativeDicomModel") == 1
    assert 'keyword="PatientID"' in answer.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("PatienID=4", "did you mean PatientID?"),
        ("limit=many", "limit=many is not a whole number"),
        ("offset=-1", "offset=-1 is not"),
        ("StudyDate=20240102-20240101", "ends before it begins"),
        ("PatientID=1&PatientID=2", "twice"),
        ("PatientID=1&00100020=2", "twice"),
        ("StudyInstanceUID=1.2.*", "neither a UID"),
        ("fuzzymatching=perhaps", "neither true nor false"),
        ("includefield=PatienName", "did you mean PatientName?"),
        ("PatientID.CodeValue=1", "is not a sequence"),
        ("RequestAttributesSequence=1", "is a sequence"),
        ("0009FFFF=1", "not in the index"),
    ],
)
def test_malformed_search(service: Service, query: str, words: str) -> None:
    """Unknown or malformed keys are refused with 400 and a sentence."""
    answer = requests.get(f"{service.url}/studies?{query}", timeout=20)
    assert answer.status_code == 400
    assert words in answer.text


def test_key_that_the_path_has(service: Service) -> None:
    """The study of the path cannot differ from that of the query."""
    answer = requests.get(f"{service.url}/studies/{STUDY}/series?StudyInstanceUID=1.2", timeout=20)
    assert answer.status_code == 400


def test_not_acceptable(service: Service) -> None:
    """An unsupported media type is refused with 406, which lists the supported ones."""
    answer = requests.get(f"{service.url}/studies", headers={"Accept": "image/png"}, timeout=20)
    assert answer.status_code == 406
    assert "application/dicom+json" in answer.text


def test_answers_come_at_once(service: Service) -> None:
    """Small answers on one connection do not wait for acknowledgements (Nagle's algorithm)."""
    with requests.Session() as session:
        session.get(f"{service.url}/studies?limit=1", timeout=20)
        took = []
        for _ in range(25):
            begun = time.perf_counter()
            session.get(f"{service.url}/studies?limit=1", timeout=20)
            took.append(time.perf_counter() - begun)
    assert statistics.median(took) < 0.035
