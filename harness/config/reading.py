"""Reads the configuration of the remote: how to reach it, and where it expects the local instance.

`generate_config.py` wrote the file, and the user may have edited it since, with the comments that
Orthanc allows in JSON.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from harness.config.settings import Node, Pair
from harness.errors import ConfigError
from harness.model import AETitle, Credentials, Port

ADVICE = "create the file with python generate_config.py"
ALLOWED = {str: "a text in quotes", bool: "true or false"}
PEER = "[URL] or [URL, user, password]"
URL = "a URL such as http://host:5000/"

Values = Mapping[str, object]
T = TypeVar("T", str, bool)


def read(path: Path) -> tuple[Pair, Path | None]:
    """Return the servers that the configuration in `path` names, and the worklist folder.

    The folder is None if this computer does not have it. Raises ConfigError, which names the file,
    the key, its value and the allowed values.
    """
    values = _parse(path)
    with _blamed(path):
        return Pair(_remote(values), _local(values)), _worklists(values, path.absolute().parent)


def without_comments(text: str) -> str:
    """Replace // and /* */ comments with spaces; the rest keeps its line and column."""
    return re.sub(
        r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/',
        lambda found: found[0] if found[0][0] == '"' else re.sub(r"[^\n]", " ", found[0]),
        text,
        flags=re.DOTALL,
    )


def _parse(path: Path) -> Values:
    try:
        values = json.loads(without_comments(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; {ADVICE}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text; {ADVICE}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path}, line {error.lineno}, column {error.colno}: no JSON ({error.msg}); {ADVICE}"
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} is not a configuration, which is a JSON object in braces; {ADVICE}"
        )
    return values


def _find(values: Values, key: str) -> object:
    """Return the value of a dotted key, or None if it, or a section in its path, is missing."""
    value: object = values
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _get(values: Values, key: str, kind: type[T], default: T | None = None) -> T:
    """Return a value of the given type."""
    value = _find(values, key)
    if value is None:
        value = default
    if not isinstance(value, kind):
        raise _complaint(values, key, ALLOWED[kind])
    return value


def _port(values: Values, key: str) -> Port:
    match _find(values, key):
        case int(value) if not isinstance(value, bool) and 1 <= value <= 65535:
            return Port(value)
    raise _complaint(values, key, "a number from 1 to 65535")


def _complaint(values: Values, key: str, allowed: str, *, secret: bool = False) -> ConfigError:
    """Return the error for `key`, with its value unless that is secret, and what is allowed."""
    value = _find(values, key)
    text = json.dumps(value, ensure_ascii=False)
    if value is None:
        met = "is missing"
    elif secret:
        met = "is invalid"
    else:
        met = f"is {text if len(text) <= 60 else text[:60] + '...'}"
    return ConfigError(f"{key} {met}; expected {allowed} ({ADVICE})")


@contextlib.contextmanager
def _blamed(place: Path | str) -> Iterator[None]:
    """Prefix a ConfigError with the file or key."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error


def _remote(values: Values) -> Node:
    """Return the server itself, at the address by which it knows itself as modality `self`."""
    itself, host, dicom = _modality(values, "DicomModalities.self")
    text = _get(values, "DicomAet", str)
    with _blamed("DicomAet"):
        ae_title = AETitle(text)
    rest = _port(values, "HttpPort")
    called: list[tuple[str, object, str, object]] = [
        ("DicomAet", ae_title, "DicomModalities.self", itself),
        ("DicomPort", _port(values, "DicomPort"), "DicomModalities.self", dicom),
    ]
    if _find(values, "OrthancPeers.self") is not None:
        called.append(
            ("HttpPort", rest, "OrthancPeers.self", _peer(values, "OrthancPeers.self")[0])
        )
    for key, value, place, said in called:
        if value != said:
            raise ConfigError(
                f"{key} is {value}, but {place} is {said}; it must be the same"
                " wherever the server names itself"
            )
    return Node(ae_title, host, dicom, rest, _credentials(values))


def _local(values: Values) -> Node:
    """Return the second instance, where the server expects it."""
    return Node(
        *_modality(values, "DicomModalities.orthanctest"), *_peer(values, "OrthancPeers.peer")
    )


def _modality(values: Values, key: str) -> tuple[AETitle, str, Port]:
    """Read a DICOM modality in either of Orthanc's two forms."""
    value = _find(values, key)
    if isinstance(value, dict):
        value = [value.get("AET"), value.get("Host"), value.get("Port")]
    match value:
        case [str(ae_title), str(host), int(port), *_] if not isinstance(port, bool):
            with _blamed(key):
                return AETitle(ae_title), host, Port(port)
    raise _complaint(values, key, "[AE title, host, port]")


def _peer(values: Values, key: str) -> tuple[Port, Credentials | None]:
    """Read port and user of an Orthanc peer in either of Orthanc's two forms."""
    value = _find(values, key)
    if isinstance(value, dict):
        value = [value.get(name) for name in ("Url", "Username", "Password") if name in value]
    match value:
        case [str(url)]:
            credentials = None
        case [str(url), str(username), str(password)]:
            credentials = Credentials(username, password)
        case _:
            raise _complaint(values, key, PEER, secret=True)
    with contextlib.suppress(ValueError):  # an invalid port
        address = urlsplit(url)
        if address.scheme == "http" and address.hostname:
            return Port(address.port or 80), credentials
    raise _complaint(values, key, URL, secret=True)


def _credentials(values: Values) -> Credentials | None:
    """Read the user of the server: the first one that is registered."""
    if not _get(values, "AuthenticationEnabled", bool, default=True):
        return None
    match _find(values, "RegisteredUsers"):
        case dict(users) if users and all(isinstance(word, str) for word in users.values()):
            return Credentials(*next(iter(users.items())))
    raise _complaint(values, "RegisteredUsers", '{"user": "password"}', secret=True)


def _worklists(values: Values, beside: Path) -> Path | None:
    """Return the worklist folder if it is on this computer; the harness will empty it."""
    name = _get(values, "Worklists.Directory", str, _get(values, "Worklists.Database", str, ""))
    if not name or not _get(values, "Worklists.Enable", bool, default=False):
        return None
    folder = beside / name
    return folder if folder.is_dir() else None
