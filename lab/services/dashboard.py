"""``tablero-inscripcion``: a few sessions that write to ``tbmu006_inscripcion`` once, and wait where they must.

They stand for the users of a busy database: behind a lock they queue up, and when it goes they finish and end.
"""

from __future__ import annotations

import threading

from lab.services.runtime import Service

DASHBOARD = "tablero-inscripcion"


def main() -> None:
    service = Service.from_arguments(DASHBOARD)
    users = [threading.Thread(target=_write_once, args=(service,)) for _ in range(service.count)]
    for user in users:
        user.start()
    for user in users:
        user.join()


def _write_once(service: Service) -> None:
    import psycopg

    try:
        with service.database(application=DASHBOARD) as session:
            session.execute("UPDATE tbmu006_inscripcion SET activo = activo WHERE id_inscripcion = 11")
    except psycopg.Error as error:
        service.log("ERROR", "El tablero no pudo escribir", error_details=str(error))


if __name__ == "__main__":
    main()
