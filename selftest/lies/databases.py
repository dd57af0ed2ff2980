"""Faults of servers on a database, of two servers sharing one, and of a server upgraded on one."""

from lies.plugins import lie, swap
from lies.scenarios import OPTIONS, more, one_less
from support.lies import Group
from support.server_faults import NextLife, WrongSetup

KINDS = ("postgresql", "mariadb")


def on_each(*cases: str) -> tuple[str, ...]:
    """Return the case ids for each database."""
    return tuple(f"{case}[{kind}]" for case in cases for kind in KINDS)


LIES = (
    NextLife(lie("an object was in the folder after all", "GET", "/instances", one_less,
                 *on_each("DBASE-001"))),
    NextLife(lie("a value is lost in a crash", "GET", ".*/metadata/1024", swap(b"r", b"x"),
                 *on_each("DBASE-002"))),
    WrongSetup("a second server is let in", ("PostgreSQL.Lock=false", "MySQL.Lock=false"),
               frozenset(on_each("DBASE-003"))),
    lie("what the other server has stored is not there", "GET", "/instances", one_less,
        *on_each("DBASE-003", "DBASE-004", "DBASE-005")),
    lie("what both have stored is counted twice", "GET", "/statistics", more("CountInstances"),
        *on_each("DBASE-004", "DBASE-005")),
    lie("the other server's file is another", "GET", "/instances/.*/file", swap(b"DICM", b"DICX"),
        *on_each("DBASE-004")),
    NextLife(lie("something is left after an upgrade", "GET", "/statistics", more("TotalDiskSize"),
                 *on_each("UPGR-010"), "UPGR-011")),
    NextLife(lie("tags are not taken over", "GET", ".*/simplified-tags",
                 swap(b"SOPInstanceUID", b"SOPInstanceXID"), *on_each("UPGR-010"), "UPGR-011")),
)  # fmt: skip

GROUP = Group(
    "databases",
    sample=tuple(sorted({case.partition("[")[0] for each in LIES for case in each.fails})),
    lies=LIES,
    crosswise=False,
    smoke=False,
    options=OPTIONS,
    databases=KINDS,
)
