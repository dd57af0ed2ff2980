"""The configuration, a TOML file: our own nodes, known nodes and folders, and time limits.

    configuration = Configuration.read(default_path())
    configuration.remote("mypacs")

An error message is one sentence that names the file, the key and what is allowed.
"""

import logging
import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

from dcm.conf_table import ConfigurationError, Table, nearest
from dcm.credentials import Credentials
from dcm.errors import DcmError
from dcm.frozen import Frozen, fields, replace
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.remote import Listen, Remote
from dcm.net.tls import Tls

if TYPE_CHECKING:
    from dcm.conf_web import WebNode
    from dcm.filt.selectors import Selector
    from dcm.route.routes import DynamicRoute, StaticRoute
    from dcm.store.layout import Layout
    from dcm.sync.pace import Hours
    from dcm.web.remote import WebRemote

_LOG: Final = logging.getLogger(__name__)

DEFAULT_LOCAL: Final = Listen()
_DEFAULT_TITLE: Final = "ANYAE"
_DEFAULT_PORT: Final = 11112
_TLS_FILES: Final = ("tls_ca", "tls_certificate", "tls_key")
_PASSWORDS: Final = ("password_file", "password_variable", "password")
_PACES: Final = ("bandwidth", "only_between")
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_ROUTES: Final = ("static_routes", "dynamic_routes")

