"""``servicio-consolidacion``: every second moves the oldest unfinished records into the register and tells SIGED."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from lab import records
from lab.services import CONSOLIDATION, siged
from lab.services.exchange import EXCHANGES, Exchange
from lab.services.register import consolidate
from lab.services.runtime import SUMMARY_EVERY, Service, details

if TYPE_CHECKING:
    Session = psycopg.Connection[dict[str, Any]]

#: Records of one exchange table that a round takes at most: with one round a second, the batch's rate.
ROUND = 300
#: Records that are moved in one transaction: small, so that an index can be built and a lock be had in between.
CHUNK = 25
#: From the start of a round to the start of the next, s.
ROUND_EVERY = 1.0


class Consolidation:
    """The batch: one session of the database, kept until it breaks."""

    def __init__(self, service: Service, session: Session) -> None:
        self.service, self.session = service, session
        self.moved, self.told = 0, time.monotonic()

    def run(self) -> None:
        """One round a second for ever; a round that took longer is followed at once. Raises psycopg.Error."""
        while True:
            due = time.monotonic() + ROUND_EVERY
            for exchange in EXCHANGES.values():
                self._move(exchange)
            self._notify()
            self._sum_up()
            time.sleep(max(0.0, due - time.monotonic()))

    def _move(self, exchange: Exchange) -> None:
        waiting = self.session.execute(_oldest_unfinished(exchange), [ROUND]).fetchall()
        for chunk in _chunks(waiting):
            with self.session.transaction():
                consolidate(self.session, exchange.table, chunk)
            self.moved += len(chunk)
            self._sum_up()

    def _notify(self) -> None:
        """Tell SIGED what it has not been told; what it does not take is told again in the next round."""
        untold = self.session.execute(
            "SELECT id_inscripcion FROM tbmu006_inscripcion WHERE NOT notificado_siged"
            " ORDER BY id_inscripcion LIMIT %s",
            [2 * ROUND],
        ).fetchall()
        numbers = [row["id_inscripcion"] for row in untold]
        if numbers and self._told_siged(numbers):
            self.session.execute(
                "UPDATE tbmu006_inscripcion SET notificado_siged = true WHERE id_inscripcion = ANY(%s)", [numbers]
            )

    def _told_siged(self, numbers: list[int]) -> bool:
        try:
            siged.notify(self.service.place, json.dumps({"inscripciones": numbers}).encode())
        except (OSError, HTTPException) as error:
            self.service.log("ERROR", "SIGED no recibe la notificación", error_details=details(error))
            return False
        return True

    def _sum_up(self) -> None:
        now = time.monotonic()
        if now - self.told >= SUMMARY_EVERY:
            self.service.log("INFO", f"Consolidados {self.moved} registros")
            self.moved, self.told = 0, now


def _oldest_unfinished(exchange: Exchange) -> sql.Composed:
    unfinished = sql.SQL(", ").join(map(sql.Literal, (records.RECEIVED, records.VALIDATED)))
    return sql.SQL(
        "SELECT {}, id_estatus_procesamiento FROM {} WHERE id_estatus_procesamiento IN ({})"
        " ORDER BY fecha_actualizacion LIMIT %s"
    ).format(sql.SQL(", ").join(map(sql.Identifier, exchange.columns)), sql.Identifier(exchange.table), unfinished)


def _chunks(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))


def main() -> None:
    service = Service.from_arguments(CONSOLIDATION)
    while True:
        try:
            with service.database() as session:
                session.row_factory = dict_row  # type: ignore[assignment]
                session.execute("SET max_parallel_workers_per_gather = 0")  # a batch keeps to one core
                Consolidation(service, session).run()  # type: ignore[arg-type]
        except psycopg.Error as error:
            service.failed("Error de base de datos al consolidar", error)


if __name__ == "__main__":
    main()
