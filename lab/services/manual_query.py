"""``consulta-manual``: somebody corrects enrolments by hand, in a transaction that nobody ends.

It holds a lock on ``tbmu006_inscripcion`` that lets readers pass and writers wait. When its session is ended the
program ends with it and does not come back.
"""

from __future__ import annotations

import select

from lab.services.runtime import Service

MANUAL_QUERY = "consulta-manual"


def main() -> None:
    service = Service.from_arguments(MANUAL_QUERY)
    session = service.database(application=MANUAL_QUERY)
    session.execute("BEGIN")
    session.execute("LOCK TABLE tbmu006_inscripcion IN EXCLUSIVE MODE")
    session.execute("UPDATE tbmu006_inscripcion SET activo = 'A' WHERE id_inscripcion <= 10")
    service.log("INFO", "Corrección manual hecha; falta confirmarla")
    select.select([session.fileno()], [], [])  # nothing comes unasked but the end of the session
    session.close()


if __name__ == "__main__":
    main()
