"""Authentication of HTTP clients: access to each resource, and no effect of rejected requests."""

import base64
from collections.abc import Callable, Iterator
from http.client import HTTPConnection

import pytest

from harness.cases import (
    USER,
    DidNotStart,
    Maker,
    Party,
    Rest,
    Stored,
    Story,
    Suite,
    configured,
    header,
    orthanc_ids,
)

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
"""A path of each family of routes, including a redirect, a static file, and a missing one."""
SECOND_USER = configured(RegisteredUsers={"second-user": "second-password"})


@pytest.fixture
def stranger(remote: Party) -> Iterator[Rest]:
    """Return a client of the remote without credentials."""
    with remote.new_rest(remote.tls_at("http")) as client:
        client.session.auth = None
        yield client


def password_of(rest: Rest) -> str:
    """Return the password that the client sends."""
    assert isinstance(rest.session.auth, tuple)
    return str(rest.session.auth[1])


def assert_challenged(client: Rest, method: str, path: str) -> None:
    """Assert that a request is rejected with 401, a challenge, and no server data in the body."""
    answer = client.request(method, path, expect=401)
    assert header(answer, "WWW-Authenticate").startswith('Basic realm="')
    assert answer.content == b""


# Without credentials


@suite.case("AUTH-001", ref="RFC 9110 11.6.1, 15.5.2", level="must")
@pytest.mark.parametrize("path", DOORS)
def test_each_path_wants_credentials(stranger: Rest, path: str) -> None:
    """A request without credentials is rejected with 401 and a challenge, whatever it requests."""
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
    """A request without credentials to a path of the DICOMweb plugin is rejected with a challenge."""
    assert_challenged(stranger, "GET", path)


@suite.case("AUTH-003", ref="RFC 9110 11.6.1, 15.5.2", level="must")
@pytest.mark.parametrize("method", ["PROPFIND", "GET", "PUT", "DELETE", "OPTIONS", "MKCOL"])
def test_webdav_wants_credentials(stranger: Rest, method: str) -> None:
    """Each method of WebDAV is rejected without credentials, with 401 and a challenge."""
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
    """A request that would change the server is rejected without credentials, and changes nothing."""
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
    """A DELETE without credentials deletes nothing, even if it is disguised as a GET or POST."""
    ids = orthanc_ids(stored.instance())

    stranger.request(method, ids.path("patient"), expect=401, **options)

    assert rest.json("/patients") == [ids.patient]


@suite.case("AUTH-006")
def test_credentials_are_needed_for_each_request(rest: Rest, stranger: Rest) -> None:
    """On a connection used by a user, the next request without credentials is rejected."""
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
    """A truncated or extended password, or that of another user, is rejected; the right one is accepted."""
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
    """An Authorization header without user and password is rejected without a server error."""
    text = value.format(
        user=rest.user,
        user_only=encoded(rest.user),
        right=encoded(f"{rest.user}:{password_of(rest)}"),
    )

    stranger.get("/patients", headers={"Authorization": text}, expect=401)


@suite.case("AUTH-009", ref="RFC 9110 11.1", level="must")
@pytest.mark.parametrize("scheme", ["basic", "BASIC"])
def test_name_of_the_scheme_has_no_case(stranger: Rest, rest: Rest, scheme: str) -> None:
    """The name of an authentication scheme is case-insensitive."""
    right = encoded(f"{rest.user}:{password_of(rest)}")

    stranger.get("/patients", headers={"Authorization": f"{scheme} {right}"})


def encoded(text: str) -> str:
    """Return text in base64, as in credentials."""
    return base64.b64encode(text.encode()).decode()


# Several users, and none


@suite.case("AUTH-010", ref="Orthanc Book: configuration, RegisteredUsers")
@SECOND_USER
def test_each_user_gets_in(stranger: Rest, rest: Rest, make: Maker) -> None:
    """Each registered user has access, and an upload records its user."""
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
    """Passwords with colons, of 200 letters or in UTF-8 are accepted, but not just their beginnings."""
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
    """With authentication off, clients have access without credentials, and with any."""
    assert stranger.json("/patients") == []

    stranger.session.auth = ("nobody", "nothing")
    assert stranger.json("/patients") == []


# Remote access


def status_from(remote: Party, source: str, rest: Rest) -> int:
    """Send a request directly to the server, from another address of this computer; return the status."""
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
    """Without remote access, only localhost is served, even with correct credentials."""
    assert status_from(remote, source, rest) == expected


