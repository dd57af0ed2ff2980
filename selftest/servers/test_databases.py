"""Private databases: what a server stores in one is kept, and none leaves anything behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness.clients.dimse import Dimse
from harness.clients.rest import Rest
from harness.config.databases import (
    DatabaseConnection,
    DatabaseUse,
    mysql_section,
    postgresql_section,
)
from harness.config.overrides import Override
from harness.config.settings import Node, Pair
from harness.corpus import corpus
from harness.errors import ConfigError, ServerError, ServerNotFound, ServerNotReady
from harness.model import AETitle, Credentials, Endpoint, Port, Version
from harness.servers.databases.database import Database
from harness.servers.databases.installation import find_database, find_plugins
from harness.servers.databases.mariadb import Mariadb
from harness.servers.databases.postgresql import Postgresql
from harness.servers.databases.programs import hand_over, run_program
from harness.servers.deployment import Deployment, deploy
from harness.servers.guard import Guard
from harness.servers.locate import OrthancInstallation, find_orthanc
from harness.servers.orthanc import Orthanc
from harness.servers.plugins import plugin_version
from harness.servers.product import Build, Role
from harness.waiting import wait_until

KINDS: dict[str, type[Database]] = {"postgresql": Postgresql, "mariadb": Mariadb}
SECTIONS = {"postgresql": postgresql_section, "mariadb": mysql_section}
ALICE = Credentials("alice", "alice-in-a-database")
PAIR = Pair(
    Node(AETitle("REMOTE"), "127.0.0.1", Port(4242), Port(8042), ALICE),
    Node(AETitle("LOCAL"), "127.0.0.1", Port(5001), Port(5000), ALICE),
)
NAMED = "S" * 90


class Bench:
    """Starts instances of one kind. The data folder is made once and copied: ten times as fast."""

    def __init__(self, name: str, folder: Path, stack: ExitStack) -> None:
        self.kind = KINDS[name]
        try:
            self.installation = find_database(name)
        except ServerNotFound as missing:
            pytest.skip(str(missing))
        self.name = name
        self.guard = stack.enter_context(Guard())
        self._template = folder / "data"
        self._administrator: Credentials

    def start(self) -> Database:
        """Start an instance."""
        bench, kind = self, self.kind

        def make_data(database: Database) -> None:
            if bench._template.exists():
                database._administrator = bench._administrator
                run_program(["cp", "--archive", bench._template, database.data])
            else:
                kind.make_data(database)
                subprocess.run(["cp", "--archive", database.data, bench._template], check=True)
                bench._administrator = database._administrator

        copied = type(kind.__name__, (kind,), {"make_data": make_data})
        made: Database = copied(self.installation, self.guard)
        return made


@pytest.fixture(scope="module", params=list(KINDS))
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A kind of database that is installed on this computer."""
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="selftest-") as name:
        folder = Path(name)
        hand_over(folder)
        yield Bench(request.param, folder, stack)


@pytest.fixture
def database(bench: Bench) -> Iterator[Database]:
    """A running instance."""
    with bench.start() as started:
        yield started


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of this test which, unlike pytest's, other users may enter."""
    with tempfile.TemporaryDirectory(prefix="selftest-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield folder


def abandoned_memory() -> set[str]:
    """Return the unused shared memory: segments of shmget(2), and PostgreSQL's of shm_open(3).

    Other tests may start databases meanwhile, and browsers.
    """
    rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()]
    attached, segment = rows[0].index("nattch"), rows[0].index("shmid")
    unused = {row[segment] for row in rows[1:] if row[attached] == "0"}
    return unused | {each.name for each in Path("/dev/shm").glob("PostgreSQL*")}  # noqa: S108


def processes_below(folder: Path) -> list[str]:
    """Return the processes that work in `folder`, or have it in their command line."""
    found = []
    for each in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = [*(each.info["cmdline"] or []), each.info["cwd"] or ""]
        if each.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(f"{each.pid}: {words}")
    return found


# Separate databases


def test_two_databases_do_not_see_each_other(database: Database) -> None:
    """Each user can use its own database only, though an underscore is a wildcard in MariaDB."""
    one, other = database.new_database("a_b"), database.new_database("axb")
    database.sql("CREATE TABLE seen (word VARCHAR(9)); INSERT INTO seen VALUES ('yes');", one)

    assert database.sql("SELECT word FROM seen", one) == "yes\n"
    with pytest.raises(ServerError, match=r"(?i)seen.*(not exist|doesn't exist)"):
        database.sql("SELECT word FROM seen", other)
    for mine, theirs in ((one, other), (other, one)):
        with pytest.raises(ServerError, match=r"(?i)denied"):
            database.sql("SELECT 1", replace(mine, database=theirs.database))


