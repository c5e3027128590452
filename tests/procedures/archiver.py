"""A small archiver of the tests' own: whole batches of real rows, as the purge writes them, or spoilt on purpose."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from lab import records
from procedures.archive.encoding import Encoder
from runbook.settings import ArchiveSettings
from runbook.targets.s3.archives import MANIFEST, ArchivedObject, Column, Manifest, batch_folder, encoded
from runbook.targets.s3.objects import ObjectStore
from tests.runbook.targets.servers_postgres import SCHEMA, Connection

PINNED = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}
KEYS = {"tbae009_respuesta": ("id_respuesta",), "tbae010_error": ("id_error",)}
TIMES = {"tbae009_respuesta": "fecha_respuesta", "tbae010_error": None}
_BEGAN = datetime(2026, 1, 4, 9, tzinfo=UTC)

_COLUMNS = """
SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type FROM pg_attribute AS a
WHERE a.attrelid = %s::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


@dataclass
class Archiver:
    """Writes batches; each is made an hour after the one before it."""

    store: ObjectStore
    settings: ArchiveSettings
    admin: Connection
    database: str
    made: int = 0

    def archive(
        self,
        table: str,
        where: str = "true",
        *,
        run: str = "R1",
        key: tuple[str, ...] | None = None,
        time_column: str | None = "fecha_actualizacion",
        spoil: Callable[[bytes], bytes] = bytes,
        publish: bool = True,
        **changes: Any,
    ) -> Manifest:
        """One batch of the rows ``where``; the rows stay. ``changes`` are what the manifest says wrongly."""
        self.made += 1
        key, time_column = key or KEYS.get(table, ("uuid",)), TIMES.get(table, time_column)
        found = self.admin.execute(_COLUMNS, [table]).fetchall()
        columns = tuple(Column(row["name"], row["type"]) for row in found)
        encoder = Encoder(self.settings)
        for piece in self._copied(table, where, columns, key):
            encoder.feed(piece)
        content, body = encoder.content, encoder.finish()
        folder = batch_folder(self.settings.prefix, self.database, SCHEMA, table, run, self.made, "a1")
        suffix = ".age" if self.settings.encryption == "age" else ""
        stored = self.store.put_new(f"{folder}rows.copy.zst{suffix}", spoil(body))
        given: dict[str, Any] = {
            "run": run,
            "batch": self.made,
            "attempt": "a1",
            "database": self.database,
            "schema": SCHEMA,
            "table": table,
            "system_identifier": "0",
            "server_version": "17",
            "ddl": _ddl(table, columns, key),
            "columns": columns,
            "key": key,
            "time_column": time_column,
            "cutoff": "2026-01-01 00:00:00",
            "object": ArchivedObject(
                key=stored.key,
                version=stored.version,
                bytes=len(body),
                sha256=_sha256(body),
                encryption=self.settings.encryption,
            ),
            "content": content,
            "settings": PINNED,
            "line": ("ctid", "xmin", *(column.name for column in columns)),
            "created_at": _BEGAN + timedelta(hours=self.made),
            **self._told(table, where, time_column, [column.name for column in columns]),
        }
        manifest = Manifest(**(given | changes))
        if publish:
            self.store.put_new(folder + MANIFEST, encoded(manifest))
        return manifest

    def _copied(self, table: str, where: str, columns: Iterable[Column], key: tuple[str, ...]) -> Iterator[bytes]:
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
        statement = sql.SQL("COPY (SELECT ctid, xmin, {} FROM {} WHERE {} ORDER BY {}) TO STDOUT").format(
            names, sql.Identifier(table), sql.SQL(where), sql.SQL(", ").join(map(sql.Identifier, key))
        )
        with self.admin.cursor() as cursor, cursor.copy(statement) as copy:
            yield from map(bytes, copy)

    def _told(self, table: str, where: str, time_column: str | None, columns: list[str]) -> dict[str, Any]:
        """What the manifest says of the times and the subsystems of the rows."""
        told: dict[str, Any] = {}
        if time_column is not None:
            span = f"SELECT min({time_column})::text AS oldest, max({time_column})::text AS newest FROM {table}"
            told |= self.admin.execute(f"{span} WHERE {where}").fetchone() or {}
        if "id_subsistema" in columns:
            count = (
                f"SELECT coalesce(id_subsistema::text, '') AS n, count(*) AS c FROM {table} WHERE {where} GROUP BY 1"
            )
            told["subsystems"] = {row["n"]: row["c"] for row in self.admin.execute(count)}
        return told


def enrol(admin: Connection, students: Iterable[int], day: str = "2025-03-01 10:00:00") -> list[str]:
    """Finished records of these students, all at that time, with a response each; their uuids."""
    made = [records.finished(student, datetime.fromisoformat(day)) for student in students]
    records.copy_enrolments(admin, made)
    uuids = [str(row[0]) for row in made]
    for uuid in uuids:
        admin.execute(
            "INSERT INTO tbae009_respuesta (uuid, id_estatus_procesamiento, fecha_respuesta) VALUES (%s, 3, now())",
            [uuid],
        )
    return uuids


def _ddl(table: str, columns: Iterable[Column], key: tuple[str, ...]) -> str:
    fields = ", ".join(f'"{column.name}" {column.type}' for column in columns)
    return f"CREATE TABLE {SCHEMA}.{table} ({fields}, PRIMARY KEY ({', '.join(key)}));\n"


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
