"""A backup restored into a new database on a server, never over one that holds anything.

The database is made under a name that says it is not whole, filled, compared with the manifest, and takes its own name
last; whatever goes wrong before that drops it again. What a killed process leaves behind is known by its name.
"""

from __future__ import annotations

import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from procedures.backup import choosing, comparing, milestones, roles
from procedures.backup.choosing import Chosen
from procedures.backup.comparing import Differing
from procedures.backup.destination import Destination, Wanted, objections
from procedures.backup.filling import Filling
from procedures.backup.leases import leased
from procedures.backup.places import Place, place_of, store_at
from procedures.backup.programs import programs_of
from procedures.backup.proof_folders import check_room, folder_of
from procedures.backup.refusing import restore_refused
from procedures.backup.sources import Source
from procedures.backup.watching import Unwatched, Watch, ignored, telling
from runbook.errors import ActionError, RunbookError
from runbook.site import Site
from runbook.targets.postgres.access import quoted
from runbook.targets.postgres.working import working
from runbook.targets.s3.objects import ObjectStore
from runbook.text import Text, text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

_OPERATION = "restore-backup"
_RESERVE = 200 * 10**6
#: Whatever the database's own settings say, it is filled.
_WRITABLE = "-c default_transaction_read_only=off"


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What is found first: the backup, where it would go, what a killed run left there, and what forbids it."""

    backup: Chosen
    where: str
    left: tuple[str, ...] = ()
    objections: tuple[Text, ...] = ()


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """A restored database: as many rows in every table as in the snapshot."""

    backup: Chosen
    database: str
    where: str
    tables: int
    rows: int
    roles: tuple[str, ...]
    took: timedelta


def look(site: Site, folder: str | None, wanted: Wanted) -> Outlook:
    """What would be restored where, and what forbids it. Changes nothing.

    Raises ActionError where there is no such backup or the server lets nobody in, SettingsError, ProbeError.
    """
    place = place_of(site)
    destination = Destination.of(place, wanted)
    with closing(store_at(place, "reader")) as store:
        source = _source(place, store, choosing.chosen(store, place.prefix, folder))
        with working(destination.access("postgres"), _OPERATION) as connection:
            connection.execute("SET default_transaction_read_only = on")
            return _outlook(connection, destination, wanted, source)


def restore(
    site: Site,
    folder: str | None,
    wanted: Wanted,
    *,
    watch: Watch | None = None,
    seen: Callable[[Outlook], None] = ignored,
) -> Restored:
    """Restore the newest verified backup, or the named one, into ``wanted.to``; ``seen`` hears what is found there.

    Raises Refused where that holds anything or something else forbids it; ActionError, ProbeError for all that fails:
    then the database is gone again if it was made here. Roles that were made stay.
    """
    place = place_of(site)
    destination = Destination.of(place, wanted)
    with closing(store_at(place)) as store:
        backup = choosing.chosen(store, place.prefix, folder)
        with leased(store, place.prefix, backup.folder):
            source = _source(place, store, backup)
            return _Restoring(place, source, destination, wanted, watch or Unwatched()).restored(seen)


class _Restoring:
    """One restore, the lease held."""

    def __init__(self, place: Place, source: Source, destination: Destination, wanted: Wanted, watch: Watch) -> None:
        self._place, self._source, self._to, self._wanted, self._watch = place, source, destination, wanted, watch
        self._began = time.monotonic()

    def restored(self, seen: Callable[[Outlook], None]) -> Restored:
        """The whole way."""
        with working(self._to.access("postgres"), _OPERATION) as connection:
            found = _outlook(connection, self._to, self._wanted, self._source)
            seen(found)
            if found.objections:
                raise restore_refused(found.objections)
            script = self._source.globals() if self._wanted.globals else None
            made = roles.make_roles(connection, script, login=True) if script else ()
            there = self._to.exists(connection, self._wanted.to)
        if there:
            self._fill(self._wanted.to, together=True)
            self._prove(self._wanted.to)
        else:
            with self._new_database() as name:
                self._fill(name, together=False)
                milestones.reached("filled")
                self._prove(name)
            self._rename(name)
        milestones.reached("restored there")
        return self._told(made)

    @contextmanager
    def _new_database(self) -> Iterator[str]:
        """A database like the dumped one with its settings and rights, gone again where the block fails."""
        name = f"{_beginning(self._wanted.to)}_restoring_{secrets.token_hex(4)}"
        dumped = self._source.database()
        try:
            with working(self._to.access("postgres"), _OPERATION) as connection:
                connection.execute(f"CREATE DATABASE {quoted(name)} WITH {dumped.how}".encode())
                milestones.reached("database made")
                for statement in dumped.after:
                    connection.execute(_renamed(statement, dumped.name, quoted(name)).encode())
            yield name
        except _Kept:
            raise
        except BaseException:
            self._drop(name)
            raise

    def _drop(self, name: str) -> None:
        """By a session of its own: the others may be what failed."""
        try:
            with working(self._to.access("postgres"), _OPERATION) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)".encode())
        except RunbookError as error:
            said = text(
                "{database} is half restored and could not be dropped: {reason}", database=name, reason=error.said
            )
            raise ActionError("database", _OPERATION, said) from error

    def _fill(self, name: str, *, together: bool) -> None:
        backup, jobs = self._source.backup, self._wanted.jobs
        self._watch.stepped(text("Restoring {backup}", backup=backup.name), backup.manifest.dump_bytes)
        variables = {"PGOPTIONS": _WRITABLE}
        filling = Filling(self._source, self._to.access(name), telling(self._watch.moved), variables=variables)
        if jobs == 1:
            filling.whole(together=together)
            return
        below = folder_of(self._place.backup.proof)
        check_room(below, backup.manifest.dump_bytes + _RESERVE)
        with tempfile.TemporaryDirectory(prefix="muses-restore-", dir=below) as folder:
            filling.by_jobs(jobs, Path(folder))

    def _prove(self, name: str) -> None:
        """Every table's rows are as many as in the snapshot; then the planner is told what there is."""
        self._watch.stepped(text("Comparing"))
        with working(self._to.access(name), _OPERATION) as connection:
            if found := comparing.differing(connection, self._source.backup.manifest, None):
                raise _Kept("database", _OPERATION, _said(found, name))
            connection.execute("ANALYZE")

    def _rename(self, name: str) -> None:
        with working(self._to.access("postgres"), _OPERATION) as connection:
            connection.execute(f"ALTER DATABASE {quoted(name)} RENAME TO {quoted(self._wanted.to)}".encode())

    def _told(self, made: tuple[str, ...]) -> Restored:
        manifest = self._source.backup.manifest
        return Restored(
            backup=self._source.backup,
            database=self._wanted.to,
            where=self._to.where,
            tables=len(manifest.tables),
            rows=sum(manifest.tables.values()),
            roles=made,
            took=timedelta(seconds=time.monotonic() - self._began),
        )


