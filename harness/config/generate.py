"""The command `generate_config.py`, which writes the configuration for the remote."""

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.config.network import (
    is_loopback,
    is_this_computer,
    local_address_in,
    local_address_towards,
)
from harness.config.options import PROGRAM, parser, password
from harness.config.orthanc import remote_configuration
from harness.config.settings import Node, Pair, Setup
from harness.errors import ConfigError
from harness.model import Credentials

OPEN = (
    "anyone who can reach the remote and knows this password can run Lua scripts there as the user "
    "that runs it: keep it away from untrusted networks"
)
PLUGIN_SUFFIXES = {".so", ".dylib", ".dll"}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the configuration that `argv` requests; return the exit code, 0 or 2."""
    options = parser().parse_args(argv)
    target: Path = options.target
    try:
        here = options.docker is None and is_this_computer(options.server)
        warnings = _check_plugins(options.plugins, here=here)
        _check_target(target)
        setup = plan(options, here=here)
        warnings += _warn_of_ipv6(setup.pair)
        if setup.open_to_others:
            warnings.append(OPEN)
        if target.exists() and not options.force:
            _ask_to_overwrite(target)
        write(setup, target)
        if here or options.docker:
            _make_folder(setup.worklists)
    except ConfigError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return 2
    sys.stderr.writelines(f"{PROGRAM}: {warning}\n" for warning in warnings)
    sys.stdout.write(_summary(setup, target.absolute(), here=here, network=options.docker))
    return 0


def plan(options: argparse.Namespace, *, here: bool) -> Setup:
    """Interpret the options; `here` means that the remote is on this computer."""
    credentials = Credentials(options.username, password(options.password))
    # How the remote reaches this computer.
    seen = local_address_in if options.docker else local_address_towards
    remote = Node(options.aet, options.server, options.dicom, options.rest, credentials)
    local = Node(
        options.local_aet,
        options.local_host or seen(options.docker or options.server),
        options.local_dicom,
        options.local_rest,
        credentials,
    )
    # The folders are named after the file, so that differently configured servers never share a
    # database. On another computer they are next to the copy of the file: Orthanc resolves a
    # relative path against the folder of its configuration, its worklist plugin against the current
    # folder. In a container any user may write to /tmp, and the worklists are in the folder mounted
    # from here.
    near = options.target.absolute().parent
    storage = Path("/tmp") if options.docker else near if here else Path()  # noqa: S108 - not here
    return Setup(
        Pair(remote, local),
        storage=storage / f"{options.target.stem}-storage",
        worklists=(near if here or options.docker else Path()) / f"{options.target.stem}-worklists",
        plugins=tuple(str(Path(path).absolute()) if here else path for path in options.plugins),
        compression=options.compression,
        open_to_others=not (here and is_loopback(remote.host) and is_loopback(local.host)),
        orthanc=options.orthanc,
    )


def write(setup: Setup, path: Path) -> None:
    """Write the configuration of the remote to `path`, completely or not at all.

    It contains a password, so only its owner may read it. Raises ConfigError on failure.
    """
    text = json.dumps(remote_configuration(setup), indent=2, ensure_ascii=False) + "\n"
    target = path.resolve()  # a link stays a link
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            draft = Path(folder) / target.name
            draft.touch(mode=0o600)
            draft.write_text(text, encoding="utf-8")
            draft.replace(target)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error


def _check_plugins(paths: Sequence[str], *, here: bool) -> list[str]:
    """Check that the plugins exist, or return warnings if we cannot see that.

    Orthanc before 1.12.5 starts without an error if the path of a plugin does not exist.
    """
    missing = [path for path in paths if not Path(path).exists()]
    if not here:
        return [
            f"--plugins {path} does not exist on this computer; it must exist on that of the remote"
            for path in missing
        ]
    for path in missing:
        raise ConfigError(f"--plugins {path} does not exist")
    for folder in filter(Path.is_dir, map(Path, paths)):
        if not any(file.suffix in PLUGIN_SUFFIXES for file in folder.iterdir()):
            raise ConfigError(f"--plugins {folder}: no plugin (*.so) in this folder")
    return []


def _warn_of_ipv6(pair: Pair) -> list[str]:
    """Warn of hosts that Orthanc 1.10.1 cannot reach by DICOM: its DCMTK takes names and IPv4."""
    return [
        f"{host} is an IPv6 address: Orthanc may be unable to connect to it by DICOM"
        for host in dict.fromkeys((pair.remote.host, pair.local.host))
        if ":" in host
    ]


def _check_target(target: Path) -> None:
    if target.is_dir():
        raise ConfigError(f"--target {target} is a folder; give the name of a file")
    if not target.parent.is_dir():
        raise ConfigError(f"--target {target}: the folder {target.parent} does not exist")


def _ask_to_overwrite(target: Path) -> None:
    """Ask on the terminal; raises ConfigError unless the answer is yes."""
    if not sys.stdin.isatty():
        raise ConfigError(f"{target} already exists; use --force to overwrite it")
    try:
        answer = input(f"{target} already exists. Overwrite it? [y/N] ")
    except (EOFError, KeyboardInterrupt):
        sys.stdout.write("\n")
        answer = ""
    if answer.strip().lower() not in {"y", "yes"}:
        raise ConfigError(f"{target} was not overwritten")


def _make_folder(folder: Path | None) -> None:
    """Create the worklist folder: the plugin answers no query without it."""
    try:
        if folder is not None:
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot create the folder {folder}: {error.strerror}") from error


def _summary(setup: Setup, target: Path, *, here: bool, network: str | None) -> str:
    """Return a summary of what was written, the addresses in it, and the next steps."""
    remote, local = setup.pair.remote, setup.pair.local
    lines = [f"Wrote {target}. It contains a password: only you can read it.", ""]
    lines += [
        f"  {role:6}  {one.ae_title:16}  DICOM {one.dicom_endpoint}  REST {one.url}"
        for role, one in (("remote", remote), ("local", local))
    ]
    if not setup.plugins:
        lines += ["  no plugins: the suites for DICOMweb, worklists etc. need --plugins"]
    if here:
        where, start = "Start the remote:", f"Orthanc {shlex.quote(str(target))}"
    elif network:
        where, start = "Start the remote:", _docker_run(setup, target, network)
    else:
        where = f"Copy {target.name} to {remote.host}. Start the remote there, in the folder of the copy:"
        start = (
            f"mkdir -p {shlex.quote(str(setup.worklists))} && Orthanc {shlex.quote(target.name)}"
        )
    test = f"pytest tests --server {remote.host} --config {shlex.quote(str(target))}"
    return "\n".join([*lines, "", where, f"  {start}", "Then test it from here:", f"  {test}", ""])


def _docker_run(setup: Setup, target: Path, network: str) -> str:
    """Return the command that starts the remote in a container, and publishes the ports we use."""
    remote, words = setup.pair.remote, ["docker", "run", "--rm", "--init", "--network", network]
    if is_this_computer(remote.host):
        for port in (remote.dicom, remote.rest):
            words += ["-p", f"{remote.host}:{port}:{port}"]
    words += ["-v", f"{target}:/etc/orthanc/orthanc.json:ro"]
    words += ["-v", f"{setup.worklists}:{setup.worklists}:ro"]
    return f"{shlex.join(words)} IMAGE"