def test_only_the_password_lets_in(database: Database) -> None:
    """Access requires the password, also for the product's default users."""
    mine = database.new_database("mine")
    for user, password in (("mine", "wrong"), ("mine", ""), ("root", ""), ("postgres", "")):
        with pytest.raises(ServerError, match=r"(?i)denied|password"):
            database.sql("SELECT 1", replace(mine, credentials=Credentials(user, password)))


def test_dropped_database_is_gone_and_can_be_made_again(database: Database) -> None:
    """A database can be dropped while its user is connected; a new one of that name is empty."""
    first = database.new_database("again")
    database.sql("CREATE TABLE kept (number INT)", first)
    with ThreadPoolExecutor(1) as pool:
        connected = pool.submit(database.sql, SLEEPING[database.product], first)
        wait_until(lambda: _is_connected(database), what="the user to be connected")
        database.drop_database(first)
        with pytest.raises(ServerError, match=r"(?i)terminat|lost connection|killed"):
            connected.result(timeout=10)
    with pytest.raises(ServerError):
        database.sql("SELECT 1", first)

    second = database.new_database("again")

    assert second.credentials.password != first.credentials.password
    with pytest.raises(ServerError, match="exist"):
        database.sql("SELECT number FROM kept", second)


SLEEPING = {"postgresql": "SELECT pg_sleep(20)", "mariadb": "SELECT SLEEP(20)"}
CONNECTED = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE usename = 'again'",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE user = 'again'",
}


def _is_connected(database: Database) -> bool:
    return database.sql(CONNECTED[database.product]) == "1\n"


@pytest.mark.parametrize("name", ["", "Upper", "a-b", "x; DROP DATABASE y", "a" * 33])
def test_name_that_would_need_quotes_is_refused(database: Database, name: str) -> None:
    """The name of a database is an identifier in every dialect."""
    with pytest.raises(ConfigError, match="not a valid database name"):
        database.new_database(name)


# End and start


def test_committed_rows_survive_a_kill(database: Database) -> None:
    """Rows committed just before SIGKILL are there after a restart, on the same port."""
    mine = database.new_database("mine")
    database.sql("CREATE TABLE kept (number INT)", mine)
    for number in range(5):
        database.sql(f"INSERT INTO kept VALUES ({number})", mine)  # noqa: S608
        database.kill()
        assert database.ended() == "is not running"
        database.start()

    rows = database.sql("SELECT number FROM kept ORDER BY number", mine)
    assert rows.split() == ["0", "1", "2", "3", "4"]
    assert database.endpoint == mine.endpoint


def test_kill_ends_busy_processes_too(database: Database) -> None:
    """A running query neither survives a kill nor blocks the next start."""
    mine = database.new_database("mine")
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(database.sql, BUSY[database.product], mine)
        wait_until(lambda: _is_busy(database.folder), what="the query to run", within=30)
        database.kill()
        assert processes_below(database.folder) == []
        database.start()
        with pytest.raises(ServerError):
            busy.result(timeout=10)


def test_a_stop_is_orderly_and_a_start_keeps_the_data(database: Database) -> None:
    """`stop` lets it write all data, so that the next start needs no recovery."""
    mine = database.new_database("mine")
    database.sql("CREATE TABLE kept (number INT); INSERT INTO kept VALUES (1);", mine)
    database.stop()
    assert database.ended() == "ended with exit code 0"

    begin = database.log_position()
    database.start()

    assert database.sql("SELECT number FROM kept", mine) == "1\n"
    assert "recover" not in database.log_since(begin).lower()
    assert database.ended() is None


def test_death_is_told_in_words(database: Database) -> None:
    """If a signal ended it, the error says so."""
    assert database.pid is not None
    os.kill(database.pid, signal.SIGKILL)

    told = wait_until(database.ended, what="the end")

    assert told == "died of SIGKILL"


