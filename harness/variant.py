"""How a server is set up for a group of cases, where that differs from the usual set-up."""

from dataclasses import dataclass

DATABASES = ("postgresql", "mariadb")


@dataclass(frozen=True, order=True)
class Variant:
    """What differs; cases that want the same run one after another. The usual set-up is `USUAL`."""

    settings: tuple[str, ...] = ()
    """What its configuration says besides, as `--with` takes it: `StorageCompression=true`."""
    tls: tuple[str, ...] = ()
    """The doors, `dicom` and `http`, that speak TLS, and let in only clients that show a certificate."""
    database: str = ""
    """Where it keeps its index and objects, one of `DATABASES`; empty for its own files."""
    previous: bool = False
    """It is the earlier release of `--previous`, which is upgraded in the middle of a case."""

    def __bool__(self) -> bool:
        return self != USUAL

    def __or__(self, other: "Variant") -> "Variant":
        """Return what differs by either; where both name a database, it is that of `other`."""
        return Variant(
            tuple(sorted({*self.settings, *other.settings})),
            tuple(sorted({*self.tls, *other.tls})),
            other.database or self.database,
            self.previous or other.previous,
        )

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of what a server and the harness must be able to do for it."""
        wanted = {
            "server.configure": bool(self.settings),
            "server.tls": bool(self.tls),
            f"database.{self.database}": bool(self.database),
            "server.upgrade": self.previous,
        }
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    @property
    def words(self) -> tuple[str, ...]:
        """What differs, a few words each, for the record of a case."""
        return (
            *(f"configured with {each}" for each in self.settings),
            *(f"{each} over TLS, with client certificates" for each in self.tls),
            *([f"on {self.database}"] if self.database else ()),
            *(["begun with the previous release"] if self.previous else ()),
        )


USUAL = Variant()
