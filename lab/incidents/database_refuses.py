"""``database-refuses``: a leak holds all sessions that ``muses_app`` may have, so the workers get none."""

from __future__ import annotations

from lab.errors import LabError
from lab.incidents import database, program, queue
from lab.incidents.breakage import Breakage, await_effect
from lab.incidents.truth import NONE, Truth
from lab.place import Place
from lab.services import PROCESSING
from lab.services.leak import LEAK
from lab.topology import QUEUE

_WORKERS = f"{PROCESSING}%"
#: How many more sessions ``muses_app`` may have beside those that are neither a worker's nor the leak's.
_ROOM = """
SELECT rolconnlimit - (
    SELECT count(*) FROM pg_stat_activity
    WHERE usename = rolname AND application_name NOT LIKE %s AND application_name <> %s)
FROM pg_roles WHERE rolname = 'muses_app'"""


def _apply(place: Place) -> None:
    """The leak fills the role but leaves consolidation its session; then the workers lose theirs to it."""
    room = database.number(place, _ROOM, _WORKERS, LEAK)
    if room < 1:
        raise LabError("el rol muses_app no tiene límite de conexiones que agotar")
    program.start(place, LEAK, "lab.services.leak", room)

    def full() -> bool:
        return database.sessions(place, LEAK) == room

    def workers_refused() -> bool:
        database.end_sessions(place, _WORKERS)
        return full()

    await_effect("la fuga agote las conexiones de muses_app", workers_refused)


def _heal(place: Place) -> None:
    program.end(place, LEAK)
    database.end_sessions(place, LEAK)
    await_effect("los workers vuelvan a la base", lambda: database.sessions(place, _WORKERS) > 0 or not _take(place))
    queue.purge(place, QUEUE)


def _take(place: Place) -> bool:
    """Whether the workers take messages: those that hang or do not run have no use for a session."""
    return queue.consumers(place) > 0


def _is_broken(place: Place) -> bool:
    return database.sessions(place, LEAK) > 0


def _is_mended(place: Place) -> bool:
    return not _is_broken(place) or database.sessions(place, _WORKERS) > 0


BREAKAGE = Breakage(
    name="database-refuses",
    breaks="Un reporte con fuga de conexiones agota el límite de muses_app: la base rechaza a los workers.",
    expect=(
        "QUEUE-01 incumplida; causa confirmada: errores de conexión a sep_muses (database_refuses_the_workers). "
        "DB-01 incumplida; causa confirmada: sesiones con fuga (sessions_are_leaked)."
    ),
    applied=_apply,
    healed=_heal,
    shows=_is_broken,
    mended=_is_mended,
    truth=Truth(
        "DB-01",
        frozenset({"sessions_are_leaked"}),
        operations={"end_session": LEAK},
        also={
            "QUEUE-01": frozenset({"database_refuses_the_workers"}),
            "QUEUE-07": NONE,
            "ETL-01": NONE,
            "ETL-02": NONE,
        },
    ),
)
