"""The tables of SEP-MUSES in the lab's database, the catalogues and a past of invented records."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lab import records
from lab.place import SUPERUSER, Place

if TYPE_CHECKING:
    import psycopg

#: How many finished enrolments the lab starts with, spread evenly over the last days. None is overdue for the purge.
PAST_RECORDS, PAST_DAYS = 3_000, 60


def install(place: Place) -> None:
    """Make the schema with everything in it, owned by ``muses_owner``; nothing where it stands already.

    One transaction: a lab killed halfway has the whole schema or none of it. Raises psycopg.Error.
    """
    import psycopg
    from psycopg import sql

    schema = sql.Identifier(place.schema)
    with psycopg.connect(place.conninfo(SUPERUSER), application_name="lab-schema") as connection:
        if _installed(connection, place.schema):
            return
        connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION muses_owner").format(schema))
        connection.execute("SET LOCAL ROLE muses_owner")
        connection.execute(sql.SQL("SET LOCAL search_path TO {}, public").format(schema))
        connection.execute(f"SET LOCAL TimeZone TO '{records.ZONE}'")
        _fill(connection)


def _installed(connection: psycopg.Connection[tuple[object, ...]], schema: str) -> bool:
    found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema])
    return found.fetchone() is not None


def _fill(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    *tables, history = sorted(Path(__file__).parent.glob("*.sql"))
    for script in tables:
        connection.execute(script.read_text())
    first = datetime.now(records.ZONE).replace(tzinfo=None) - timedelta(days=PAST_DAYS)
    apart = timedelta(days=PAST_DAYS) / PAST_RECORDS
    records.copy_enrolments(
        connection,
        (records.finished(number, first + number * apart) for number in range(PAST_RECORDS)),
    )
    connection.execute(history.read_text())