class _Kept(ActionError):
    """What was restored is not what was dumped, and stays for who wants to know why."""


def _source(place: Place, store: ObjectStore, backup: Chosen) -> Source:
    programs = programs_of(backup.manifest.major, place.backup.programs)
    programs.path("pg_restore")
    return Source(store, backup, place.backup, programs)


def _outlook(connection: Connection, to: Destination, wanted: Wanted, source: Source) -> Outlook:
    return Outlook(
        backup=source.backup,
        where=to.where,
        left=_left(connection, wanted.to),
        objections=objections(connection, to, wanted, source),
    )


def _left(connection: Connection, to: str) -> tuple[str, ...]:
    """Databases of restores that were killed, or that work just now."""
    names = [row["datname"] for row in connection.execute("SELECT datname FROM pg_database").fetchall()]
    return tuple(name for name in names if re.fullmatch(re.escape(_beginning(to)) + r"_restoring_[0-9a-f]{8}", name))


def _beginning(name: str) -> str:
    """So much of a name that there is room for what says that the database is not whole."""
    return name.encode()[:40].decode(errors="ignore")


def _renamed(statement: str, old: str, new: str) -> str:
    """The statement about the dumped database, as one about the new."""
    return re.sub(rf"\bDATABASE {re.escape(old)}(?=\s|$)", lambda _: f"DATABASE {new}", statement, count=1)


def _said(found: Differing, name: str) -> Text:
    table, (expected, there) = next(iter(found.items()))
    return text(
        "{database} stays for inspection under this name: {table} has {found} rows and not {expected}, and {more} more "
        "tables differ",
        database=name,
        table=table,
        found=there,
        expected=expected,
        more=len(found) - 1,
    )
