"""Rows of every kind that a purge meets, each with its fate: it goes, or it stays."""

from __future__ import annotations

from typing import NamedTuple

from tests.runbook.targets.servers_postgres import ZONE, Connection

RECORDS = ("tbae001_inscripcion", "tbae002_bajas", "tbae005_asistencias", "tbae007_calificaciones")
RESPONSES, ERRORS = "tbae009_respuesta", "tbae010_error"
TABLES = (*RECORDS, RESPONSES, ERRORS)
#: The lab's numbers: RECIBIDO, VALIDADO, PROCESADO, ERROR, CANCELADO.
RECEIVED, VALIDATED, PROCESSED, FAILED, CANCELLED = 1, 2, 3, 4, 5

_NOW = f"(now() AT TIME ZONE '{ZONE}')"


class Case(NamedTuple):
    """A kind of record: its status, the SQL of its time, and whether it goes."""

    status: int | None
    time: str
    goes: bool


def _ago(days: int) -> str:
    return f"{_NOW} - interval '{days} days' + i * interval '1 ms'"


CASES = (
    Case(PROCESSED, _ago(200), goes=True),
    Case(PROCESSED, "NULL", goes=False),
    Case(FAILED, _ago(150), goes=True),
    Case(PROCESSED, "'infinity'", goes=False),
    Case(PROCESSED, _ago(91), goes=True),
    Case(RECEIVED, _ago(200), goes=False),
    Case(PROCESSED, _ago(2000), goes=True),
    Case(PROCESSED, "'-infinity'", goes=False),
    Case(PROCESSED, _ago(120), goes=True),
    Case(PROCESSED, _ago(89), goes=False),
    Case(PROCESSED, f"{_NOW} - interval '90 days 1 minute'", goes=True),
    Case(VALIDATED, _ago(95), goes=False),
    Case(FAILED, "'0001-01-01 00:00:00'", goes=True),
    Case(CANCELLED, _ago(200), goes=False),
    Case(PROCESSED, "'2020-02-29 23:59:59.999999'", goes=True),
    Case(PROCESSED, f"{_NOW} - interval '89 days 23 hours'", goes=False),
    Case(PROCESSED, "'4000-01-01 00:00:00 BC'", goes=True),
    Case(PROCESSED, _ago(0), goes=False),
)
#: Text that breaks what is not written well: the escapes of COPY, the sign for NULL, no characters at all.
_TEXTS = (
    r"E'a\tb'",
    r"E'one\ntwo\r\n'",
    r"E'\\N'",
    "''",
    "NULL",
    r"E'\\.'",
    "'ñandú · 日本 · 🙂'",
    r"E'back\\slash\\'",
    "' '",
    "'\"quoted\", it''s'",
)


