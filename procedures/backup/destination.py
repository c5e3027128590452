"""Where a backup is to be restored: a server, a database that is not there yet, and who may make it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

import msgspec

from procedures.backup import roles
from procedures.backup.places import Place
from procedures.backup.sources import Source
from runbook.errors import ActionError, NotConfigured
from runbook.settings import DatabaseSettings, Login
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import working
from runbook.text import Text, text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

_OPERATION = "restore-backup"
#: A name in PostgreSQL is at most so many bytes long.
_LONGEST = 63
_SYSTEM = ("postgres", "template0", "template1")

_SERVER = """
SELECT current_setting('server_version_num')::int / 10000 AS major, pg_is_in_recovery() AS replica,
    rolcreatedb OR rolsuper AS makes_databases, rolcreaterole OR rolsuper AS makes_roles, rolname AS role
FROM pg_roles WHERE rolname = current_user
"""
_CONTENTS = """
SELECT (SELECT count(*) FROM pg_class AS c WHERE c.relnamespace NOT IN (SELECT oid FROM system)
        AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
            AND d.deptype = 'e'))
    + (SELECT count(*) FROM pg_proc AS p WHERE p.pronamespace NOT IN (SELECT oid FROM system)
        AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
            AND d.deptype = 'e'))
    + (SELECT count(*) FROM pg_largeobject_metadata) AS objects
"""
_SYSTEM_SCHEMAS = """
WITH system AS (
    SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema') OR nspname ~ '^pg_(toast|temp)'
)
"""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. Without ``host``, ``port`` and ``user`` it is the site's server, under its operator."""

    to: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    globals: bool = False
    jobs: int = 1


class Destination(msgspec.Struct, frozen=True):
    """A server and who logs in to it."""

    settings: DatabaseSettings
    setting: str

    @classmethod
    def of(cls, place: Place, wanted: Wanted) -> Self:
        """The server that was asked for.

        The operator's password goes to the site's own server only: elsewhere a user must be named, whose password libpq
        finds (PGPASSWORD, PGPASSFILE, ~/.pgpass). Raises ActionError where none is, NotConfigured without an operator.
        """
        site = place.access.settings
        host, port = wanted.host or site.host, wanted.port or site.port
        if wanted.user is None and (host, port) != (site.host, site.port):
            said = text("{where} is not the site's server: say with --user who restores there", where=f"{host}:{port}")
            raise ActionError("database", _OPERATION, said, refused=True)
        login = Login(user=wanted.user) if wanted.user else site.operator
        if login is None:
            raise NotConfigured("database", f"{place.access.setting}.operator")
        settings = msgspec.structs.replace(site, host=host, port=port, operator=login)
        return cls(settings, place.access.setting if wanted.user is None else _OPERATION)

    @property
    def where(self) -> str:
        """The server as people name it."""
        return f"{self.settings.host}:{self.settings.port}"

    def access(self, database: str) -> Access:
        """How to get into one of its databases."""
        return Access("database", self.setting, msgspec.structs.replace(self.settings, name=database))

    def exists(self, connection: Connection, database: str) -> bool:
        """Whether it has such a database."""
        return bool(connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).rowcount)

    def objects(self, database: str) -> int:
        """How many tables, functions and large objects a database holds, beside what extensions brought."""
        with working(self.access(database), _OPERATION) as connection:
            (row,) = connection.execute(_SYSTEM_SCHEMAS + _CONTENTS).fetchall()
            return int(row["objects"])


def objections(connection: Connection, to: Destination, wanted: Wanted, source: Source) -> tuple[Text, ...]:
    """What forbids to restore there; empty when nothing does."""
    return tuple(_objections(connection, to, wanted, source))


def _objections(connection: Connection, to: Destination, wanted: Wanted, source: Source) -> Iterator[Text]:
    (server,) = connection.execute(_SERVER).fetchall()
    if not wanted.to or len(wanted.to.encode()) > _LONGEST or wanted.to in _SYSTEM:
        yield text("{database} is no name for a database of its own", database=wanted.to)
    if server["replica"]:
        yield text("{where} is a replica: nothing can be restored there", where=to.where)
    if server["major"] < source.backup.manifest.major:
        yield text(
            "{where} is PostgreSQL {found}; a dump of {major} is not restored into an older one",
            where=to.where,
            found=server["major"],
            major=source.backup.manifest.major,
        )
    yield from _of_database(connection, to, wanted, server)
    yield from _of_roles(connection, wanted, source, server)


def _of_database(connection: Connection, to: Destination, wanted: Wanted, server: dict[str, object]) -> Iterator[Text]:
    if not to.exists(connection, wanted.to):
        if not server["makes_databases"]:
            yield text("{role} may not make databases: say with --user who may", role=server["role"])
    elif wanted.to not in _SYSTEM and (count := to.objects(wanted.to)):
        yield text(
            "{database} is there and holds {count} tables, functions or large objects: nothing is restored over them; "
            "name a database that is not there",
            database=wanted.to,
            count=count,
        )


def _of_roles(connection: Connection, wanted: Wanted, source: Source, server: dict[str, object]) -> Iterator[Text]:
    script = source.globals()
    missing = roles.missing(connection, script) if script else ()
    if not missing:
        return
    if not wanted.globals:
        names = ", ".join(missing)
        yield text("The server lacks roles of the backup ({roles}): --globals makes them", roles=names)
    elif not server["makes_roles"]:
        yield text("{role} may not make roles: say with --user who may", role=server["role"])
