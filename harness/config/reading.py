"""The configuration file of the remote, read back for the harness.

It tells how to reach the remote, and where the remote expects the local instance.
`generate_config.py` wrote it, and people may have edited it since, with the comments that Orthanc
allows in JSON.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.config.orthanc import OWN_SECTION
from harness.config.settings import Node, Pair, Setup
from harness.errors import ConfigError
from harness.model import AETitle, Credentials, Port, Version

ADVICE = "python generate_config.py writes such a file"


def read(path: Path) -> Setup:
    """Read back the configuration in `path`.

    `worklists` is None where this computer does not have the folder. Raises ConfigError, which
    names the file, the key, what it is and what is allowed.
    """
    document = _parse(path)
    remote, local = _remote(document), _local(document)
    with document.blamed():
        pair = Pair(remote, local)
    version = document.text(f"{OWN_SECTION}.Orthanc", default="")
    return Setup(
        pair,
        storage=Path(document.text("StorageDirectory", default="OrthancStorage")),
        worklists=_worklists(document),
        plugins=_plugins(document),
        compression=document.flag("StorageCompression", default=False),
        orthanc=Version(version) if version else None,
        name=document.text("Name", default=Setup.name),
    )


def without_comments(text: str) -> str:
    """Blank out // and /* */ comments; what is left keeps its line and column."""
    return re.sub(
        r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/',
        lambda found: found[0] if found[0][0] == '"' else re.sub(r"[^\n]", " ", found[0]),
        text,
        flags=re.DOTALL,
    )


@dataclass(frozen=True)
class _Document:
    """A configuration while it is read: values by dotted key, and complaints about them."""

    path: Path
    values: Mapping[str, object]

    def find(self, key: str) -> object:
        """Return the value of `key`; None where it, or a section on the way to it, is missing."""
        value: object = self.values
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def text(self, *keys: str, default: str | None = None) -> str:
        """Return the text under the first of `keys` that is there."""
        for key in keys:
            value = self.find(key)
            if isinstance(value, str):
                return value
            if value is not None:
                raise self.complaint(key, "a text in quotes")
        if default is None:
            raise self.complaint(keys[0], "a text in quotes")
        return default

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a value that is true or false."""
        value = self.find(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.complaint(key, "true or false")
        return value

    def port(self, key: str) -> Port:
        """Return the TCP port that must stand under `key`."""
        value = self.find(key)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
            return Port(value)
        raise self.complaint(key, "a number from 1 to 65535")

    def complaint(self, key: str, allowed: str, *, secret: bool = False) -> ConfigError:
        """Make the error for `key`: what it is, unless that is a secret, and what is allowed."""
        value = self.find(key)
        if value is None:
            met = "is missing"
        elif secret:
            met = "is not as it must be"
        else:
            text = json.dumps(value, ensure_ascii=False)
            met = f"is {text if len(text) <= 60 else text[:60] + '...'}"
        return ConfigError(f"{self.path}: {key} {met}; allowed is {allowed} ({ADVICE})")

    @contextlib.contextmanager
    def blamed(self, key: str = "") -> Iterator[None]:
        """Put the file, and `key`, before what a value says about itself."""
        try:
            yield
        except ConfigError as error:
            raise ConfigError(f"{self.path}: {key}{key and ': '}{error}") from error


def _parse(path: Path) -> _Document:
    try:
        values = json.loads(without_comments(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; {ADVICE}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8; {ADVICE}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path}, line {error.lineno}, column {error.colno}: no JSON ({error.msg}); {ADVICE}"
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no configuration: a JSON object in braces; {ADVICE}")
    return _Document(path, values)


def _remote(document: _Document) -> Node:
    """Find the server itself, at the address by which it knows itself as modality `self`."""
    itself, host, dicom = _modality(document, "DicomModalities.self")
    text = document.text("DicomAet")
    with document.blamed("DicomAet"):
        ae_title = AETitle(text)
    rest = document.port("HttpPort")
    called: list[tuple[str, object, str, object]] = [
        ("DicomAet", ae_title, "DicomModalities.self", itself),
        ("DicomPort", document.port("DicomPort"), "DicomModalities.self", dicom),
    ]
    if document.find("OrthancPeers.self") is not None:
        called.append(
            ("HttpPort", rest, "OrthancPeers.self", _peer(document, "OrthancPeers.self")[0])
        )
    for key, value, place, said in called:
        if value != said:
            raise ConfigError(
                f"{document.path}: {key} is {value}, but {place} says {said}; allowed is the same"
                " in every place where the server names itself"
            )
    credentials = _credentials(document)
    with document.blamed():
        return Node(ae_title, host, dicom, rest, credentials)


def _local(document: _Document) -> Node:
    """Find where the server expects the second instance."""
    ae_title, host, dicom = _modality(document, "DicomModalities.orthanctest")
    rest, credentials = _peer(document, "OrthancPeers.peer")
    with document.blamed():
        return Node(ae_title, host, dicom, rest, credentials)


def _modality(document: _Document, key: str) -> tuple[AETitle, str, Port]:
    """Read a DICOM modality in either of Orthanc's two forms."""
    value = document.find(key)
    if isinstance(value, dict):
        value = [value.get("AET"), value.get("Host"), value.get("Port")]
    match value:
        case [str(ae_title), str(host), int(port), *_] if not isinstance(port, bool):
            with document.blamed(key):
                return AETitle(ae_title), host, Port(port)
    raise document.complaint(key, "[AE title, host, port]")


def _peer(document: _Document, key: str) -> tuple[Port, Credentials | None]:
    """Read port and user of an Orthanc peer in either of Orthanc's two forms."""
    value = document.find(key)
    if isinstance(value, dict):
        value = [value.get(name) for name in ("Url", "Username", "Password") if name in value]
    match value:
        case [str(url)]:
            credentials = None
        case [str(url), str(username), str(password)]:
            credentials = Credentials(username, password)
        case _:
            raise document.complaint(key, "[URL] or [URL, user, password]", secret=True)
    try:
        address = urlsplit(url)
        port = address.port or 80
    except ValueError:
        raise document.complaint(key, "a URL such as http://host:5000/", secret=True) from None
    if address.scheme != "http" or not address.hostname:
        raise document.complaint(key, "a URL such as http://host:5000/", secret=True)
    return Port(port), credentials


def _credentials(document: _Document) -> Credentials | None:
    """Read the user of the server: the first one that is registered."""
    if not document.flag("AuthenticationEnabled", default=True):
        return None
    match document.find("RegisteredUsers"):
        case dict(users) if users and all(isinstance(word, str) for word in users.values()):
            return Credentials(*next(iter(users.items())))
    raise document.complaint("RegisteredUsers", '{"user": "password"}', secret=True)


def _worklists(document: _Document) -> Path | None:
    """Find the folder of worklists on this computer; the harness is going to empty it."""
    name = document.text("Worklists.Directory", "Worklists.Database", default="")
    if not name or not document.flag("Worklists.Enable", default=False):
        return None
    folder = document.path.absolute().parent / name
    return folder if folder.is_dir() else None


def _plugins(document: _Document) -> tuple[str, ...]:
    value = document.find("Plugins")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(path, str) for path in value):
        raise document.complaint("Plugins", '["/path/of/a/plugin.so", "/folder/of/plugins"]')
    return tuple(value)
