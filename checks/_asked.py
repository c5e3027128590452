"""What the diagnoses of the queue ask of its targets, and what they do without where a target is silent."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _capacity, _growth, _past, _refusals, _replicas
from runbook.errors import HistoryError, ProbeError
from runbook.limits import Limits
from runbook.targets.workers.replicas import Service

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.logs.logs import Logs
    from runbook.targets.postgres.database import Database
    from runbook.targets.rabbitmq.broker import Broker, Consumer, Queue
    from runbook.targets.workers.workers import Replica, Workers

#: Diagnosis looks at the last moments only: what a queue did before its trouble began would blur the rates.
RECENT = timedelta(seconds=15)


def queue_of(workers: Workers, broker: Broker) -> Queue:
    """What the initial-processing service consumes, in its last moments."""
    queues = broker.queues(watched=True, window=RECENT)
    return next((queue for queue in queues if queue.name == workers.queue), queues[0])


def processing(workers: Workers) -> list[Replica]:
    return [replica for replica in workers.replicas() if replica.service == workers.processing]


def clients(broker: Broker, queue: Queue) -> list[Consumer] | None:
    """Who consumes, by name; None where only the management API could say and is not there."""
    try:
        return [consumer for consumer in broker.consumers() if consumer.queue == queue.name]
    except ProbeError:
        return None


def refused(database: Database, logs: Logs, workers: Workers, queue: Queue) -> bool:
    seen = _refusals.look(database, logs, workers.processing)
    alive = bool(_replicas.alive(processing(workers)))
    return seen.refusing(works=bool(queue.acknowledge_rate), alive=alive) is True


def service(workers: Workers) -> Service:
    """The number of replicas of the initial-processing service, and whose it is."""
    found = next((one for one in workers.services() if one.name == workers.processing), None)
    return found or Service(name=workers.processing, wanted=0, running=0, most=0)


def ceiling(database: Database, workers: Workers) -> _capacity.Ceiling:
    """What bounds the replicas; the database's connections are not known where it does not say."""
    known = service(workers)
    each, most = workers.connections_per_replica, workers.max_replicas
    free: int | None = None
    with suppress(ProbeError):
        free = _capacity.free(database.connections(), workers.processing)
    if free is not None and workers.max_connections is not None:
        free = min(free, max(0, workers.max_connections - known.wanted * each))
    return _capacity.Ceiling(most if known.most is None else min(most, known.most), free, each)


def locked(database: Database, service: str) -> int:
    """How many of the service's sessions wait for a lock; none where the database does not say."""
    try:
        sessions = database.sessions()
    except ProbeError:
        return 0
    return sum(s.wait_event_type == "Lock" and s.application.startswith(service) for s in sessions)


def past(history: History, queue: Queue, limits: Limits) -> _past.Past:
    """A queue's length so far; that of Prometheus where neither the broker nor earlier runs have enough samples."""
    own = earlier(history, "QUEUE-01", _growth.depth_of(queue.name), limits)
    if len(queue.samples) >= _growth.FEW:
        return _past.Past(own)
    return _past.of(history, own, _growth.FEW, "queue_messages", queue.name, limits.span("window"))


def earlier(history: History, row: str, object: str, limits: Limits) -> _growth.Earlier:
    """Earlier runs' measures; none where there is no history, which only makes the judgement coarser."""
    try:
        return history.samples(row, object, limits.span("window"))
    except HistoryError:
        return ()