def test_close_leaves_nothing(bench: Bench, temporary: Path) -> None:
    """Neither processes, nor folders, nor shared memory; a kill in between changes nothing."""
    before = abandoned_memory()
    with bench.start() as database:
        database.new_database("mine")
        database.kill()
        assert processes_below(database.folder) == []
        assert abandoned_memory() == before
        database.start()
        assert processes_below(database.folder)

    assert list(temporary.iterdir()) == []
    assert processes_below(temporary) == []
    assert abandoned_memory() == before


ABANDONED = """
import sys, time
sys.path[:0] = {path!r}
from servers.test_databases import KINDS
from harness.servers.databases.installation import find_database
from harness.servers.plugins import plugin_version
from harness.servers.guard import Guard

with Guard() as guard:
    database = KINDS[{name!r}](find_database({name!r}), guard)
    mine = database.new_database("mine")
    print(database.pid, flush=True)
    database.sql({busy!r}, mine)
"""
BUSY = {
    # Processes in separate sessions, which do not notice the end of the first for a while.
    "postgresql": "SELECT count(*) FROM generate_series(1, 100000000000)",
    "mariadb": "SELECT BENCHMARK(100000000000, MD5('x'))",
}


def test_sigkill_of_the_harness_leaves_nothing(bench: Bench, temporary: Path) -> None:
    """The guard ends a busy instance and removes its folder when the harness is gone."""
    before = abandoned_memory()
    code = ABANDONED.format(
        path=[str(Path(__file__).parents[1])], name=bench.name, busy=BUSY[bench.name]
    )
    harness = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert harness.stdout is not None
        assert int(harness.stdout.readline())
        wait_until(lambda: _is_busy(temporary), what="the query to run", within=30)
    finally:
        harness.kill()
        harness.communicate(timeout=10)

    wait_until(lambda: not list(temporary.iterdir()), what="the folders to go", within=10)
    assert [each for each in processes_below(temporary) if "psql" not in each] == []
    wait_until(lambda: abandoned_memory() == before, what="the shared memory to go", within=5)


def _is_busy(temporary: Path) -> bool:
    """Return whether a process in the folder has used the CPU for a quarter of a second."""
    for each in psutil.process_iter(["cwd", "cpu_times"]):
        cwd, times = each.info["cwd"], each.info["cpu_times"]
        if cwd and str(temporary) in cwd and times and times.user > 0.25:
            return True
    return False


# Missing or taken resources


@pytest.mark.parametrize("name", list(KINDS))
def test_missing_program_is_told(name: str, tmp_path: Path) -> None:
    """The error names the folder and both ways to get the programs."""
    with pytest.raises(ServerNotFound) as raised:
        find_database(name, tmp_path)
    message = str(raised.value)
    assert str(tmp_path) in message
    assert f"HARNESS_DATABASES={name} ./run-local.sh --setup-only" in message
    assert "apt-get install --no-install-recommends" in message
    with pytest.raises(ServerNotFound, match="apt-get download orthanc-"):
        find_plugins(name, tmp_path)


