"""``big-batch``: one subsystem's lot arrives at once; everything works, it only takes its time."""

from __future__ import annotations

from datetime import datetime

from lab import records
from lab.incidents import database
from lab.incidents.breakage import Breakage
from lab.incidents.truth import NONE, Truth
from lab.place import Place

LOT, SUBSYSTEM = 25_000, 4
_ORIGIN = "LOTE-GRANDE"


def _apply(place: Place) -> None:
    if _is_broken(place):
        return
    now = datetime.now(records.ZONE).replace(tzinfo=None)
    with database.unseen(place) as connection, connection.transaction():
        records.copy_enrolments(
            connection,
            (
                records.waiting(records.STUDENTS + number, now, id_subsistema=SUBSYSTEM, id_operacion_origen=_ORIGIN)
                for number in range(LOT)
            ),
        )


def _heal(place: Place) -> None:
    """Remove what is unfinished. The lock keeps consolidation from meeting us halfway through its own update."""
    with database.unseen(place) as connection, connection.transaction():
        connection.execute("LOCK TABLE tbae001_inscripcion IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(
            "DELETE FROM tbae001_inscripcion WHERE id_estatus_procesamiento IN (1, 2) AND id_operacion_origen = %s",
            [_ORIGIN],
        )


def _is_broken(place: Place) -> bool:
    unfinished = database.number(
        place,
        "SELECT count(*) FROM tbae001_inscripcion"
        " WHERE id_estatus_procesamiento IN (1, 2) AND id_operacion_origen = %s",
        _ORIGIN,
    )
    return unfinished > 0


BREAKAGE = Breakage(
    name="big-batch",
    breaks="Llega de golpe un lote de 25,000 registros de un subsistema; la consolidación tarda minuto y medio en él.",
    expect="ETL-01 incumplida; causa confirmada: lote muy grande (batch_is_very_large), y a qué hora termina.",
    applied=_apply,
    healed=_heal,
    shows=_is_broken,
    truth=Truth(
        "ETL-01",
        frozenset({"batch_is_very_large"}),
        fixed=False,
        also={"ETL-02": frozenset({"batch_is_very_large"}), "DB-08": NONE, "DB-09": NONE},
    ),
)
