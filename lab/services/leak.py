"""``reporte-matricula``: a report that opens sessions and never closes them, until its role may open no more.

It opens each of its sessions once: one that somebody ends stays ended, and when all are gone the program ends.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

from lab.services.runtime import Service

if TYPE_CHECKING:
    import psycopg

    Session = psycopg.Connection[tuple[Any, ...]]

LEAK = "reporte-matricula"
#: Between two attempts when the role is full, s: well under a worker's back-off, so that a freed place is the leak's.
EAGERNESS = 0.02


def main() -> None:
    service = Service.from_arguments(LEAK)
    held = [_opened(service) for _ in range(service.count)]
    service.log("INFO", f"Reporte de matrícula listo; {len(held)} sesiones quedan abiertas")
    _hold(held)


def _opened(service: Service) -> Session:
    """One more session, idle after its query; waits as long as the role is full."""
    import psycopg

    while True:
        try:
            session = service.database(application=LEAK)
        except psycopg.OperationalError:
            time.sleep(EAGERNESS)
        else:
            session.execute("SELECT count(*) FROM tbmu006_inscripcion WHERE activo = 'A'")
            return session


def _hold(sessions: list[Session]) -> None:
    """Keep the sessions until the server has closed the last of them; a closed one is only let go of."""
    poll = select.poll()
    held = {session.fileno(): session for session in sessions}
    for number in held:
        poll.register(number, select.POLLIN)
    while held:
        for number, _ in poll.poll():  # the server speaks unasked only to say goodbye
            poll.unregister(number)
            held.pop(number).close()


if __name__ == "__main__":
    main()