def test_taken_port_is_told(bench: Bench, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the port is always taken, the error has the server's own message, and nothing is left."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("harness.servers.databases.database.free_port", lambda: port)
        with pytest.raises(ServerNotReady, match="in use"):
            bench.start()
    assert list(temporary.iterdir()) == []


def test_taken_port_is_passed_over(
    bench: Bench, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the port chosen by the kernel is taken meanwhile, another one is tried."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("", 0)) as free:
        ports = [taken.getsockname()[1], free.getsockname()[1]]
        free.close()
        offered = iter(ports)
        monkeypatch.setattr("harness.servers.databases.database.free_port", lambda: next(offered))
        with bench.start() as database:
            assert database.endpoint.port == ports[1]


def test_path_too_long_for_a_socket_leaves_the_port(
    bench: Bench, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder with a long name an instance has only a port, and says why it has no socket."""
    folder = temporary / f'sp ace,%s "q" $HOME {NAMED}'
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with bench.start() as database:
        mine = database.new_database("mine")
        assert mine.socket is None
        assert database.sql("SELECT 1", mine) == "1\n"
        with pytest.raises(ConfigError, match="TMPDIR"):
            SECTIONS[bench.name](mine, DatabaseUse(socket=True))


def test_folder_may_have_any_name(
    bench: Bench, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data and socket are at the given paths, whatever the name of the temporary folder."""
    folder = temporary / "a ,;\"%s' $HOME#"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with Guard() as guard, bench.kind(bench.installation, guard) as database:
        mine = database.new_database("mine")
        assert mine.socket is not None
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(mine.socket))
        assert list(folder.iterdir()) == [database.folder]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs databases as somebody else")
def test_folder_that_is_closed_to_others_is_told(
    bench: Bench, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's private folders cannot be used, since databases refuse to run as root."""
    closed = temporary / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(closed))
    with pytest.raises(ServerError, match=r"closed is closed to others: .*TMPDIR"):
        bench.start()
    assert list(closed.iterdir()) == []


# Configurations


CONNECTION = DatabaseConnection(
    Endpoint("127.0.0.1", 5432),
    Credentials("me", "secret"),
    "mine",
    Path("/tmp/x/.s.PGSQL.5432"),  # noqa: S108
)


def test_sections_leave_out_what_a_plugin_does_not_know() -> None:
    """An option appears from the version on that introduced it."""
    use = DatabaseUse(connections=5)
    for make, name, versions in (
        (postgresql_section, "PostgreSQL", ("2.2", "3.2", "3.3", "4.0")),
        (mysql_section, "MySQL", ("2.0", "2.0", "3.0", "4.0")),
    ):
        new = {"EnableSsl", "MaximumConnectionRetries", "IndexConnectionsCount"}
        for version, known in zip(versions, (0, 1, 2, 3), strict=True):
            section = make(CONNECTION, use, Version(version))[name]
            assert isinstance(section, dict)
            if (name, known) != ("MySQL", 1):
                assert len(new & section.keys()) == known
        assert make(CONNECTION, use) == make(CONNECTION, use, Version("9.0"))


def test_sections_name_the_socket() -> None:
    """PostgreSQL gets the folder, MySQL the file; over TCP, MySQL's default socket is disabled."""
    over_socket = DatabaseUse(socket=True)
    assert _options(postgresql_section(CONNECTION, over_socket))["Host"] == "/tmp/x"  # noqa: S108
    mysql = _options(mysql_section(CONNECTION, over_socket))
    assert (mysql["Host"], mysql["UnixSocket"]) == ("localhost", str(CONNECTION.socket))
    assert _options(postgresql_section(CONNECTION))["Host"] == "127.0.0.1"
    assert _options(mysql_section(CONNECTION))["UnixSocket"] == ""


def _options(configuration: dict[str, object]) -> dict[str, object]:
    (section,) = configuration.values()
    assert isinstance(section, dict)
    return section


# Orthanc


@pytest.fixture(scope="module")
def orthanc() -> OrthancInstallation:
    """The Orthanc of this computer."""
    try:
        return find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("over_socket", [False, True], ids=["port", "socket"])
def test_orthanc_still_has_what_it_stored(
    bench: Bench, database: Database, orthanc: OrthancInstallation, over_socket: bool
) -> None:
    """Index and objects are in the database: Orthanc restarts with an empty folder, and has both.

    In between, the database is killed and restarted.
    """
    try:
        plugins = find_plugins(bench.name)
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    use = DatabaseUse(objects=True, socket=over_socket, connections=2)
    section = SECTIONS[bench.name](
        database.new_database("orthanc"), use, plugin_version(plugins[0])
    )

    build = Build(
        "Orthanc",
        orthanc.version,
        Orthanc,
        command=orthanc.command,
        plugins=tuple(map(str, plugins)),
        overrides=tuple(Override((name,), value) for name, value in section.items()),
    )
    server = deploy(build, Role("remote", PAIR, bench.guard))
    try:
        Dimse(server.dicom, AETitle("REMOTE"), AETitle("LOCAL"), 10.0).store_all(
            [corpus["h01-ct-1-1"]]
        )
        stored = _instances(server)
        assert len(stored) == 1
        server.crash()
        assert _instances(server) == stored

        database.kill()
        database.start()
        server.restart()  # with an empty folder

        assert _instances(server) == stored
        assert server.folder is not None
        assert list((server.folder / "data").iterdir()) == []
        assert list(server.identity.plugins) == [
            f"{bench.name.replace('mariadb', 'mysql')}-{part}" for part in ("index", "storage")
        ]
    finally:
        server.close()


def _instances(server: Deployment) -> dict[str, int]:
    """Return the instances of a server, and the size of the file that it returns for each."""
    assert server.rest is not None
    client = Rest(server.rest, ALICE, time_limit=10.0)
    try:
        return {
            each: len(client.get(f"/instances/{each}/file").content)
            for each in client.json("/instances")
        }
    finally:
        client.close()
