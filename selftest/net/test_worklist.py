"""`LocalEntity.worklist` against dcmtk's worklist server."""

import asyncio
from collections.abc import Iterator, Mapping

import pytest
from net.peers import QUICK, US, free_port, running

from dcm.data.dictionary import UnknownElement
from dcm.data.match import Value
from dcm.net import DcmNode, LocalEntity
from harness.corpus import corpus, make

ENTITY = LocalEntity(US, QUICK)
TITLE = "WORKLIST"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DcmNode]:
    """Wlmscpfs with the worklist samples and one item made to order."""
    folder = tmp_path_factory.mktemp("worklists")
    items = folder / TITLE
    items.mkdir()
    (items / "lockfile").touch()
    for sample in corpus.group("w"):
        sample.write(items)
    (items / "made.wl").write_bytes(make.worklist_item(PatientName="Made^Order", Modality="US"))
    port = free_port()
    with running(TITLE, port, "wlmscpfs", "-csk", "-dfp", folder, port, cwd=folder) as node:
        yield node


def ask(server: DcmNode, query: Mapping[str, object] | None = None) -> list[dict[str, Value]]:
    """Take all items."""

    async def scenario() -> list[dict[str, Value]]:
        return [item async for item in ENTITY.worklist(server, query)]

    return asyncio.run(scenario())


@pytest.mark.parametrize("form", [dict, lambda **step: [step]])
def test_items_are_found_by_their_step(form: type, server: DcmNode) -> None:
    """The step is a mapping, or a list of one."""
    found = ask(server, {"ScheduledProcedureStepSequence": form(Modality="US")})
    assert [item["PatientName"] for item in found] == ["Made^Order"]
    (step,) = found[0]["ScheduledProcedureStepSequence"]
    assert isinstance(step, Mapping)
    assert step["Modality"] == "US"
    assert "ScheduledProcedureStepStartDate" in step


def test_without_keys_all_are_given(server: DcmNode) -> None:
    """Whatever their character set: texts are decoded."""
    names = {str(item["PatientName"]) for item in ask(server)}
    assert {"Made^Order", "Worklist^One"} <= names
    assert any("山田" in name for name in names)


def test_a_key_that_the_server_does_not_know_is_matched_here(server: DcmNode) -> None:
    """Wlmscpfs matches few keys, and returns more."""
    (item,) = ask(server, {"PatientName": "Made^Order"})
    wanted = str(item["RequestedProcedureDescription"])
    keys = {"PatientName": "Made^Order", "RequestedProcedureDescription": wanted}
    assert ask(server, keys) == [item]
    assert ask(server, {**keys, "RequestedProcedureDescription": "no such"}) == []


def test_an_unknown_keyword_is_an_error(server: DcmNode) -> None:
    """At any depth."""
    with pytest.raises(UnknownElement, match="Modalty"):
        ask(server, {"ScheduledProcedureStepSequence": {"Modalty": "US"}})
