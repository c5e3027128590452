"""Whether the tables stay usable: a writer and a reader as SEP-MUSES has them, with a purge beside them and without.

Requests are due at fixed times and their latency counts from then, so that a request that waits behind a slow one is
slow too; how long each took from when it was sent is kept beside it.
"""

from __future__ import annotations

import multiprocessing
import random
import statistics
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import psycopg

from benchmarks.purge.ground import Ground
from lab import records

#: Requests a second, of the writer and of the reader.
RATE = 50
#: One in so many of the reader's requests is the ETL's; the others look a record up.
ETL_EVERY = 10
_COLUMNS = (*records.ENROLMENT_COLUMNS, "fecha_actualizacion", "id_estatus_procesamiento")
_INSERT = (
    f"INSERT INTO tbae001_inscripcion ({', '.join(_COLUMNS)})"
    f" VALUES ({', '.join(['%s'] * (len(_COLUMNS) - 2))}, localtimestamp, {records.VALIDATED})"
)
_FINISH = (
    f"WITH done AS (UPDATE tbae001_inscripcion SET id_estatus_procesamiento = {records.FINISHED},"
    " fecha_actualizacion = localtimestamp WHERE uuid = %s RETURNING uuid)"
    " INSERT INTO tbae009_respuesta (uuid, id_estatus_procesamiento, fecha_respuesta)"
    f" SELECT uuid, {records.FINISHED}, localtimestamp FROM done"
)
_UNFINISHED = (
    "SELECT * FROM tbae001_inscripcion WHERE id_estatus_procesamiento IN (1, 2) ORDER BY fecha_actualizacion LIMIT 500"
)
_LOOKUP = "SELECT * FROM tbae001_inscripcion WHERE uuid = %s"
_YOUNG = (
    "SELECT uuid FROM tbae001_inscripcion"
    " WHERE fecha_actualizacion > localtimestamp - interval '80 days' ORDER BY random() LIMIT 20000"
)
Statement = tuple[str, list[Any]]


class Request(NamedTuple):
    """When it was due, when it was sent, when it was answered: seconds of the machine's own clock."""

    due: float
    sent: float
    answered: float


@dataclass(frozen=True)
class Latency:
    """Milliseconds of the requests in one span: from when they were due, and ``sent_…`` from when they were sent."""

    requests: int
    p50: float
    p99: float
    worst: float
    sent_p50: float
    sent_p99: float


class Clients:
    """A writer and a reader in processes of their own, from entering on; ``between`` tells what they saw."""

    def __init__(self, ground: Ground, database: str) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share our connections
        self._ends: dict[str, Connection] = {}
        self._processes = []
        for name in ("writer", "reader"):
            ours, theirs = context.Pipe()
            process = context.Process(target=_client, args=(name, ground, database, theirs), daemon=True)
            self._ends[name] = ours
            self._processes.append(process)

    def __enter__(self) -> Clients:
        for process in self._processes:
            process.start()
        for end in self._ends.values():
            end.recv()
        return self

    def __exit__(self, *_error: object) -> None:
        for process in self._processes:
            process.terminate()
            process.join()

    def stop(self) -> dict[str, list[Request]]:
        """End them; all their requests by client."""
        for end in self._ends.values():
            end.send("stop")
        return {name: end.recv() for name, end in self._ends.items()}


def between(requests: list[Request], start: float, end: float) -> Latency:
    """Those that were due from ``start`` to ``end``."""
    chosen = [request for request in requests if start <= request.due < end]
    from_due = sorted((request.answered - request.due) * 1000 for request in chosen)
    from_sent = sorted((request.answered - request.sent) * 1000 for request in chosen)
    return Latency(
        requests=len(chosen),
        p50=statistics.median(from_due),
        p99=_percentile(from_due, 0.99),
        worst=from_due[-1],
        sent_p50=statistics.median(from_sent),
        sent_p99=_percentile(from_sent, 0.99),
    )


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _client(name: str, ground: Ground, database: str, end: Connection) -> None:
    seen: list[Request] = []
    with ground.service(database) as connection:
        requests = _writing() if name == "writer" else _reading(connection)
        connection.execute(
            *next(requests), prepare=True
        )  # connected, planned, cached: what the first request pays is not the tables' doing
        end.send("ready")
        started = time.monotonic()
        while not end.poll():
            due = started + len(seen) / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            (statement, values), sent = next(requests), time.monotonic()
            answer = connection.execute(statement, values, prepare=True)
            if answer.description:
                answer.fetchall()
            seen.append(Request(due, sent, time.monotonic()))
    end.send(seen)


def _writing() -> Iterator[Statement]:
    """A new record, then an old new one finished with its answer, in turn."""
    waiting: deque[str] = deque()
    for student in range(records.STUDENTS, 1 << 40):
        values = [*records.enrolment(student).values()]
        waiting.append(values[0])
        yield _INSERT, values
        if len(waiting) > RATE:
            yield _FINISH, [waiting.popleft()]


def _reading(connection: psycopg.Connection[Any]) -> Iterator[Statement]:
    """Records that no purge takes, some that never were, and the ETL's next lot."""
    keys, chance = [row[0] for row in connection.execute(_YOUNG).fetchall()], random.Random(7)
    for number in range(1 << 40):
        if number % ETL_EVERY == 0:
            yield _UNFINISHED, []
        else:
            yield _LOOKUP, [chance.choice(keys) if number % 20 != 1 else str(uuid.uuid4())]
