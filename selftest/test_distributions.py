"""The two distributions: their content, their dependencies, and that together they are complete."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import dcm

ROOT = Path(__file__).resolve().parents[1]
OURS = ("dicom-harness", "dicom-dcm")
ENVIRONMENT = {
    **{
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYTEST"))
    },
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "DCM_CONFIG_PATH": os.devnull,
}
UNRELATED = """
import sys

def test_nothing_of_ours_is_loaded(pytestconfig):
    assert [each for each in sys.modules if each.partition(".")[0] in ("dcm", "harness")] == []
    assert [each for each in vars(pytestconfig.option) if each.startswith("harness")] == []
"""


def _run(command: Sequence[str | Path], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _build(source: Path, target: str, into: Path) -> Path:
    """Build a wheel or an sdist of `source`, without pip and without a network."""
    _run([sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into], source)
    (built,) = into.iterdir()
    return built


class Built:
    """The wheels: both halves as released, and the one of a checkout."""

    def __init__(self, folder: Path) -> None:
        self.toolkit = _build(ROOT / "dcm", "wheel", folder / "toolkit")
        self.whole = _build(ROOT, "wheel", folder / "whole")
        sdist = _build(ROOT, "sdist", folder / "sdist")
        _run(["tar", "-xf", sdist], folder)
        self.harness = _build(folder / sdist.name.removesuffix(".tar.gz"), "wheel", folder / "half")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build all of them."""
    return Built(tmp_path_factory.mktemp("built"))


class Environment:
    """A virtual environment with links to some distributions of the current environment."""

    def __init__(
        self, folder: Path, distributions: Iterator[importlib.metadata.Distribution]
    ) -> None:
        self.bin = folder / "bin"
        _run([sys.executable, "-m", "venv", "--without-pip", folder], folder.parent)
        (packages,) = folder.glob("lib/python3*/site-packages")
        for each in distributions:
            for file in each.files or ():
                top = file.parts[0]
                if top not in ("..", "__pycache__") and not (packages / top).exists():
                    (packages / top).symlink_to(str(each.locate_file(top)))

    def run(self, *command: str, folder: Path) -> str:
        """Run a program of the environment in `folder`, which is not the checkout."""
        return _run([self.bin / command[0], *command[1:]], folder)

    def install(self, *wheels: Path) -> None:
        """Install wheels with their dependencies, none of which may be missing."""
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python"]
        _run([*pip, "install", "--no-index", "--no-compile", *wheels], self.bin)


def _needed(name: str, seen: set[str]) -> Iterator[importlib.metadata.Distribution]:
    """Yield a distribution and its dependencies, except for ours."""
    if canonicalize_name(name) in seen:
        return
    seen.add(canonicalize_name(name))
    found = importlib.metadata.distribution(name)
    if name not in OURS:
        yield found
    for each in map(Requirement, found.requires or ()):
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            yield from _needed(each.name, seen)


