"""`dcm serve`: serve a folder by DICOMweb, and for query, retrieval and storage by DICOM.

The folder is indexed at the start. Nothing can be stored unless --writable is given. Stops on Ctrl-C or
SIGTERM, after current requests are finished.
"""

import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Final

from dcm.cli.listen import add_space_limits, admission
from dcm.cli.logs import LOG
from dcm.cli.options import add_network_options, number, seconds
from dcm.cli.progress import Progress, wanted
from dcm.cli.running import run_async
from dcm.cli.session import configuration
from dcm.cli.usage import UsageError
from dcm.conf import Configuration
from dcm.errors import DcmError
from dcm.frozen import replace
from dcm.net.tls import Tls

if TYPE_CHECKING:
    from dcm.serve.both import DicomDoor, Open, WebDoor
    from dcm.sinks import Sink
    from dcm.store.index import Index

_TOKEN: Final = "DCM_SERVE_TOKEN"  # noqa: S105 - the name of a variable
_LOCAL: Final = ("127.", "::1", "localhost")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: the folder, the addresses, and access control."""
    parser.add_argument("folder", metavar="DIR", help="the folder with DICOM files")
    parser.add_argument(
        "--writable", action="store_true", help="let clients store instances in the folder"
    )
    parser.add_argument(
        "--host", default="127.0.0.1",
        help="the address to listen on; 127.0.0.1 by default, 0.0.0.0 for all",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=number(0, 65535), default=8080,
        help="the port for DICOMweb; 8080 by default, 0 for any free port",
    )  # fmt: skip
    parser.add_argument(
        "--dicom-port", type=number(0, 65535), default=11112,
        help="the port for the DICOM services; 11112 by default, 0 for any free port",
    )  # fmt: skip
    parser.add_argument("--no-web", action="store_true", help="do not offer DICOMweb")
    parser.add_argument("--no-dicom", action="store_true", help="do not offer DICOM services")
    parser.add_argument("--ae-title", help="our AE title; by default that of --local")
    _add_protection(parser)
    parser.add_argument(
        "--sync", action="store_true",
        help="flush each stored file to disk (fsync) before responding: slower but safer",
    )  # fmt: skip
    add_space_limits(parser)
    parser.add_argument(
        "--stop-timeout", metavar="SECONDS", type=seconds, default=8.0,
        help="when stopping, give clients this long to finish; 8 by default",
    )  # fmt: skip
    add_network_options(parser)


def _add_protection(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--token", help=f"the bearer token that web requests need; prefer ${_TOKEN} or --token-file"
    )
    parser.add_argument(
        "--token-file", metavar="FILE", help="a file with the token on its first line"
    )
    parser.add_argument(
        "--certificate",
        metavar="FILE",
        help="our certificate (PEM): DICOMweb is offered over HTTPS only",
    )
    parser.add_argument("--key", metavar="FILE", help="the private key of the certificate (PEM)")
    parser.add_argument(
        "--client-ca", metavar="FILE",
        help="accept only web clients with a certificate issued by this CA (PEM)",
    )  # fmt: skip
    parser.add_argument(
        "--cors", metavar="ORIGIN", action="append", default=[],
        help="let web pages from ORIGIN (http://localhost:3000, * for all) use DICOMweb; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--url", default="", help="the URL of the web service for clients, if it is behind a proxy"
    )
    parser.add_argument(
        "--from", metavar="AE_TITLE", dest="senders", action="append",
        help="accept only DICOM clients with this AE title; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--by-our-name",
        action="store_true",
        help="accept only DICOM clients that address us by our AE title",
    )


def run(arguments: Namespace) -> int:
    """Serve until stopped."""
    if arguments.no_web and arguments.no_dicom:
        raise UsageError("with --no-web and --no-dicom there is nothing to serve")
    if not os.path.isdir(arguments.folder):
        raise UsageError(f"{arguments.folder} is not a folder")
    stop = asyncio.Event()
    return run_async(_serve(arguments, stop), stop.set)


async def _serve(arguments: Namespace, stop: asyncio.Event) -> int:
    from dcm.serve.both import serving  # noqa: PLC0415 - not for --help
    from dcm.store.index import Index  # noqa: PLC0415

    web, dicom = _web(arguments), _dicom(arguments, configuration(arguments))
    with Index(arguments.folder) as index:
        await _refresh(arguments, index)
        async with serving(
            index, _sink(arguments, index), web=web, dicom=dicom, drain=arguments.stop_timeout
        ) as opened:
            _tell(arguments, opened)
            await stop.wait()
            LOG.warning(
                "stopping when clients have finished, within %g s at most", arguments.stop_timeout
            )
    return 0


def _sink(arguments: Namespace, index: "Index") -> "Sink | None":
    if not arguments.writable:
        return None
    from pathlib import Path  # noqa: PLC0415 - not for --help

    from dcm.sinks import Folder  # noqa: PLC0415
    from dcm.store.directory_sink import DirectorySink  # noqa: PLC0415

    folder = Folder(Path(index.path), arguments.sync, arguments.max_instance, arguments.min_free)
    return DirectorySink(folder, index)


async def _refresh(arguments: Namespace, index: "Index") -> None:
    """Update the index of the folder."""
    async with Progress("indexing", shown=wanted(arguments)) as progress:

        def note(count: int) -> None:
            progress.done = count

        updated = await asyncio.to_thread(index.update, note)
    for words in index.remarks:
        LOG.warning("%s", words)
    for path, words in updated.unreadable:
        LOG.warning("%s cannot be read, so its contents are not served: %s", path, words)


def _web(arguments: Namespace) -> "WebDoor | None":
    from dcm.serve.both import WebDoor  # noqa: PLC0415 - not for --help

    if arguments.no_web:
        return None
    token, tls = _token(arguments), None
    if arguments.certificate:
        tls = Tls(
            ca=arguments.client_ca, certificate=arguments.certificate, key=arguments.key,
            require_certificate=arguments.client_ca is not None,
        )  # fmt: skip
    elif arguments.key or arguments.client_ca:
        raise UsageError("--key and --client-ca need --certificate")
    if not token and not arguments.client_ca and not arguments.host.startswith(_LOCAL):
        LOG.warning(
            "anyone who can reach %s can read %s%s: protect DICOMweb with --token or --client-ca",
            arguments.host, arguments.folder, " and write to it" if arguments.writable else "",
        )  # fmt: skip
    return WebDoor(arguments.host, arguments.port, token, tls, tuple(arguments.cors), arguments.url)


def _token(arguments: Namespace) -> str:
    if arguments.token is not None and arguments.token_file is not None:
        raise UsageError("--token and --token-file cannot be used together")
    token: str = arguments.token if arguments.token is not None else os.environ.get(_TOKEN, "")
    if arguments.token_file is not None:
        try:
            with open(arguments.token_file, encoding="utf-8") as file:
                token = file.readline().strip()
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise UsageError(f"the token in {arguments.token_file}: {words}") from error
        if not token:
            raise UsageError(
                f"the first line of {arguments.token_file} is empty: it should be the token"
            )
    if arguments.token == "":
        raise UsageError("--token must not be empty")
    return token


def _dicom(arguments: Namespace, known: Configuration) -> "DicomDoor | None":
    from dcm.serve.both import DicomDoor  # noqa: PLC0415 - not for --help

    if arguments.no_dicom:
        return None
    local = replace(known.local(arguments.local), host=arguments.host, port=arguments.dicom_port)
    if arguments.ae_title is not None:
        local = replace(local, ae_title=arguments.ae_title)
    peers = {}
    for name in known.remote_nodes:
        try:
            remote = known.remote(name)
        except DcmError as error:  # such as a missing password
            LOG.warning("cannot send to %s: %s", name, error)
        else:
            peers[remote.node.ae_title] = remote
    return DicomDoor(local, known.limits, admission(arguments), peers)


def _tell(arguments: Namespace, opened: "Open") -> None:
    if arguments.quiet:
        return
    rights = "" if arguments.writable else ", read-only"
    if opened.web:
        print(f"dcm serve: DICOMweb at {opened.web}{rights}", file=sys.stderr, flush=True)
    if opened.dicom is not None:
        print(f"dcm serve: DICOM at {opened.dicom.node}{rights}", file=sys.stderr, flush=True)
