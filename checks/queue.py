"""The message queue (Guía de Operaciones §3): does it grow, does it lose messages, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _asked, _capacity, _dead_letters, _growth, _past, _refusals, _replaying, _replicas, _restoring
from runbook.limits import Limits, Threshold
from runbook.model import Finding, Risk, Step
from runbook.rows import Findings, diagnoses, remedies, row
from runbook.text import bilingual

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.logs.logs import Logs
    from runbook.targets.postgres.database import Database
    from runbook.targets.rabbitmq.broker import Broker
    from runbook.targets.workers.workers import Workers


@row(
    "QUEUE-01",
    source="Guía de Operaciones §3; nivel de servicio: 50,000 registros en 30 min (1,667/min)",
    es="La cola de mensajes no crece sin parar",
    # One message a second more than is done; half of what the service level must be able to do.
    threshold=Threshold(warning=60, critical=833, unit="1/min"),
    settings={
        "window": timedelta(minutes=1),
        # 18 s of work at the service level's pace: less than that comes and goes.
        "least_messages": 500,
        # The largest usual lot, and what the service level does in its half hour.
        "depth_warning": 25_000,
        "depth_critical": 50_000,
        "drains_within": timedelta(minutes=30),
    },
    steps=(
        bilingual(
            "Check the logs: look for errors in the logs of the processing service",
            "Verificar logs: revisar los logs del Servicio de Procesamiento en busca de errores",
        ),
        bilingual(
            "Check the consumer's state: make sure that the worker is active",
            "Verificar estado del consumidor: asegurarse de que el worker esté activo",
        ),
        bilingual(
            "Scale the consumers: raise the number of replicas of the service",
            "Escalar los consumidores: aumentar el número de réplicas del servicio",
        ),
    ),
)
def check_queue_does_not_grow(broker: Broker, history: History, limits: Limits) -> None:
    """The message queue does not grow without stopping.

    A queue that grows is work that students wait for: nothing behind it moves.
    """
    for queue in broker.queues(watched=True, window=limits.span("window")):
        past = _asked.past(history, queue, limits)
        _growth.judge(queue, past.samples, limits)
        _past.tell(past, queue.name, limits)


@diagnoses(check_queue_does_not_grow, es="El Servicio de Procesamiento Inicial está caído")
def initial_processing_is_down(workers: Workers, broker: Broker) -> Finding:
    """The initial-processing service is down."""
    return _replicas.down(_asked.service(workers), _asked.processing(workers), _asked.queue_of(workers, broker))


@diagnoses(check_queue_does_not_grow, es="El worker está activo pero no consume")
def worker_is_not_consuming(workers: Workers, broker: Broker, database: Database, logs: Logs) -> Finding:
    """The worker is alive but does not consume."""
    queue, replicas = _asked.queue_of(workers, broker), _asked.processing(workers)
    refused = _asked.refused(database, logs, workers, queue)
    return _replicas.stuck(_asked.service(workers), replicas, queue, _asked.clients(broker, queue), refused)


@diagnoses(check_queue_does_not_grow, es="Errores de conexión a la BD sep_muses")
def database_refuses_the_workers(workers: Workers, broker: Broker, database: Database, logs: Logs) -> Finding:
    """Connection errors to the database sep_muses."""
    queue, alive = _asked.queue_of(workers, broker), _replicas.alive(_asked.processing(workers))
    seen = _refusals.look(database, logs, workers.processing)
    return _refusals.refuses(seen, works=bool(queue.acknowledge_rate), alive=bool(alive))


@diagnoses(check_queue_does_not_grow, es="Las réplicas no alcanzan para los mensajes que llegan")
def too_few_consumers(workers: Workers, broker: Broker, database: Database, logs: Logs) -> Finding:
    """The consumers are fewer than the arriving messages need."""
    queue, running = _asked.queue_of(workers, broker), _replicas.alive(_asked.processing(workers))
    return _capacity.too_few(
        _asked.service(workers),
        len(running),
        queue,
        _asked.ceiling(database, workers),
        refused=_asked.refused(database, logs, workers, queue),
        locked=_asked.locked(database, workers.processing),
    )


@remedies(check_queue_does_not_grow, risk=Risk.MEDIUM, settles=timedelta(minutes=2))
def restore_consumers(findings: Findings, workers: Workers) -> Iterator[Step]:
    """Start what is down, restart what is stuck, scale what is too few; nothing while the database refuses."""
    return _restoring.steps(findings, workers.processing, workers.max_replicas)


@row(
    "QUEUE-02",
    source="Guía de Operaciones §3 (revisar los logs en busca de errores); práctica de RabbitMQ: dead letter exchange",
    es="Ningún mensaje queda en la cola de mensajes muertos",
    threshold=Threshold(warning=0, critical=100, unit="messages"),
    # Put back only when none has come for so long, and the workers' own queue is next to empty.
    settings={"window": timedelta(days=1), "quiet": timedelta(minutes=15), "least_waiting": 100},
    person=_dead_letters.FOR_A_PERSON,
)
def check_no_dead_letters(broker: Broker, history: History, limits: Limits) -> None:
    """No message rests among the dead letters.

    A message that was rejected is a student's record that nobody will process until a person decides.
    """
    for queue in broker.dead_letters():
        _dead_letters.judge(queue, _asked.earlier(history, "QUEUE-02", queue.name, limits), limits)


@diagnoses(check_no_dead_letters, es="Llegan mensajes mal formados que ningún worker puede procesar")
def messages_are_poisoned(workers: Workers, broker: Broker, logs: Logs) -> Finding:
    """Malformed messages arrive that no worker can process."""
    return _dead_letters.poisoned(logs.errors(workers.processing), broker.dead_letters())


@diagnoses(check_no_dead_letters, es="La causa del rechazo ya no existe: los mensajes pueden volver a su cola")
def cause_is_gone(workers: Workers, broker: Broker, logs: Logs, history: History, limits: Limits) -> Finding:
    """What rejected them is mended: the messages may go back to their queue."""
    dead = [(queue, _asked.earlier(history, "QUEUE-02", queue.name, limits)) for queue in broker.dead_letters()]
    work, errors = _asked.queue_of(workers, broker), logs.errors(workers.processing)
    return _replaying.gone(dead, work, _asked.processing(workers), errors, limits)


@remedies(check_no_dead_letters, risk=Risk.HIGH, settles=timedelta(minutes=2))
def put_dead_letters_back(findings: Findings, broker: Broker) -> Iterator[Step]:
    """Put the dead letters back where they were rejected, a few first; nothing while the cause is not gone."""
    return _replaying.steps(findings, broker.replaying, len(broker.dead_letter_names))
