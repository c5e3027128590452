"""The limit: what no purge can do without, each step alone and at its best, the seconds added up.

``COPY`` of the qualifying rows through zstd, a PUT and a GET of each object, and their deletion by key in batches.
Nothing is checked, nothing remembered, nothing is safe: only the work that every archiving purge has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import zstandard

from benchmarks.purge.data import TABLES, Exchange
from benchmarks.purge.ground import Ground
from benchmarks.purge.outcome import Outcome
from lab.place import ARCHIVE_BUCKET

#: As many rows and bytes in an object, and keys in a transaction, as the purge's own settings say by default.
OBJECT_ROWS, OBJECT_BYTES, CHUNK = 200_000, 32 << 20, 5_000


def measure(ground: Ground, database: str, before: str) -> Outcome:
    """Take all overdue rows out of ``database`` by way of the object store; they are in memory, compressed."""
    outcome = Outcome("limit: COPY | zstd, PUT, GET, DELETE by key, each alone")
    with ground.operator(database) as connection:
        objects = {table: _exported(outcome, connection, table, before) for table in TABLES}
        _stored(outcome, ground.s3(), [body for bodies in objects.values() for body in bodies])
        for table, bodies in objects.items():
            _deleted(outcome, connection, table, bodies)
    return outcome


def _exported(outcome: Outcome, connection: psycopg.Connection[Any], table: Exchange, before: str) -> list[bytes]:
    bodies: list[bytes] = []
    with (
        outcome.timed("COPY | zstd"),
        connection.cursor().copy(f"COPY (SELECT x.* FROM {table.qualifying.format(cutoff=before)}) TO STDOUT") as rows,
    ):
        compressor, body, count, size = zstandard.ZstdCompressor(level=3).compressobj(), bytearray(), 0, 0
        for row in rows:
            body += compressor.compress(row)
            count, size = count + 1, size + len(row)
            if count == OBJECT_ROWS or size >= OBJECT_BYTES:
                bodies.append(bytes(body + compressor.flush()))
                compressor, body, count, size = zstandard.ZstdCompressor(level=3).compressobj(), bytearray(), 0, 0
        bodies.append(bytes(body + compressor.flush()))
    return bodies


def _stored(outcome: Outcome, s3: Any, bodies: list[bytes]) -> None:
    with outcome.timed("PUT"):
        for number, body in enumerate(bodies):
            s3.put_object(Bucket=ARCHIVE_BUCKET, Key=f"limit/{number}", Body=body)
    with outcome.timed("GET"):
        for number in range(len(bodies)):
            s3.get_object(Bucket=ARCHIVE_BUCKET, Key=f"limit/{number}")["Body"].read()


def _deleted(outcome: Outcome, connection: psycopg.Connection[Any], table: Exchange, bodies: list[bytes]) -> None:
    statement = f"DELETE FROM {table.name} WHERE {table.key} = ANY(%s::{table.type}[])"
    for body in bodies:
        keys = list(_keys(body))
        with outcome.timed("DELETE"):
            for at in range(0, len(keys), CHUNK):
                outcome.rows += connection.execute(statement, [keys[at : at + CHUNK]], prepare=True).rowcount


def _keys(body: bytes) -> Iterator[str]:
    """The first column of each line: the key, in all three tables."""
    for line in zstandard.ZstdDecompressor().decompressobj().decompress(body).splitlines():
        yield line.partition(b"\t")[0].decode()
