"""--remote: each server is started by its name; what is impossible is reported in a sentence."""

import re
from pathlib import Path

import pytest
from support.suites import RunSuite

from harness.config.overrides import Override
from harness.errors import HarnessError, ServerNotFound
from harness.orthanc_plugins import Choice
from harness.servers.container import ContainerLimits
from harness.servers.product import Spec
from harness.servers.registry import find, listing, names

PAGE = Path(__file__).resolve().parents[2] / "docs/adding-a-server.md"

SUITE = """
from harness.waiting import wait_until

@case("REM-001", ref="none")
@needs("dimse.find.study")
def test_find(dimse, stored):
    stored.study(PatientName="Muller^Anna")
    assert [str(each.PatientName) for each in dimse.find_studies(PatientName="M*")] == ["Muller^Anna"]

@case("REM-002", ref="none")
@needs("dimse.move.study", "local.rest")
def test_move(dimse, stored, local, local_rest):
    sample = stored.instance()
    dimse.move("STUDY", local.ae_title, StudyInstanceUID=sample.study_instance_uid)
    wait_until(lambda: local_rest.json("/studies"), what="the study at the local server")

@case("REM-003", ref="none")
@needs("dicomweb.stow", "dicomweb.qido")
def test_web(web, make):
    web.stow([make.instance().data])
    assert len(web.qido("/studies")) == 1

@case("REM-004", ref="none")
@needs("rest")
def test_rest(rest):
    assert rest.json("/studies") == []

@case("REM-005", ref="none")
@needs("dimse.find.study")
def test_emptied(dimse):
    assert dimse.find_studies(StudyInstanceUID="") == []

@case("REM-006", ref="none")
def test_killed(dimse, remote):
    os.kill(remote.server.pid, signal.SIGKILL)
    dimse.echo()

@case("REM-007", ref="none")
def test_after(dimse):
    assert dimse.echo() == 0

@case("REM-008", ref="none")
@needs("dimse.store")
def test_store(dimse, make):
    assert dimse.store(make.instance()) == [0]
"""


def test_a_suite_runs_on_a_server_as_it_is_named(run_suite: RunSuite) -> None:
    """What the server cannot do is unsupported, all else passes; a crash costs one case."""
    done = run_suite(SUITE, "--remote=dcmqrscp", "--orthanc=none")

    outcomes = done.outcomes
    assert {each for each, outcome in outcomes.items() if outcome == "unsupported"} == {
        "REM-002",
        "REM-003",
        "REM-004",
    }
    assert {each for each, outcome in outcomes.items() if outcome == "failed"} == {"REM-006"}
    assert outcomes["REM-007"] == "passed"
    assert done.run.server.name == "dcmqrscp"
    failure = done.case("REM-006").failure
    assert failure is not None
    assert failure.message.startswith("the remote server died of SIGKILL")


def test_the_adapter_of_the_page_is_all_that_a_server_needs(run_suite: RunSuite) -> None:
    """The file in docs/adding-a-server.md runs a suite unchanged."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    run_suite.pytester.makepyfile(receiver=code)
    done = run_suite(SUITE, "--remote=./receiver.py", "--orthanc=none")

    passed = {each for each, outcome in done.outcomes.items() if outcome == "passed"}
    assert passed == {"REM-007", "REM-008"}
    assert done.outcomes["REM-006"] == "failed"
    assert done.run.server.name == "receiver"


BROKEN = {
    "no_product.py": "ANSWER = 42",
    "no_python.py": "class",
    "no_end.py": """
from harness.model import Version
from harness.servers.adapter import Adapter
from harness.servers.launcher import Launch
from harness.servers.product import Build, Product

class Quits(Adapter):
    def launch(self, seat):
        return Launch(("sh", "-c", "echo no licence found; exit 3"))

