"""The services move a record from its message to the register, say what they do, and outlive their servers."""

from __future__ import annotations

import json
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import msgspec
import pytest

from lab import records, supervision
from lab.incidents import database, queue
from lab.incidents.breakage import await_effect
from lab.place import Place
from lab.services import CONSOLIDATION, PROCESSING, PROGRAMS, RECEPTION, SIGED, siged
from lab.services.exchange import Event, Kind

STRANGER = 107  # RENAPO knows no CURP that ends in 07
NEVER_SEEN = 5_000_001
FORM = {"timestamp", "level", "service", "message", "transaction_id", "curp", "error_details"}


def send(place: Place, kind: Kind, record: records.Record) -> str:
    """Publish one message of that kind; its record's uuid."""
    event = Event(kind, f"prueba-{record['uuid']}", record.get("curp_actual") or record["curp"], record)
    queue.publish(place, [msgspec.json.encode(event)])
    return str(record["uuid"])


def reason(place: Place, uuid: str) -> int:
    """The number of the error that the record was answered with; 0 where there is none."""
    return database.number(
        place,
        "SELECT id_motivo_error FROM tbae010_error JOIN tbae009_respuesta USING (id_respuesta) WHERE uuid = %s",
        uuid,
    )


def answers(place: Place, uuid: str) -> int:
    return database.number(place, "SELECT count(*) FROM tbae009_respuesta WHERE uuid = %s", uuid)


