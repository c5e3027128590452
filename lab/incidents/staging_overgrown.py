"""``staging-overgrown``: finished records lie in the exchange tables long past their ninety days."""

from __future__ import annotations

from datetime import datetime, timedelta

from lab import records
from lab.incidents import database
from lab.incidents.breakage import Breakage
from lab.incidents.truth import NONE, Truth
from lab.place import Place

OVERDUE = 12_000
#: How old they are, days: the youngest and the oldest.
_YOUNGEST, _OLDEST = 91, 150
_OLD = "fecha_actualizacion < localtimestamp - interval '90 days'"


def _apply(place: Place) -> None:
    if _is_broken(place):
        return
    oldest = datetime.now(records.ZONE).replace(tzinfo=None) - timedelta(days=_OLDEST)
    apart = timedelta(days=_OLDEST - _YOUNGEST) / OVERDUE
    with database.unseen(place) as connection, connection.transaction():
        records.copy_enrolments(
            connection,
            (records.finished(number % records.STUDENTS, oldest + number * apart) for number in range(OVERDUE)),
        )
        connection.execute(
            f"""INSERT INTO tbae009_respuesta (uuid, id_estatus_procesamiento, fecha_respuesta)
            SELECT uuid, id_estatus_procesamiento, fecha_actualizacion + interval '1.2 seconds'
            FROM tbae001_inscripcion WHERE {_OLD}"""
        )
        connection.execute(
            f"""INSERT INTO tbae010_error (id_respuesta, id_motivo_error)
            SELECT id_respuesta, 1 FROM tbae009_respuesta JOIN tbae001_inscripcion USING (uuid)
            WHERE tbae009_respuesta.id_estatus_procesamiento = 4 AND {_OLD}"""
        )
        connection.execute("ANALYZE tbae001_inscripcion, tbae009_respuesta, tbae010_error")


def _heal(place: Place) -> None:
    """Children first. The space comes back with VACUUM: the overdue rows are the last of their tables' files.

    Where the purge was the remedy there is nothing left to delete, but the index that it built for itself; what it
    archived stays in the archive.
    """
    answers = f"SELECT id_respuesta FROM tbae009_respuesta JOIN tbae001_inscripcion USING (uuid) WHERE {_OLD}"
    with database.unseen(place) as connection:
        with connection.transaction():
            connection.execute(f"DELETE FROM tbae010_error WHERE id_respuesta IN ({answers})")
            connection.execute(f"DELETE FROM tbae009_respuesta WHERE id_respuesta IN ({answers})")
            connection.execute(f"DELETE FROM tbae001_inscripcion WHERE {_OLD}")
        connection.execute("DROP INDEX IF EXISTS tbae010_error_id_respuesta_idx")
        connection.execute("VACUUM ANALYZE tbae001_inscripcion, tbae009_respuesta, tbae010_error")


def _is_broken(place: Place) -> bool:
    return database.number(place, f"SELECT count(*) FROM tbae001_inscripcion WHERE {_OLD}") > 0


BREAKAGE = Breakage(
    name="staging-overgrown",
    breaks="Deja 12,000 registros procesados de más de 90 días en las tablas de intercambio.",
    expect="STAGE-01 y ARCH-01 incumplidas: la purga semanal no se ha ejecutado; «--fix» archiva, relee y borra.",
    applied=_apply,
    healed=_heal,
    shows=_is_broken,
    # Which of the two depends on whether the lab was purged before.
    truth=Truth(
        "STAGE-01",
        frozenset({"purge_has_not_run", "records_came_late"}),
        operations={"purge": ""},
        also={"ARCH-01": NONE, "DB-08": NONE, "DB-09": NONE},
    ),
)
