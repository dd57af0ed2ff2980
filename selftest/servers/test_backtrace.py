"""The backtrace of a crash: from debugger output, from a core, and in a case's evidence."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from support.suites import RunSuite, libraries_imported_once

from harness.servers.backtrace import debugger, in_log, of_core, signal_in, want_core

__all__ = ["libraries_imported_once"]  # a fixture

GDB = """\
I1128 listening
Thread 3 "Orthanc" received signal SIGSEGV, Segmentation fault.
[Switching to Thread 0x7f (LWP 7)]
0x00007f in DcmItem::search () from libdcmdata.so.17
#0  0x00007f in DcmItem::search () from libdcmdata.so.17
"""
VALGRIND = """\
I1128 listening
==77== Process terminating with default action of signal 11 (SIGSEGV)
==77==    at 0x4C: DcmItem::search
"""
SANITIZER = """\
I1128 listening
==77==ERROR: AddressSanitizer: heap-use-after-free on address 0x60
    #0 0x4C in DcmItem::search
"""
CRASH = """
@case("BT-001", ref="x")
def test_crash(dimse, remote):
    remote.server.launcher.send_signal(signal.SIGSEGV)
    assert str(dimse.echo()) == "0x0000"

@case("BT-002", ref="x")
def test_after(dimse):
    assert str(dimse.echo()) == "0x0000"
"""

KNOWN = """
[[issue]]
cases = ["BT-001"]
dies = true
reason = "it is shot"
ref = "tracker 1"
"""

needs_gdb = pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not here")


@pytest.fixture
def run_suite(pytester: pytest.Pytester) -> RunSuite:
    """Run small suites in a folder of their own."""
    return RunSuite(pytester)


@pytest.mark.parametrize("log", [GDB, VALGRIND, SANITIZER], ids=["gdb", "valgrind", "sanitizer"])
def test_what_debuggers_print_is_found(log: str) -> None:
    """It begins at the crash, without the log before it."""
    found = in_log(log)

    assert "DcmItem::search" in found
    assert "listening" not in found


def test_the_signal_is_named() -> None:
    """By gdb and by valgrind; a clean end has none."""
    assert signal_in(GDB) == signal_in(VALGRIND) == "SIGSEGV"
    assert signal_in("[Inferior 1 exited normally]") is None
    assert in_log('Thread 1 "Orthanc" received signal SIGTERM, Terminated.') == ""


def test_a_core_is_read_and_deleted(tmp_path: Path) -> None:
    """A program that crashes leaves a core, in which gdb finds the place."""
    if debugger() is None:
        pytest.skip("gdb is not here, or the kernel leaves cores elsewhere")
    process = subprocess.Popen(["/bin/sleep", "60"], cwd=tmp_path)
    want_core(process.pid)
    os.kill(process.pid, signal.SIGSEGV)
    process.wait(10)

    found = of_core("/bin/sleep", tmp_path)

    assert "#0 " in found
    assert "SIGSEGV" in found
    assert list(tmp_path.glob("core*")) == []
    assert of_core("/bin/sleep", tmp_path) == ""


def test_a_crash_has_its_backtrace_unasked(run_suite: RunSuite) -> None:
    """It is in the failure and in a file of the evidence; the next case has a new server."""
    if debugger() is None:
        pytest.skip("gdb is not here, or the kernel leaves cores elsewhere")
    done = run_suite(CRASH, "--remote=storescp", "--orthanc=none")

    assert done.outcomes == {"BT-001": "failed", "BT-002": "passed"}
    _has_backtrace(done.case("BT-001"))


def test_a_known_crash_costs_no_backtrace(run_suite: RunSuite) -> None:
    """Reading a core takes gdb seconds; `--keep-exchanges` requests it."""
    if debugger() is None:
        pytest.skip("gdb is not here, or the kernel leaves cores elsewhere")
    folder = run_suite.pytester.path / "known"
    folder.mkdir()
    (folder / "storescp.toml").write_text(KNOWN)
    options = "--remote=storescp", "--orthanc=none", f"--known={folder}"

    done = run_suite(CRASH, *options)

    assert done.outcomes == {"BT-001": "known", "BT-002": "passed"}
    assert "its backtrace:" not in done.case("BT-001").failure.text
    _has_backtrace(run_suite(CRASH, *options, "--keep-exchanges").case("BT-001"))


@needs_gdb
def test_a_crash_under_gdb_has_its_backtrace(run_suite: RunSuite) -> None:
    """The server runs under the debugger, which reports the signal."""
    wrap = "--wrap=gdb -batch -nx -ex run -ex bt --args"
    done = run_suite(CRASH, "--remote=storescp", "--orthanc=none", wrap)

    assert done.outcomes == {"BT-001": "failed", "BT-002": "passed"}
    _has_backtrace(done.case("BT-001"))
    assert "the remote runs under gdb -batch" in done.result.stdout.str()


def _has_backtrace(case) -> None:  # noqa: ANN001
    assert case.failure.message.startswith("the remote server died of SIGSEGV")
    assert "its backtrace:" in case.failure.text
    assert "#0 " in case.failure.text
    assert "#0 " in (case.evidence / "backtrace-remote.txt").read_text()