def fill(admin: Connection, rows: int) -> dict[str, set[str]]:
    """Add rows of every fate, ``rows`` to tbae001 and an eighth of it to each other one; the keys of those that stay.

    Most records have a response, some two, and some responses have errors; there are responses without a record.
    """
    with admin.transaction():
        admin.execute(
            "CREATE TEMP TABLE made (name text, uuid text, i int, goes bool) ON COMMIT DROP;"
            "CREATE TEMP TABLE answered (id int, goes bool) ON COMMIT DROP"
        )
        for table in RECORDS:
            _records(admin, table, rows if table == RECORDS[0] else max(rows // 8, 2 * len(CASES)))
        _responses(admin)
        _errors(admin)
        return _staying(admin)


def _records(admin: Connection, table: str, rows: int) -> None:
    goes = " ".join(f"WHEN {n} THEN {case.goes}" for n, case in enumerate(CASES))
    admin.execute(
        f"INSERT INTO made SELECT '{table}', gen_random_uuid()::text, i, CASE i %% {len(CASES)} {goes} END "
        "FROM generate_series(1, %s) AS i",
        [rows],
    )
    columns = admin.execute(
        "SELECT attname AS name, attnotnull, atttypmod - 4 AS length, atttypid = 'varchar'::regtype AS text "
        "FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table],
    ).fetchall()
    values = ", ".join(_value(number, **column) for number, column in enumerate(columns))
    admin.execute(f"INSERT INTO {table} SELECT {values} FROM made WHERE name = '{table}' ORDER BY i")


def _value(number: int, *, name: str, length: int, text: bool, attnotnull: bool) -> str:
    statuses = " ".join(f"WHEN {n} THEN {case.status}" for n, case in enumerate(CASES))
    times = " ".join(f"WHEN {n} THEN ({case.time})::timestamp" for n, case in enumerate(CASES))
    known = {
        "uuid": "uuid",
        "id_subsistema": "1 + i % 12",
        "id_estatus_procesamiento": f"CASE i % {len(CASES)} {statuses} END",
        "fecha_actualizacion": f"CASE i % {len(CASES)} {times} END",
    }
    if name in known:
        return known[name]
    if not text:
        return "timestamp '2026-01-01' + i * interval '1 s'"
    texts = " ".join(f"WHEN {n} THEN {text}" for n, text in enumerate(_TEXTS))
    plain = f"md5((i * {number + 1})::text)"
    return f"left(CASE (i + {number}) % 20 {texts} ELSE {plain} END, {length})"


def _responses(admin: Connection) -> None:
    answer = (
        "WITH given AS (INSERT INTO tbae009_respuesta (uuid, id_estatus_procesamiento, fecha_respuesta) {rows} "
        "RETURNING id_respuesta, uuid) "
        "INSERT INTO answered SELECT id_respuesta, {goes} FROM given LEFT JOIN made USING (uuid)"
    )
    of_record = (
        f"SELECT uuid, {PROCESSED}, {_NOW} - interval '{{days}} days' FROM made WHERE i % {{every}} = 0 "
        "ORDER BY name, i"
    )
    for every, days in ((1, 150), (7, 0)):  # every seventh record has a second one, younger than itself
        admin.execute(answer.format(rows=of_record.format(every=every, days=days), goes="made.goes"))
    alone = "SELECT gen_random_uuid()::text, {status}, {time} FROM generate_series(1, 5)"
    for status, days, goes in ((PROCESSED, 100, True), (FAILED, 100, True), (PROCESSED, 5, False), (1, 100, False)):
        rows = alone.format(status=status, time=f"{_NOW} - interval '{days} days'")
        admin.execute(answer.format(rows=rows, goes=goes))


def _errors(admin: Connection) -> None:
    admin.execute(
        "INSERT INTO tbae010_error (id_respuesta, id_motivo_error) SELECT id, 1 FROM answered WHERE id % 2 = 0"
    )
    admin.execute(
        "INSERT INTO tbae010_error (id_respuesta, id_motivo_error) SELECT id, 2 FROM answered WHERE id % 6 = 0"
    )


def _staying(admin: Connection) -> dict[str, set[str]]:
    found = {
        table: admin.execute("SELECT uuid AS key FROM made WHERE NOT goes AND name = %s", [table]) for table in RECORDS
    }
    keys = {table: {row["key"] for row in cursor.fetchall()} for table, cursor in found.items()}
    for table, query in (
        (RESPONSES, "SELECT id::text AS key FROM answered WHERE NOT goes"),
        (ERRORS, "SELECT id_error::text AS key FROM tbae010_error JOIN answered ON id = id_respuesta WHERE NOT goes"),
    ):
        keys[table] = {row["key"] for row in admin.execute(query).fetchall()}
    return keys


def partition_attendances(admin: Connection) -> None:
    """Make tbae005 a partitioned table of what it holds: all rows of one partition go, the other one has both kinds.

    The time is part of the key then, so what had none has one that never comes.
    """
    table, old = RECORDS[2], f"{RECORDS[2]}_antes"
    with admin.transaction():
        admin.execute("SET LOCAL ROLE muses_owner")
        admin.execute(f"ALTER TABLE {table} RENAME TO whole")
        admin.execute(f"CREATE TABLE {table} (LIKE whole) PARTITION BY RANGE (fecha_actualizacion)")
        admin.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (uuid, fecha_actualizacion)")
        bounds = admin.execute(f"SELECT ({_NOW} - interval '1900 days')::text AS until").fetchall()[0]["until"]
        admin.execute(f"CREATE TABLE {old} PARTITION OF {table} FOR VALUES FROM ('2019-01-01') TO ('{bounds}')")
        admin.execute(f"CREATE TABLE {table}_resto PARTITION OF {table} DEFAULT")
        admin.execute("UPDATE whole SET fecha_actualizacion = '-infinity' WHERE fecha_actualizacion IS NULL")
        admin.execute(f"INSERT INTO {table} SELECT * FROM whole")
        admin.execute("DROP TABLE whole")
