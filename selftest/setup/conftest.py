"""A checkout with the real scripts; commands that would change the computer are replaced."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ("run-local.sh", "run-tests.sh", "pyproject.toml", "setup", ".ci")

# Commands that change nothing outside the folders given to them.
HARMLESS = (
    "awk",
    "bash",
    "cat",
    "cp",
    "dirname",
    "dpkg-deb",
    "env",
    "flock",
    "grep",
    "ln",
    "mkdir",
    "mv",
    "printf",
    "pwd",
    "readlink",
    "rm",
    "sed",
    "sha256sum",
    "tail",
    "tar",
)

PYTHON = """\
case $0 in
.venv/bin/python | */.venv/bin/python) exec "{bin}/environment-python" "$@" ;;
esac
case $1 in
-c) exec "{real}" "$@" ;;
--version) echo Python 3.9.2 ;;
-m)
    mkdir -p .venv/bin
    echo "command = $0 -m venv $PWD/.venv" >.venv/pyvenv.cfg
    ln -sf "$0" .venv/bin/python
    cp "{bin}/harness" .venv/bin/harness ;;
esac
"""
APT = """\
case "$*" in
*--simulate*) printf 'Inst %s (1.0)\\n' orthanc libdcmtk17 orthanc-gdcm ;;
download*) cp "{packages}"/*.deb . ;;
esac
"""
ORTHANC = "#!/bin/sh\necho Orthanc 1.10.1\n"


class Checkout:
    """The scripts in a separate folder, and a record of the commands that they called."""

    def __init__(self, folder: Path) -> None:
        """Copy the scripts, and make stand-ins for a computer that has all but Orthanc."""
        self.root = folder / "check out"
        self.bin = folder / "bin"
        self.calls_file = folder / "calls"
        self.root.mkdir()
        self.bin.mkdir()
        for name in SCRIPTS:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, self.root / name)
        for name in HARMLESS:
            (self.bin / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
        ci = self.root / ".ci/run"  # it names Debian's Python, whatever the environment says
        ci.write_text(ci.read_text().replace("/usr/bin/python3", f"'{self.bin}/python3'"))
        packages = folder / "packages"
        (packages / "tree/usr/sbin").mkdir(parents=True)
        self.stand_in("id", "echo 1000")
        self.stand_in("sudo", "exit 1")
        self.stand_in("apt-get", APT.format(packages=packages))
        self.stand_in("python3", PYTHON.format(real=sys.executable, bin=self.bin))
        self.stand_in("environment-python", "exit 0")
        self.stand_in("harness", 'printf "%s\\0" "$@" >harness-arguments; exit "${VERDICT-0}"')
        for name in ("dcmdump", "curl", "chromium", "shellcheck"):
            self.stand_in(name, "exit 0")
        self.packages = packages

    def stand_in(self, name: str, body: str) -> None:
        """Put a command on the PATH that records its call, then runs `body`."""
        self._executable(
            self.bin / name, f'#!/bin/bash\necho "{name} $*" >>"{self.calls_file}"\n{body}\n'
        )

    def lacks(self, *names: str) -> None:
        """Remove commands from the PATH."""
        for name in names:
            (self.bin / name).unlink()

    def has_orthanc(self) -> None:
        """Put an Orthanc where an earlier setup unpacked it."""
        sbin = self.root / ".orthanc/usr/sbin"
        sbin.mkdir(parents=True)
        self._executable(sbin / "Orthanc", ORTHANC)

    def has_package(self, *files: str) -> None:
        """Let the stand-in of apt-get download a real package that contains Orthanc, or `files`."""
        tree = self.packages / "tree"
        for name in files or ("usr/sbin/Orthanc",):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            self._executable(tree / name, ORTHANC)
        (tree / "DEBIAN").mkdir()
        (tree / "DEBIAN/control").write_text(
            "Package: orthanc\nVersion: 1.10.1\nArchitecture: all\n"
            "Maintainer: Nobody <nobody@example.org>\nDescription: for a selftest\n"
        )
        subprocess.run(
            ["dpkg-deb", "--build", str(tree), str(self.packages / "orthanc.deb")],
            check=True,
            capture_output=True,
            timeout=30,
        )

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script from another folder, as users do."""
        self.calls_file.write_text("")
        return subprocess.run(
            [str(self.root / command[0]), *command[1:]],
            cwd="/",
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return the scripts' environment: only stand-ins on the PATH, one of them as Python."""
        python = str(self.bin / "python3")
        return {"PATH": str(self.bin), "HOME": str(self.root), "HARNESS_PYTHON": python}

    def calls(self, *names: str) -> list[str]:
        """Return the calls of the commands `names`, in order."""
        return [
            line for line in self.calls_file.read_text().splitlines() if line.split()[0] in names
        ]

    @staticmethod
    def _executable(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def bare(tmp_path: Path) -> Checkout:
    """A checkout before its first start, on a computer that has all but Orthanc."""
    return Checkout(tmp_path)


@pytest.fixture
def ready(bare: Checkout) -> Checkout:
    """A checkout that is set up for users and developers."""
    bare.has_orthanc()
    for script in ("run-local.sh", "run-tests.sh"):
        done = bare.run(script, "--setup-only")
        assert done.returncode == 0, done.stderr
    return bare
