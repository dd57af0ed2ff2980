"""A server that keeps what it stores in PostgreSQL or MariaDB, by plugins of Orthanc."""

import shutil

import pytest

from harness.cases import DATABASES, Party, Rest, Stored, Suite, configured, orthanc_ids

suite = Suite(level="product", ref="Orthanc Book: PostgreSQL and MySQL plugins", needs="rest")
on_each_database = pytest.mark.parametrize(
    "database", [pytest.param(each, marks=configured(database=each)) for each in DATABASES]
)


@on_each_database
@suite.case("DBASE-001", needs="server.restart")
def test_database_holds_index_and_objects(
    remote: Party, rest: Rest, stored: Stored, database: str
) -> None:
    """With its own folder gone, the server still has every object, with the bytes that were stored."""
    study = stored.study(series=2, instances=2)

    with remote.stopped():
        folder = remote.server.folder
        assert folder is not None, f"the folder of the server on {database} is out of reach"
        shutil.rmtree(folder / "data")
        (folder / "data").mkdir()

    assert sorted(rest.json("/instances")) == sorted(orthanc_ids(each).instance for each in study)
    for each in study:
        assert rest.get(f"{orthanc_ids(each).path('instance')}/file").content == each.data
