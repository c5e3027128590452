"""The exchange tables: how long records take, what is not finished, what has outlived its time.

Their times are ``timestamp without time zone`` in the site's local time and are read in the site's zone, whatever the
server's is. None of them has an index: what only a full scan can tell is told by one scan, under the time limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.learnt import learnt
from runbook.targets.postgres.access import Access, statement
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.structs import Batch, ExchangeLatency, StagingTable
from runbook.text import text

if TYPE_CHECKING:
    from psycopg import sql

RESPONSES = "tbae009_respuesta"
STATUSES = "ctmu011_estatus_procesamiento"
SUBSYSTEMS = "ctmu009_subsistema"
#: Responses that are read at once on the way back to the window's start.
_BLOCK = 5000


@dataclass(frozen=True)
class ExchangeTable:
    """One exchange table as it stands in this database; ``columns`` maps names to types."""

    access: Access
    name: str
    oid: int
    columns: dict[str, str]

    def names(self) -> dict[str, sql.Composable]:
        """What its statements are filled with: names, and its times as moments."""
        from psycopg import sql

        time = sql.Identifier("staged", self.access.settings.time_column)
        has_subsystem = "id_subsistema" in self.columns
        return {
            "table": within(self.access, self.name),
            "responses": within(self.access, RESPONSES),
            "subsystems": within(self.access, SUBSYSTEMS),
            "subsystem": sql.Identifier("staged", "id_subsistema") if has_subsystem else sql.SQL("NULL::integer"),
            "time": time,
            "moment": self.moment(time),
            "earliest": self.moment(sql.SQL("min({})").format(time)),
            "cutoff": self.local(sql.SQL("now() - %(retention)s::interval")),
        }

    def moment(self, time: sql.Composable) -> sql.Composable:
        """The column's value as an aware moment: read in the site's zone where it has none of its own."""
        from psycopg import sql

        return time if self._aware else sql.SQL("({} AT TIME ZONE %(zone)s)").format(time)

    def day(self) -> sql.Composable:
        """The day of the site's calendar on which a record came."""
        from psycopg import sql

        time = sql.Identifier("staged", self.access.settings.time_column)
        local = sql.SQL("({} AT TIME ZONE %(zone)s)").format(time) if self._aware else time
        return sql.SQL("{}::date").format(local)

    def local(self, moment: sql.Composable) -> sql.Composable:
        """The reverse: a moment as the column would hold it."""
        from psycopg import sql

        return moment if self._aware else sql.SQL("(({}) AT TIME ZONE %(zone)s)").format(moment)

    @cached_property
    def _aware(self) -> bool:
        return self.columns[self.access.settings.time_column] == "timestamptz"


def latencies(reader: Line, zone: str, window: timedelta) -> tuple[ExchangeLatency, ...]:
    """How long records took and wait, per exchange table in the order of the settings."""
    given = window_of(reader, zone, window)
    return tuple(_latency(reader, table, given) for table in tables(reader))


def batches(reader: Line, zone: str) -> tuple[Batch, ...]:
    """The unfinished records by table and subsystem, the largest batch first."""
    given = {"zone": zone, "unfinished": unfinished(reader)}
    found = [batch for table in tables(reader) for batch in _batches(reader, table, given)]
    return tuple(sorted(found, key=lambda batch: -batch.waiting))


def consolidation_rate(reader: Line, zone: str, window: timedelta) -> float:
    """Records answered a second, all exchange tables together."""
    given = window_of(reader, zone, window)
    query = statement("responses_in_window", responses=within(reader.access, RESPONSES))
    return float(reader.row(query, given)["finished"] / window.total_seconds())


def staging(reader: Line, zone: str) -> tuple[StagingTable, ...]:
    """What has outlived the retention, per exchange table in the order of the settings."""
    given = {"zone": zone, "retention": timedelta(days=reader.access.settings.retention_days)}
    return tuple(_staging(reader, table, given) for table in tables(reader))


