"""Real DICOMweb services: Orthanc with its plugin, and tiny-pacs."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from net.peers import free_port, running

from dcm.net import TimeLimits
from dcm.net.retry import Retry
from dcm.web.remote import WebRemote
from harness.servers.locate import OrthancInstallation

QUICK = TimeLimits(connect=3, response=10, busy=0.3)
HASTY = Retry(pause=0.001, later=0.001)


def remote(url: str, **more: object) -> WebRemote:
    """Return a service that is retried without delay."""
    return WebRemote(url, **{"limits": QUICK, "retry": HASTY, **more})  # type: ignore[arg-type]


@contextlib.contextmanager
def orthanc(folder: Path, found: OrthancInstallation, **more: object) -> Iterator[str]:
    """Run an empty Orthanc; return the URL of its DICOMweb. more: additional settings."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    settings = {
        "DicomServerEnabled": False, "HttpServerEnabled": True, "HttpPort": port, "Name": "web",
        "RemoteAccessAllowed": True, "AuthenticationEnabled": False, "SslEnabled": False,
        "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(each) for each in found.plugins if "DicomWeb" in each.name],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
        **more,
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with running("ORTHANC", port, found.executable, folder / "orthanc.json", cwd=folder):
        scheme = "https" if settings["SslEnabled"] else "http"
        yield f"{scheme}://127.0.0.1:{port}/dicom-web"


@contextlib.contextmanager
def tiny_pacs(folder: Path) -> Iterator[str]:
    """Run an empty tiny-pacs; return the URL of its DICOMweb."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    parts = {
        "Database": {"on": True, "db_name": str(folder / "index"), "mode": "rwc"},
        "Devices": {"on": True, "devices": {}, "auto_add": False},
        "PACS": {"on": True},
        "InMemoryStorage": {"on": False},
        "FileStorage": {"on": True, "overwrite": True, "storage_dir": str(folder / "objects")},
        "HttpServer": {"on": True, "port": port},
        "DICOMWeb": {"on": True, "prefix": "/dicomweb"},
    }
    settings = {"ae": {"ae_title": ["TINYPACS"], "port": free_port()}, "components": parts}
    (folder / "tiny-pacs.json").write_text(json.dumps(settings))
    module = ("-m", "tiny_pacs", "run", "-c", folder / "tiny-pacs.json")
    with running("TINYPACS", port, sys.executable, *module, cwd=folder):
        yield f"http://127.0.0.1:{port}/dicomweb"
