"""The names of what a case can need. The list is closed, so that a misspelt name is an error, not a skip.

`harness.servers.capabilities` says which of them a server has. An adapter of your own that offers more
names them in the ini file of its suites, under `harness_needs`.
"""

from collections.abc import Mapping

_DIMSE = {
    "dimse.echo": "C-ECHO",
    "dimse.store": "C-STORE",
    "dimse.store.compressed": "C-STORE in transfer syntaxes that compress",
    **{
        f"dimse.{service}.{level}": f"C-{service.upper()} in the {level.capitalize()} Root model"
        for service in ("find", "move", "get")
        for level in ("patient", "study")
    },
    "dimse.find.related": "the additional query attributes of PS3.4 C.3.4",
    "dimse.commit": "storage commitment",
    "dimse.worklist": "modality worklists, in a folder to which the harness can write",
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
    "local.rest": "the REST API of Orthanc, on the local server",
    "orthanc": "Orthanc, of a version",
    "plugin.dicomweb": "Orthanc's DICOMweb plugin",
    "plugin.gdcm": "Orthanc's GDCM plugin",
    "plugin.worklists": "Orthanc's worklist plugin",
    "dcmtk": "the programs of dcmtk, on this computer",
    "server.crash": "the harness can kill the server and start it again with what it has stored",
    "server.configure": "the harness can start the server with the settings that a case names",
    "server.tls": "the harness can start the server with TLS",
    "server.upgrade": "the harness can start an earlier release, and then this one on the same data",
    "database.postgresql": "the server can keep what it stores in PostgreSQL, and there is one",
    "database.mariadb": "the server can keep what it stores in MariaDB, and there is one",
    "server.restart": "the harness can stop the server and start it again with what it has stored",
}
NEEDS: Mapping[str, str] = {**_DIMSE, **_DICOMWEB, **_PRODUCTS}
"""Each name, with what it stands for."""
VERSIONED = frozenset(name for name in NEEDS if name.startswith(("orthanc", "plugin.", "dcmtk")))
"""The names that can have a least version: `orthanc>=1.12.0`."""
PRODUCT_VERSIONS = frozenset(name for name in VERSIONED if name != "dcmtk")
"""Those that are about a server. A `must` case does not depend on their versions: a defect of an old version
is a known issue of it."""
