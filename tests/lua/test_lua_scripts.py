"""Lua scripts by `/tools/execute-script`: output, errors, JSON, calls to REST and other servers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from harness.cases import Maker, Rest, Stored, Suite, orthanc_ids

suite = Suite(level="product", needs="rest", ref="Orthanc Book: server-side scripting with Lua")

EXECUTE = "/tools/execute-script"


# Output and errors


@suite.case("LUA-001", covers="Orthanc.test_lua")
@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("", ""),
        ("local x = 1", ""),
        ("print('a') print('b')", "a\nb\n"),
        ("print(1, 'a', true, nil, 1.5)", "1, a, true, nil, 1.5\n"),
        ("print('M\u00fcller')", "M\u00fcller\n"),
        ("for i = 1, 1000 do print(i) end", "".join(f"{i}\n" for i in range(1, 1001))),
    ],
    ids=["empty", "silent", "lines", "values", "accent", "long"],
)
def test_output_of_a_script(lua: Any, script: str, output: str) -> None:
    """The answer is what the script prints: a line for each call, with commas between its values."""
    assert lua.run(script) == output


@suite.case("LUA-002")
@pytest.mark.parametrize(
    ("script", "details"),
    [
        ("x = ", "unexpected symbol"),
        ("print('unheard') error('on purpose')", "on purpose"),
        ("nothing()", "attempt to call a nil value"),
    ],
    ids=["syntax", "error", "unknown-function"],
)
def test_error_of_a_script(rest: Rest, lua: Any, script: str, details: str) -> None:
    """A script that fails is answered with 500 and Lua's message, and the next script runs."""
    answer = rest.post(EXECUTE, script, expect=500).json()

    assert answer["OrthancError"] == "Cannot execute a Lua command"
    assert details in answer["Details"]
    assert lua.run("print('still here')") == "still here\n"


@suite.case("LUA-003")
def test_variables_outlive_a_script(lua: Any) -> None:
    """A global variable and a function of one script exist in the next one, but a local variable does not."""
    lua.run("kept = 'kept'; local lost = 'lost'; function twice(x) return x .. x end")

    assert lua.run("print(twice(kept), lost)") == "keptkept, nil\n"


# JSON


@suite.case("LUA-004", covers="Orthanc.test_httpClient_lua")
@pytest.mark.parametrize(
    "value",
    [
        {"a": ["x", "y"], "b": {"c": "d"}},
        {"text": 'M\u00fcller "quoted" \\ / \u65e5\u672c'},
        {"yes": True, "no": False},
        ["one"],
        "text",
    ],
    ids=["nested", "text", "booleans", "list", "string"],
)
def test_json_is_read_and_written(lua: Any, value: Any) -> None:
    """DumpJson writes the same JSON that ParseJson has read."""
    lua.run(f"parsed = ParseJson([==[{json.dumps(value)}]==])")

    assert lua.value("parsed") == value


@suite.case("LUA-005")
@pytest.mark.parametrize(
    ("keep", "expected"), [("true", ["1", "x"]), ("false", [1, "x"])], ids=["texts", "numbers"]
)
def test_digits_in_json(lua: Any, keep: str, expected: list[Any]) -> None:
    """DumpJson writes a text of digits as a number, unless its second argument is true."""
    assert json.loads(lua.run(f"print(DumpJson({{'1', 'x'}}, {keep}))")) == expected


@suite.case("LUA-006")
def test_json_that_is_none(lua: Any) -> None:
    """ParseJson returns nil for text that is not JSON."""
    assert lua.run("print(ParseJson('nope'))") == "nil\n"


# The REST API


@suite.case("LUA-007", covers="Orthanc.test_httpClient_lua")
def test_script_reads_the_rest_api(lua: Any, rest: Rest, stored: Stored) -> None:
    """RestApiGet returns the body of an answer."""
    instance = orthanc_ids(stored.instance()).instance

    tags = json.loads(lua.run(f"print(RestApiGet('/instances/{instance}/simplified-tags'))"))

    assert tags == rest.json(f"/instances/{instance}/simplified-tags")


@suite.case("LUA-008")
def test_script_changes_by_the_rest_api(lua: Any, rest: Rest, stored: Stored) -> None:
    """RestApiPut, RestApiPost and RestApiDelete have the effect of a client's requests."""
    kept = orthanc_ids(stored.instance(PatientID="A"))
    doomed = orthanc_ids(stored.instance(PatientID="B"))
    find = '{"Level": "Patient", "Query": {"PatientID": "B"}}'

    found = lua.run(f"print(RestApiPost('/tools/find', '{find}'))")
    lua.run(f"RestApiPut('{kept.path('patient')}/protected', '1')")
    lua.run(f"RestApiDelete('{doomed.path('patient')}')")

    assert json.loads(found) == [doomed.patient]
    assert rest.get(f"{kept.path('patient')}/protected").text == "1"
    assert rest.json("/patients") == [kept.patient]


@suite.case("LUA-009")
@pytest.mark.parametrize(
    "call",
    [
        "RestApiGet('/no-such-path')",
        "RestApiPost('/tools/find', 'nope')",
        "RestApiPut('/patients/nobody/protected', '1')",
        "RestApiDelete('/patients/nobody')",
    ],
    ids=["get", "post", "put", "delete"],
)
def test_refused_call_of_the_rest_api_is_nil(lua: Any, call: str) -> None:
    """A rejected call to the REST API returns nil, and the script continues."""
    assert lua.run(f"print({call}) print('next')") == "nil\nnext\n"


