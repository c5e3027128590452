"""The superuser's hand in the lab's database, and what it sees of sessions.

It leaves no trace in the slow log or the statistics of statements: what prepares an incident is no part of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, LiteralString

from lab.place import SUPERUSER, Place
from lab.records import ZONE

if TYPE_CHECKING:
    import psycopg

#: Options of a session that leaves no trace.
UNSEEN = "-c log_min_duration_statement=-1 -c pg_stat_statements.track=none"


@contextlib.contextmanager
def unseen(place: Place) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A session as superuser in the lab's schema and time that commits each statement."""
    import psycopg

    with psycopg.connect(
        place.conninfo(SUPERUSER), autocommit=True, application_name="lab", options=UNSEEN
    ) as connection:
        connection.execute(
            "SELECT set_config('search_path', %s, false), set_config('TimeZone', %s, false)",
            [f"{place.schema},public", str(ZONE)],
        )
        yield connection


def number(place: Place, query: LiteralString, *values: object) -> int:
    """The one number that the query gives."""
    with unseen(place) as connection:
        row = connection.execute(query, values).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def sessions(place: Place, application: str, state: str = "%") -> int:
    """How many sessions there are of an application (a pattern of LIKE), in that state."""
    return number(
        place,
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s AND coalesce(state, '') LIKE %s",
        application,
        state,
    )


def waiting_for_locks(place: Place, application: str) -> int:
    """How many sessions of an application (a pattern of LIKE) wait for another's lock."""
    return number(
        place,
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s AND wait_event_type = 'Lock'",
        application,
    )


def end_sessions(place: Place, application: str) -> None:
    """End all sessions of an application (a pattern of LIKE) at once."""
    number(
        place,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE %s",
        application,
    )
