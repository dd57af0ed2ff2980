"""Output to a terminal or a pipe that is not UTF-8: replaced or escaped, and never an error."""

import csv
import json
import os
import sys
from collections.abc import Iterator

import pytest
from cli.conftest import Start
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
)

from dcm.cli import main
from dcm.net import DcmNode

NAME = "Yamada^Tarou=山田^太郎"
LATIN = {"PYTHONIOENCODING": "latin-1"}
# The locale C without Python's workaround: everything is ASCII, including the arguments.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}


def _find(event: evt.Event) -> Iterator[tuple[int, Dataset]]:
    answer = Dataset()
    answer.SpecificCharacterSet = "ISO_IR 192"
    answer.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
    answer.PatientID, answer.StudyInstanceUID = "1", "1.2.3"
    answer.PatientName = NAME
    if event.identifier.get("PatientName") in ("", NAME, "*山田*"):
        yield 0xFF00, answer


@pytest.fixture(scope="module")
def japanese() -> Iterator[DcmNode]:
    """An archive with one patient, whose name is Japanese."""
    server = AE("JAPANESE")
    server.add_supported_context(PatientRootQueryRetrieveInformationModelFind)
    server.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    handlers = [(evt.EVT_C_FIND, _find)]
    running = server.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    yield DcmNode("127.0.0.1", "JAPANESE", running.server_address[1])
    running.shutdown()


def printed(
    start: Start, node: DcmNode, environment: dict[str, str], *words: str
) -> tuple[str, str]:
    """Query with another encoding; return stdout and stderr."""
    process = start("query", node, *words, env={**os.environ, **environment}, text=False)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    return out.decode("latin-1"), err.decode("latin-1")


@pytest.mark.parametrize("environment", [LATIN, ASCII], ids=["latin-1", "ascii"])
def test_a_tree_has_question_marks(
    environment: dict[str, str], start: Start, japanese: DcmNode
) -> None:
    """There is a warning."""
    out, err = printed(start, japanese, environment, "PatientID=1", "--out-format", "tree")
    assert "ID: 1 | Name: Yamada^Tarou=??^??" in out
    assert "the output has characters that " in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("environment", [LATIN, ASCII], ids=["latin-1", "ascii"])
def test_a_table_has_question_marks(
    environment: dict[str, str], start: Start, japanese: DcmNode
) -> None:
    """The columns stay aligned."""
    out, err = printed(start, japanese, environment, "PatientID=1", "--out-format", "csv")
    (row,) = csv.DictReader(out.splitlines())
    assert row["PatientName"] == "Yamada^Tarou=??^??"
    assert "the output has characters that " in err


@pytest.mark.parametrize("environment", [LATIN, ASCII], ids=["latin-1", "ascii"])
def test_json_loses_nothing(environment: dict[str, str], start: Start, japanese: DcmNode) -> None:
    """Characters outside the encoding are escaped."""
    out, err = printed(start, japanese, environment, "PatientID=1")
    assert NAME in json.dumps(json.loads(out), ensure_ascii=False)
    assert err == ""


def test_a_key_is_utf_8_where_the_locale_knows_no_encoding(start: Start, japanese: DcmNode) -> None:
    """The key is what a user types in any other locale of the system."""
    key = os.fsdecode("PatientName=*山田*".encode())
    out, _ = printed(start, japanese, ASCII, key)
    assert NAME in json.dumps(json.loads(out), ensure_ascii=False)


def test_a_caller_gets_stdout_back(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Its error handling is changed only while a command runs."""
    before = sys.stdout.errors
    assert main(["version"]) == 0
    assert sys.stdout.errors == before