@pytest.fixture(scope="module")
def toolkit(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Install the toolkit in an environment with only pydicom and rich."""
    seen: set[str] = set()
    needed = (each for name in ("pydicom", "rich") for each in _needed(name, seen))
    environment = Environment(tmp_path_factory.mktemp("venv"), needed)
    environment.install(built.toolkit)
    return environment


def test_the_toolkit_needs_pydicom_and_rich_alone(toolkit: Environment, tmp_path: Path) -> None:
    """The command and the library, without the harness."""
    assert "commands:" in toolkit.run("dcm", "--help", folder=tmp_path)
    assert toolkit.run("dcm", "version", folder=tmp_path) == f"dcm {dcm.__version__}\n"
    code = (
        "import dcm.net, dcm.data, importlib.util as util\n"
        "print(dcm.__file__, *map(util.find_spec, ('harness', 'pytest', 'numpy')))"
    )
    file, *others = toolkit.run("python", "-c", code, folder=tmp_path).split()
    assert Path(file).is_relative_to(toolkit.bin.parent)
    assert others == ["None"] * 3


def test_two_processes_of_the_toolkit_speak(toolkit: Environment, tmp_path: Path) -> None:
    """One listens, the other sends C-ECHO."""
    command = (toolkit.bin / "dcm", "listen", "-o", "in", "--host", "127.0.0.1", "--port", "0")
    with subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
    ) as listening:
        try:
            assert listening.stderr is not None
            node = listening.stderr.readline().split()[-1]
            assert "Success" in toolkit.run("dcm", "echo", node, folder=tmp_path)
        finally:
            listening.terminate()
        assert listening.wait(timeout=20) == 0


def test_both_halves_are_a_working_harness(
    built: Built, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """Installed as released; pytest in that environment does not load the plugin elsewhere."""
    environment = Environment(tmp_path_factory.mktemp("venv"), _needed("dicom-harness", set()))
    environment.install(built.harness, built.toolkit)
    (tmp_path / "test_unrelated.py").write_text(UNRELATED)

    assert environment.run("dcm", "version", folder=tmp_path) == f"dcm {dcm.__version__}\n"
    assert "CECHO-001" in environment.run("harness", "cases", "CECHO-*", folder=tmp_path)
    said = environment.run("python", "-m", "pytest", "-W", "error", folder=tmp_path)
    assert "1 passed" in said
    assert "harness" not in said


def test_the_halves_are_the_whole(built: Built) -> None:
    """No file or command is in both, or in neither; the harness requires its own version."""
    toolkit, harness, whole = map(_contents, (built.toolkit, built.harness, built.whole))
    assert toolkit & harness == set()
    assert toolkit | harness == whole
    assert {"dcm/py.typed", "dcm/net/tls.py", "console_scripts dcm"} < toolkit
    assert {"harness/bundle/tests/conftest.py", "console_scripts harness"} < harness

    wanted = [
        [each for each in _metadata(wheel).requires or () if each.startswith(OURS)]
        for wheel in (built.toolkit, built.harness, built.whole)
    ]
    assert wanted == [[], [f"dicom-dcm=={dcm.__version__}"], []]
    assert {_metadata(each).version for each in (built.toolkit, built.harness)} == {dcm.__version__}


def test_pages_and_completion_are_installed(tmp_path: Path) -> None:
    """An sdist made after them contains them, and so does the wheel built from it."""
    source = _checkout(tmp_path)
    for program, folder in (("harness", source), ("dcm", source / "dcm")):
        command = [sys.executable, "docs/manual.py", program, folder / "share"]
        _run(["env", f"PYTHONPATH={source}", *command], source)
        made = [path for path in (folder / "share").rglob("*") if path.is_file()]
        sdist = _build(folder, "sdist", tmp_path / f"{program}-sdist")
        _run(["tar", "-xf", sdist], tmp_path)
        unpacked = tmp_path / sdist.name.removesuffix(".tar.gz")
        wheel = _build(unpacked, "wheel", tmp_path / f"{program}-wheel")
        names = {name.partition(".data/data/")[2] for name in zipfile.ZipFile(wheel).namelist()}
        assert f"share/man/man1/{program}.1" in names
        assert {str(path.relative_to(folder)) for path in made} <= names


def _checkout(folder: Path) -> Path:
    """Copy the files to build, so that the tests change nothing in the checkout."""
    copy = folder / "checkout"
    made = shutil.ignore_patterns(".*", "build", "dist", "runs", "share", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=made, symlinks=True)
    return copy


def _contents(wheel: Path) -> set[str]:
    """Return what a wheel installs: files, and entry points by group and name."""
    names = zipfile.ZipFile(wheel).namelist()
    points = (f"{each.group} {each.name}" for each in _metadata(wheel).entry_points)
    return {name for name in names if ".dist-info/" not in name} | set(points)


def _metadata(wheel: Path) -> importlib.metadata.Distribution:
    (info,) = (each for each in zipfile.Path(wheel).iterdir() if each.name.endswith(".dist-info"))
    return importlib.metadata.PathDistribution(info)


def test_dependencies_are_the_same_in_both() -> None:
    """A range changed in one file must be changed in the other, too."""
    harness, toolkit = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text()) for folder in ("", "dcm")
    )
    assert toolkit["build-system"] == harness["build-system"]
    for key in ("license", "requires-python"):
        assert toolkit["project"][key] == harness["project"][key]
    assert set(toolkit["project"]["dependencies"]) < set(harness["project"]["dependencies"])
    assert (ROOT / "dcm/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
