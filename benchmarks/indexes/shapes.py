"""The statements that are measured: ten that an index helps, each in its own way, and four that none does.

Values are chosen anew for each call from those that exist, always the same ones for the same call.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

Values = dict[str, list[Any]]


@dataclass(frozen=True)
class Shape:
    """A statement, what its values are for the n-th call, and whether it changes rows (then it is rolled back)."""

    name: str
    words: str
    given: Callable[[random.Random, Values], list[Any]]
    changes: bool = False


def values(connection: psycopg.Connection[Any]) -> Values:
    """Some values that exist, of each column that is looked up."""
    asked = {
        "curp": "SELECT curp_actual FROM tbae001_inscripcion TABLESAMPLE SYSTEM (1)",
        "uuid": "SELECT uuid FROM tbae001_inscripcion TABLESAMPLE SYSTEM (1)",
        "pair": "SELECT id_subsistema || ',' || matricula_alumno FROM tbae001_inscripcion TABLESAMPLE SYSTEM (1)",
        "person": "SELECT id_persona FROM tbmu002_persona TABLESAMPLE SYSTEM (5)",
        "answer": "SELECT id_respuesta FROM tbae009_respuesta TABLESAMPLE SYSTEM (1) WHERE id_respuesta % 10 <> 0",
        "waiting": "SELECT max(fecha_actualizacion) FROM tbae001_inscripcion",
    }
    return {name: [row[0] for row in connection.execute(words).fetchmany(500)] for name, words in asked.items()}


HELPED = (
    Shape(
        "equality on the CURP",
        "SELECT nombre, primer_apellido FROM tbae001_inscripcion WHERE curp_actual = %s",
        lambda dice, known: [dice.choice(known["curp"])],
    ),
    Shape(
        "status and time",
        "SELECT uuid FROM tbae001_inscripcion WHERE id_estatus_procesamiento IN (1, 2) AND fecha_actualizacion < %s",
        lambda _dice, known: [known["waiting"][0]],
    ),
    Shape(
        "oldest with a status, with a limit",
        "SELECT * FROM tbae001_inscripcion WHERE id_estatus_procesamiento IN (1, 2)"
        " ORDER BY fecha_actualizacion LIMIT 50",
        lambda _dice, _known: [],
    ),
    Shape(
        "join on the uuid",
        "SELECT e.nombre, r.fecha_respuesta FROM tbae001_inscripcion e JOIN tbae009_respuesta r ON r.uuid = e.uuid"
        " WHERE e.uuid = %s",
        lambda dice, known: [dice.choice(known["uuid"])],
    ),
    Shape(
        "sort with a limit",
        "SELECT id_respuesta, uuid FROM tbae009_respuesta ORDER BY fecha_respuesta DESC LIMIT 50",
        lambda _dice, _known: [],
    ),
    Shape(
        "subsystem and enrolment number",
        "SELECT uuid FROM tbae001_inscripcion WHERE id_subsistema = %s AND matricula_alumno = %s",
        lambda dice, known: _pair(dice.choice(known["pair"])),
    ),
    Shape(
        "deletion through a foreign key",
        "DELETE FROM tbae009_respuesta WHERE id_respuesta = %s",
        lambda dice, known: [dice.choice(known["answer"])],
        changes=True,
    ),
    Shape(
        "not yet told (boolean, partial)",
        "SELECT id_inscripcion FROM tbmu006_inscripcion WHERE NOT notificado_siged ORDER BY id_inscripcion LIMIT 100",
        lambda _dice, _known: [],
    ),
    Shape(
        "person by CURP, active",
        "SELECT id_persona FROM tbmu002_persona WHERE curp = %s AND activo = 'A'",
        lambda dice, known: [dice.choice(known["curp"])],
    ),
    Shape(
        "student of a person in a subsystem",
        "SELECT id_alumno FROM tbmu020_alumno WHERE id_persona = %s AND id_subsistema = %s",
        lambda dice, known: [number := dice.choice(known["person"]), number % 12 + 1],
    ),
)
NEEDLESS = (
    Shape(
        "by primary key",
        "SELECT * FROM tbae001_inscripcion WHERE uuid = %s",
        lambda dice, known: [dice.choice(known["uuid"])],
    ),
    Shape(
        "count of all by subsystem",
        "SELECT id_subsistema, count(*) FROM tbae001_inscripcion GROUP BY id_subsistema",
        lambda _dice, _known: [],
    ),
    Shape(
        "a twelfth of the table",
        "SELECT sum(length(nombre)) FROM tbae001_inscripcion WHERE id_subsistema = %s",
        lambda dice, _known: [dice.randint(1, 12)],
    ),
    Shape(
        "the newest by key, with a limit",
        "SELECT * FROM tbmu006_inscripcion ORDER BY id_inscripcion DESC LIMIT 20",
        lambda _dice, _known: [],
    ),
)


def _pair(kept: str) -> list[Any]:
    subsystem, number = kept.split(",", 1)
    return [int(subsystem), number]
