"""Shapes and kinds of errors, on lines as services, drivers and PostgreSQL write them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.targets.logs.shapes import LONGEST, kind_of, shape

LOCAL = 'connection failed: connection to server at "127.0.0.1", port 54321 failed: '


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Tardó 3.5 s en el intento 4", "Tardó ‹n› s en el intento ‹n›"),
        ("id a3b4c5d6-0000-4111-8222-123456789abc listo", "id ‹uuid› listo"),
        ("CURP GOMC800101HDFMRR09 y RFC GOMC800101AB1", "CURP ‹CURP› y RFC ‹RFC›"),
        ("desde 2026-11-24T08:00:00.123Z hasta 2026-11-24 08:00:00,5-06:00", "desde ‹tiempo› hasta ‹tiempo›"),
        ('el campo \'nombre\' es "O\\"Brien" en «tbae001»', "el campo ‹texto› es ‹texto› en ‹texto›"),
        ("a ana.lopez@uni.edu.mx en 10.0.0.12:5432", "a ‹correo› en ‹n›"),
        ("objeto 0xdeadbeef de 9f86d081884c7d65", "objeto ‹hex› de ‹hex›"),
        ("falló (SQLSTATE 53300) 7 veces", "falló (SQLSTATE 53300) ‹n› veces"),
        ("don't worry, can't", "don't worry, can't"),
        ("tbae001_inscripcion y utf8", "tbae001_inscripcion y utf8"),
        ("dos\n  líneas\t más", "dos líneas más"),
    ],
)
def test_what_differs_goes_and_what_says_something_stays(words: str, expected: str) -> None:
    assert shape(words) == expected


def test_a_thousand_errors_of_one_kind_have_one_shape() -> None:
    lines = (f"Mensaje {n} de 'alumno {n}' rechazado tras {n * 1.5} ms" for n in range(1000))
    assert len({shape(line) for line in lines}) == 1


@given(st.text())
def test_any_text_has_a_short_shape_and_a_kind(words: str) -> None:
    assert len(shape(words)) <= LONGEST
    assert "\n" not in shape(words)
    assert kind_of(words) in ("database", "message", "other")


@pytest.mark.parametrize(
    "words",
    [
        LOCAL + 'FATAL:  too many connections for role "muses_app"',
        LOCAL + "FATAL:  sorry, too many clients already",
        LOCAL + "FATAL:  lo siento, ya tenemos demasiados clientes",
        LOCAL + "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        LOCAL + 'FATAL:  password authentication failed for user "muses_app"',
        LOCAL + "FATAL:  la autentificación password falló para el usuario «muses_app»",
        LOCAL + "FATAL:  the database system is starting up",
        LOCAL + "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
        'FATAL: no pg_hba.conf entry for host "10.0.0.1", user "muses_app", database "sep_muses"',
        "psycopg.OperationalError: server closed the connection unexpectedly",
        "psycopg.errors.AdminShutdown: terminating connection due to administrator command",
        "org.postgresql.util.PSQLException: Connection to db1:5432 refused. Check that the port is correct",
        "HikariPool-1 - Connection is not available, request timed out after 30000ms.",
        "Error al guardar (SQLSTATE 53300)",
        "Error al guardar; sqlstate=08006",
        "Se perdió la sesión [SQLSTATE: 57P01]",
    ],
)
def test_errors_of_the_connection_to_postgresql(words: str) -> None:
    assert kind_of(words) == "database"


@pytest.mark.parametrize(
    "words",
    [
        "Mensaje rechazado: no cumple el formato — msgspec.DecodeError: JSON is malformed: invalid character (byte 3)",
        "msgspec.ValidationError: Object missing required field `curp`",
        "La CURP del registro es inválida",
        "Falta el campo ciclo_escolar en el mensaje",
        "com.fasterxml.jackson.core.JsonParseException: Unexpected character in JSON payload",
        "psycopg.errors.StringDataRightTruncation: value too long for type character varying(18) (SQLSTATE 22001)",
        "violates foreign key constraint (SQLSTATE 23503)",
    ],
)
def test_errors_of_the_record_itself(words: str) -> None:
    assert kind_of(words) == "message"


@pytest.mark.parametrize(
    "words",
    [
        "Se perdió la conexión con la cola — pika.exceptions.AMQPConnectionError: Connection refused",
        "SIGED no recibe la notificación — urllib.error.URLError: <urlopen error [Errno 111] Connection refused>",
        "Timeout al consultar RENAPO tras 3000 ms",
        "psycopg.errors.DeadlockDetected: deadlock detected in the database (SQLSTATE 40P01)",
        "canceling statement due to statement timeout (SQLSTATE 57014)",
        "",
    ],
)
def test_other_errors(words: str) -> None:
    assert kind_of(words) == "other"


@pytest.mark.parametrize("words", ["a" * 100_000, "'" * 100_000, "1" * 100_000, "a.b-" * 25_000, '"\\' * 50_000])
def test_no_text_takes_long(words: str) -> None:
    began = time.process_time()  # not the clock: what runs beside it is no matter of the text
    shape(words)
    kind_of(words)
    assert time.process_time() - began < 0.25
