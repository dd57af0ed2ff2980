"""`run-local.sh`: arguments, installation, and error messages."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import PYTHON

if TYPE_CHECKING:
    from conftest import Checkout

PLUGIN = "usr/share/orthanc/plugins/libOrthancMySQLIndex.so"
WSI = "usr/share/orthanc/plugins/libOrthancWSI.so"
INSTALLERS = ("apt-get", "python3", "environment-python", "sudo")

needs_no_system_orthanc = pytest.mark.skipif(
    Path("/usr/sbin/Orthanc").exists(), reason="this computer has the Orthanc that is to be missing"
)


def test_arguments_reach_the_harness_unchanged(ready: "Checkout") -> None:
    """Spaces, stars, quotes and empty arguments are passed on unchanged."""
    arguments = ["-k", "find and not move", "", "*.py", 'a"b', "$HOME"]

    ready.run("run-local.sh", *arguments)

    received = (ready.root / "harness-arguments").read_text().split("\0")
    assert received == ["run", *arguments, ""]


def test_verdict_is_that_of_the_harness(ready: "Checkout") -> None:
    """The exit code of the run is passed on."""
    assert ready.run("run-local.sh").returncode == 0
    assert ready.run("run-local.sh", VERDICT="1").returncode == 1


def test_second_start_installs_nothing(ready: "Checkout") -> None:
    """If everything is installed, neither apt nor pip is called, and there is no output."""
    again = ready.run("run-local.sh")

    assert ready.calls(*INSTALLERS) == []
    assert ready.calls("harness") == ["harness run"]
    assert again.stderr == ""


def test_setup_only_runs_nothing(ready: "Checkout") -> None:
    """`--setup-only` ends before the harness starts."""
    assert ready.run("run-local.sh", "--setup-only").returncode == 0
    assert ready.calls("harness") == []


@pytest.mark.parametrize("script", ["run-local.sh", "run-tests.sh"])
def test_help_installs_nothing(bare: "Checkout", script: str) -> None:
    """`--help` prints the usage and changes nothing."""
    told = bare.run(script, "--help")

    assert told.returncode == 0
    assert f"./{script} --setup-only" in told.stdout
    assert "#" not in told.stdout
    assert not (bare.root / ".venv").exists()


def test_new_dependency_is_installed(ready: "Checkout") -> None:
    """The stamp covers what pip reads of pyproject.toml; other tools' settings are not in it."""
    project = ready.root / "pyproject.toml"
    project.write_text(project.read_text() + "# a setting of ruff, say\n")
    ready.run("run-local.sh")
    assert ready.calls("environment-python") == []

    project.write_text(project.read_text().replace("dependencies = [", "dependencies = [ 'x',", 1))
    ready.run("run-local.sh")
    (call,) = ready.calls("environment-python")
    assert call == "environment-python -m pip install --no-compile --editable ."


def test_moved_checkout_gets_a_new_environment(ready: "Checkout") -> None:
    """Scripts of an environment contain its path, so it is made again after a move."""
    (ready.root / ".venv/left-over").touch()
    ready.root = ready.root.rename(ready.root.with_name("elsewhere"))

    assert ready.run("run-local.sh").returncode == 0
    assert not (ready.root / ".venv/left-over").exists()
    assert str(ready.root) in (ready.root / ".venv/pyvenv.cfg").read_text()


def test_failing_pip_is_shown_and_ends_the_run(bare: "Checkout") -> None:
    """Without an environment nothing can run: the end of the log, a sentence, exit code 2."""
    bare.has_orthanc()
    bare.stand_in("environment-python", "echo no route to the index; exit 1")

    done = bare.run("run-local.sh")

    assert done.returncode == 2
    assert "    no route to the index" in done.stderr
    assert "could not be installed" in done.stderr
    assert bare.calls("harness") == []


def test_failing_pip_leaves_an_earlier_environment_in_use(ready: "Checkout") -> None:
    """Offline, the earlier packages are used, and the next start tries again."""
    with (ready.root / "setup/python.sh").open("a") as script:
        script.write("# changed\n")
    ready.stand_in("environment-python", "exit 1")

    for _ in range(2):
        done = ready.run("run-local.sh")
        assert done.returncode == 0
        assert "continuing with the installed ones" in done.stderr
        assert ready.calls("harness") == ["harness run"]


