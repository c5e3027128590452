"""The four kinds of record that subsystems send, and the exchange table of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from lab import records

if TYPE_CHECKING:
    from psycopg import sql

Kind = Literal["inscripcion", "baja", "asistencia", "calificacion"]
CURP_FORM = r"^[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d$"


class Event(msgspec.Struct, frozen=True):
    """One message of the queue: what a subsystem says of one student. ``registro`` is a row of the exchange table."""

    tipo: Kind
    transaction_id: str
    curp: Annotated[str, msgspec.Meta(pattern=CURP_FORM)]
    registro: dict[str, str | int | None]


@dataclass(frozen=True)
class Exchange:
    """An exchange table and the ``columns`` of it that the subsystem sends."""

    table: str
    columns: tuple[str, ...]

    def insert(self) -> sql.Composed:
        """The statement that stores a record: ``columns``, then the status. Delivered twice, it is stored once."""
        from psycopg import sql

        names = (*self.columns, "id_estatus_procesamiento")
        return sql.SQL(
            "INSERT INTO {} ({}, fecha_actualizacion) VALUES ({}, localtimestamp) ON CONFLICT (uuid) DO NOTHING"
        ).format(
            sql.Identifier(self.table),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join([sql.Placeholder()] * len(names)),
        )


EXCHANGES: dict[Kind, Exchange] = {
    "inscripcion": Exchange("tbae001_inscripcion", records.ENROLMENT_COLUMNS),
    "baja": Exchange("tbae002_bajas", tuple(records.leave(0))),
    "asistencia": Exchange("tbae005_asistencias", tuple(records.attendance(0))),
    "calificacion": Exchange("tbae007_calificaciones", tuple(records.grade(0))),
}
