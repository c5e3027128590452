"""``servicio-procesamiento-inicial``: takes messages from the queue, validates them, writes the exchange tables.

SIGUSR1 makes this process hang as a deadlocked thread would: alive and connected, but it takes no message any more.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pika
import psycopg
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

from lab import records
from lab.services import PROCESSING
from lab.services.exchange import EXCHANGES, Event
from lab.services.runtime import SUMMARY_EVERY, Service, details
from lab.topology import QUEUE

if TYPE_CHECKING:
    Session = psycopg.Connection[tuple[Any, ...]]

#: How long RENAPO takes to answer, s: what bounds a replica to some forty records a second.
RENAPO_LATENCY = 0.024
#: Messages that a replica holds at a time.
PREFETCH = 20


class Worker:
    """One replica: one connection to the broker, one session of the database, kept until either breaks."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.session: Session | None = None
        self.hung = False
        self.processed, self.told = 0, time.monotonic()
        self.statements = {kind: exchange.insert() for kind, exchange in EXCHANGES.items()}

    def run(self) -> None:
        """Consume for ever; when the broker goes away, wait and come back."""
        while True:
            try:
                self._consume(self.service.broker())
            except AMQPError as error:
                self.service.failed("Se perdió la conexión con la cola", error)

    def _consume(self, connection: pika.BlockingConnection) -> None:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        tag = channel.basic_consume(QUEUE, self._receive)
        self.service.log("INFO", f"Consumiendo de {QUEUE}")
        while not self.hung:
            connection.process_data_events(0.5)
            self._sum_up()
        channel.basic_cancel(tag)
        while True:
            connection.process_data_events(60)

    def _receive(
        self, channel: BlockingChannel, delivery: Basic.Deliver, _properties: BasicProperties, body: bytes
    ) -> None:
        tag = delivery.delivery_tag or 0
        try:
            event = msgspec.json.decode(body, type=Event)
        except msgspec.MsgspecError as error:
            self._reject(channel, tag, error, None)
            return
        self._settle(channel, tag, event)
        self._sum_up()

    def _settle(self, channel: BlockingChannel, tag: int, event: Event) -> None:
        try:
            self._store(event, self._status(event))
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            self._reject(channel, tag, error, event)
        except psycopg.Error as error:
            channel.basic_nack(tag, requeue=True)
            self._lose_session()
            self.service.failed(
                "Error de base de datos al guardar el registro; el mensaje vuelve a la cola",
                error,
                transaction_id=event.transaction_id,
                curp=event.curp,
            )
        else:
            channel.basic_ack(tag)
            self.processed += 1

    def _status(self, event: Event) -> int:
        time.sleep(RENAPO_LATENCY)
        if records.known_to_renapo(event.curp):
            return records.VALIDATED
        self.service.log("WARNING", "RENAPO no localiza la CURP", transaction_id=event.transaction_id, curp=event.curp)
        return records.RECEIVED

    def _store(self, event: Event, status: int) -> None:
        self.session = self.session or self.service.database()
        exchange = EXCHANGES[event.tipo]
        values = [event.registro.get(column) for column in exchange.columns]
        self.session.execute(self.statements[event.tipo], [*values, status])

    def _lose_session(self) -> None:
        if self.session is not None:
            self.session.close()
        self.session = None

    def _reject(self, channel: BlockingChannel, tag: int, error: Exception, event: Event | None) -> None:
        """Never to come back: the broker moves it to the dead letters."""
        self.service.log(
            "ERROR",
            "Mensaje rechazado: no cumple el formato",
            transaction_id=event.transaction_id if event else None,
            curp=event.curp if event else None,
            error_details=details(error),
        )
        channel.basic_reject(tag, requeue=False)

    def _sum_up(self) -> None:
        now = time.monotonic()
        if now - self.told >= SUMMARY_EVERY:
            self.service.log("INFO", f"Procesados {self.processed} eventos")
            self.processed, self.told = 0, now

    def hang(self, _signal: int, _frame: object) -> None:
        """Take no message from now on; only a restart helps."""
        self.hung = True


def main() -> None:
    worker = Worker(Service.from_arguments(PROCESSING))
    signal.signal(signal.SIGUSR1, worker.hang)
    worker.run()


if __name__ == "__main__":
    main()
