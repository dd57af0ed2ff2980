"""Imports go one way: a module imports only from its own layer or from one above it."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LAYERS = """
dcm      .  errors  frozen  implementation  processes
dcm      wire.*
dcm      data.*
dcm      instances  outcome  writer
dcm      queued
dcm      part_file  held  sinks
dcm.store  catalogue
dcm      filt.*
dcm.net  limits  identity  tls  node  errors  retry  remote  uids  # a peer, and what can come of it
dcm.net  transport  dial  tls_transport  trace                    # a connection
dcm.net  folders  convert                                         # files
dcm.net  channel  establish  association  cancel  pool     # associations
dcm.net  abilities  echo  find  suboperations  kinds  move  incoming  # a service on one association
dcm.net  get  commitment  commitment_scp  line                    # services that use these
dcm.net  admission  conversation  listener                        # the listener
dcm.net  query_plan  query_answers  query  worklist  wanted       # what an archive has, and what is lost
dcm.net  ahead  intake  sources  retrieve  third_party            # several associations, and retries
dcm.net  existing  sender  store
dcm.net  asked  performing  query_scp  retrieve_scp  get_scp  move_scp  # an archive of our own
dcm.net  .  entity                                                # the public face
dcm.web  .  media  multipart  pages  http                         # DICOMweb, without I/O
dcm.web  connections  errors  remote  incoming  stored  batch
dcm.web  qido
dcm.web  client
dcm.web  wado  stow
dcm.store  place  catalogue_query  filling
dcm.store  index_schema  index_values  index_rows  index_scan  index_tables  # rows of an index
dcm.store  index_database  index_folder  index_select  index_plan  index_query  index_problems  index_writer
dcm.store  index
dcm.store  ways  directory_sink  directory_writer  directory
dcm.store  names  layout_formats
dcm.store  layout_grammar
dcm.store  layout
dcm.store  zip_members  dicomdir  medium_files
dcm.store  read_only
dcm.store  zipped  media
dcm.store  node  web  part
dcm.store  .
dcm.render  .  grayscale  decoded
dcm.serve  .  refusal  consistent  http_door  memory
dcm.serve  dimse  archive  accept  body  stored  native_xml
dcm.serve  models
dcm.serve  metadata  search  retrieve  incoming_part  pixels  decoded
dcm.serve  frames  rendered  store
dcm.serve  bulk
dcm.serve  app
dcm.serve  both
dcm.deidentify  options  table  dates  words  regions  values
dcm.deidentify  profile  account  meta
dcm.deidentify  inspection
dcm.deidentify  subject  pixels
dcm.deidentify  filter
dcm.deidentify  writing  .
dcm.sync  check  compare  identity  journal  pace  quarantine  rates  relay  report  split  turns
dcm.sync  verify
dcm.sync  manager
dcm.sync  page  cluster
dcm.route  routes  queue
dcm.route  along
dcm.route  router
dcm.route  dead  spool
dcm.route  courier  metrics
dcm.route  delivery
dcm.route  forwarder  .
dcm      credentials  conf_table  conf_selectors  conf_web  conf_routes  conf
dcm      opening
dcm.sort  outcome  scan
dcm.sort  files  journal  plan
dcm.sort  execute  undo
dcm.sort  .
dcm.view  entries  tile
dcm.view  page  sheet
dcm.view  .
dcm.sync  .  simple
dcm      cli.*
dcm      __main__
harness  .  errors
harness  model
harness  waiting
harness  plot
harness  measuring
harness  programs
harness  suites
harness  coverage
harness  orthanc_plugins
harness  vocabulary
harness  variant
harness  case
harness  known.*
harness  config.*
harness  corpus.*
harness  certificates
harness  relay.*
harness  evidence.*
harness  clients.*
harness  servers.*
harness  fuzz.*
harness  report.*
harness  plugin.*
harness  cases
harness  bisect
harness  replay.*
harness  matrix.*
harness  cli.*
harness  __main__
"""
"""One layer per line: modules of a package. `.` is the package itself, `x.*` x with its content."""

PLACES = {
    (f"{package}.{name}" if name != "." else package): place
    for place, line in enumerate(LAYERS.strip().splitlines())
    for package, *names in [line.partition("#")[0].split()]
    for name in names
}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {
    _name(path): path
    for package in ("dcm", "harness")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name != "hatch_build.py"  # used for the build only
}


def _layer(module: str) -> int | None:
    """Return the position of a module in the list, or None if it is not there."""
    parts = module.split(".")
    packages = (".".join([*parts[:length], "*"]) for length in range(1, len(parts) + 1))
    return next((PLACES[each] for each in (module, *packages) if each in PLACES), None)


def _imports(path: Path) -> Iterator[str]:
    """Yield the names that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _imported(module: str) -> frozenset[str]:
    """Return our modules that a module imports; a name within a module counts as that module."""
    found = set()
    for name in _imports(MODULES[module]):
        while name and name not in MODULES:
            name = name.rpartition(".")[0]  # noqa: PLW2901
        found.add(name)
    return frozenset(found - {"", module})


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_what_is_above_it(module: str) -> None:
    """No module imports from below, and each is in the list."""
    place = _layer(module)
    assert place is not None, "not in LAYERS: which layer does it belong to?"
    assert [each for each in _imported(module) if (_layer(each) or 0) > place] == []


def test_each_layer_is_there() -> None:
    """A removed module must be removed from the list."""
    assert [name for name in PLACES if name.removesuffix(".*") not in MODULES] == []


def test_data_does_not_import_wire() -> None:
    """The layers forbid the opposite: data sets need no protocol, nor the protocol data sets."""
    crossing = [
        (module, each)
        for module in MODULES
        for each in _imported(module)
        if module.startswith("dcm.data") and each.startswith("dcm.wire")
    ]
    assert crossing == []


def test_there_is_no_cycle_within_the_layers_of_dcm() -> None:
    """Modules of one layer form no cycle either. `dcm.cli` is left out: it loads its commands."""
    modules = (each for each in MODULES if not each.startswith(("dcm.cli", "harness")))
    graph = {each: _imported(each) for each in modules}
    TopologicalSorter(graph).prepare()  # a CycleError names them


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=_name)
def test_cases_reach_servers_only_through_clients_and_fixtures(path: Path) -> None:
    """A case works with any server: it names no adapter, nor internals of the plugin."""
    forbidden = (
        "harness.servers.orthanc",
        "harness.servers.products",
        "harness.plugin.worker",
        "harness.config",
    )
    assert [name for name in _imports(path) if name.startswith(forbidden)] == []
