"""Authentication of HTTP clients: who gets in at which door, and what a refused request leaves unchanged."""

import base64
from collections.abc import Callable, Iterator
from http.client import HTTPConnection

import pytest

from harness.cases import Maker, Party, Rest, Stored, Suite, configured, header, orthanc_ids

suite = Suite(
    level="product", needs="rest", ref="Orthanc Book: configuration, AuthenticationEnabled"
)

DOORS = [
    "/",
    "/app/explorer.html",
    "/app/images/orthanc-logo.png",
    "/system",
    "/statistics",
    "/patients",
    "/instances",
    "/changes",
    "/exports",
    "/jobs",
    "/modalities",
    "/peers",
    "/queries",
    "/plugins",
    "/tools",
    "/tools/now",
    "/storage-commitment/1",
    "/no-such-path",
]
"""A path of each family of routes, one that redirects, a static file, and one that does not exist."""
SECOND_USER = configured(RegisteredUsers={"second-user": "second-password"})


@pytest.fixture
def stranger(remote: Party) -> Iterator[Rest]:
    """Return a client of the remote without credentials."""
    with remote.new_rest(remote.tls_at("http")) as client:
        client.session.auth = None
        yield client


def password_of(rest: Rest) -> str:
    """Return the password that a client sends."""
    assert isinstance(rest.session.auth, tuple)
    return str(rest.session.auth[1])


def assert_challenged(client: Rest, method: str, path: str) -> None:
    """Assert that a request is refused with 401, a challenge, and nothing of the server in the body."""
    answer = client.request(method, path, expect=401)
    assert header(answer, "WWW-Authenticate").startswith('Basic realm="')
    assert answer.content == b""


# Without credentials


@suite.case("AUTH-001", ref="RFC 9110 11.6.1, 15.5.2", level="must")
@pytest.mark.parametrize("path", DOORS)
def test_each_path_wants_credentials(stranger: Rest, path: str) -> None:
    """A request without credentials is refused with 401 and a challenge, whatever it asks for."""
    assert_challenged(stranger, "GET", path)


@suite.case("AUTH-002", ref="RFC 9110 11.6.1, 15.5.2", level="must", needs="plugin.dicomweb")
@pytest.mark.parametrize(
    "path",
    [
        "/dicom-web/studies",
        "/dicom-web/servers",
        "/dicom-web/app/client/index.html",
        "/wado?requestType=WADO&objectUID=1",
    ],
)
def test_each_path_of_dicomweb_wants_credentials(stranger: Rest, path: str) -> None:
    """A request without credentials to a path of the DICOMweb plugin is refused with a challenge."""
    assert_challenged(stranger, "GET", path)


@suite.case("AUTH-003", ref="RFC 9110 11.6.1, 15.5.2", level="must")
@pytest.mark.parametrize("method", ["PROPFIND", "GET", "PUT", "DELETE", "OPTIONS", "MKCOL"])
def test_webdav_wants_credentials(stranger: Rest, method: str) -> None:
    """Each method of WebDAV is refused without credentials, with 401 and a challenge."""
    assert_challenged(stranger, method, "/webdav/uploads/file.dcm")


@suite.case("AUTH-004", ref="RFC 9110 11.6.1, 15.5.2", level="must")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/tools/execute-script"),
        ("POST", "/tools/reset"),
        ("POST", "/tools/shutdown"),
        ("PUT", "/modalities/intruder"),
        ("PUT", "/peers/intruder"),
        ("PUT", "/tools/default-encoding"),
    ],
)
def test_refused_request_has_no_effect(stranger: Rest, rest: Rest, method: str, path: str) -> None:
    """A request that would change the server is refused without credentials, and changes nothing."""
    watched = ("/modalities", "/peers", "/jobs", "/tools/default-encoding")
    before = [rest.get(each).content for each in watched]

    assert_challenged(stranger, method, path)

    assert [rest.get(each).content for each in watched] == before


@suite.case("AUTH-005")
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("DELETE", {}),
        ("GET", {"params": {"_method": "DELETE"}}),
        ("POST", {"headers": {"X-HTTP-Method-Override": "DELETE"}}),
    ],
    ids=["delete", "argument", "header"],
)
def test_refused_delete_deletes_nothing(
    stranger: Rest, rest: Rest, stored: Stored, method: str, options: dict[str, dict[str, str]]
) -> None:
    """A DELETE without credentials, and one that a GET or a POST stands for, deletes nothing."""
    ids = orthanc_ids(stored.instance())

    stranger.request(method, ids.path("patient"), expect=401, **options)

    assert rest.json("/patients") == [ids.patient]


@suite.case("AUTH-006")
def test_credentials_are_needed_for_each_request(rest: Rest, stranger: Rest) -> None:
    """A connection over which a user was served does not serve the next request without credentials."""
    assert isinstance(rest.session.auth, tuple)

    stranger.get("/system", auth=rest.session.auth)

    stranger.get("/system", expect=401)


# Wrong credentials


def _prefix(user: str, password: str) -> tuple[str, str]:
    return user, password[:-1]


def _longer(user: str, password: str) -> tuple[str, str]:
    return user, f"{password}x"


def _other_case(user: str, password: str) -> tuple[str, str]:
    return user, password.swapcase()


def _other_user(user: str, password: str) -> tuple[str, str]:
    return user.swapcase(), password


def _second_user(_: str, password: str) -> tuple[str, str]:
    return "second-user", password


def _second_password(user: str, _: str) -> tuple[str, str]:
    return user, "second-password"