def test_no_python_is_a_sentence(bare: "Checkout") -> None:
    """Without Python and without root: the command that helps, and exit code 2."""
    bare.lacks("python3")

    done = bare.run("run-local.sh")

    assert done.returncode == 2
    assert "nothing can run without python3" in done.stderr
    assert "apt-get install --yes --no-install-recommends python3-venv" in done.stderr


def _chosen_python(checkout: "Checkout", **variables: str) -> str:
    """Return the Python that the setup would choose, without running it."""
    return subprocess.run(
        ["bash", "-c", ". setup/python.sh && find_python"],
        cwd=checkout.root,
        env={"PATH": str(checkout.bin), **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout.strip()


def test_python_of_debian_is_preferred(bare: "Checkout") -> None:
    """Another Python earlier on the PATH is used only if Debian's does not fit."""
    wanted = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
    usable = (
        Path("/usr/bin/python3").exists()
        and not subprocess.run(
            ["/usr/bin/python3", "-c", wanted], check=False, stderr=subprocess.DEVNULL, timeout=30
        ).returncode
    )

    expected = "/usr/bin/python3" if usable else str(bare.bin / "python3")
    assert _chosen_python(bare) == expected


def test_variable_names_the_python(bare: "Checkout") -> None:
    """HARNESS_PYTHON is used whatever else there is."""
    bare.stand_in("other-python", PYTHON.format(real=sys.executable, bin=bare.bin))
    python = str(bare.bin / "other-python")

    assert _chosen_python(bare, HARNESS_PYTHON=python) == python


def test_environment_of_another_python_is_made_anew(ready: "Checkout") -> None:
    """The environment is kept while HARNESS_PYTHON names the Python that made it."""
    left_over = ready.root / ".venv/left-over"
    left_over.touch()
    assert ready.run("run-local.sh").returncode == 0
    assert left_over.exists()

    ready.stand_in("other-python", PYTHON.format(real=sys.executable, bin=ready.bin))
    python = ready.bin / "other-python"
    assert ready.run("run-local.sh", HARNESS_PYTHON=str(python)).returncode == 0
    assert not left_over.exists()
    assert (ready.root / ".venv/bin/python").resolve() == python


def test_old_python_is_a_sentence(bare: "Checkout") -> None:
    """A Python before 3.11 is named with its version; no package would help."""
    bare.stand_in(
        "python3",
        """case $* in
        --version) echo Python 3.9.2 ;;
        *ensurepip*) exit 1 ;;
        *'sys.exit(sys.version_info >= (3, 11))') exit 0 ;;
        esac""",
    )

    done = bare.run("run-local.sh")

    assert done.returncode == 2
    assert "this is Python 3.9.2, the harness needs 3.11" in done.stderr
    assert "python3-venv" not in done.stderr


@needs_no_system_orthanc
def test_without_root_the_line_is_shown_and_the_run_goes_on(bare: "Checkout") -> None:
    """One complete command for an administrator, with Orthanc's libraries and without Orthanc."""
    bare.lacks("dcmdump")

    for calls_of_apt in (1, 0):  # the second start repeats it from its notes
        done = bare.run("run-local.sh")
        assert done.returncode == 0
        lines = [line.strip() for line in done.stderr.splitlines() if "apt-get" in line]
        assert lines == ["sudo apt-get install --yes --no-install-recommends dcmtk libdcmtk17"]
        assert len(bare.calls("apt-get")) == calls_of_apt
        assert bare.calls("harness") == ["harness run"]


@needs_no_system_orthanc
def test_without_package_lists_the_line_fetches_them(bare: "Checkout") -> None:
    """If apt knows no packages yet, the command itself finds the libraries."""
    bare.stand_in("apt-get", "exit 100")

    line = next(
        line for line in bare.run("run-local.sh").stderr.splitlines() if "apt-get" in line
    ).strip()

    assert line.startswith("sudo apt-get update && sudo apt-get install --yes")
    bare.stand_in(
        "apt-get", 'case "$*" in *--simulate*) printf "Inst liba\\nInst orthanc\\n";; esac'
    )
    bare.stand_in("sudo", '"$@"')
    subprocess.run(["bash", "-c", line], env={"PATH": str(bare.bin)}, check=True, timeout=30)
    assert bare.calls("apt-get")[-1] == "apt-get install --yes --no-install-recommends liba"


@needs_no_system_orthanc
def test_what_somebody_installed_since_is_noticed(bare: "Checkout") -> None:
    """After an administrator ran the command, the next start unpacks Orthanc by itself."""
    assert bare.run("run-local.sh").returncode == 0
    bare.stand_in("apt-get", f'case $1 in download) cp "{bare.packages}"/*.deb . ;; esac')
    bare.has_package()
    os.utime(bare.root / ".venv/setup.run", (0, 0))  # the package database has changed since

    done = bare.run("run-local.sh")

    assert (bare.root / ".orthanc/usr/sbin/Orthanc").exists()
    assert "Debian packages are missing" not in done.stderr
    bare.run("run-local.sh")
    assert bare.calls(*INSTALLERS) == []


@needs_no_system_orthanc
@pytest.mark.parametrize("by", ["root", "sudo"])
def test_orthanc_is_unpacked_and_never_installed(bare: "Checkout", by: str) -> None:
    """Libraries are installed; Orthanc's package, which starts a service, is not among them."""
    bare.has_package()
    if by == "root":
        bare.stand_in("id", "echo 0")
    else:
        bare.stand_in("sudo", 'shift; "$@"')

    done = bare.run("run-local.sh")

    assert done.returncode == 0, done.stderr
    installs = [
        call for call in bare.calls("apt-get") if " install " in call and "--simulate" not in call
    ]
    assert installs == [
        "apt-get -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends libdcmtk17"
    ]
    assert (bare.root / ".orthanc/usr/sbin/Orthanc").exists()


@pytest.mark.parametrize("where", ["path", "variable"])
def test_orthanc_that_is_there_is_used(bare: "Checkout", where: str) -> None:
    """An Orthanc on the PATH or named by HARNESS_ORTHANC is neither replaced nor unpacked."""
    bare.stand_in("id", "echo 0")
    if where == "path":
        bare.stand_in("Orthanc", "exit 0")
        done = bare.run("run-local.sh")
    else:
        done = bare.run("run-local.sh", HARNESS_ORTHANC="/opt/Orthanc")

    assert done.returncode == 0
    assert bare.calls("apt-get") == []
    assert not (bare.root / ".orthanc").exists()


def test_failing_apt_is_shown_and_tried_again(bare: "Checkout") -> None:
    """A package that is not available affects only what needs it, not the run."""
    bare.has_orthanc()
    bare.lacks("dcmdump")
    bare.stand_in("id", "echo 0")
    bare.stand_in("apt-get", "echo the mirror is away; exit 100")

    for _ in range(2):
        done = bare.run("run-local.sh")
        assert done.returncode == 0
        assert "    the mirror is away" in done.stderr
        assert bare.calls("apt-get")[-1].endswith(" dcmtk") or bare.calls("apt-get")[-1].endswith(
            " update"
        )
        assert bare.calls("harness") == ["harness run"]


def test_two_first_starts_do_not_meet(ready: "Checkout") -> None:
    """A setup waits, with a message, while another one of the same checkout runs."""
    (ready.root / ".venv/setup.run").unlink()
    (ready.root / ".venv/setup.dev").unlink()
    ready.calls_file.write_text("")
    folder = os.open(ready.root, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)

    with subprocess.Popen(
        [str(ready.root / "run-local.sh")],
        env=ready.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as second:
        try:
            assert second.stderr is not None
            assert "another set-up" in second.stderr.readline()
            assert ready.calls("environment-python") == []
        finally:
            os.close(folder)
        _, said = second.communicate(timeout=30)

    assert second.returncode == 0, said
    assert ready.calls("harness") == ["harness run"]


HAS_MARIADB = Path("/usr/sbin/mariadbd").exists() or Path("/usr/bin/mariadb").exists()
needs_no_system_mariadb = pytest.mark.skipif(
    HAS_MARIADB, reason="this computer has the MariaDB that is to be missing"
)
SIMULATED = (
    'case "$*" in *--simulate*) printf "Inst %s (1.0)\\n" liburing2 mariadb-common mariadb-server-core '
    "mariadb-client-core postgresql-client-15 postgresql-15 postgresql postgresql-common ssl-cert orthanc "
    'orthanc-mysql orthanc-postgresql;; download*) cp "{packages}"/*.deb . ;; esac'
)


@needs_no_system_mariadb
def test_database_that_is_asked_for_is_unpacked(ready: "Checkout") -> None:
    """At any start: libraries are installed, programs and plugins unpacked, no service started."""
    ready.stand_in("id", "echo 0")
    ready.stand_in("apt-get", SIMULATED.format(packages=ready.packages))
    ready.has_package("usr/sbin/mariadbd", "usr/bin/mariadb", PLUGIN)

    done = ready.run("run-local.sh", HARNESS_DATABASES="mariadb")

    assert done.returncode == 0, done.stderr
    calls = ready.calls("apt-get")
    assert "install --simulate" in calls[0]
    assert calls[0].endswith(" mariadb-server-core mariadb-client-core orthanc-mysql")
    assert calls[1].endswith(" install --yes --no-install-recommends liburing2 mariadb-common")
    assert calls[-1] == (
        "apt-get download mariadb-server-core mariadb-client-core postgresql-client-15 postgresql-15 "
        "orthanc-mysql orthanc-postgresql"
    )
    assert (ready.root / ".databases/usr/sbin/mariadbd").exists()
    assert not (ready.root / ".databases/mariadb.deb").exists()
    again = ready.run("run-local.sh", HARNESS_DATABASES="mariadb")
    assert ready.calls(*INSTALLERS) == []
    assert again.stderr == ""


@needs_no_system_mariadb
def test_no_database_is_unpacked_unasked(bare: "Checkout") -> None:
    """Without the variable, apt is asked for Orthanc's libraries only."""
    bare.run("run-local.sh")

    assert [each for each in bare.calls("apt-get") if "maria" in each or "postgres" in each] == []


@needs_no_system_mariadb
def test_database_without_root_is_a_line_for_an_administrator(ready: "Checkout") -> None:
    """What a database needs is in the command, and the run continues."""
    ready.stand_in("apt-get", SIMULATED.format(packages=ready.packages))

    done = ready.run("run-local.sh", HARNESS_DATABASES="mariadb")

    assert done.returncode == 0
    line = "sudo apt-get install --yes --no-install-recommends liburing2 mariadb-common"
    assert line in [each.strip() for each in done.stderr.splitlines()]
    assert not (ready.root / ".databases").exists()


def test_unknown_database_is_a_sentence(ready: "Checkout") -> None:
    """A misspelt name is an error."""
    done = ready.run("run-local.sh", HARNESS_DATABASES="postgresql oracle")

    assert done.returncode == 2
    assert "HARNESS_DATABASES contains 'oracle'" in done.stderr
    assert ready.calls(*INSTALLERS, "harness") == []


def test_plugin_that_is_asked_for_is_unpacked(ready: "Checkout") -> None:
    """At any start it is unpacked next to Orthanc, and the next start has nothing to do."""
    ready.stand_in("id", "echo 0")
    ready.stand_in("apt-get", SIMULATED.format(packages=ready.packages))
    ready.has_package(WSI)

    done = ready.run("run-local.sh", HARNESS_PLUGINS="wsi")

    assert done.returncode == 0, done.stderr
    assert ready.calls("apt-get")[-1] == "apt-get download orthanc-wsi"
    assert (ready.root / ".plugins" / WSI).exists()
    again = ready.run("run-local.sh", HARNESS_PLUGINS="wsi")
    assert ready.calls(*INSTALLERS) == []
    assert again.stderr == ""


def test_unknown_plugin_is_a_sentence(ready: "Checkout") -> None:
    """A misspelt name is an error."""
    done = ready.run("run-local.sh", HARNESS_PLUGINS="wsi transfer")

    assert done.returncode == 2
    assert "HARNESS_PLUGINS contains 'transfer'" in done.stderr
