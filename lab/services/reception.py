"""``servicio-recepcion``: publishes invented records at the rate that ``control/reception.json`` asks for."""

from __future__ import annotations

import json
import random
import time
import uuid
from pathlib import Path

import msgspec
import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.delivery_mode import DeliveryMode
from pika.exceptions import AMQPError

from lab import records
from lab.place import Place
from lab.services import RECEPTION
from lab.services.exchange import Event, Kind
from lab.services.runtime import SUMMARY_EVERY, Service
from lab.topology import QUEUE

#: Messages a second when nothing else is asked for.
USUAL_RATE = 20.0
#: Messages go out in bursts this far apart, s: the process sleeps in between.
BURST_EVERY = 0.1


def rate_file(place: Place) -> Path:
    """Where the rate is asked for; the service reads it every second."""
    return place.home / "control" / "reception.json"


def ask_for(place: Place, rate: float) -> None:
    """Let reception publish that many messages a second, from the next second on."""
    wanted = rate_file(place)
    wanted.parent.mkdir(parents=True, exist_ok=True)
    draft = wanted.with_suffix(".new")
    draft.write_text(json.dumps({"rate": rate}))
    draft.replace(wanted)


def asked_rate(place: Place) -> float:
    """The rate that is asked for, messages a second; the usual one where nothing readable is."""
    try:
        return float(json.loads(rate_file(place).read_text())["rate"])
    except (OSError, ValueError, KeyError, TypeError):
        return USUAL_RATE


def invented_event(dice: random.Random) -> Event:
    """Nine enrolments in ten, new and returning students; the rest concerns students of the lab's past."""
    kind: Kind = dice.choices(("inscripcion", "baja", "asistencia", "calificacion"), (90, 3, 3, 4))[0]
    student = dice.randrange(records.STUDENTS if kind == "inscripcion" else 3_000)
    invent = {
        "inscripcion": records.enrolment,
        "baja": records.leave,
        "asistencia": records.attendance,
        "calificacion": records.grade,
    }[kind]
    return Event(kind, str(uuid.uuid4()), records.curp(student), invent(student))


def publish(channel: BlockingChannel, body: bytes, transaction: str | None = None) -> None:
    """Put one message into the queue, to stay there over restarts."""
    properties = pika.BasicProperties(
        content_type="application/json", delivery_mode=DeliveryMode.Persistent, correlation_id=transaction
    )
    channel.basic_publish("", QUEUE, body, properties)


def main() -> None:
    service = Service.from_arguments(RECEPTION)
    while True:
        try:
            with service.broker() as connection:
                _publish_for_ever(service, connection)
        except AMQPError as error:
            service.failed("No se pudo publicar en la cola", error)


def _publish_for_ever(service: Service, connection: pika.BlockingConnection) -> None:
    channel, dice = connection.channel(), random.Random()  # noqa: S311  # no secret hangs on it
    due, published, told = 0.0, 0, time.monotonic()
    rate, read_at, last = asked_rate(service.place), told, told
    while True:
        connection.process_data_events(BURST_EVERY)
        now = time.monotonic()
        if now - read_at >= 1:
            rate, read_at = asked_rate(service.place), now
        due, last = due + rate * (now - last), now
        for _ in range(int(due)):
            event = invented_event(dice)
            publish(channel, msgspec.json.encode(event), event.transaction_id)
        published, due = published + int(due), due % 1
        if now - told >= SUMMARY_EVERY:
            service.log("INFO", f"Publicados {published} mensajes a {rate:g} por segundo")
            published, told = 0, now


if __name__ == "__main__":
    main()
