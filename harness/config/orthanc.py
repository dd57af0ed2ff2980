"""The configurations of the two Orthanc servers, key by key, with the suites that need each.

Orthanc ignores unknown keys (tested with 1.10.1), so one configuration suits every version. If a
version is given, later keys are omitted.
"""

from collections.abc import Mapping
from pathlib import Path

from harness.config.settings import Node, Pair, Ports, Setup
from harness.model import Version

Json = dict[str, object]

DICOMWEB_ROOT = "/dicom-web/"

# The AE title that the remote uses when it calls modalities with a `LocalAet`.
LOCAL_AET = "OT-FROM-CONFIG"

# First version of each key that Orthanc 1.5.0 did not have; from its release notes.
SINCE = {
    "SaveJobs": "1.5.3",
    "TcpNoDelay": "1.5.2",
    "ExecuteLuaEnabled": "1.5.8",
    "HttpRequestTimeout": "1.5.8",
    "DefaultPrivateCreator": "1.6.0",
    "SyncStorageArea": "1.7.4",
    "WebDavEnabled": "1.8.0",
    "WebDavDeleteAllowed": "1.8.0",
    "WebDavUploadAllowed": "1.8.0",
    "DeidentifyLogs": "1.8.2",
    "AcceptedTransferSyntaxes": "1.9.0",
    "DicomAlwaysAllowFind": "1.9.0",
    "DicomAlwaysAllowGet": "1.9.0",
    "CheckRevisions": "1.9.2",
    "DicomAlwaysAllowMove": "1.9.7",
    "DicomAlwaysAllowFindWorklist": "1.10.0",
    "KeepAliveTimeout": "1.11.3",
}
MODALITIES_WITH_LOCAL_AET = "1.9.0"

# Settings that only the server under test needs, except addresses and plugins.
FOR_THE_SUITES: Json = {
    # Jobs: all jobs of a run stay listed, and one that waits for another does not block it.
    "ConcurrentJobs": 4,
    "JobsHistorySize": 1000,
    # Archives: each new one replaces the last.
    "MediaArchiveSize": 1,
    # Exports.
    "LogExportedResources": True,
    # Metadata and attachments: revisions, and a name for user-defined metadata.
    "CheckRevisions": True,
    "UserMetadata": {"my-metadata": 1098},
    # WebDAV.
    "WebDavEnabled": True,
    "WebDavDeleteAllowed": True,
    "WebDavUploadAllowed": True,
    # Private tags by name, in implicit VR, in DICOMweb, in modification and in C-FIND.
    # The dictionary has VR, name, minimum and maximum multiplicity, and the private creator.
    "Dictionary": {
        "0009,0010": ["LO", "LunitPrivateCreator", 1, 1, "Lunit"],
        "0009,1001": ["DS", "LunitScore", 1, 1, "Lunit"],
        "00e1,c2": ["UI", "PET-CT Multi Modality Name", 1, 1, "ELSCINT1"],
        "7053,03": ["ST", "Original Image Filename", 1, 1, "Philips PET Private Group"],
        "4321,1012": ["LO", "RadioLogic", 1, 1, "RadioLogic"],
        "0405,1001": ["SQ", "OctSettingsSequence", 1, 1, "99CZM_CapeCod_OctSettings"],
        "0407,1001": ["SQ", "OctGeneralSequence", 1, 1, "99CZM_CapeCod_OctGeneral"],
        "0407,1013": ["DS", "OctGeneralValue", 1, 1, "99CZM_CapeCod_OctGeneral"],
    },
    "DefaultPrivateCreator": "Lunit",
}


def remote_configuration(setup: Setup, listen: Ports | None = None) -> Json:
    """Return the complete configuration of the server under test.

    The pair in `setup` holds the addresses by which the servers reach each other. `listen` has the
    ports to listen on if they differ, because a relay is in front of the server.
    """
    remote, local = setup.pair.remote, setup.pair.local
    configuration = {
        **_common(
            "Integration tests",
            remote,
            listen,
            setup.storage,
            open_to_others=setup.open_to_others,
        ),
        **FOR_THE_SUITES,
        "StorageCompression": setup.compression,
        "Plugins": list(setup.plugins),
        "DicomModalities": _modalities(setup.pair, setup.orthanc),
        "OrthancPeers": _peers(remote, local),
        **_for_the_plugins(setup),
    }
    return known_to(setup.orthanc, configuration, SINCE)


def local_configuration(
    pair: Pair, storage: Path, listen: Ports | None = None, *, open_to_others: bool = True
) -> Json:
    """Return the configuration of the second instance: a plain partner, without plugins.

    It has all keys, since the harness starts this instance and knows its version.
    """
    remote, local = pair.remote, pair.local
    return {
        **_common(
            "Integration tests, local instance",
            local,
            listen,
            storage,
            open_to_others=open_to_others,
        ),
        "Plugins": [],
        "DicomModalities": {"orthanc": _modality(remote)},
        "OrthancPeers": {"orthanc": _peer(remote)} if remote.rest is not None else {},
        # C-STORE SCU: a destination that refuses one transfer syntax makes the remote transcode.
        "RleTransferSyntaxAccepted": False,
    }


def known_to(version: Version | None, values: Json, since: Mapping[str, str]) -> Json:
    """Return `values` without the keys added after `version`, as in `since`; None keeps all."""
    if version is None:
        return values
    return {
        key: value
        for key, value in values.items()
        if key not in since or version >= Version(since[key])
    }