TEMPLATE: Final = """\
# The configuration of dcm. `dcm conf` edits it, `dcm conf --show-default` prints this text.
# Lines that begin with # are comments: remove the # to change a setting.

# Our own nodes. --local NAME selects one; the default is `default`, or else the first.
[local_nodes.default]
ae_title = "DCM"            # some nodes accept only AE titles that they know
port = 11112                # the port to listen on
# host = "0.0.0.0"          # the address to listen on; this one means all
# tls_certificate = "we.pem"       # for TLS, in PEM; also sent to remote nodes that ask for it
# tls_key = "we.key"               # unless the certificate file contains it
# tls_ca = "authority.pem"         # the CA that issued the certificates of other nodes
# tls_require_certificate = true   # accept only nodes with a certificate; needs tls_ca

# Relative paths start at the folder of this file.

# Remote nodes, each with a name of your choice: `dcm echo mypacs`.
# [remote_nodes.mypacs]
# host = "mypacs.org"
# ae_title = "MYPACS"
# port = 11112
# tls = true                       # use TLS; implied by the settings that begin with tls_
# tls_ca = "authority.pem"         # the CA that issued its certificate; by default those of this computer
# tls_certificate = "we.pem"       # sent to it instead of that of the local node
# tls_key = "we.key"
# tls_verify_host = false          # accept a certificate for another host
# user = "anna"
# password_file = "mypacs.txt"     # or password_variable (of the environment), or password
# allow_plaintext = true           # send them even without TLS, where others can read them
# max_associations = 1             # at the same time; 4 by default, fewer if it rejects some
# time_limits = { response = 300 } # in seconds, for this node only
# bandwidth = "20M"                # the most bytes per second that `dcm sync` copies from or to it: 500K, 20M
# only_between = "22:00-06:00"     # and only between these times; services have these two settings, too

# Folders with DICOM files, each with a name of your choice.
# [local_dirs.scans]
# path = "~/scans"                 # or a zip archive, or the DICOMDIR of a medium, which are read-only
# layout = "{PatientID}/{StudyDate:%Y|undated}/{StudyInstanceUID}/{SOPInstanceUID}.dcm"  # for new files
# in_file_ext = "dcm"              # read only files with this extension, in upper or lower case
# make_missing = false             # do not create the folder when writing to it: it may not be mounted
# read_only = true                 # never write to it

# DICOMweb services are remote nodes as well: those with a url, to which /studies is added.
# [remote_nodes.cloud]
# url = "https://pacs.org/dicom-web"
# token_file = "cloud.txt"         # a bearer token; or token_variable (of the environment), or token;
#                                  # or user and password as above
# tls_ca = "authority.pem"         # and the other settings that begin with tls_, as above
# proxy = "http://proxy.org:3128"  # by default that of the environment (https_proxy)
# headers = { X-Api-Key = "..." }  # additional headers for each request, as secret as a token
# allow_plaintext = true           # send all of these even to an http URL, where others can read them
# max_connections = 1              # at the same time; 4 by default

# Conditions on the elements of objects, each with a name of your choice, as for `dcm edit --only NAME`.
# [selectors.thin_slices]
# attr = "SliceThickness"   # also in sequences: "RequestAttributesSequence[0].RequestedProcedureID"
# op = "<"                  # == != < <= > >= in, or ~= for a regular expression
# rvalue = 1.5              # for `in`, a list
# invert = false            # true: select what does not match
# reject_missing = true     # never select objects without the element
# [selectors.chests]
# all_of = ["thin_slices", "BodyPartExamined == CHEST"]   # names or text
# any_of = ["Modality in CT, MR"]
# none_of = ["SeriesDescription ~= (?i)localizer"]

# Parts of a node, service or folder, each with a name of your choice: `dcm sync DIR -s trial`.
# [remote_repos.trial]
# remote = "mypacs"                # a name in this file, an address, a URL or a path
# base_query = { StudyDescription = "TRIAL*", ModalitiesInStudy = "MR" }   # added to every query

# Routes, each with a name of your choice: `dcm forward NAME`. Destinations are names of nodes, services and
# folders in this file, addresses, URLs and paths.
# [static_routes.archive]
# dests = ["mypacs", "scans"]
# filt = "Modality != SR"          # only matching objects: a selector, by name or as text
# methods = ["PROXY"]              # received objects are sent from here: PROXY, the default
# calling = ["CT1", "CT2"]         # only from these AE titles
# called = ["ARCHIVE"]             # only if addressed to one of these AE titles of ours
# hours = "07:00-19:00"            # only during these hours
# [dynamic_routes.by_modality]     # filt, calling, called and hours can be used here, too
# routing_map = { "Modality == MR" = ["mypacs"], thin_slices = ["archive"] }   # or names of static routes
# default_dests = ["scans"]        # if none of them matches
# exclude = ["PatientID ~= ^TEST"] # objects that match one of these are not sent
# stop_on_first = false            # true (the default): use only the first selector that matches
# route_level = "SERIES"           # choose once for each series, by its first object; STUDY by default
# dest_methods = { mypacs = ["PROXY"] }

# Time limits, in seconds.
# [time_limits]
# connect = 10              # for the TCP connection
# association = 30          # for the association to be accepted or rejected
# response = 60             # without a byte while waiting for a response
# busy = 60                 # for retrying an association that is rejected temporarily
# idle = 300                # when listening: without a byte between messages
# operation = 300           # of a C-MOVE or C-GET without a new instance or new numbers in a response
# release = 5               # for the release of an association
"""


class UnknownNode(DcmError):  # noqa: N818 - reads as the sentence it is
    """A name that is neither in the configuration nor an address."""


def default_path() -> str:
    """Return the path of the user's configuration; without a home directory, that of the system."""
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    if folder.startswith("~"):  # no HOME, and an unknown user ID
        folder = "/etc/xdg"
    return f"{folder}/dcm/dcm_conf.toml"


class LocalDir(Frozen):
    """A folder with DICOM files, a zip archive, or a DICOMDIR; see `[local_dirs.NAME]` in the template.

    layout: the layout of new files; None: `dcm.store.layout.DEFAULT`. in_file_ext: the extension of the
    files to read; empty: all files. make_missing: whether to create the folder when writing to it.
    """

    path: str
    layout: "Layout | None" = None
    in_file_ext: str = ""
    make_missing: bool = True
    read_only: bool = False


