"""What an Orthanc says of itself over REST, one exchange for each part of that interface, and cleaning up."""

from harness.capability.notebook import Notebook, Trouble
from harness.capability.objects import study
from harness.capability.target import Target
from harness.capability.web import Http
from harness.errors import ServerRefused, ServerUnreachable

_SYSTEM = (
    *("ApiVersion", "DatabaseVersion", "DatabaseBackendPlugin", "StorageAreaPlugin"),
    *("CheckRevisions", "OverwriteInstances", "StorageCompression", "IngestTranscoding"),
    *("IsHttpServerSecure", "PluginsEnabled", "ReadOnly", "MaximumStorageSize"),
    *("MaximumPatientCount", "MaximumStorageMode", "UserMetadata"),
)
_PARTS = (
    ("/patients", "Patients"),
    ("/changes", "Changes"),
    ("/exports", "Exports"),
    ("/jobs", "Jobs"),
    ("/modalities", "Modalities"),
    ("/peers", "Peers"),
    ("/statistics", "Statistics"),
    ("/tools/log-level", "Log levels"),
    ("/tools/metrics-prometheus", "Metrics"),
    ("/tools/accepted-transfer-syntaxes", "Accepted transfer syntaxes"),
    ("/tools/labels", "Labels"),
)


async def describe(http: Http, notes: Notebook) -> bool:
    """Read `/system` and the plugins; say whether DICOMweb is among them.

    Raises ServerRefused, or ServerUnreachable where it is no Orthanc.
    """
    notes.progress("asking who it is")
    answer = await http.ask("GET", "/system")
    if answer.status_code in (401, 403):
        raise ServerRefused(
            f"the server at {http.rest.base} refuses us (status {answer.status_code}): "
            "--username and --password say who we are"
        )
    try:
        system = answer.json() if answer.status_code == 200 else None
    except ValueError:
        system = None
    if not isinstance(system, dict) or "DicomAet" not in system:
        raise ServerUnreachable(
            f"who answers at {http.rest.base} is no Orthanc: GET /system gave status {answer.status_code}; "
            "leave --rest out, or say --web URL for another server with DICOMweb"
        )
    notes.server.update(product="Orthanc", version=str(system["Version"]))
    for name in _SYSTEM:
        if system.get(name) is not None:
            value = system[name]
            plain = value if isinstance(value, bool | int | str) else str(value)
            notes.declared(f"rest/system/{name}", f"/system {name}", plain)
    for name, said in sorted(system.get("Capabilities", {}).items()):
        notes.declared(f"rest/system/Capabilities/{name}", f"/system Capabilities {name}", said)
    plugins = [each for each in (await http.ask("GET", "/plugins")).json() if each != "explorer.js"]
    for name in sorted(plugins):
        version = (await http.ask("GET", f"/plugins/{name}")).json().get("Version", "")
        notes.declared(f"rest/plugin/{name}", f"Plugin {name}", str(version))
    return "dicom-web" in plugins


async def parts(http: Http, notes: Notebook) -> None:
    """Ask once for each part of the REST interface."""
    notes.progress("asking over REST")
    for path, subject in _PARTS:
        with notes.noting():
            status = await http.status("GET", path)
            notes.probed(
                f"rest{path}", subject, "answered" if status == 200 else f"status {status}"
            )
    query = {"Level": "Study", "Query": {"StudyInstanceUID": str(study()[0].study_instance_uid)}}
    with notes.noting():
        status = await http.status("POST", "/tools/find", json=query)
        words = "answered" if status == 200 else f"status {status}"
        notes.probed("rest/tools/find", "Search with /tools/find", words)


async def held(http: Http) -> int:
    """Say how many patients it holds."""
    return int((await http.ask("GET", "/statistics")).json().get("CountPatients", 0))


async def delete(http: Http, notes: Notebook, target: Target) -> list[str]:
    """Delete the studies that were stored; give those that stay, a line each."""
    left = []
    for uid, patient in notes.stored.items():
        try:
            found = (await http.ask("POST", "/tools/lookup", data=uid.encode())).json()
            paths = [each["Path"] for each in found if each["Type"] == "Study"]
            statuses = [await http.status("DELETE", path) for path in paths]
        except (Trouble, ValueError) as trouble:
            notes.progress(f"{uid} of {target.ae_title} is not deleted: {trouble}")
            statuses = [0]
        if any(status != 200 for status in statuses):
            left.append(f"study {uid} of patient {patient}")
    return left
