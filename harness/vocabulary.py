"""The names of the capabilities that a case can need.

The list is closed, so that a misspelt name is an error and not a skip.
`harness.servers.capabilities` determines which of them a server has. Your own adapter can offer
more; name these in the ini file of its suites, under `harness_needs`.
"""

from collections.abc import Mapping

from harness.orthanc_plugins import PLUGINS

_DIMSE = {
    "dimse.echo": "C-ECHO",
    "dimse.store": "C-STORE",
    "dimse.store.compressed": "C-STORE in compressed transfer syntaxes",
    **{
        f"dimse.{service}.{level}": f"C-{service.upper()} in the {level.capitalize()} Root model"
        for service in ("find", "move", "get")
        for level in ("patient", "study")
    },
    "dimse.find.related": "the additional query attributes of PS3.4 C.3.4",
    "dimse.commit": "storage commitment",
    "dimse.worklist": "modality worklists, in a folder that the harness can write to",
}
_DICOMWEB = {
    "dicomweb.qido": "QIDO-RS",
    "dicomweb.wado": "WADO-RS",
    "dicomweb.stow": "STOW-RS",
    "dicomweb.metadata": "WADO-RS metadata",
    "dicomweb.bulk": "WADO-RS bulk data",
    "dicomweb.frames": "WADO-RS frames",
    "dicomweb.rendered": "WADO-RS rendered resources",
    "dicomweb.relational": "QIDO-RS searches that skip a level, such as `/instances`",
    "dicomweb.uri": "WADO-URI",
}
_PRODUCTS = {
    "rest": "the REST API of Orthanc, on the remote",
    "rest.extended-find": "the database of Orthanc has the searches of Orthanc 1.12.5",
    "rest.extended-changes": "the database of Orthanc has the lists of changes of Orthanc 1.12.5",
    "rest.emulated-find": "the database of Orthanc lacks them, and Orthanc emulates some",
    "local.rest": "the REST API of Orthanc, on the local server",
    "orthanc": "Orthanc, of a version",
    **{f"plugin.{name}": f"Orthanc's plugin {name}" for name in PLUGINS},
    "dcmtk": "dcmtk's programs, on this computer",
    "server.crash": "the harness can kill the server and restart it with its data",
    "server.configure": "the harness can start the server with the settings of a case",
    "server.tls": "the harness can start the server with TLS",
    "server.upgrade": "the harness can start an earlier release, and then this one on the same data",
    "database.postgresql": "the server can store its data in PostgreSQL, which is available",
    "database.mariadb": "the server can store its data in MariaDB, which is available",
    "database.postgresql.upgrade": "the earlier release can store its data in PostgreSQL, too",
    "database.mariadb.upgrade": "the earlier release can store its data in MariaDB, too",
    "server.restart": "the harness can stop the server and restart it with its data",
    "server.files": "the harness can read the files in which the server stores objects",
    "server.small-disk": "the harness can give the server a disk of a few megabytes, which needs root",
}
NEEDS: Mapping[str, str] = {**_DIMSE, **_DICOMWEB, **_PRODUCTS}
"""Each name, with its meaning."""
VERSIONED = frozenset(name for name in NEEDS if name.startswith(("orthanc", "plugin.", "dcmtk")))
"""The names that can have a minimum version: `orthanc>=1.12.0`."""
PRODUCT_VERSIONS = frozenset(name for name in VERSIONED if name != "dcmtk")
"""The versioned names that are about a server.

A `must` case does not depend on their versions: a defect of an old version is a known issue of that
version.
"""