def _latency(reader: Line, table: ExchangeTable, given: dict[str, Any]) -> ExchangeLatency:
    finished = reader.row(statement("finished_records", **table.names()), given)
    unfinished = reader.row(statement("unfinished_records", **table.names()), given)
    nameless = finished.pop("null_times") + unfinished.pop("null_times")
    return ExchangeLatency(table=table.name, **finished, **unfinished, null_times=nameless)


def _batches(reader: Line, table: ExchangeTable, given: dict[str, Any]) -> tuple[Batch, ...]:
    from psycopg import sql

    moments = {f"{end}_moment": table.moment(sql.Identifier(f"{end}_time")) for end in ("first", "last")}
    rows = reader.rows(statement("batches", **table.names(), **moments), given)
    return tuple(msgspec.convert({**row, "table": table.name}, learnt(Batch)) for row in rows)


def _staging(reader: Line, table: ExchangeTable, given: dict[str, Any]) -> StagingTable:
    from psycopg import sql

    first = table.moment(sql.Identifier("first_time"))
    row = reader.row(statement("staging", **table.names(), first_moment=first), {**given, "table_oid": table.oid})
    return StagingTable(table=table.name, **row)


def window_of(reader: Line, zone: str, window: timedelta) -> dict[str, Any]:
    """Parameters that bound the responses to a window, on the server's clock."""
    query = statement("window_start", responses=within(reader.access, RESPONSES))
    start = reader.row(query, {"window": window, "zone": zone, "block": _BLOCK})
    return {**start, "zone": zone, "unfinished": unfinished(reader)}


def unfinished(reader: Line) -> list[int]:
    """The numbers of the unfinished statuses. Raises ProbeError(ABSENT): a name that is not there hides the backlog."""
    return status_ids(reader, reader.access.settings.unfinished_statuses, "unfinished_statuses")


def status_ids(reader: Line, names: Iterable[str], setting: str) -> list[int]:
    """The numbers of the statuses of these names. Raises ProbeError(ABSENT), naming the setting that they are from."""
    rows = reader.rows(statement("statuses", statuses=within(reader.access, STATUSES)))
    wanted = {name.strip().upper() for name in names}
    if missing := wanted - {row["name"] for row in rows}:
        words = text(
            "{table} has no status {missing}: correct {setting} (there are {known})",
            table=STATUSES,
            missing=", ".join(sorted(missing)),
            setting=f"{reader.access.setting}.{setting}",
            known=", ".join(row["name"] for row in rows),
        )
        raise ProbeError(reader.access.target, ProbeFailure.ABSENT, words)
    return [row["id"] for row in rows if row["name"] in wanted]


def tables(reader: Line) -> list[ExchangeTable]:
    """The exchange tables of the settings. Raises ProbeError(ABSENT) for one that is not there or lacks a column."""
    wanted = reader.access.settings.exchange_tables
    found = columns_of(reader, wanted)
    return [_table(reader.access, name, found.get(name, [])) for name in wanted]


def columns_of(reader: Line, tables: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """The columns of tables of the site's schema; what is no table is left out."""
    given = {"schema": reader.access.settings.schema, "tables": list(tables)}
    rows = reader.rows(statement("table_columns"), given)
    return {name: list(columns) for name, columns in groupby(rows, key=lambda row: str(row["table"]))}


def _table(access: Access, name: str, rows: list[dict[str, Any]]) -> ExchangeTable:
    columns = {row["column"]: row["type"] for row in rows}
    for needed in ("uuid", "id_estatus_procesamiento", access.settings.time_column):
        if needed not in columns:
            words = text(
                "{schema}.{table} has no column {column}: see schema, exchange_tables and time_column in {setting}",
                schema=access.settings.schema,
                table=name,
                column=needed,
                setting=access.setting,
            )
            raise ProbeError(access.target, ProbeFailure.ABSENT, words)
    return ExchangeTable(access, name, rows[0]["table_oid"], columns)


def within(access: Access, table: str) -> sql.Composable:
    """A table of the site's schema."""
    from psycopg import sql

    return sql.Identifier(access.settings.schema, table)
