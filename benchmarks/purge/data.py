"""Invented rows for the purge, made in the server: nine in ten are overdue, and no time is near the cutoff.

They are what ``lab/records.py`` invents (impossible CURPs, names that say they are fiction), in SQL because millions
are wanted. All that looks random follows from the row's number, so every run has the same rows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.purge.ground import Ground
from lab import records

#: Rows in one INSERT: as many transactions, and as many different xmin, as there are blocks.
BLOCK = 50_000
#: The share of rows that are overdue; the rest is younger than the cutoff by a day at least.
OVERDUE = 0.9
#: Of the newest rows, those that still wait for the ETL.
WAITING = 0.002
RETENTION_DAYS = 90


class Exchange(NamedTuple):
    """An exchange table, its key, and the rows of it that a purge takes."""

    name: str
    key: str
    type: str
    qualifying: str


_OLD = f"id_estatus_procesamiento IN ({records.FINISHED}, {records.FAILED})"
#: Children first. Two ways to choose answers agree here: by the record's time and by the answer's own.
TABLES = (
    Exchange(
        "tbae010_error",
        "id_error",
        "integer",
        "tbae010_error x WHERE EXISTS (SELECT FROM tbae009_respuesta r"
        f" WHERE r.id_respuesta = x.id_respuesta AND r.fecha_respuesta < '{{cutoff}}' AND r.{_OLD})",
    ),
    Exchange(
        "tbae009_respuesta",
        "id_respuesta",
        "integer",
        f"tbae009_respuesta x WHERE x.fecha_respuesta < '{{cutoff}}' AND x.{_OLD}",
    ),
    Exchange(
        "tbae001_inscripcion",
        "uuid",
        "varchar",
        f"tbae001_inscripcion x WHERE x.fecha_actualizacion < '{{cutoff}}' AND x.{_OLD}",
    ),
)


def fill(ground: Ground, rows: int) -> None:
    """Put ``rows`` enrolments with their answers and errors into ``sep_muses``, vacuumed and on disk."""
    started = time.perf_counter()
    with ground.admin() as admin:
        admin.execute("SET session_replication_role = replica")  # the numbers of the catalogues are right as they are
        admin.execute("TRUNCATE tbae001_inscripcion, tbae009_respuesta, tbae010_error RESTART IDENTITY")
        admin.execute("ALTER TABLE tbae001_inscripcion DROP CONSTRAINT tbae001_inscripcion_pkey")
        now = admin.execute("SELECT localtimestamp").fetchone()[0]  # type: ignore[index]  # one row, always
        for first, last in _blocks(rows):
            given = {"first": first, "last": last, "rows": rows, "finished": rows - waiting(rows), "now": now}
            for statement in (_ENROLMENTS, _ANSWERS, _ERRORS):
                admin.execute(statement, given)
            say(f"{last:,} of {rows:,} rows made, {time.perf_counter() - started:.0f} s")
        admin.execute("ALTER TABLE tbae001_inscripcion ADD PRIMARY KEY (uuid)")
        admin.execute("SELECT setval('tbae009_respuesta_id_respuesta_seq', %s)", [rows])
        admin.execute("SELECT setval('tbae010_error_id_error_seq', %s)", [rows])
        admin.execute("VACUUM (ANALYZE) tbae001_inscripcion, tbae009_respuesta, tbae010_error")
        admin.execute("CHECKPOINT")
    say(f"{rows:,} rows of {bytes_a_row(ground, rows)} bytes in {time.perf_counter() - started:.0f} s")


def bytes_a_row(ground: Ground, rows: int) -> int:
    """What a row of ``tbae001_inscripcion`` takes on disk, its index not counted."""
    with ground.admin() as admin:
        found = admin.execute("SELECT pg_relation_size('tbae001_inscripcion') / %s", [rows]).fetchone()
        return int(found[0])  # type: ignore[index]  # one row, always


def waiting(rows: int) -> int:
    """How many of the newest rows have no answer yet."""
    return max(100, int(rows * WAITING))


def cutoff(ground: Ground) -> str:
    """The time before which a row is overdue, in the site's local time, as a literal."""
    with ground.admin() as admin:
        found = admin.execute(f"SELECT date_trunc('second', localtimestamp - interval '{RETENTION_DAYS} days')::text")
        return str(found.fetchone()[0])  # type: ignore[index]  # one row, always


def overdue(ground: Ground, database: str, before: str) -> dict[str, int]:
    """How many rows of each table a purge would take."""
    with ground.admin(database) as admin:
        return {
            table.name: admin.execute(f"SELECT count(*) FROM {table.qualifying.format(cutoff=before)}").fetchone()[0]  # type: ignore[index]
            for table in TABLES
        }


def say(what: str) -> None:
    """How far it is, for who waits; the table goes to the other output."""
    print(what, file=sys.stderr, flush=True)


def _blocks(rows: int) -> Iterator[tuple[int, int]]:
    for first in range(1, rows + 1, BLOCK):
        yield first, min(first + BLOCK - 1, rows)


def _picked(words: tuple[str, ...], number: str) -> str:
    return f"('{{{','.join(words)}}}'::text[])[({number}) % {len(words)} + 1]"


_NAMES = ("FICTICIA", "INVENTADO", "IMAGINARIA", "SUPUESTO", "QUIMERA", "EJEMPLO", "ENSAYO")
_SURNAMES = ("DELABORATORIO", "DEPRUEBA", "NOEXISTE", "DEMENTIRA", "SINTETICO", "DEMUESTRA", "APOCRIFO", "DEFABULA")
_STREETS = ("CALLE QUE NO EXISTE", "AVENIDA DEL ENSAYO", "PRIVADA DE LA FICCION", "ANDADOR IMAGINARIO")
_PROGRAMMES = ("INGENIERIA EN SISTEMAS INVENTADOS", "LICENCIATURA EN FICCION APLICADA", "ARQUITECTURA IMAGINARIA")
_SHIFTS = ("MATUTINO", "VESPERTINO", "MIXTO")