def managed(place: Place, path: str) -> Any:
    """What the management API says."""
    login = b64encode(f"muses_reader:{place.broker_password('muses_reader')}".encode()).decode()
    request = urllib.request.Request(f"{place.management_url}/api/{path}", headers={"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def works(place: Place) -> Callable[[], bool]:
    """Whether records have been answered since this was made."""
    last = database.number(place, "SELECT max(id_respuesta) FROM tbae009_respuesta")
    return lambda: database.number(place, "SELECT max(id_respuesta) FROM tbae009_respuesta") > last


def test_an_enrolment_reaches_the_register_and_siged(lab_place: Place) -> None:
    record = records.enrolment(NEVER_SEEN)
    uuid = send(lab_place, "inscripcion", record)
    await_effect("se responda", lambda: answers(lab_place, uuid) == 1)
    assert reason(lab_place, uuid) == 0
    await_effect(
        "SIGED lo sepa",
        lambda: (
            database.number(
                lab_place,
                """SELECT count(*) FROM tbmu006_inscripcion JOIN tbmu020_alumno USING (id_alumno)
                JOIN tbmu002_persona USING (id_persona) WHERE curp = %s AND notificado_siged""",
                record["curp_actual"],
            )
            > 0
        ),
    )


def test_what_is_delivered_twice_is_stored_once(lab_place: Place) -> None:
    record = records.enrolment(42)
    assert send(lab_place, "inscripcion", record) == send(lab_place, "inscripcion", record)
    later = send(lab_place, "inscripcion", records.enrolment(43))
    await_effect("se responda al siguiente", lambda: answers(lab_place, later) == 1)
    assert answers(lab_place, str(record["uuid"])) == 1


def test_whom_renapo_does_not_know_is_an_error(lab_place: Place) -> None:
    uuid = send(lab_place, "inscripcion", records.enrolment(STRANGER))
    await_effect("se rechace", lambda: reason(lab_place, uuid) == 1)


def test_a_leave_of_nobody_is_an_error(lab_place: Place) -> None:
    uuid = send(lab_place, "baja", records.leave(9_999_999))
    await_effect("se rechace", lambda: reason(lab_place, uuid) == 2)


@pytest.mark.parametrize(
    ("kind", "record", "table"),
    [
        ("baja", records.leave, "tbmu013_bajas"),
        ("asistencia", records.attendance, "tbmu018_asistencias"),
        ("calificacion", records.grade, "tbmu019_calificaciones"),
    ],
)
def test_the_other_kinds_reach_their_tables(
    lab_place: Place, kind: Kind, record: Callable[[int], records.Record], table: str
) -> None:
    before = database.number(lab_place, f"SELECT count(*) FROM {table}")
    uuid = send(lab_place, kind, record(1_234))
    await_effect("se responda", lambda: answers(lab_place, uuid) == 1)
    assert reason(lab_place, uuid) == 0
    assert database.number(lab_place, f"SELECT count(*) FROM {table}") > before


def test_latency_is_a_matter_of_seconds(lab_place: Place) -> None:
    uuid = send(lab_place, "inscripcion", records.enrolment(77))
    await_effect("se responda", lambda: answers(lab_place, uuid) == 1)
    milliseconds = database.number(
        lab_place,
        """SELECT 1000 * extract(epoch FROM fecha_respuesta - fecha_actualizacion)
        FROM tbae009_respuesta JOIN tbae001_inscripcion USING (uuid) WHERE uuid = %s""",
        uuid,
    )
    assert 0 < milliseconds < 5_000


@pytest.mark.parametrize("service", [RECEPTION, PROCESSING, CONSOLIDATION, SIGED])
def test_log_lines_have_the_services_form(lab_place: Place, service: str) -> None:
    def lines() -> list[str]:
        *whole, _being_written = (lab_place.logs / f"{service}-01.log").read_text().split("\n")
        return whole

    await_effect("haya renglones", lambda: len(lines()) > 0)
    for line in map(json.loads, lines()):
        assert {"timestamp", "level", "service", "message"} <= line.keys() <= FORM
        assert line["service"] == service
        assert line["timestamp"].endswith("Z")


def test_sessions_and_connections_carry_the_replicas_name(lab_place: Place) -> None:
    replicas = {f"{PROCESSING}:replica-01", f"{PROCESSING}:replica-02"}

    def connected() -> set[str]:
        return {c["client_properties"].get("connection_name", "") for c in managed(lab_place, "connections")}

    await_effect("se vean en la cola", lambda: replicas <= connected())
    await_effect(
        "se vean los workers en la base", lambda: database.sessions(lab_place, f"{PROCESSING}:replica-0_") == 2
    )
    assert database.sessions(lab_place, f"{CONSOLIDATION}:replica-01") == 1


def test_reception_keeps_to_its_rate(lab_place: Place) -> None:
    def rate() -> float:
        details = managed(lab_place, "queues/muses/muses.recepcion").get("message_stats", {})
        return float(details.get("publish_details", {}).get("rate", 0))

    await_effect("lleguen veinte por segundo", lambda: 14 < rate() < 26, patience=25)


def test_siged_refuses_what_it_does_not_understand(lab_place: Place) -> None:
    with pytest.raises(HTTPException, match="400"):
        siged.notify(lab_place, b"{}")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_every_service_ends_promptly(lab_place: Place, program: Any) -> None:
    name = f"{program.name}:replica-01"
    started = time.monotonic()
    with supervision.calling(lab_place) as supervisor:
        supervisor.supervisor.stopProcess(name)
        took = time.monotonic() - started
        supervisor.supervisor.startProcess(name)
    assert took < 1.5


@pytest.mark.parametrize("server", ["postgresql", "rabbitmq"])
def test_services_outlive_a_restart_of_their_server(lab_place: Place, server: str) -> None:
    supervision.restart(lab_place, server)
    await_effect("la base responda", lambda: answered(lab_place), patience=30)
    await_effect("vuelvan a consumir", lambda: consuming(lab_place) == 2, patience=40)
    await_effect("vuelvan a consolidar", works(lab_place), patience=20)


def answered(place: Place) -> bool:
    import psycopg

    try:
        return database.number(place, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def consuming(place: Place) -> int:
    from pika.exceptions import AMQPError

    try:
        return queue.consumers(place)
    except AMQPError:
        return 0