PRODUCT = Product("ends at once", lambda asked: Build("quits", Version("1"), Quits))
""",
}


@pytest.mark.parametrize(
    ("spec", "asked", "said"),
    [
        ("dcmqrspc", Spec(), "unknown server; did you mean dcmqrscp?"),
        ("pacs", Spec(), "--remote accepts"),
        ("dcmqrscp:3", Spec(), "write dcmqrscp"),
        ("image", Spec(), "write image:NAME"),
        ("./nowhere.py", Spec(), "--remote nowhere.py does not exist"),
        ("./no_product.py", Spec(), "an adapter must define PRODUCT = Product"),
        ("./no_python.py", Spec(), "cannot load it: SyntaxError"),
        ("orthanc:/bin/true", Spec(), "/bin/true is not Orthanc"),
        ("orthanc:potato", Spec(), "./run-docker.sh --release potato --setup-only"),
        (
            "qrscp",
            Spec(overrides=(Override.parse("A=1"),)),
            "--with needs one of image, orthanc, not",
        ),
        ("qrscp", Spec(plugins=Choice((Path("/x.so"),))), "--plugins needs one of image, orthanc"),
        ("orthanc", Spec(limits=ContainerLimits(memory="1g")), "use them with --image"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_remote_that_cannot_be_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, asked: Spec, said: str
) -> None:
    """The message says what is wrong and what is possible."""
    for name, text in BROKEN.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(HarnessError) as raised:
        find(spec, asked)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--orthanc-root=/nowhere"], "--orthanc-root: /nowhere is not the root"),
        (["--remote=qrscp", "--server=127.0.0.1"], "--remote starts a remote"),
        (["--image=any", "--memory=lots"], "--memory: 'lots' is not a number with b, k, m or g"),
        (["--image=any", "--cpus=all"], "--cpus: 'all' is not a number of processors"),
        (["--memory=512m"], "use them with --image"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_contradict_each_other_are_told(
    run_suite: RunSuite, arguments: list[str], said: str
) -> None:
    """The run ends with a message and no traceback."""
    done = run_suite(SUITE, *arguments)

    assert done.result.ret == pytest.ExitCode.USAGE_ERROR
    errors = done.result.stderr.str()
    assert said in errors
    assert "Traceback" not in errors


def test_a_server_that_does_not_start_shows_its_last_words(run_suite: RunSuite) -> None:
    """The first case is an error that shows the server's output."""
    (run_suite.pytester.path / "no_end.py").write_text(BROKEN["no_end.py"])
    done = run_suite(SUITE, "--remote=./no_end.py", "--orthanc=none")

    assert set(done.outcomes.values()) == {"error"}
    failure = done.case("REM-001").failure
    assert failure is not None
    assert "ended with exit code 3 while it started" in failure.text
    assert "no licence found" in failure.text


@pytest.mark.parametrize(
    ("spec", "command"),
    [
        ("wlmscpfs", "apt-get install dcmtk"),
        ("dicom-storescp", "cargo install dicom-storescp"),
        ("pixelmed", "apt-get install libpixelmed-java default-jre-headless"),
        ("ctn", "apt-get install ctn"),
    ],
)
def test_a_missing_program_is_told(
    monkeypatch: pytest.MonkeyPatch, spec: str, command: str
) -> None:
    """The message says what to install."""
    monkeypatch.setenv("PATH", "/nowhere/bin")
    monkeypatch.setenv("CARGO_HOME", "/nowhere")

    with pytest.raises(ServerNotFound, match=command):
        find(spec)


RESTARTED = """
from harness.servers.product import Build, Product
from harness.servers.products import qrscp

class Restarted(qrscp.Qrscp):
    def empty(self, folder, worklists, *, unsettled):
        return not any((folder / "data" / qrscp.OBJECTS).iterdir())

PRODUCT = Product("", lambda spec: Build("restarted", qrscp.find(spec).version, Restarted))
"""


def test_a_server_that_only_a_restart_empties_is_restarted(run_suite: RunSuite) -> None:
    """The next case finds it empty, on its new port."""
    (run_suite.pytester.path / "restarted.py").write_text(RESTARTED)
    done = run_suite(SUITE, "--remote=./restarted.py", "--orthanc=none")

    passed = {each for each, outcome in done.outcomes.items() if outcome == "passed"}
    assert passed == {"REM-001", "REM-005", "REM-007", "REM-008"}


def test_every_server_is_listed() -> None:
    """An unknown name shows everything that --remote accepts."""
    for name in (*names(), "image:NAME", "FILE.py"):
        assert name in listing()


def test_every_server_is_in_the_table_of_the_page() -> None:
    """docs/adding-a-server.md says for each what is started."""
    page = PAGE.read_text()
    assert [
        each for each in names() if not re.search(rf"^\|.*`{each}[`:]", page, re.MULTILINE)
    ] == []
