"""The indexes that there are: what each is for, how often it is used, and the foreign keys that have none."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta

import msgspec

from runbook.targets.postgres.access import Access, quoted, statement
from runbook.targets.postgres.activity import seeing
from runbook.targets.postgres.candidates import Candidate
from runbook.targets.postgres.connection import ANSWER_SECONDS, Line, mapped, opened
from runbook.targets.postgres.failures import blind
from runbook.targets.postgres.structs import Noun
from runbook.text import text


class ForeignKey(Noun, frozen=True, kw_only=True):
    """A foreign key of one column; ``parent_deleted`` rows of its parent went since the statistics began.

    ``rows`` is the planner's estimate, ``index`` the valid index of all rows that begins with the column.
    """

    table: str
    table_oid: int
    column: str
    parent: str
    rows: int
    bytes: int
    parent_deleted: int
    index: str | None

    @property
    def wanted(self) -> Candidate:
        """The index that it lacks."""
        return Candidate(self.table, self.table_oid, float(self.rows), (self.column,))

    @property
    def question(self) -> str:
        """What the server asks for each row that is deleted from the parent."""
        return f"SELECT 1 FROM ONLY {quoted(self.table)} x WHERE x.{quoted(self.column)} = $1"


class StoredIndex(Noun, frozen=True, kw_only=True):
    """One index as it stands.

    ``key`` are its columns or expressions, ``orders`` their operator classes, collations and directions; ``predicate``
    is empty for all rows. ``enforces`` says that a constraint or uniqueness hangs on it, ``identifies`` that
    replication does. ``phase`` and ``percent`` are of a build that runs now. ``bytes`` as of the last vacuum.
    """

    schema: str
    table: str
    name: str
    definition: str
    method: str
    key: tuple[str, ...]
    orders: tuple[str, ...]
    included: tuple[str, ...]
    predicate: str
    valid: bool
    primary: bool
    enforces: bool
    identifies: bool
    bytes: int
    phase: str | None = None
    percent: float | None = None

    @property
    def droppable(self) -> bool:
        """Whether nothing but speed hangs on it and nobody builds it now."""
        return not (self.primary or self.enforces or self.identifies or self.phase)

    @property
    def drop_command(self) -> str:
        """What a person would run to drop it without blocking writers."""
        return f"DROP INDEX CONCURRENTLY {quoted(self.schema)}.{quoted(self.name)};"

    @property
    def build_command(self) -> str:
        """What a person would run to have it back, without blocking writers."""
        return self.definition.replace(" INDEX ", " INDEX CONCURRENTLY ", 1) + ";"

    @property
    def rebuild_command(self) -> str:
        """What a person would run to build it anew in its place."""
        return f"REINDEX INDEX CONCURRENTLY {quoted(self.schema)}.{quoted(self.name)};"


class IndexUses(Noun, frozen=True, kw_only=True):
    """How often each index was used, on the primary and all standbys together, counted for at least ``age``."""

    age: timedelta
    scans: dict[str, int]
    servers: int


def foreign_keys(reader: Line) -> tuple[ForeignKey, ...]:
    """Those of one column on the exchange and core tables, by table and column."""
    return reader.structs(ForeignKey, statement("foreign_keys"), {"schema": reader.access.settings.schema})


def indexes(reader: Line) -> tuple[StoredIndex, ...]:
    """Those of the exchange and core tables, by table and name. A build in progress shows to pg_monitor only."""
    seeing(reader)
    return reader.structs(StoredIndex, statement("stored_indexes"), {"schema": reader.access.settings.schema})


def uses(reader: Line) -> IndexUses:
    """Scans of all servers together. Raises ProbeError(BLIND) where some server's are not known."""
    _all_known(reader)
    counts = [_scans(reader), *(_of_standby(reader.access, where) for where in reader.access.settings.standbys)]
    names = {name for scans, _ in counts for name in scans}
    total = {name: sum(scans.get(name, 0) for scans, _ in counts) for name in sorted(names)}
    return IndexUses(age=timedelta(seconds=min(seconds for _, seconds in counts)), scans=total, servers=len(counts))


def _all_known(reader: Line) -> None:
    """What is unused here may be what a standby's reports live on."""
    setting, known = f"{reader.access.setting}.standbys", reader.access.settings.standbys
    if seeing(reader)["in_recovery"]:
        raise blind(reader.access, text("This is a standby: how the primary uses its indexes is not seen from here"))
    following = reader.rows(statement("followers"))
    if len(following) > len(known):
        names = ", ".join(f"{row['name']} ({row['address']})" for row in following)
        words = text(
            "{count} standbys follow ({names}) and {setting} names {known}: their use of the indexes is not seen",
            count=len(following),
            names=names,
            setting=setting,
            known=len(known),
        )
        raise blind(reader.access, words)


def _of_standby(access: Access, where: str) -> tuple[dict[str, int], float]:
    host, _, port = where.partition(":")
    settings = msgspec.structs.replace(access.settings, host=host, port=int(port or access.settings.port))
    there = Access(access.target, access.setting, settings)
    ends_at = time.monotonic() + ANSWER_SECONDS
    with closing(opened(there, "reader")) as connection, mapped(there, connection, ends_at):
        return _scans(Line(there, connection, ends_at))


def _scans(reader: Line) -> tuple[dict[str, int], float]:
    rows = reader.rows(statement("index_scans"), {"schema": reader.access.settings.schema})
    return {row["name"]: row["scans"] for row in rows}, min((row["seconds"] for row in rows), default=0.0)
