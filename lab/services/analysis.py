"""``analisis-manual``: somebody reads enrolments by hand in a transaction, goes away and leaves it open.

It blocks nobody; it only keeps the database from cleaning up. When its session is ended the program ends with it and
does not come back.
"""

from __future__ import annotations

import select

from lab.services.runtime import Service

ANALYSIS = "analisis-manual"


def main() -> None:
    service = Service.from_arguments(ANALYSIS)
    session = service.database(application=ANALYSIS)
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    session.execute("SELECT count(*) FROM tbmu006_inscripcion")
    service.log("INFO", "Análisis manual a medias")
    select.select([session.fileno()], [], [])  # nothing comes unasked but the end of the session
    session.close()


if __name__ == "__main__":
    main()