def _common(
    name: str, instance: Node, listen: Ports | None, storage: Path, *, open_to_others: bool
) -> Json:
    """Return the settings needed to reach both instances and to empty them between cases."""
    users = instance.credentials
    return {
        "Name": name,
        "DicomAet": instance.ae_title,
        "DicomServerEnabled": True,
        "DicomPort": instance.dicom if listen is None else listen.dicom,
        "HttpServerEnabled": True,
        "HttpPort": instance.rest if listen is None else listen.rest,
        # Only the other computer may have access: the harness empties the server at will.
        "RemoteAccessAllowed": open_to_others,
        "AuthenticationEnabled": users is not None,
        "RegisteredUsers": {} if users is None else {users.username: users.password},
        # A folder of our own, so that no other database is ever touched. Its content need not
        # survive a power cut: not waiting for the disk makes every upload faster.
        "StorageDirectory": str(storage),
        "IndexDirectory": str(storage),
        "SyncStorageArea": False,
        # Cases connect as storescu, findscu, movescu, getscu and under AE titles of their own.
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowFindWorklist": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomCheckCalledAet": False,
        "DicomCheckModalityHost": False,
        # Emptying the Lua callbacks between cases; the cases about Lua.
        "ExecuteLuaEnabled": True,
        # A case that stores a sample twice, or a variant of it, must get its own.
        "OverwriteInstances": True,
        # Character sets: the suites change this where they need another one.
        "DefaultEncoding": "Utf8",
        # Case-insensitive search: the built-in default, en_US.UTF-8, is missing on a plain Debian;
        # Orthanc then finds no accented or Cyrillic name written in the other case.
        "Locale": "C.UTF-8",
        "CaseSensitivePN": False,
        # C-STORE SCP: accept everything until a case restricts it.
        "AcceptedTransferSyntaxes": ["1.2.840.10008.1.*"],
        "UnknownSopClassAccepted": False,
        # The log is evidence and the patients are fictitious: queries must be readable in it.
        "DeidentifyLogs": False,
        # Many small requests over one connection, each answered at once.
        "KeepAlive": True,
        "KeepAliveTimeout": 30,
        "TcpNoDelay": True,
        "HttpCompressionEnabled": False,  # sizes and bytes are compared
        "HttpDescribeErrors": True,
        # A hanging peer must time out before the time limit of a case.
        "DicomScuTimeout": 10,
        "DicomScpTimeout": 30,
        "HttpTimeout": 10,
        "HttpRequestTimeout": 30,
        # Associations opened by Lua must not remain open in the next case.
        "DicomAssociationCloseDelay": 0,
        # An instance that was killed must not resume the jobs of an earlier case.
        "SaveJobs": False,
    }


def _modalities(pair: Pair, version: Version | None) -> Json:
    """Return the DICOM nodes that the remote knows: the local instance and itself."""
    modalities: Json = {"orthanctest": _modality(pair.local), "self": _modality(pair.remote)}
    if version is None or version >= Version(MODALITIES_WITH_LOCAL_AET):
        # C-STORE and C-MOVE under another name. A C-MOVE finds its destination by AE title, so the
        # second entry of the local instance has its own.
        second = pair.local.ae_title[:15] + "2"
        for name, node, ae_title in (
            ("self", pair.remote, pair.remote.ae_title),
            ("orthanctest", pair.local, second),
        ):
            modalities[f"{name}-with-local-aet"] = {
                "AET": ae_title,
                "Host": node.host,
                "Port": node.dicom,
                "LocalAet": LOCAL_AET,
            }
    return modalities


def _modality(instance: Node) -> list[object]:
    return [instance.ae_title, instance.host, instance.dicom]


def _peers(remote: Node, local: Node) -> Json:
    """Return the Orthanc peers of the remote: the local instance, and itself under three names."""
    return {
        "self": _peer(remote),
        **({"peer": _peer(local)} if local.rest is not None else {}),
        # The transfers plugin: pull mode works if the other side knows us by the name in
        # RemoteSelf.
        "transfers-simple": _peer(remote),
        "transfers-bidirectional": {
            "Url": remote.url,
            **_user_and_password(remote),
            "RemoteSelf": "transfers-bidirectional",
        },
    }


def _peer(instance: Node) -> list[object]:
    return [instance.url, *_user_and_password(instance).values()]


def _user_and_password(instance: Node) -> dict[str, str]:
    user = instance.credentials
    return {} if user is None else {"Username": user.username, "Password": user.password}


def _for_the_plugins(setup: Setup) -> Json:
    """Return a section for each plugin that has a suite; without the plugin it has no effect."""
    remote, folder = setup.pair.remote, setup.worklists
    return {
        # DICOMweb: the server is also its own DICOMweb client. Without `Host`, URLs in answers
        # follow the request, through relay and proxy.
        "DicomWeb": {
            "Enable": True,
            "Root": DICOMWEB_ROOT,
            "EnableWado": True,
            "WadoRoot": "/wado",
            "StudiesMetadata": "Full",
            "SeriesMetadata": "Full",
            "Servers": {
                "sample": [f"{remote.url}{DICOMWEB_ROOT[1:]}", *_user_and_password(remote).values()]
            },
        },
        "Worklists": {"Enable": False}
        if folder is None
        else {
            "Enable": True,
            "Database": str(folder),  # until 1.12.9
            "Directory": str(folder),  # from 1.12.10, which also began to clean up by itself
            "DeleteWorklistsOnStableStudy": False,
        },
        # GDCM: every transfer syntax that it supports, not only JPEG 2000.
        "Gdcm": {"Enable": True, "RestrictTransferSyntaxes": []},
        "WholeSlideImaging": {"ServeMirador": True, "ServeOpenSeadragon": True},
    }