class Configuration(Frozen):
    """The contents of a configuration file, or the defaults. `path` is only used in error messages."""

    path: str
    local_nodes: Mapping[str, Listen] = MappingProxyType({})
    remote_nodes: Mapping[str, tuple[Remote, Credentials | None]] = MappingProxyType({})
    limits: TimeLimits = TimeLimits()
    local_dirs: Mapping[str, LocalDir] = MappingProxyType({})
    web_nodes: "Mapping[str, WebNode]" = MappingProxyType({})
    selectors: "Mapping[str, Selector]" = MappingProxyType({})
    paces: "Mapping[str, tuple[float | None, Hours | None]]" = MappingProxyType({})
    static_routes: "Mapping[str, StaticRoute]" = MappingProxyType({})
    dynamic_routes: "Mapping[str, DynamicRoute]" = MappingProxyType({})
    remote_repos: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType({})

    @classmethod
    def read(cls, path: str) -> Self:
        """Read a file. Raises `ConfigurationError`."""
        try:
            with open(path, encoding="utf-8-sig") as file:
                text = file.read()
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{path} is not UTF-8 text") from error
        found = cls.parse(text, path)
        if found.holds_secrets and os.stat(path).st_mode & 0o077:
            _LOG.warning(
                "%s contains a password and can be read by others: run chmod 600 on it", path
            )
        return found

    @classmethod
    def parse(cls, text: str, path: str) -> Self:
        """Parse the text of a file. Raises `ConfigurationError`."""
        document = Table.parse(text, path)
        document.allow(
            *(
                "local_nodes",
                "remote_nodes",
                "local_dirs",
                "remote_repos",
                "selectors",
                "time_limits",
            ),
            *_ROUTES,
        )
        limits = _limits(document.table("time_limits"), TimeLimits())
        local_nodes = document.tables("local_nodes")
        remote_nodes = document.tables("remote_nodes")
        local_dirs = document.tables("local_dirs")
        for name in local_dirs.keys() & remote_nodes.keys():
            raise local_dirs[name].fault("a remote node has the same name")
        for kind in ("remote_repos", *_ROUTES):
            for name, table in document.tables(kind).items():
                if name in remote_nodes or name in local_dirs:
                    raise table.fault("a remote node or a folder has the same name")
                if kind == _ROUTES[1] and name in document.tables(_ROUTES[0]):
                    raise table.fault("a static route has the same name")
        selectors = _selectors(document)
        web_nodes = {name: each for name, each in remote_nodes.items() if each.has("url")}
        return cls(
            path,
            {name: _local(table) for name, table in local_nodes.items()},
            {
                name: _remote(table, limits)
                for name, table in remote_nodes.items()
                if name not in web_nodes
            },
            limits,
            {name: _local_dir(table) for name, table in local_dirs.items()},
            {name: _web_node(table, limits) for name, table in web_nodes.items()},
            selectors,
            {name: _pace(table) for name, table in remote_nodes.items() if table.has(*_PACES)},
            *_routes(document, selectors),
            {name: _repo(table) for name, table in document.tables("remote_repos").items()},
        )

    def local(self, name: str | None = None) -> Listen:
        """Return our node with this name or address; without either, the default one.

        Raises `UnknownNode`, and `LocalProtocolError` for an invalid address.
        """
        if name is None:
            first = next(iter(self.local_nodes.values()), DEFAULT_LOCAL)
            return self.local_nodes.get("default", first)
        known = self.local_nodes.get(name)
        if known is None and ":" not in name:
            raise self._unknown("local", name, self.local_nodes)
        return known or Listen.parse(name)

    def remote(self, name: str) -> Remote:
        """Return the node with this name or address. Raises the same errors as `local`, and `NoPassword`."""
        if name in self.web_nodes:
            raise UnknownNode(f"{name} is a DICOMweb service in {self.path}, not a DICOM node")
        if name in self.remote_nodes:
            known, credentials = self.remote_nodes[name]
            identity = credentials.identity() if credentials else None
            return replace(known, user_identity=identity)
        if ":" not in name:
            raise self._unknown("remote", name, [*self.remote_nodes, *self.web_nodes])
        return Remote(DcmNode.parse(name), self.limits)

    def service(self, name: str) -> "WebRemote | None":
        """Return the DICOMweb service with this name or URL, or None. Raises `NoPassword`.

        The URL of a known service gets the settings of that service.
        """
        for known, node in self.web_nodes.items():
            if name == known or name.rstrip("/") == node.known.base:
                return node.remote()
        if name.startswith(("http://", "https://")):
            from dcm.web.remote import WebRemote  # noqa: PLC0415 - only for services

            return WebRemote(name, limits=self.limits)
        return None

    def selector(self, text: str) -> "Selector":
        """Return the selector with this name, or parse the text as a selector. Raises `BadSelector`."""
        from dcm.filt.selector_text import read_selector  # noqa: PLC0415 - rarely needed

        return read_selector(text, self.selectors)

    @property
    def holds_secrets(self) -> bool:
        """Whether the file itself contains a password."""
        found = (credentials for _, credentials in self.remote_nodes.values())
        return any(each is not None and each.password is not None for each in found) or any(
            each.holds_secrets for each in self.web_nodes.values()
        )

    def _unknown(self, kind: str, name: str, known: Iterable[str]) -> UnknownNode:
        names = sorted(known)
        there = f"known nodes: {', '.join(names)}" if names else "no nodes are known"
        return UnknownNode(
            f"no {kind} node is called {name!r} in {self.path}{nearest(name, names)}; {there};"
            " use host:ae_title:port for any other"
        )


