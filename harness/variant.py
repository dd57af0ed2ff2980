"""The set-up of a server for a group of cases, if it differs from the usual one."""

from dataclasses import dataclass

DATABASES = ("postgresql", "mariadb")


@dataclass(frozen=True, order=True)
class Variant:
    """Differences from the usual set-up, `USUAL`; cases with the same ones run in sequence."""

    settings: tuple[str, ...] = ()
    """Additional settings of the server, in the notation of `--with`: `StorageCompression=true`."""
    tls: tuple[str, ...] = ()
    """The interfaces (`dicom`, `http`) that use TLS and accept only clients with a certificate."""
    database: str = ""
    """The database of its index and objects, one of `DATABASES`; empty if it uses its own files."""
    previous: bool = False
    """Whether to start the earlier release of `--previous`; the case upgrades it while it runs."""

    plugins: tuple[str, ...] = ()
    """Additional plugins to load, named as for the option `--plugin`."""

    def __bool__(self) -> bool:
        return self != USUAL

    def __or__(self, other: "Variant") -> "Variant":
        """Return the differences of both; if both name a database, that of `other` is used."""
        return Variant(
            tuple(sorted({*self.settings, *other.settings})),
            tuple(sorted({*self.tls, *other.tls})),
            other.database or self.database,
            self.previous or other.previous,
            tuple(sorted({*self.plugins, *other.plugins})),
        )

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the capabilities that this set-up requires of the server and the harness."""
        wanted = {
            "server.configure": bool(self.settings),
            "server.tls": bool(self.tls),
            f"database.{self.database}": bool(self.database),
            "server.upgrade": self.previous,
            f"database.{self.database}.upgrade": bool(self.database) and self.previous,
        }
        named = (f"plugin.{each}" for each in self.plugins)
        return (*named, *(name for name, is_wanted in wanted.items() if is_wanted))

    @property
    def words(self) -> tuple[str, ...]:
        """Short descriptions of the differences, for the record of a case."""
        return (
            *(f"configured with {each}" for each in self.settings),
            *(f"{each} over TLS, with client certificates" for each in self.tls),
            *([f"on {self.database}"] if self.database else ()),
            *(f"with the plugin {each}" for each in self.plugins),
            *(["starting with the previous release"] if self.previous else ()),
        )


USUAL = Variant()
