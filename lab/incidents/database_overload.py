"""``database-overload``: a forgotten transaction holds a lock, and everybody who writes waits behind it."""

from __future__ import annotations

from lab.incidents import database, program
from lab.incidents.breakage import Breakage, await_effect
from lab.incidents.truth import NONE, Truth
from lab.place import Place
from lab.services import CONSOLIDATION
from lab.services.dashboard import DASHBOARD
from lab.services.manual_query import MANUAL_QUERY

#: Sessions that wait behind the lock, beside consolidation.
USERS = 3
_FORGOTTEN = "idle in transaction"


def _apply(place: Place) -> None:
    program.start(place, MANUAL_QUERY, "lab.services.manual_query")
    await_effect("la consulta manual tome el candado", lambda: _is_broken(place))
    program.start(place, DASHBOARD, "lab.services.dashboard", USERS)
    await_effect(
        "las demás sesiones esperen",
        lambda: (
            database.waiting_for_locks(place, DASHBOARD) == USERS
            and database.waiting_for_locks(place, f"{CONSOLIDATION}%") > 0
        ),
    )


def _heal(place: Place) -> None:
    program.end(place, MANUAL_QUERY)
    database.end_sessions(place, MANUAL_QUERY)
    await_effect("el tablero termine", lambda: not program.runs(place, DASHBOARD))


def _is_broken(place: Place) -> bool:
    return database.sessions(place, MANUAL_QUERY, _FORGOTTEN) > 0


BREAKAGE = Breakage(
    name="database-overload",
    breaks="Una consulta manual deja una transacción abierta con un candado; la consolidación y otros esperan.",
    expect="ETL-01 incumplida; causa confirmada: sobrecarga de la base (database_is_overloaded), y quién bloquea.",
    applied=_apply,
    healed=_heal,
    shows=_is_broken,
    truth=Truth(
        "ETL-01",
        frozenset({"database_is_overloaded"}),
        operations={"end_session": MANUAL_QUERY},
        also={
            "ETL-02": frozenset({"database_is_overloaded"}),
            "DB-03": frozenset({"somebody_holds_the_lock"}),
            "DB-04": NONE,
            "DB-05": frozenset({"transaction_is_forgotten"}),
        },
    ),
)