def _local(table: Table) -> Listen:
    table.allow("host", "ae_title", "port", *_TLS_FILES, "tls_require_certificate")
    tls = None
    if table.has(*_TLS_FILES, "tls_require_certificate"):
        if not table.has("tls_certificate"):
            raise table.complaint("tls_certificate", "a PEM file, which a listener needs")
        demands = table.flag("tls_require_certificate", default=False)
        if demands and not table.has("tls_ca"):
            raise table.complaint(
                "tls_ca", "a PEM file with the CA of accepted certificates; without it, certificates of"
                " all CAs that this system trusts would be accepted",
            )  # fmt: skip
        tls = replace(_tls(table), require_certificate=demands)
    with table.blamed():
        return Listen(
            table.text("host", default=DEFAULT_LOCAL.host),
            table.text("ae_title", default=DEFAULT_LOCAL.ae_title),
            table.integer("port", DEFAULT_LOCAL.port, 0, 65535),
            tls,
        )


def _remote(table: Table, limits: TimeLimits) -> tuple[Remote, Credentials | None]:
    table.allow(
        *("host", "hostname", "ae_title", "port", "time_limits", "user", *_PASSWORDS),
        *("tls", *_TLS_FILES, "tls_verify_host", "allow_plaintext", "max_associations", *_PACES),
    )
    tls = None
    if table.flag("tls", default=table.has(*_TLS_FILES, "tls_verify_host")):
        tls = replace(_tls(table), verify_host=table.flag("tls_verify_host", default=True))
    with table.blamed():
        node = DcmNode(
            table.text("host", "hostname"),
            table.text("ae_title", default=_DEFAULT_TITLE),
            table.integer("port", _DEFAULT_PORT, 1, 65535),
        )
    remote = Remote(
        node,
        _limits(table.table("time_limits"), limits),
        tls,
        allow_plaintext=table.flag("allow_plaintext", default=False),
        max_associations=table.integer("max_associations", Remote(node).max_associations, 1, 100),
    )
    return remote, _credentials(table)


def _pace(table: Table) -> "tuple[float | None, Hours | None]":
    """Read how fast, in bytes per second, and when `dcm sync` may use a node."""
    from dcm.sync.pace import BadHours, Hours  # noqa: PLC0415 - rarely needed

    rate, hours = None, None
    if table.has("bandwidth"):
        text = table.text("bandwidth").strip().upper()
        digits, unit = (text[:-1], text[-1]) if text[-1:].isalpha() else (text, "")
        if not (digits.isascii() and digits.isdecimal() and int(digits)) or unit not in _UNITS:
            raise table.complaint(
                "bandwidth", 'bytes per second in quotes, such as "500K" or "20M"'
            )
        rate = float(int(digits) * _UNITS[unit])
    if table.has("only_between"):
        try:
            hours = Hours.parse(table.text("only_between"))
        except BadHours as error:
            raise table.complaint("only_between", 'hours in quotes: "22:00-06:00"') from error
    return rate, hours


