"""`LocalEntity.worklist` against dcmtk's worklist server."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
from net.archive import Archive
from net.peers import QUICK, US, free_port, running
from pydicom import Dataset

from dcm.data.account import Account
from dcm.data.dictionary import UnknownElement
from dcm.data.keys import BadKey, Query
from dcm.data.match import Value
from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.pool import Pool
from dcm.net.uids import WORKLIST_FIND
from dcm.net.worklist import worklist
from harness.corpus import corpus, make

ENTITY = LocalEntity(US, QUICK)
TITLE = "WORKLIST"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DcmNode]:
    """Run wlmscpfs with the worklist samples and one generated item."""
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


def ask(server: DcmNode, query: "Query | None" = None) -> list[dict[str, Value]]:
    """Return all items."""

    async def scenario() -> list[dict[str, Value]]:
        return [item async for item in ENTITY.worklist(server, query)]

    return asyncio.run(scenario())


def data_set(**elements: object) -> Dataset:
    """Make a pydicom data set."""
    found = Dataset()
    for keyword, value in elements.items():
        setattr(found, keyword, value)
    return found


@pytest.mark.parametrize("form", [dict, lambda **step: [step], data_set])
def test_items_are_found_by_their_step(form: Callable[..., object], server: DcmNode) -> None:
    """The step is a mapping, a list of one, or a data set."""
    found = ask(server, {"ScheduledProcedureStepSequence": form(Modality="US")})
    assert [item["PatientName"] for item in found] == ["Made^Order"]
    (step,) = found[0]["ScheduledProcedureStepSequence"]
    assert isinstance(step, Mapping)
    assert step["Modality"] == "US"
    assert "ScheduledProcedureStepStartDate" in step


def test_without_keys_all_are_given(server: DcmNode) -> None:
    """In any character set: texts are decoded."""
    names = {str(item["PatientName"]) for item in ask(server)}
    assert {"Made^Order", "Worklist^One"} <= names
    assert any("山田" in name for name in names)


def test_a_key_that_the_server_does_not_know_is_matched_here(server: DcmNode) -> None:
    """The server, wlmscpfs, matches few keys, and returns more."""
    (item,) = ask(server, {"PatientName": "Made^Order"})
    wanted = str(item["RequestedProcedureDescription"])
    keys = {"PatientName": "Made^Order", "RequestedProcedureDescription": wanted}
    assert ask(server, keys) == [item]
    assert ask(server, {**keys, "RequestedProcedureDescription": "no such"}) == []


def test_an_unknown_keyword_is_an_error(server: DcmNode) -> None:
    """At any depth."""
    with pytest.raises(UnknownElement, match="Modalty"):
        ask(server, {"ScheduledProcedureStepSequence": {"Modalty": "US"}})


# At a scripted archive.


def asked(items: list[dict[str, Value]], query: Query) -> tuple[list[object], Account]:
    """Query an archive that returns these items; return names, and the account of the answers."""
    archive = Archive([], (WORKLIST_FIND,))
    archive.answers = lambda _: items  # type: ignore[assignment,return-value]
    account = Account()

    async def scenario() -> list[object]:
        async with archive, Pool(US, Remote(archive.node, QUICK)) as pool:
            found = worklist(pool, query, account=account)
            return [item["PatientName"] async for item in found]

    return asyncio.run(scenario()), account


def _item(name: str, modality: str) -> dict[str, Value]:
    return {"PatientName": name, "ScheduledProcedureStepSequence": [{"Modality": modality}]}


def test_what_an_archive_matched_by_its_own_rules_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Items that it did not match are dropped with a note."""
    items = [_item("Müller^Anna", "CT"), _item("Mueller^Anna", "CT"), _item("Muller^Bob", "MR")]
    step = {"ScheduledProcedureStepSequence": {"Modality": "CT"}}
    names, account = asked(items, {"PatientName": "Muller*", **step})
    assert names == ["Müller^Anna", "Mueller^Anna"]
    assert account.filtered == {"ScheduledProcedureStepSequence": 1}
    assert (
        "1 answer left out because the archive ignored ScheduledProcedureStepSequence"
        in caplog.text
    )
    assert "1 answer kept although PatientName differs" in caplog.text


def test_a_range_over_midnight_is_refused() -> None:
    """At any depth."""
    step = {"ScheduledProcedureStepStartTime": "2200-0200"}
    with pytest.raises(BadKey, match="midnight"):
        asked([], {"ScheduledProcedureStepSequence": step})
