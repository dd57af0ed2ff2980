"""`dcm forward --status` and `--retry-dead`, which work whether a forwarder is running or not."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dcm.cli.logs import LOG
from dcm.cli.output import print_json, print_text
from dcm.cli.usage import UsageError
from dcm.route.dead import count_dead, dead_folder, retry_dead
from dcm.route.queue import Queue, exists, queue_path
from dcm.route.spool import Spool, SpoolInUse, user_of
from dcm.sync.rates import bytes_text


def show(folder: str, *, as_json: bool) -> int:
    """Print what is waiting for each destination; return 1 if there are dead letters or problems."""
    found = _status(folder)
    if as_json:
        print_json(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print_text("\n".join(_lines(found)))
    bad = any(each["trouble"] or each["dead"] for each in found["destinations"].values())
    return 1 if bad else 0


def retry(folder: str, only: frozenset[str]) -> int:
    """Put dead letters back into the spool, and notify the forwarder, if one is running."""
    _require(folder)
    process = ""
    try:
        with Spool(folder) as spool:
            counts = retry_dead(folder, spool.queue, only or None)
    except SpoolInUse as used:
        process = used.process
        with Queue(queue_path(folder)) as queue:
            counts = retry_dead(folder, queue, only or None)
        if counts and _is_here(process, folder):
            os.kill(int(process), signal.SIGHUP)
        elif counts:
            LOG.warning(
                "the forwarder is running elsewhere, perhaps in a container: send it SIGHUP"
            )
    except sqlite3.Error as error:
        raise UsageError(f"the spool {folder} is not writable: {error}") from error
    for name, count in counts.items():
        print_text(f"{name}: {count} put back")
    if not counts:
        LOG.warning("no dead letters to retry in %s", dead_folder(folder))
    elif not process:
        LOG.warning("no forwarder is running on this spool: they will be tried when one starts")
    return 0


def _is_here(process: str, folder: str) -> bool:
    """Return whether the process has the spool's lock open: the PID may belong to a container."""
    try:
        lock = os.stat(os.path.join(folder, "lock"))
        return any(
            os.path.samestat(lock, os.stat(f"/proc/{process}/fd/{each}"))
            for each in os.listdir(f"/proc/{process}/fd")
        )
    except OSError:
        return False


def _require(folder: str) -> None:
    if not exists(folder):
        raise UsageError(f"no spool in {folder}: use --spool FOLDER")


def _status(folder: str) -> dict[str, Any]:
    _require(folder)
    with Queue(queue_path(folder), read_only=True) as queue:
        waiting, troubles = queue.waiting(), queue.troubles()
    dead = count_dead(folder)
    destinations = {}
    for name in sorted({*waiting, *troubles, *dead}):
        found = waiting.get(name)
        words, since = troubles.get(name, ("", 0.0))
        destinations[name] = {
            "waiting": found.objects if found else 0,
            "bytes": found.size if found else 0,
            "oldest": _moment(found.oldest) if found else None,
            "trouble": words,
            "since": _moment(since) if words else None,
            "dead": dead.get(name, 0),
        }
    return {"spool": folder, "process": user_of(folder), "destinations": destinations}


def _lines(found: Mapping[str, Any]) -> list[str]:
    process = found["process"]
    runs = f"used by process {process}" if process else "no forwarder is running on it"
    lines = [f"{found['spool']}: {runs}"]
    if not found["destinations"]:
        lines.append("nothing is waiting")
    now = time.time()
    for name, each in found["destinations"].items():
        parts = [f"{each['waiting']} wait ({bytes_text(each['bytes'])})"]
        if each["oldest"]:
            parts.append(f"since {each['oldest']} ({_span(now, each['oldest'])})")
        if each["dead"]:
            parts.append(f"{each['dead']} dead letters")
        lines.append(f"{name}: {', '.join(parts)}")
        if each["trouble"]:
            lines.append(f"  since {each['since']}: {each['trouble']}")
    return lines


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _span(now: float, since: str) -> str:
    """Describe a duration."""
    left = max(0, int(now - datetime.fromisoformat(since).timestamp()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if left >= 2 * size:
            return f"{left // size} {unit}"
    return f"{left} s"