def _routes(
    document: Table, selectors: "Mapping[str, Selector]"
) -> "tuple[Mapping[str, StaticRoute], Mapping[str, DynamicRoute]]":
    if not document.has(*_ROUTES):
        return {}, {}
    from dcm.conf_routes import read_dynamic, read_static  # noqa: PLC0415 - rarely needed
    from dcm.filt.selector_text import read_selector  # noqa: PLC0415

    def selector(text: str) -> "Selector":
        return read_selector(text, selectors)

    static, dynamic = (document.tables(kind) for kind in _ROUTES)
    return read_static(static, selector), read_dynamic(dynamic, selector)


def _selectors(document: Table) -> "Mapping[str, Selector]":
    if not document.has("selectors"):
        return {}
    from dcm.conf_selectors import read_selectors  # noqa: PLC0415 - rarely needed

    return read_selectors(document.tables("selectors"))


def _local_dir(table: Table) -> LocalDir:
    table.allow("path", "layout", "in_file_ext", "make_missing", "read_only")
    table.text("path")  # required
    extension = table.text("in_file_ext") if table.has("in_file_ext") else ""
    return LocalDir(
        table.file("path") or "",
        _layout(table, table.text("layout")) if table.has("layout") else None,
        extension.removeprefix("."),
        table.flag("make_missing", default=True),
        table.flag("read_only", default=False),
    )


def _repo(table: Table) -> tuple[str, Mapping[str, str]]:
    """Read the name of a place, and the query that selects part of it."""
    table.allow("remote", "base_query")
    query = table.texts("base_query")
    if not query:
        raise table.complaint("base_query", 'keys of a query: { StudyDescription = "TRIAL*" }')
    return table.text("remote"), query


def _layout(table: Table, template: str) -> "Layout":
    from dcm.store.layout import Layout, LayoutError  # noqa: PLC0415 - rarely needed

    try:
        return Layout(template)
    except LayoutError as error:
        where = f"at character {error.place + 1} of {template!r}"
        raise table.fault(f"invalid layout: {error.words}, {where}") from error


def _web_node(table: Table, limits: TimeLimits) -> "WebNode":
    from dcm.conf_web import KEYS, web_node  # noqa: PLC0415 - only for services

    table.allow(*KEYS, *_PASSWORDS, *_TLS_FILES, "tls_verify_host", "time_limits", *_PACES)
    tls = None
    if table.has(*_TLS_FILES, "tls_verify_host"):
        tls = replace(_tls(table), verify_host=table.flag("tls_verify_host", default=True))
    limits = _limits(table.table("time_limits"), limits)
    return web_node(table, limits, tls, _credentials(table))


def _tls(table: Table) -> Tls:
    if table.has("tls_key") and not table.has("tls_certificate"):
        raise table.complaint("tls_certificate", "a PEM file, which is needed with tls_key")
    ca, certificate, key = map(table.file, _TLS_FILES)
    return Tls(ca, certificate, key)


def _credentials(table: Table) -> Credentials | None:
    if not table.has("user"):
        if table.has(*_PASSWORDS):
            raise table.complaint("user", "a text in quotes, which is needed with a password")
        return None
    if sum(table.has(each) for each in _PASSWORDS) > 1:
        raise table.fault(f"there are several passwords; use only one of {', '.join(_PASSWORDS)}")
    return Credentials(
        table.text("user"),
        table.text("password") if table.has("password") else None,
        table.file("password_file"),
        table.text("password_variable") if table.has("password_variable") else None,
    )


def _limits(table: Table, otherwise: TimeLimits) -> TimeLimits:
    """Return the limits from a table; missing ones are taken from `otherwise`."""
    names = [*fields(TimeLimits)]
    table.allow(*names)
    return TimeLimits(**{name: table.seconds(name, getattr(otherwise, name)) for name in names})
