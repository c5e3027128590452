"""What people do instead, each written as well as its idea allows."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.purge.data import TABLES, Exchange, overdue
from benchmarks.purge.ground import Ground
from benchmarks.purge.outcome import Outcome
from lab.place import ARCHIVE_BUCKET

#: pt-archiver's ``--limit`` and ``--txn-size`` as its manual's examples and most scripts have them.
TRANSACTION = 1_000
#: Rows that a server-side cursor hands over at once.
FETCH = 10_000


def pt_archiver(ground: Ground, database: str, before: str) -> Outcome:
    """As pt-archiver works: walk the key, write each row to a file, delete it by key, commit each thousand.

    Nothing is uploaded, and nothing proves the file.
    """
    outcome = Outcome("pt-archiver style: row by row, transactions of 1,000, no upload")
    with ground.operator(database) as connection, tempfile.TemporaryDirectory(dir=ground.place.home) as folder:
        for table in TABLES:
            with outcome.timed(table.name):
                outcome.rows += _walked(connection, table, before, Path(folder), TRANSACTION, None)
    return outcome


def commit_each(ground: Ground, database: str, before: str, most: int) -> Outcome:
    """The same with a commit for each row, on the first ``most`` rows of each table, reckoned up to all of them."""
    outcome = Outcome("row by row, a commit each, no upload", note=f"from the first {most:,} rows of each table")
    wanted = overdue(ground, database, before)
    with ground.operator(database) as connection, tempfile.TemporaryDirectory(dir=ground.place.home) as folder:
        for table in TABLES:
            with outcome.timed(table.name):
                done = _walked(connection, table, before, Path(folder), 1, most)
            outcome.parts[table.name] *= wanted[table.name] / done
            outcome.rows += wanted[table.name]
    return outcome


def _walked(
    connection: psycopg.Connection[Any],
    table: Exchange,
    before: str,
    folder: Path,
    transaction: int,
    most: int | None,
) -> int:
    """How many rows went. Selects by key, a page of a thousand at a time; ``transaction`` deletes are one commit."""
    page = (
        f"SELECT x.* FROM {table.qualifying.format(cutoff=before)} AND x.{table.key} > %s::{table.type}"
        f" ORDER BY x.{table.key} LIMIT {TRANSACTION}"
    )
    delete = f"DELETE FROM {table.name} WHERE {table.key} = %s"
    last: Any = "" if table.type == "varchar" else 0
    done = 0
    with (folder / f"{table.name}.txt").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        while most is None or done < most:
            rows = connection.execute(page, [last], prepare=True).fetchall()
            if not rows:
                break
            for at in range(0, len(rows), transaction):
                with connection.transaction():
                    for row in rows[at : at + transaction]:
                        writer.writerow(row)
                        done += connection.execute(delete, [row[0]], prepare=True).rowcount
                file.flush()
            last = rows[-1][0]
    return done


def cursor_csv(ground: Ground, database: str, before: str) -> Outcome:
    """The script that everybody has: a server-side cursor, a CSV file, an upload, ``DELETE … WHERE time < cutoff``.

    A row committed between its cursor and its DELETE is lost; so is everything when the upload lied.
    """
    outcome = Outcome("cursor → CSV → upload → DELETE WHERE")
    s3 = ground.s3()
    with ground.operator(database) as connection, tempfile.TemporaryDirectory(dir=ground.place.home) as folder:
        for table in TABLES:
            file = Path(folder) / f"{table.name}.csv"
            with outcome.timed("cursor → CSV"):
                _written(connection, table, before, file)
            with outcome.timed("upload"):
                s3.upload_file(str(file), ARCHIVE_BUCKET, f"csv/{file.name}")
        for table in TABLES:
            with outcome.timed("DELETE WHERE"):
                outcome.rows += connection.execute(f"DELETE FROM {table.qualifying.format(cutoff=before)}").rowcount
    return outcome


def _written(connection: psycopg.Connection[Any], table: Exchange, before: str, file: Path) -> None:
    with (
        connection.transaction(),
        connection.cursor(f"bench_{table.name}") as cursor,
        file.open("w", newline="", encoding="utf-8") as output,
    ):
        cursor.itersize = FETCH
        cursor.execute(f"SELECT x.* FROM {table.qualifying.format(cutoff=before)}")
        writer = csv.writer(output)
        while rows := cursor.fetchmany(FETCH):
            writer.writerows(rows)
