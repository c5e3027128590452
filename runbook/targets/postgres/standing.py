"""The records themselves: what stands where, what came twice, what was answered, what the core does not have.

Nothing of this has an index in production. What only a full scan can tell is told by one scan of each table for all
rows that ask, under the time limit; what is bounded by a window reads the answers from the window's start on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from runbook.learnt import learnt
from runbook.targets.postgres.access import Access, statement
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.exchange import (
    STATUSES,
    SUBSYSTEMS,
    ExchangeTable,
    columns_of,
    status_ids,
    tables,
    window_of,
    within,
)
from runbook.targets.postgres.record_structs import (
    Absent,
    Answers,
    CatalogueValue,
    Duplicates,
    Enrolments,
    MotiveUse,
    Standing,
)

if TYPE_CHECKING:
    from psycopg import sql

ERRORS = "tbae010_error"
MOTIVES, ENROLMENT_STATUSES = "ctmu008_motivo_error", "ctmu014_estatus_inscripcion"
PERSONS, STUDENTS, ENROLMENTS = "tbmu002_persona", "tbmu020_alumno", "tbmu006_inscripcion"
#: The event that a record tells: who, what and when.
KEYS = {
    "tbae001_inscripcion": (
        "id_subsistema",
        "matricula_alumno",
        "curp_actual",
        "cve_programa_academico",
        "ciclo_escolar",
        "fecha_inscripcion",
    ),
    "tbae002_bajas": ("id_subsistema", "matricula_alumno", "curp", "tipo_baja", "fecha_baja"),
    "tbae005_asistencias": ("curp", "cve_asignatura", "fecha_asistencia"),
    "tbae007_calificaciones": ("curp", "cve_asignatura", "fecha_calificacion"),
}
#: What becomes of a person's records, beside the enrolments.
CORE = {
    "tbae002_bajas": "tbmu013_bajas",
    "tbae005_asistencias": "tbmu018_asistencias",
    "tbae007_calificaciones": "tbmu019_calificaciones",
}
_CURPS = ("curp_actual", "curp")


class Core(NamedTuple):
    """A subquery that finds what became of a record, and the tables that it looks at."""

    query: sql.Composable
    tables: tuple[str, ...]


def standing(reader: Line, zone: str) -> tuple[Standing, ...]:
    """What stands in the exchange tables, in the order of the settings, then of statuses and subsystems."""
    statuses = {row["id"]: row["name"] for row in reader.rows(statement("statuses", statuses=_in(reader, STATUSES)))}
    return tuple(found for table in tables(reader) for found in _standing(reader, table, statuses, zone))


def catalogue_values(reader: Line) -> tuple[CatalogueValue, ...]:
    """The values of all catalogues."""
    names = {
        "statuses": STATUSES,
        "subsystems": SUBSYSTEMS,
        "motives": MOTIVES,
        "enrolment_statuses": ENROLMENT_STATUSES,
    }
    query = statement("catalogue_values", **{name: _in(reader, table) for name, table in names.items()})
    return reader.structs(CatalogueValue, query)


def motive_uses(reader: Line) -> tuple[MotiveUse, ...]:
    """The motives that errors have."""
    return reader.structs(MotiveUse, statement("motive_uses", errors=_in(reader, ERRORS)))


def duplicates(reader: Line, zone: str, since: timedelta) -> tuple[Duplicates, ...]:
    """What came twice, per exchange table in the order of the settings."""
    return tuple(_duplicates(reader, table, {"zone": zone, "since": since}) for table in tables(reader))


def answers(reader: Line, zone: str, window: timedelta) -> tuple[Answers, ...]:
    """What was answered in the window, by table, subsystem and motive."""
    given = window_of(reader, zone, window)
    more = {"errors": _in(reader, ERRORS), "motives": _in(reader, MOTIVES)}
    found = []
    for table in tables(reader):
        rows = reader.rows(statement("answers", **table.names(), **more), given)
        found += [msgspec.convert({**row, "table": table.name}, learnt(Answers)) for row in rows]
    return tuple(found)


def absent(reader: Line, zone: str, window: timedelta, settle: timedelta) -> tuple[Absent, ...]:
    """What the core lacks of what was answered as consolidated, per exchange table."""
    asked = reader.access.settings.records.consolidated_statuses
    consolidated = status_ids(reader, asked, "records.consolidated_statuses")
    given = {**window_of(reader, zone, window), "settle": settle, "consolidated": consolidated}
    core = {name: {row["column"] for row in rows} for name, rows in columns_of(reader, CORE.values()).items()}
    return tuple(_absent(reader, table, core, given) for table in tables(reader))


def enrolments(reader: Line, zone: str) -> tuple[Enrolments, ...]:
    """The enrolments of the core by status and subsystem."""
    query = statement("enrolments", enrolments=_in(reader, ENROLMENTS))
    return reader.structs(Enrolments, query, {"zone": zone})


def _standing(reader: Line, table: ExchangeTable, statuses: dict[int, str], zone: str) -> list[Standing]:
    from psycopg import sql

    bounds = {"first_moment": "min(first_time)", "last_moment": "max(last_time)"}
    moments = {name: table.moment(sql.SQL(bound)) for name, bound in bounds.items()}
    rows = reader.rows(statement("standing", **table.names(), day=table.day(), **moments), {"zone": zone})
    ended = {name.strip().upper() for name in reader.access.settings.records.ended_statuses}
    for row in rows:
        status = statuses.get(row["status_id"], "")
        row |= {"table": table.name, "status": status, "ended": status in ended}
    return [msgspec.convert(row, learnt(Standing)) for row in rows]


def _duplicates(reader: Line, table: ExchangeTable, given: dict[str, Any]) -> Duplicates:
    from psycopg import sql

    wanted = reader.access.settings.records.keys.get(table.name, KEYS.get(table.name, ()))
    if not wanted or not set(wanted) <= table.columns.keys():
        return Duplicates(table=table.name, key=())
    key = sql.SQL(", ").join(sql.Identifier("staged", column) for column in wanted)
    since = table.local(sql.SQL("now() - %(since)s::interval"))
    names = {**table.names(), "key": key, "event_time": sql.Identifier("staged", wanted[-1])}
    row = reader.row(statement("duplicates", **names, since=since), given)
    return Duplicates(table=table.name, key=tuple(wanted), **{**row, "sample": tuple(row["sample"])})


def _absent(reader: Line, table: ExchangeTable, columns: dict[str, set[str]], given: dict[str, Any]) -> Absent:
    from psycopg import sql

    curp = next((name for name in _CURPS if name in table.columns), None)
    if curp is None:
        return Absent(table=table.name, by=())
    core = _core(reader.access, table, columns)
    names = {**table.names(), "curp": sql.Identifier("staged", curp), "core": core.query}
    row = reader.row(statement("absent_from_core", **names), given)
    return Absent(table=table.name, by=core.tables, **{**row, "sample": tuple(row["sample"])})


def _core(access: Access, table: ExchangeTable, columns: dict[str, set[str]]) -> Core:
    """Enrolments hang on the student of the same subsystem; the others on the person, where their table says so."""
    from psycopg import sql

    if table.name == "tbae001_inscripcion":
        same = sql.SQL(" AND {}.id_subsistema = consolidated.subsystem_id").format(sql.Identifier(STUDENTS))
        return _joined(access, {STUDENTS: "id_persona", ENROLMENTS: "id_alumno"}, same)
    core = CORE.get(table.name, "")
    return _joined(access, {core: "id_persona"} if "id_persona" in columns.get(core, ()) else {})


def _joined(access: Access, joins: dict[str, str], more: sql.Composable | None = None) -> Core:
    from psycopg import sql

    joined = [
        sql.SQL(" JOIN {} AS {} USING ({})").format(within(access, table), *map(sql.Identifier, (table, column)))
        for table, column in joins.items()
    ]
    persons = sql.SQL("SELECT FROM {} AS person").format(within(access, PERSONS))
    condition = sql.SQL(" WHERE person.curp = consolidated.curp")
    return Core(sql.Composed([persons, *joined, condition, *([more] if more else [])]), (PERSONS, *joins))


def _in(reader: Line, table: str) -> sql.Composable:
    return within(reader.access, table)
