"""Writers that never rest, and a history of what they did, kept by the database in the same transactions.

The history says of every row what it was last, so that it can be said where it must be now, whoever was killed when.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg

from tests.procedures.purge.filling import ERRORS, RECORDS, RESPONSES, TABLES
from tests.procedures.purge.ground import Ground
from tests.runbook.targets.servers_postgres import SCHEMA, Connection

#: Rows as text, by the settings that all sessions here have.
_PINNED = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET lock_timeout = '5s'"
_KEYS = {**dict.fromkeys(RECORDS, "uuid"), RESPONSES: "id_respuesta", ERRORS: "id_error"}
_HISTORY = """
DROP SCHEMA IF EXISTS history CASCADE;
CREATE SCHEMA history;
CREATE TABLE history.event (number bigserial PRIMARY KEY, name text, key text, image text);
CREATE FUNCTION history.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO history.event (name, key, image) VALUES (TG_TABLE_NAME, to_jsonb(NEW)->>TG_ARGV[0], NEW::text);
    RETURN NULL;
END $$;
GRANT USAGE ON SCHEMA history TO muses_app;
GRANT INSERT ON history.event TO muses_app;
GRANT USAGE ON SEQUENCE history.event_number_seq TO muses_app;
"""


class History:
    """What every row was last, from now on."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._loaded = ground, set[str]()
        admin = ground.admin
        admin.execute(_PINNED)
        admin.execute(_HISTORY)
        for table in TABLES:
            key = _KEYS[table]
            admin.execute(
                f"INSERT INTO history.event (name, key, image) SELECT '{table}', t.{key}::text, t::text FROM {table} t;"
                f"CREATE TRIGGER note AFTER INSERT OR UPDATE ON {table} FOR EACH ROW "
                f"EXECUTE FUNCTION history.note('{key}');"
                f"CREATE TABLE history.{table} (LIKE {table})"
            )

    def check(self, *, quiet: bool = False) -> int:
        """Every row that nobody deleted is in its table or in the archive, as it was last; the number of those rows.

        ``quiet``: nobody writes now, so no record is in both places either. A response is, if it got an error after it
        was archived, and stayed with it when its record went: it goes when it is old itself.
        """
        self._load()
        return sum(self._checked(table, quiet=quiet) for table in TABLES)

    def _checked(self, table: str, *, quiet: bool) -> int:
        found = self._ground.admin.execute(
            f"""
            WITH last AS (
                SELECT DISTINCT ON (key) key, image FROM history.event WHERE name = '{table}'
                ORDER BY key, number DESC
            ), here AS (SELECT t::text AS image FROM {SCHEMA}.{table} AS t),
            away AS (SELECT DISTINCT t::text AS image FROM history.{table} AS t)
            SELECT count(*) FILTER (WHERE last.image IS NOT NULL) AS rows,
                count(*) FILTER (WHERE last.image IS NOT NULL AND here.image IS NULL AND away.image IS NULL) AS lost,
                count(*) FILTER (WHERE last.image IS NOT NULL AND here.image IS NOT NULL AND away.image IS NOT NULL)
                    AS twice,
                count(*) FILTER (WHERE last.image IS NULL AND here.image IS NOT NULL) AS unknown
            FROM last FULL JOIN here USING (image) LEFT JOIN away USING (image)
            """
        ).fetchall()[0]
        assert (found["lost"], found["unknown"]) == (0, 0), f"{table}: {found}"
        assert not (quiet and found["twice"] and table in RECORDS), f"{table}: {found}"
        return int(found["rows"])

    def _load(self) -> None:
        """What was published since the last time, read back and held against the manifests, into tables."""
        for manifest in self._ground.archive().manifests:
            if manifest.object.key in self._loaded:
                continue
            self._loaded.add(manifest.object.key)
            lines = self._ground.rows_of(manifest)
            with self._ground.admin.cursor().copy(f"COPY history.{manifest.table} FROM STDIN") as copy:
                copy.write(b"\n".join([*lines, b""]))