@suite.case("LUA-010", needs="plugin.dicomweb")
@pytest.mark.parametrize(
    ("builtin", "expected"), [("true", True), ("false", False)], ids=["builtin", "plugins"]
)
def test_script_calls_a_plugin(lua: Any, builtin: str, *, expected: bool) -> None:
    """RestApiGet reaches the routes of plugins, unless its second argument selects only built-in ones."""
    printed = lua.run(f"print(RestApiGet('/dicom-web/studies', {builtin}) == nil)")

    assert printed == f"{str(expected).lower()}\n"


@suite.case("LUA-011", ref="Orthanc Book: Lua, GetOrthancConfiguration")
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("DicomAet", "ORTHANC"),
        ("OverwriteInstances", True),
        ("AcceptedTransferSyntaxes", ["1.2.840.10008.1.*"]),
    ],
)
def test_script_reads_the_configuration(lua: Any, key: str, expected: object) -> None:
    """GetOrthancConfiguration returns the configured options."""
    assert lua.value(f"GetOrthancConfiguration()['{key}']") == expected


# Outgoing calls


class _Echo(BaseHTTPRequestHandler):
    """Echoes each request in JSON; the path determines a delay or a failure."""

    protocol_version = "HTTP/1.1"
    released: threading.Event
    heard: list[dict[str, str]]

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/slow":
            self.released.wait(10)
        said = {"method": self.command, "path": self.path, "body": body}
        said |= {"mine": self.headers.get("X-Mine", "")}
        self.heard.append(said)
        answer = json.dumps(said).encode()
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - names of http.server

    def log_message(self, *_: object) -> None:
        """Disable logging."""


class EchoServer(NamedTuple):
    """A server that echoes and records requests."""

    url: str
    heard: list[dict[str, str]]


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    """Run a server that echoes requests."""
    released, heard = threading.Event(), list[dict[str, str]]()
    handler = type("Handler", (_Echo,), {"released": released, "heard": heard})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield EchoServer(f"http://127.0.0.1:{server.server_address[1]}", heard)
        released.set()
        server.shutdown()
        thread.join()


@suite.case("LUA-012", covers="Orthanc.test_httpClient_lua")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_script_calls_another_server(lua: Any, echo: EchoServer, method: str) -> None:
    """HttpGet, HttpPost, HttpPut and HttpDelete send path, body and headers, and return the answer."""
    has_body = method in ("POST", "PUT")
    body_text = "'a body', " if has_body else ""
    arguments = f"'{echo.url}/path?q=1', {body_text}{{['X-Mine']='yes'}}"

    printed = lua.run(f"print(Http{method.capitalize()}({arguments}))")

    body = "a body" if has_body else ""
    asked = {"method": method, "path": "/path?q=1", "body": body, "mine": "yes"}
    assert echo.heard == [asked]
    assert printed == ("SUCCESS\n" if method == "DELETE" else f"{json.dumps(asked)}\n")


@suite.case("LUA-013", covers="Orthanc.test_httpClient_lua")
@pytest.mark.parametrize("function", ["HttpPost", "HttpPut"])
def test_script_sends_no_body(lua: Any, echo: EchoServer, function: str) -> None:
    """HttpPost and HttpPut without a body send an empty one."""
    assert json.loads(lua.run(f"print({function}('{echo.url}/'))"))["body"] == ""


@suite.case("LUA-014")
def test_failed_call_out_is_nil(lua: Any) -> None:
    """A call without an answer returns nil, and the script continues."""
    assert lua.run("print(HttpGet('http://127.0.0.1:1/')) print('next')") == "nil\nnext\n"


@suite.case("LUA-015", covers="Orthanc.test_httpClient_lua", needs="orthanc>=1.11.1", waits=1)
def test_time_limit_of_a_call_out(lua: Any, echo: EchoServer) -> None:
    """An outgoing call that takes longer than SetHttpTimeout returns nil; a shorter one does not."""
    lua.run("SetHttpTimeout(1)")

    assert lua.run(f"print(HttpGet('{echo.url}/slow'))") == "nil\n"
    assert json.loads(lua.run(f"print(HttpGet('{echo.url}/quick'))"))["path"] == "/quick"


@suite.case("LUA-016", ref="Orthanc Book: Lua, HTTP requests to Orthanc from Lua")
def test_script_calls_its_own_server(lua: Any, rest: Rest, make: Maker) -> None:
    """A script that uploads by RestApiPost and then reads the result sees what it has just stored."""
    sample = make.instance(PatientName="Lua^Upload")
    digits = sample.data.hex()
    upload = (
        f"data = ('{digits}'):gsub('..', function(x) return string.char(tonumber(x, 16)) end) "
        "answer = ParseJson(RestApiPost('/instances', data)) "
        "print(answer['Status'], RestApiGet('/instances/' .. answer['ID'] .. '/content/PatientName'))"
    )

    assert lua.run(upload) == "Success, Lua^Upload\n"
    assert rest.get(f"/instances/{orthanc_ids(sample).instance}/file").content == sample.data