@suite.case("AUTH-014", ref="Orthanc Book: configuration, RemoteAccessAllowed")
@configured(RemoteAccessAllowed=True)
def test_server_with_remote_access(remote: Party, rest: Rest) -> None:
    """With remote access, addresses other than localhost are served."""
    assert status_from(remote, "127.0.0.2", rest) == 200


# The server's report on its own security

NO_USER: dict[str, object] = {"RegisteredUsers": None}
DEFAULT_USER: dict[str, object] = {"RegisteredUsers": {USER: None, "orthanc": "orthanc"}}
TEST_USER: dict[str, object] = {"RegisteredUsers": {USER: "orthanctest"}}
SECURE = {
    "local-unsaid": (
        True, "1", {"RemoteAccessAllowed": False, "AuthenticationEnabled": None, **NO_USER}
    ),
    "local-open": (True, "2", {"RemoteAccessAllowed": False, "AuthenticationEnabled": False}),
    "local-default": (False, "3a", {"RemoteAccessAllowed": False, **DEFAULT_USER}),
    "local-test": (False, "3b", {"RemoteAccessAllowed": False, **TEST_USER}),
    "local": (True, "3c", {"RemoteAccessAllowed": False}),
    "remote-open": (False, "5", {"RemoteAccessAllowed": True, "AuthenticationEnabled": False}),
    "remote-default": (False, "6a", {"RemoteAccessAllowed": True, **DEFAULT_USER}),
    "remote": (True, "6b", {"RemoteAccessAllowed": True}),
}  # fmt: skip
"""Whether a set-up is secure, and the number of the upstream case it replaces."""
UNUSABLE = {
    "unsaid": ("4", {"RemoteAccessAllowed": True, "AuthenticationEnabled": None, **NO_USER}),
    "nobody": ("7", {"RemoteAccessAllowed": True, **NO_USER}),
}
"""Set-ups with remote access but no user, and the number of the upstream case each replaces."""
on_unusable = pytest.mark.parametrize(
    "settings", [pytest.param(each, id=name) for name, (_, each) in UNUSABLE.items()]
)


@suite.case(
    "AUTH-022",
    ref="Orthanc REST API: GET /system, IsHttpServerSecure",
    covers=tuple(f"HttpServerSecurity.case_{number}" for _, number, _ in SECURE.values()),
    needs="orthanc>=1.5.8",
)
@pytest.mark.parametrize(
    "secure",
    [
        pytest.param(secure, id=name, marks=configured(**settings))
        for name, (secure, _, settings) in SECURE.items()
    ],
)
def test_server_says_whether_it_is_secure(rest: Rest, secure: bool) -> None:
    """It is insecure if others need no password, or if everybody knows the password."""
    assert rest.json("/system")["IsHttpServerSecure"] == secure


@suite.case(
    "AUTH-023",
    ref="Orthanc: release notes of 1.13.0",
    covers=tuple(f"HttpServerSecurity.case_{number}" for number, _ in UNUSABLE.values()),
    needs=("orthanc>=1.13.0", "server.configure", "server.restart"),
)
@on_unusable
def test_server_open_to_nobody_does_not_start(story: Story, settings: dict[str, object]) -> None:
    """If other computers have access and no user is registered, the server says so and exits."""
    story.end("SIGTERM")

    with pytest.raises(DidNotStart, match="ended with exit code"):
        story.start(**settings)


@suite.case(
    "AUTH-024",
    ref="Orthanc Book: configuration, RegisteredUsers",
    needs=("orthanc>=1.5.8", "server.configure", "server.restart"),
)
@on_unusable
def test_server_open_to_nobody_is_not_open_to_all(
    story: Story, remote: Party, stranger: Rest, settings: dict[str, object]
) -> None:
    """If it starts anyway, it asks for a password, and does not report to be secure."""
    story.end("SIGTERM")

    try:
        story.start(**settings)
    except DidNotStart:
        return

    assert_challenged(stranger, "GET", "/system")
    with remote.new_rest(None) as client:
        assert client.json("/system")["IsHttpServerSecure"] is False


# Forbidden even with credentials


@suite.case("AUTH-015", ref="Orthanc Book: configuration, ExecuteLuaEnabled")
@configured(ExecuteLuaEnabled=False)
def test_scripts_can_be_forbidden(rest: Rest) -> None:
    """With Lua scripts disabled, `/tools/execute-script` is rejected with an explanation."""
    rest.post("/tools/execute-script", "print(42)", expect=403)