class Writer:
    """Inserts, updates and deletes records and what belongs to them, in short transactions, until it is stopped."""

    def __init__(self, session: Connection, seed: int) -> None:
        self._session, self._chance = session, random.Random(seed)
        self._stop, self.done, self.failures = threading.Event(), 0, 0
        self._thread = threading.Thread(target=self._write, daemon=True)
        session.execute(_PINNED)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def _write(self) -> None:
        ways = (self._insert, self._insert, self._update, self._answer, self._delete)
        while not self._stop.is_set():
            try:
                with self._session.transaction():
                    self._chance.choice(ways)()
                self.done += 1
            except psycopg.Error:  # a deadlock, a row that went meanwhile: nothing was written then
                self.failures += 1
            self._stop.wait(self._chance.random() * 0.02)

    def _insert(self) -> None:
        for _ in range(self._chance.randrange(1, 6)):
            days = self._chance.choice((10, 120, 200, 400))
            row = self._session.execute(
                "INSERT INTO tbae002_bajas (uuid, motivo_baja, id_estatus_procesamiento, fecha_actualizacion) "
                "VALUES (gen_random_uuid()::text, %s, 3, localtimestamp - %s * interval '1 day') RETURNING uuid",
                [f"escrito\t{self._chance.random()}", days],
            ).fetchall()[0]
            self._respond(row["uuid"])

    def _respond(self, uuid: str) -> None:
        query = (
            "INSERT INTO tbae009_respuesta (uuid, id_estatus_procesamiento, fecha_respuesta) "
            "VALUES (%s, 3, localtimestamp) RETURNING id_respuesta AS id"
        )
        answer = self._session.execute(query, [uuid]).fetchall()[0]["id"]
        if self._chance.random() < 0.5:
            query = "INSERT INTO tbae010_error (id_respuesta, id_motivo_error) VALUES (%s, 1)"
            self._session.execute(query, [answer])

    def _update(self) -> None:
        table = self._chance.choice(("tbae001_inscripcion", "tbae002_bajas"))
        column = {"tbae001_inscripcion": "nombre", "tbae002_bajas": "motivo_baja"}[table]
        query = f"UPDATE {table} SET {column} = %s WHERE uuid IN (SELECT uuid FROM {table} ORDER BY random() LIMIT 3)"
        self._session.execute(query, [f"otro {self._chance.random()}"])

    def _answer(self) -> None:
        rows = self._session.execute(
            "SELECT id_respuesta AS id FROM tbae009_respuesta ORDER BY random() LIMIT 2"
        ).fetchall()
        for row in rows:
            self._session.execute(
                "INSERT INTO tbae010_error (id_respuesta, id_motivo_error) VALUES (%s, 2)", [row["id"]]
            )

    def _delete(self) -> None:
        """Of its own will: written into the history too, in the same transaction."""
        self._session.execute(
            "WITH gone AS (DELETE FROM tbae007_calificaciones WHERE uuid IN "
            "(SELECT uuid FROM tbae007_calificaciones ORDER BY random() LIMIT 1) RETURNING uuid), "
            "errors AS (DELETE FROM tbae010_error WHERE id_error IN "
            "(SELECT id_error FROM tbae010_error ORDER BY random() LIMIT 1) RETURNING id_error) "
            "INSERT INTO history.event (name, key) SELECT 'tbae007_calificaciones', uuid FROM gone "
            "UNION ALL SELECT 'tbae010_error', id_error::text FROM errors"
        )


@contextmanager
def writers(ground: Ground, count: int, seed: int) -> Iterator[list[Writer]]:
    """Some of them at once, until the block ends."""
    sessions = [ground.postgres.session() for _ in range(count)]
    made = [Writer(session, seed + number) for number, session in enumerate(sessions)]
    try:
        for writer in made:
            writer.start()
        yield made
    finally:
        for writer in made:
            writer.stop()
        for session in sessions:
            with suppress(psycopg.Error), closing(session):
                pass


def told(found: Any) -> str:
    """For the summary of a long test."""
    return ", ".join(f"{name} {value}" for name, value in found.items())