@suite.case("AUTH-007", ref="RFC 7617 2")
@SECOND_USER
@pytest.mark.parametrize(
    "spoil",
    [
        _prefix,
        _longer,
        _other_case,
        _other_user,
        _second_user,
        _second_password,
        lambda user, _: (user, ""),
        lambda _, password: ("", password),
        lambda user, _: (user, user),
        lambda *_: ("", ""),
    ],
    ids=[
        "prefix", "longer", "other-case", "user-in-other-case", "password-of-another",
        "user-with-another-password", "no-password", "no-user", "user-as-password", "nothing",
    ],
)  # fmt: skip
def test_almost_right_credentials(
    stranger: Rest, rest: Rest, spoil: Callable[[str, str], tuple[str, str]]
) -> None:
    """A password is neither cut nor completed, and belongs to one user; the right one still gets in."""
    stranger.session.auth = spoil(rest.user, password_of(rest))

    assert_challenged(stranger, "GET", "/patients")

    assert rest.json("/patients") == []


@suite.case("AUTH-008", ref="RFC 7617 2")
@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic {user_only}",
        "Bearer {right}",
        "{right}",
        "Basic{right}",
        "Digest username={user}",
    ],
)
def test_authorization_that_is_not_basic(stranger: Rest, rest: Rest, value: str) -> None:
    """An Authorization header that has no user and password in it is refused, and not an error."""
    text = value.format(
        user=rest.user,
        user_only=encoded(rest.user),
        right=encoded(f"{rest.user}:{password_of(rest)}"),
    )

    stranger.get("/patients", headers={"Authorization": text}, expect=401)


@suite.case("AUTH-009", ref="RFC 9110 11.1", level="must")
@pytest.mark.parametrize("scheme", ["basic", "BASIC"])
def test_name_of_the_scheme_has_no_case(stranger: Rest, rest: Rest, scheme: str) -> None:
    """The name of an authentication scheme is the same in upper and lower case."""
    right = encoded(f"{rest.user}:{password_of(rest)}")

    stranger.get("/patients", headers={"Authorization": f"{scheme} {right}"})


def encoded(text: str) -> str:
    """Return text in base64, as credentials are sent."""
    return base64.b64encode(text.encode()).decode()


# Several users, and none


@suite.case("AUTH-010", ref="Orthanc Book: configuration, RegisteredUsers")
@SECOND_USER
def test_each_user_gets_in(stranger: Rest, rest: Rest, make: Maker) -> None:
    """Each registered user gets in, and an upload is noted as of the user who did it."""
    stranger.session.auth = ("second-user", "second-password")
    of_second, of_first = make.instance(number=1), make.instance(number=2)

    stranger.upload(of_second.data)
    rest.upload(of_first.data)

    users = [
        rest.get(f"{orthanc_ids(each).path('instance')}/metadata/HttpUsername").text
        for each in (of_second, of_first)
    ]
    assert users == ["second-user", rest.user]


@suite.case("AUTH-011", ref="RFC 7617 2")
@configured(RegisteredUsers={"colon": "pass:word:", "long": "long-" * 40, "accent": "Z\u00fcrich"})
@pytest.mark.parametrize(
    "credentials",
    [("colon", "pass:word:"), ("long", "long-" * 40), ("accent", "Z\u00fcrich")],
    ids=["colon", "long", "accent"],
)
def test_unusual_password(stranger: Rest, credentials: tuple[str, str]) -> None:
    """A password with colons, one of 200 letters and one in UTF-8 get in, and their beginning does not."""
    user, password = credentials

    right, short = (
        stranger.get(
            "/patients", headers={"Authorization": f"Basic {encoded(text)}"}, expect=None
        ).status_code
        for text in (f"{user}:{password}", f"{user}:{password[:-1]}")
    )

    assert (right, short) == (200, 401)


@suite.case("AUTH-012")
@configured(AuthenticationEnabled=False)
def test_server_without_authentication(stranger: Rest) -> None:
    """With authentication off, clients get in without credentials, and also with any."""
    assert stranger.json("/patients") == []

    stranger.session.auth = ("nobody", "nothing")
    assert stranger.json("/patients") == []


# Remote access


def status_from(remote: Party, source: str, rest: Rest) -> int:
    """Ask the server itself, from another address of this computer, and return the status."""
    server = remote.server.rest
    assert server is not None
    credentials = encoded(f"{rest.user}:{password_of(rest)}")
    connection = HTTPConnection(
        server.host, server.port, timeout=rest.time_limit, source_address=(source, 0)
    )
    try:
        connection.request("GET", "/system", headers={"Authorization": f"Basic {credentials}"})
        return connection.getresponse().status
    finally:
        connection.close()


@suite.case("AUTH-013", ref="Orthanc Book: configuration, RemoteAccessAllowed")
@configured(RemoteAccessAllowed=False)
@pytest.mark.parametrize(
    ("source", "expected"), [("127.0.0.1", 200), ("127.0.0.2", 401)], ids=["localhost", "other"]
)
def test_server_without_remote_access(
    remote: Party, rest: Rest, source: str, expected: int
) -> None:
    """Without remote access, only localhost is served, even with the right credentials."""
    assert status_from(remote, source, rest) == expected


@suite.case("AUTH-014", ref="Orthanc Book: configuration, RemoteAccessAllowed")
@configured(RemoteAccessAllowed=True)
def test_server_with_remote_access(remote: Party, rest: Rest) -> None:
    """With remote access, another address than localhost is served."""
    assert status_from(remote, "127.0.0.2", rest) == 200


# What even a user must not do


@suite.case("AUTH-015", ref="Orthanc Book: configuration, ExecuteLuaEnabled")
@configured(ExecuteLuaEnabled=False)
def test_scripts_can_be_forbidden(rest: Rest) -> None:
    """With Lua scripts forbidden, `/tools/execute-script` is refused and says so."""
    rest.post("/tools/execute-script", "print(42)", expect=403)
