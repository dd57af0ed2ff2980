"""The command `dcm serve`: access control, start and end."""

import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from net.certificates import Authority
from net.files import being_written, make
from serve.service import Service, addresses, command, serving

from dcm.cli import main
from dcm.net import Tls
from harness.clients import multipart
from harness.waiting import wait_until

RELATED = f'multipart/related; type="application/dicom"; boundary={multipart.BOUNDARY}'


def ended(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """Return exit status and stderr of a command that ends by itself."""
    process = command(*arguments, **environment)
    try:
        _, words = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, words


def test_what_it_is(service: Service) -> None:
    """The root has its name, and the addresses of the services."""
    root = service.url.removesuffix("/dicom-web")
    about = requests.get(root, timeout=20).json()
    assert about["dicomweb"] == service.url
    assert about["read_only"]


def test_echo_at_the_dicom_door(service: Service) -> None:
    """The DICOM port answers C-ECHO."""
    assert main(["echo", str(service.node), "--quiet"]) == 0


@pytest.mark.parametrize("door", ["--port", "--dicom-port"])
def test_port_that_is_taken(tmp_path: Path, door: str) -> None:
    """The error is one sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        other = "--dicom-port" if door == "--port" else "--port"
        status, words = ended(tmp_path, door, port, other, "0")
    assert status == 2
    assert f"cannot listen on 127.0.0.1:{port}" in words
    assert "Traceback" not in words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--no-web", "--no-dicom"], "nothing to serve"),
        (["--key", "k.pem"], "--certificate"),
        (["--certificate", "/nowhere/c.pem", "--key", "k.pem"], "/nowhere/c.pem"),
        (["--token", ""], "must not be empty"),
        (["--token-file", "/nowhere/token"], "/nowhere/token"),
        (["--max-instance", "lots"], "is not a size"),
    ],
)
def test_options_that_cannot_be_used(tmp_path: Path, options: list[str], words: str) -> None:
    """Wrong options are reported before anything is served."""
    status, said = ended(tmp_path, "--port", "0", "--dicom-port", "0", *options)
    assert status == 2
    assert words in said


def test_folder_that_is_none(tmp_path: Path) -> None:
    """A folder that does not exist is an error, and is not created."""
    status, words = ended(tmp_path / "nothing", "--port", "0", "--dicom-port", "0")
    assert (status, "is not a folder" in words) == (2, True)
    assert not (tmp_path / "nothing").exists()


def test_token(tmp_path: Path) -> None:
    """With a token, requests without it, or with another one, are refused with 401."""
    file = tmp_path / "token"
    file.write_text("secret\n")
    for options, environment in (
        (["--token", "secret"], {}), (["--token-file", file], {}), ([], {"DCM_SERVE_TOKEN": "secret"}),
    ):  # fmt: skip
        with serving(tmp_path, *options, **environment) as service:
            for given, status in (
                (None, 401), ("Bearer other", 401), ("Basic secret", 401), ("Bearer secret", 200),
            ):  # fmt: skip
                answer = requests.get(
                    f"{service.url}/studies", headers={"Authorization": given}, timeout=20
                )
                assert answer.status_code == status
                assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_tls(tmp_path: Path, authority: Authority, server_tls: Tls) -> None:
    """With a certificate only HTTPS is available."""
    make(tmp_path, 1)
    options = ("--certificate", str(server_tls.certificate), "--key", str(server_tls.key))
    with serving(tmp_path, *options) as service:
        assert service.url.startswith("https://")
        url = service.url
        found = requests.get(f"{url}/studies", verify=str(server_tls.ca), timeout=20)
        assert len(found.json()) == 1
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{url}/studies", timeout=20)
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(f"{url.replace('https', 'http')}/studies", timeout=20)


def test_client_certificate(
    tmp_path: Path, authority: Authority, server_tls: Tls, client_tls: Tls
) -> None:
    """With --client-ca, only clients with a certificate of that authority are accepted."""
    options = (
        "--certificate", str(server_tls.certificate), "--key", str(server_tls.key),
        "--client-ca", str(server_tls.ca),
    )  # fmt: skip
    with serving(tmp_path, *options) as service:
        url, ca = service.url, str(server_tls.ca)
        ours = str(client_tls.certificate), str(client_tls.key)
        assert requests.get(f"{url}/studies", verify=ca, cert=ours, timeout=20).json() == []
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(f"{url}/studies", verify=ca, timeout=20)


def test_cors(tmp_path: Path) -> None:
    """A web page of a named origin may use the service, also with a token, and no other page."""
    with serving(tmp_path, "--cors", "http://viewer", "--token", "secret") as service:
        asked = {"Origin": "http://viewer", "Access-Control-Request-Method": "GET",
                 "Access-Control-Request-Headers": "authorization"}  # fmt: skip
        answer = requests.options(f"{service.url}/studies", headers=asked, timeout=20)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "http://viewer"
        other = requests.options(
            f"{service.url}/studies", headers={**asked, "Origin": "http://other"}, timeout=20
        )
        assert other.headers.get("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_method_that_is_not_allowed(service: Service, method: str) -> None:
    """Other methods are refused with 405, which lists the allowed ones."""
    answer = requests.request(method, f"{service.url}/studies", timeout=20)
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_address_behind_a_proxy(tmp_path: Path) -> None:
    """URLs begin with the address that clients use."""
    make(tmp_path, 1)
    with serving(tmp_path) as service:
        (study,) = requests.get(
            f"{service.url}/studies", headers={"Host": "pacs.example"}, timeout=20
        ).json()
        assert study["00081190"]["Value"][0].startswith("http://pacs.example/dicom-web/studies/")
    process = command(
        tmp_path, "--port", "0", "--dicom-port", "0", "--url", "https://pacs.example/x/"
    )
    try:
        assert addresses(process).url == "https://pacs.example/x/dicom-web"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_end_finishes_requests_in_flight(tmp_path: Path, number: signal.Signals) -> None:
    """At the end, a request that has begun is finished, and what it stored is acknowledged."""
    folder = tmp_path / "archive"
    folder.mkdir()
    file = make(tmp_path, 1, size=2_000_000)
    body = multipart.build([file.read_bytes()], "application/dicom")
    begun = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield body[:1_000_000]
        begun.wait(20)
        yield body[1_000_000:]

    answers: list[requests.Response] = []
    with serving(folder, "--writable") as service:

        def store() -> None:
            headers = {"Content-Type": RELATED}
            url = f"{service.url}/studies"
            answers.append(requests.post(url, data=slowly(), headers=headers, timeout=30))

        thread = threading.Thread(target=store)
        thread.start()
        host, port = re.findall(r"//(.*):(\d+)/", service.url)[0]
        _wait_for_a_part(service)
        service.process.send_signal(number)
        assert service.process.stderr is not None
        assert "stopping when clients have finished" in service.process.stderr.readline()
        begun.set()
        thread.join(30)
        assert [each.status_code for each in answers] == [200]
        assert service.process.wait(20) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=5).close()
    assert [each.name for each in folder.glob("*.dcm")] == ["1.2.3.1.dcm"]


def _wait_for_a_part(service: Service) -> None:
    """Wait until a file is being written."""
    folder = Path(service.process.args[4])  # type: ignore[index]
    wait_until(
        lambda: being_written(folder, service.process.pid) > 0, what="a file is written", within=20
    )


def test_request_that_does_not_end(tmp_path: Path) -> None:
    """A client that never finishes delays the end by no more than the limit."""
    with serving(tmp_path, "--stop-timeout", "1") as service:
        host, port = re.findall(r"//(.*):(\d+)/", service.url)[0]
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(
                b"POST /dicom-web/studies HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n"
            )
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(20) == 0
