"""From a probe to the names that cases need: `dimse.find.study`, `plugin.dicomweb>=1.8`."""

from collections.abc import Iterator

from harness.capability.known_classes import FIND, GET, MOVE, VERIFICATION, WORKLIST, is_storage
from harness.capability.result import Finding, ProbeResult
from harness.model import Version
from harness.servers.capabilities import Capabilities

_SERVICES = {"find": FIND, "move": MOVE, "get": GET}
_WEB = {"qido": "search", "wado": "retrieve", "stow": "store"}


def capabilities_of(result: ProbeResult) -> Capabilities:
    """Derive what a server can do from what came of trying, and from what it says where nothing was tried."""
    return Capabilities({**dict.fromkeys(_services(result)), **dict(_products(result))})


def _services(result: ProbeResult) -> Iterator[str]:
    found = result.by_id()
    storage = [id_ for id_ in found if is_storage(id_.removeprefix("sop-class/"))]
    names = {
        "dimse.echo": [f"sop-class/{VERIFICATION}"],
        "dimse.store": storage,
        "dimse.worklist": [f"sop-class/{WORKLIST}"],
        **{
            f"dimse.{service}.{root}": [f"sop-class/{uid}"]
            for service, roots in _SERVICES.items()
            for root, uid in roots.items()
        },
        **{f"dicomweb.{name}": [f"dicomweb/{service}"] for name, service in _WEB.items()},
    }
    for name, ids in names.items():
        if any(_works(found.get(id_)) for id_ in ids):
            yield name


def _works(finding: Finding | None) -> bool:
    if finding is None:
        return False
    return finding.value is True or str(finding.value).startswith(
        ("answered", "stored", "retrieved")
    )


def _products(result: ProbeResult) -> Iterator[tuple[str, Version | None]]:
    if any(each.id.startswith("rest/system/") for each in result.findings):
        yield "rest", None
        yield result.server["product"].lower(), Version(result.server["version"])
    for each in result.findings:
        if each.id.startswith("rest/plugin/"):
            name = each.id.removeprefix("rest/plugin/").replace("dicom-web", "dicomweb")
            yield f"plugin.{name}", Version(str(each.declared))