#: When row ``i`` was last touched, in the site's local time: evenly from 500 to 91 days ago, then from 89 to now.
_TOUCHED = f"""(%(now)s::timestamp - CASE WHEN i <= %(rows)s * {OVERDUE}
    THEN interval '500 days' - interval '409 days' * (i / (%(rows)s * {OVERDUE}))
    ELSE interval '89 days' * ((%(rows)s - i) / (%(rows)s * {1 - OVERDUE:.1f})) END)"""


def _letter(number: str) -> str:
    return f"chr((65 + ({number}) % 26)::int)"


def _digits(number: str, width: int) -> str:
    return f"lpad(({number})::text, {width}, '0')"


def _statement(text: str) -> str:
    """As the driver takes it: a percent sign that is no parameter is doubled."""
    return text.replace("% ", "%% ")


_ENROLMENTS = _statement(f"""
INSERT INTO tbae001_inscripcion
SELECT md5('enrolment ' || i)::uuid::text, 'LOTE-' || {_digits("sub", 2)} || '-' || {_digits("i / 20000", 6)}, sub,
    'LAB' || {_digits("s", 10)}, '99ZZZ' || {_digits("s % 10000", 4)} || 'X',
    curp, NULL, left(curp, 10) || 'ZZ' || s % 10, '99' || {_digits("s", 9)},
    {_picked(_NAMES, "s")} || ' ' || {_picked(_NAMES, "s / 7")},
    {_picked(_SURNAMES, "s")}, {_picked(_SURNAMES, "s / 8")},
    substr(curp, 9, 2) || '/' || substr(curp, 7, 2) || '/20' || substr(curp, 5, 2), substr(curp, 11, 1),
    'FABULA', 'MEXICANA', 'SOLTERO', NULL, 'NINGUNA',
    CASE WHEN h1 % 3 = 0 THEN '00' || {_digits("h1 % 100000000", 8)} END, '01' || {_digits("h2 % 100000000", 8)},
    CASE WHEN h3 % 2 = 0 THEN '02' || {_digits("h3 % 100000000", 8)} END, 'alumno.' || s || '@correo.invalid',
    'lab' || {_digits("s", 10)} || '@sub-' || sub || '.invalid',
    {_picked(_STREETS, "h1")} || ' ' || h2 % 300, (h3 % 900 + 1)::text, NULL, 'COLONIA ENSAYO ' || h1 % 400,
    '00' || {_digits("h1 % 1000", 3)}, 'MUNICIPIO ' || h2 % 120, 'FABULA', 'MEXICO',
    touched - interval '3 minutes', '2026-2027', '2026-2', 'INSCRIPCION', 'NUEVO', 'INSCRITO',
    {_picked(_SHIFTS, "h3")}, 'ESCOLARIZADA', 'LICENCIATURA',
    'PRG-' || {_digits("sub", 2)} || '-' || {_digits("h1 % 60", 3)}, {_picked(_PROGRAMMES, "h1")},
    'PLAN-2024', 'RVOE-ENSAYO-' || {_digits("h1 % 500", 4)}, (h2 % 9 + 1)::text, {_letter("h2 % 6")}, '48',
    'PLT-' || {_digits("sub", 2)} || '-' || {_digits("h3 % 30", 3)}, 'PLANTEL ' || h3 % 30,
    'SIN BECA', 'BACHILLERATO', '99ZZB' || {_digits("h2 % 10000", 4)}, '2026-07-' || 10 + h2 % 20,
    CASE WHEN h2 % 2 = 0 THEN 'FOLIO-' || {_digits("h1", 12)} END, round(7 + (h3 % 31) / 10.0, 1)::text, touched,
    CASE WHEN i <= %(finished)s THEN {records.FINISHED} ELSE {records.VALIDATED} END
FROM (
    SELECT *, s % {records.SUBSYSTEMS} + 1 AS sub, 'XX' || {_letter("s / 15600000")} || {_letter("s / 600000")}
        || {_digits("s / 100 % 100", 2)} || '90' || s / 10000 % 60 + 40 || substr('HM', (s % 2 + 1)::int, 1)
        || 'ZZBCD' || {_digits("s % 100", 2)} AS curp
    FROM (
        SELECT *, {_TOUCHED} AS touched, h1 % greatest(1000, %(rows)s / 3) AS s
        FROM (
            SELECT i, hashint8extended(i, 1) & 2147483647 AS h1, hashint8extended(i, 2) & 2147483647 AS h2,
                hashint8extended(i, 3) & 2147483647 AS h3
            FROM generate_series(%(first)s::bigint, %(last)s::bigint) i
        ) hashed
    ) chosen
) student
""")
_ANSWERS = _statement(f"""
INSERT INTO tbae009_respuesta
SELECT i, md5('enrolment ' || i)::uuid::text, {records.FINISHED},
    {_TOUCHED} + interval '1 second' * (30 + (hashint8extended(i, 4) & 1023))
FROM generate_series(%(first)s::bigint, least(%(last)s, %(finished)s)::bigint) i
""")
#: Warnings, one for every tenth answer: what was enrolled was enrolled.
_ERRORS = _statement("""
INSERT INTO tbae010_error
SELECT i / 10, i, i / 10 % 2 + 4 FROM generate_series(%(first)s::bigint, least(%(last)s, %(finished)s)::bigint) i
WHERE i % 10 = 0
""")
