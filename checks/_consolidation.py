"""Whether the consolidation service works at all: down, hung, or failing at every record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _replicas
from checks._found import alike, confirmed, fact, logged, ruled_out, unknown
from runbook.errors import NotConfigured, ProbeError
from runbook.model import Evidence, Finding
from runbook.text import Quantity, per_second, text

if TYPE_CHECKING:
    from runbook.targets.logs.logs import ErrorGroup, Logs
    from runbook.targets.postgres.structs import Batch, Session
    from runbook.targets.prometheus.prometheus import Prometheus
    from runbook.targets.workers.workers import Replica

#: An older error is over: a service that fails at what it takes says so at every try.
LATELY = timedelta(minutes=1)


def not_working(
    service: str,
    replicas: Iterable[Replica],
    batches: Iterable[Batch],
    rate: float,
    sessions: Iterable[Session],
    errors: Sequence[ErrorGroup] | None,
    more: Iterable[Evidence] = (),
) -> Finding:
    """Whether nobody takes the records that wait.

    ``errors`` are those of the service's log, None where it is not seen; ``more`` is what else is known of its pace.

    One that waits for a lock or computes is at work, however slowly: that is another cause's.
    """
    own = [replica for replica in replicas if replica.service == service]
    running = _replicas.alive(own)
    waiting = sum(batch.waiting for batch in batches)
    evidence = (
        _replicas.states(service, own),
        fact(
            text("{rate} are finished, {records} wait", rate=per_second(rate), records=_n(waiting)), "tbae009_respuesta"
        ),
        *(logged(group, service) for group in errors or ()),
        *alike(errors or (), service),
        *more,
    )
    if not own:
        return unknown(text("The process manager does not know {service}", service=service), *evidence)
    if not running:
        start = [_replicas.handle(replica) for replica in _replicas.to_start(own)]
        return confirmed(text("No replica of {service} runs", service=service), *evidence, start=start)
    if rate > 0 or not waiting or any(_is_busy(session, service) for session in sessions):
        return ruled_out(text("{service} runs and works", service=service), *evidence)
    if errors:
        fails = text("{service} runs, but fails at what it takes: see the errors in its log", service=service)
        look = text("A restart would meet the same error: mend what the log names first")
        return confirmed(fails, *evidence, advice=(look,))
    if errors is None:
        unseen = text("{service} runs, but takes nothing; whether it logs errors cannot be seen", service=service)
        return unknown(unseen, *evidence)
    hangs = text("{service} runs, but takes nothing and logs no error", service=service)
    return confirmed(hangs, *evidence, restart=[_replicas.handle(replica) for replica in running])


def errors(logs: Logs, service: str) -> tuple[ErrorGroup, ...] | None:
    """The errors that the service still logs; None where its log, or a part of it that might, cannot be read."""
    try:
        found = logs.errors(service)
    except ProbeError:
        return None
    lately = tuple(group for group in found.groups if found.until - group.last <= LATELY)
    return lately or (None if found.unseen else ())


def pace(prometheus: Prometheus, service: str) -> tuple[Evidence, ...]:
    """What the service does now and did yesterday at this time, as Prometheus saw it; none where there is none."""
    try:
        seen = prometheus.throughput(service)
    except NotConfigured:
        return ()
    except ProbeError as error:
        return (fact(error.said, "Prometheus"),)
    now, then = (None if rate is None else per_second(rate) for rate in (seen.now, seen.yesterday))
    if now is None:
        return (fact(text("Prometheus has no sample of what {service} does", service=service), "Prometheus"),)
    if then is None:
        return (fact(text("{service} finishes {rate}", service=service, rate=now), "Prometheus"),)
    said = text(
        "{service} finishes {rate}, against {usual} yesterday at this time", service=service, rate=now, usual=then
    )
    return (fact(said, "Prometheus"),)


def _is_busy(session: Session, service: str) -> bool:
    return session.application.startswith(service) and session.state == "active"


def _n(count: int) -> Quantity:
    return Quantity(count, "records")
