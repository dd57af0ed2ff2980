"""The files of a failed case, from real traffic with a real Orthanc."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from harness.evidence.exchange import write_exchange
from harness.evidence.redact import Redactor
from harness.evidence.repro import write_repro
from harness.evidence.tools import ToolRun, write_tools

SECRET = 'top "& secret/%'


def run_tool(*argv: str) -> ToolRun:
    """Run a program of dcmtk."""
    if shutil.which(argv[0], path="/usr/bin:/usr/local/bin") is None:
        pytest.skip(f"{argv[0]} of dcmtk is not installed")
    begin = time.monotonic()
    argv = (f"/usr/bin/{argv[0]}", *argv[1:])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    return ToolRun(argv, done.returncode, done.stdout, done.stderr, time.monotonic() - begin)


@pytest.fixture
def case(stand, image, tmp_path: Path) -> Callable[[], tuple]:  # noqa: ANN001
    """Do what a case might do, and return the tape and the tools that it used."""
    files = tmp_path / "in put"
    files.mkdir()
    (files / "a.dcm").write_bytes(image)
    (tmp_path / "found").mkdir()

    def run() -> tuple:
        tape = stand.loop.start_tape("EV-001")
        host, port = stand.dicom.endpoint.host, str(stand.dicom.endpoint.port)
        with requests.Session() as session:
            session.auth = stand.auth
            stored = session.post(f"{stand.url}/instances", data=image, timeout=10)
            assert stored.status_code == 200
            find = {"Level": "Study", "Query": {"PatientName": "Evi*"}, "Password": "unlisted"}
            assert len(session.post(f"{stand.url}/tools/find", json=find, timeout=10).json()) == 1
            session.get(f"{stand.url}/instances/x'$(y)", timeout=10)
            session.put(f"{stand.url}/modalities/a%20b", json=["A", "h", 1], timeout=10)
            session.head(f"{stand.url}/system", timeout=10)
        wrong = requests.get(f"{stand.url}/system", auth=("alice", "guess"), timeout=10)
        assert wrong.status_code == 401
        peer = (host, port)
        tools = [
            run_tool("storescu", "-v", "-aec", "ORTHANC", *peer, str(files / "a.dcm")),
            run_tool("findscu", "-v", "-S", "-X", "-od", str(tmp_path / "found"), "-aec", "ORTHANC",
                     "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=Evi* $x", *peer),
        ]  # fmt: skip
        ae = AE("WITNESS")
        ae.add_requested_context(Verification)
        association = ae.associate(host, int(port), ae_title="ORTHANC")
        association.send_c_echo()
        association.release()
        return tape, tools

    return run


def test_exchange_tells_the_whole_case_in_order(case, tmp_path: Path) -> None:  # noqa: ANN001
    """One timeline over HTTP and DICOM, the details below it, the bytes in other files."""
    tape, _ = case()
    folder = tmp_path / "evidence"
    folder.mkdir()
    write_exchange(tape, folder, Redactor([SECRET]))
    text = (folder / "exchange.txt").read_text()
    timeline = text.split("\n====")[0]

    order = [
        "-> POST /instances  <- 200 OK",
        "-> POST /tools/find  <- 200 OK",
        "-> HEAD /system  <- ",
        "-> GET /system  <- 401 Unauthorized",
        "-> A-ASSOCIATE-RQ (STORESCU calls ORTHANC)",
        "<- A-ASSOCIATE-AC",
        "-> C-STORE-RQ #1 Secondary Capture Image Storage 2.25.77",
        "<- C-STORE-RSP #1 0000H success",
        "-> A-RELEASE-RQ",
        "<- A-RELEASE-RP",
        "(FINDSCU calls ORTHANC)",
        "-> C-FIND-RQ #1 Study Root FIND",
        "(WITNESS calls ORTHANC)",
        "-> C-ECHO-RQ #1 Verification",
    ]
    places = [timeline.index(part) for part in order]
    assert places == sorted(places)
    times = [float(line.split()[0]) for line in timeline.splitlines()[3:] if line]
    assert times == sorted(times)
    assert "(DICOM file, SOP Class 1.2.840.10008.5.1.4.1.1.7, SOP Instance 2.25.77" in text
    assert '    "PatientName": "Evi*"' in text
    assert "< HTTP/1.1 401 Unauthorized" in text
    kept = sorted(path.name for path in folder.glob("dicom-*.bin"))
    assert len(kept) == 6
    assert b"Evidence^Eva" in b"".join((folder / name).read_bytes() for name in kept)


def test_no_secret_is_in_any_file(case, stand, tmp_path: Path) -> None:  # noqa: ANN001
    """Every file of the folder is searched for the password in every form."""
    tape, tools = case()
    requests.get(f"{stand.url}/instances?x={SECRET}", timeout=10, headers={"Cookie": SECRET})
    requests.post(f"{stand.url}/tools/find", timeout=10, data=SECRET.encode() + b"\0\1binary")
    requests.post(f"{stand.url}/instances", timeout=10, data=SECRET.encode() * 400)
    peer = (stand.dicom.endpoint.host, str(stand.dicom.endpoint.port))
    tools.append(run_tool("findscu", "-S", "-aec", "ORTHANC", "-k", f"PatientName={SECRET}", *peer))
    folder = tmp_path / "evidence"
    folder.mkdir()
    (tmp_path / "input").write_text(SECRET)
    leaky = ToolRun(("/usr/bin/dump", SECRET, str(tmp_path / "input")), 1, SECRET, SECRET, 0.1)
    tools.append(leaky)
    redactor = Redactor([SECRET])
    write_exchange(tape, folder, redactor)
    write_repro(tape, tools, folder, redactor)
    write_tools(tools, folder / "tools.txt", redactor)

    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {"exchange.txt", "repro.sh", "tools.txt"} < set(written)
    basic = "YWxpY2U6dG9wICImIHNlY3JldC8l"
    forms = (SECRET, 'top \\"& secret/%', "secret/%25", "secret%2F", "& secret", basic, basic[8:20])
    hexadecimal = " ".join(f"{code:02x}" for code in b"secret")
    for name, data in written.items():
        for form in (*forms, hexadecimal, "unlisted"):
            assert form.encode() not in data, f"{form} in {name}"


def test_repro_does_the_same_again(case, stand, tmp_path: Path) -> None:  # noqa: ANN001
    """Bash accepts the script, and an emptied server gives the same answers."""
    tape, tools = case()
    folder = tmp_path / "evidence"
    folder.mkdir()
    write_repro(tape, tools, folder, Redactor([SECRET]))
    script = folder / "repro.sh"
    shutil.rmtree(tmp_path / "in put")
    subprocess.run(["bash", "-n", script], check=True, timeout=10)

    stand.server.reset(unsettled=False)
    environment = {
        "PATH": "/usr/bin:/bin",
        "HARNESS_PASSWORD": SECRET,
        "REST": f"http://{stand.server.rest}",
        "DICOM_HOST": stand.server.dicom.host,
        "DICOM_PORT": str(stand.server.dicom.port),
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        ["bash", script], env=environment, capture_output=True, timeout=30, check=True
    )
    output = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    again = re.findall(r"^HTTP/1.1 (\d+)", output, re.MULTILINE)
    before = re.findall(r"\(in the case: (\d+) ", script.read_text())
    assert again == before
    assert again == ["200", "200", "404", "400", "404", "401"]
    assert '"ID" : ' in output
    assert "Association Release" in output or "Releasing Association" in output
    assert "Received Store Response" in output
    assert (
        "an association was opened to remote.dicom: `harness replay` can repeat it"
        in script.read_text()
    )


def test_tools_are_told_with_what_they_printed(tmp_path: Path) -> None:
    """Command, exit code or time limit, duration, stdout and stderr."""
    tools = [
        ToolRun(("findscu", "-k", "a b"), 0, "out\n", "", 0.25),
        ToolRun(("movescu",), None, "", "err", 10.0),
    ]
    write_tools(tools, tmp_path / "tools.txt", Redactor([]))
    assert (tmp_path / "tools.txt").read_text() == (
        "$ findscu -k 'a b'\n# exit 0 after 0.250 s\n--- stdout\nout\n"
        "\n$ movescu\n# timed out after 10.000 s\n--- stderr\nerr\n"
    )


def test_bash_understands_whatever_a_case_sends(stand, tmp_path: Path) -> None:  # noqa: ANN001
    """Quotes, line ends and secrets at the end of a line keep the script valid."""
    tape = stand.loop.start_tape("EV-002")
    for body in ("Cookie: a'b", 'it\'s "$(id)" `id`\nAuthorization: x', "@file", "\\", "a\r\nb"):
        requests.post(f"{stand.url}/tools/find", data=body, timeout=10)
    write_repro(tape, [], tmp_path, Redactor(["b"]))
    subprocess.run(["bash", "-n", tmp_path / "repro.sh"], check=True, timeout=10)
    assert "id" in (tmp_path / "repro.sh").read_text()
