"""The plugin that serves folders: files, their types, caching, and files outside the folders."""

import base64
import shutil
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from harness.cases import Party, Rest, Suite, configured, header

suite = Suite(
    level="product",
    needs=("rest", "plugin.serve-folders", "dimse.worklist"),
    ref="Orthanc Book: serve folders plugin",
)
# Both the harness and the server have access to the folder of worklist items.
SERVED = configured(ServeFolders={"/served": "{here}/worklists"})
OUTSIDE = "outside.txt"
CACHED = configured(
    ServeFolders={
        "AllowCache": True,
        "GenerateETag": False,
        "Folders": {"/served": "{here}/worklists"},
    }
)


@pytest.fixture
def folder(remote: Party) -> Iterator[Path]:
    """Return the served folder, which is emptied after the case."""
    yield remote.worklists
    shutil.rmtree(remote.worklists)
    remote.worklists.mkdir()
    (remote.worklists.parent / OUTSIDE).unlink(missing_ok=True)


def put(folder: Path, name: str, content: bytes = b"some bytes \0\xff") -> bytes:
    """Write a file, which is removed after the case."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return content


@suite.case("FOLD-001")
@SERVED
@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("unknown.xyz", "application/octet-stream"),
        ("page.html", "text/html"),
        ("script.js", "application/javascript"),
        ("style.css", "text/css"),
        ("data.json", "application/json"),
        ("image.png", "image/png"),
    ],
)
def test_file_and_its_type(rest: Rest, folder: Path, name: str, media_type: str) -> None:
    """A file is served byte by byte, with the type of its extension."""
    content = put(folder, name)

    answer = rest.get(f"/served/{name}")

    assert answer.content == content
    assert header(answer, "Content-Type").partition(";")[0] == media_type


@suite.case("FOLD-002")
@SERVED
def test_file_in_a_folder_below(rest: Rest, folder: Path) -> None:
    """A file in a subfolder is served, but the folder itself is not."""
    content = put(folder, "below/file.txt")

    assert rest.get("/served/below/file.txt").content == content
    rest.get("/served/below", expect=404)


@suite.case("FOLD-003")
@SERVED
def test_file_that_does_not_exist(rest: Rest, folder: Path) -> None:
    """A file that does not exist is not found, and neither is one in another folder."""
    put(folder, "here.txt")

    rest.get("/served/nope.txt", expect=404)
    rest.get("/elsewhere/here.txt", expect=404)


@suite.case("FOLD-004", ref="RFC 3986 5.2.4")
@SERVED
@pytest.mark.parametrize("dots", ["..", "%2e%2e", "%2E.", "below/../..", "..%2f"])
def test_nothing_outside_is_served(remote: Party, rest: Rest, folder: Path, dots: str) -> None:
    """A path that leads out of the folder, however it is written, finds nothing."""
    put(folder, "below/file.txt")
    content = put(folder.parent, OUTSIDE, b"what lies outside")
    host, port = rest.base.removeprefix("http://").split(":")
    connection = HTTPConnection(host, int(port), timeout=rest.time_limit)
    assert isinstance(rest.session.auth, tuple)

    # requests would remove the dots from the path.
    connection.request(
        "GET", f"/served/{dots}/{OUTSIDE}", headers={"Authorization": basic(*rest.session.auth)}
    )
    answer = connection.getresponse()

    assert answer.status in range(400, 500)
    assert content not in answer.read()
    assert remote.server.died() is None


def basic(user: str, password: str) -> str:
    """Return the Authorization header of a user."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@suite.case("FOLD-005", ref="RFC 9111 5.2.2; RFC 9110 8.8.3")
@SERVED
def test_caching_is_forbidden_unless_asked_for(rest: Rest, folder: Path) -> None:
    """By default, an answer has an entity tag that depends on the content, and may not be cached."""
    put(folder, "one.txt", b"one")
    put(folder, "two.txt", b"two")
    put(folder, "again.txt", b"one")

    one, two, again = (rest.get(f"/served/{name}.txt") for name in ("one", "two", "again"))

    assert "no-store" in header(one, "Cache-Control")
    assert header(one, "ETag") == header(again, "ETag") != header(two, "ETag")


@suite.case("FOLD-007", ref="Orthanc Book: serve folders plugin, advanced usage")
@CACHED
def test_caching_and_tags_are_options(rest: Rest, folder: Path) -> None:
    """An answer may be cached with AllowCache, and has no entity tag without GenerateETag."""
    content = put(folder, "file.txt")

    answer = rest.get("/served/file.txt")

    assert answer.content == content
    assert "no-store" not in answer.headers.get("Cache-Control", "")
    assert "ETag" not in answer.headers


@suite.case("FOLD-006")
@SERVED
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_only_get(rest: Rest, folder: Path, method: str) -> None:
    """A file cannot be changed through the plugin."""
    content = put(folder, "kept.txt")

    rest.request(method, "/served/kept.txt", data=b"other", expect=405)

    assert (folder / "kept.txt").read_bytes() == content
