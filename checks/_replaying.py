"""Whether the cause of dead letters is gone, and the plan that puts them back. Pure.

That none comes any more proves nothing: the next record of the same kind may just not have come. What shows that
something was mended is that all workers that rejected them are gone: those at work now were started since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from checks._dead_letters import quiet_since
from checks._found import confirmed, fact, log_of, ruled_out, told, unknown
from checks._growth import Earlier
from runbook import clock
from runbook.limits import Limits
from runbook.model import Effect, Finding, Risk, Step
from runbook.rows import Findings, NoPlan
from runbook.text import Quantity, Text, per_second, text

if TYPE_CHECKING:
    from runbook.settings.broker import ReplaySettings
    from runbook.targets.logs.logs import ErrorGroups
    from runbook.targets.rabbitmq.broker import Queue
    from runbook.targets.workers.workers import Replica


def gone(
    dead: Sequence[tuple[Queue, Earlier]], work: Queue, replicas: Iterable[Replica], errors: ErrorGroups, limits: Limits
) -> Finding:
    """Whether what rejected the dead letters is mended, by everything that can be seen of it."""
    waiting = [(queue, quiet_since(queue, earlier)) for queue, earlier in dead if queue.messages]
    if not waiting:
        return ruled_out(text("There is no dead letter"))
    if any(quiet is None for _, quiet in waiting):
        return unknown(text("No earlier run looked: it is not known when the last dead letter came"))
    last = max(quiet for _, quiet in waiting if quiet is not None)
    if clock.now() - last < limits.span("quiet"):
        return ruled_out(text("New dead letters came until {last}", last=last))
    running = [replica for replica in replicas if replica.running]
    objection = _objection(work, running, errors, last, limits)
    if objection is not None:
        return objection
    names = (f"{replica.name}: {replica.since}" for replica in running)
    since = fact(
        text(
            "All {replicas} were started after the last dead letter came", replicas=Quantity(len(running), "replicas")
        ),
        "",
        names,
    )
    none = fact(text("The worker has rejected nothing since"), log_of(errors.service))
    found = [{"queue": queue.name, "messages": queue.messages} for queue, _ in waiting]
    return confirmed(
        text("None has come since {last}, and the workers are new since", last=last), since, none, replay=found
    )


def _objection(
    work: Queue, running: Sequence[Replica], errors: ErrorGroups, last: datetime, limits: Limits
) -> Finding | None:
    if not running or not work.consumers:
        return ruled_out(text("Nobody consumes {queue}: they would only wait there", queue=work.name))
    if work.ready > limits.number("least_waiting"):
        return ruled_out(
            text(
                "{queue} has enough to do: {messages} wait in it",
                queue=work.name,
                messages=Quantity(work.ready, "messages"),
            )
        )
    started = [_started(replica) for replica in running]
    if any(at is None for at in started):
        return unknown(text("It is not known since when the replicas run"))
    first = min(at for at in started if at is not None)
    if first <= last:
        return ruled_out(
            text("The workers that rejected them run on since {first}: nothing shows a change", first=first)
        )
    if errors.unseen:
        return unknown(text("Part of the log of {service} cannot be read", service=errors.service))
    if any(group.kind == "message" and group.last > first for group in errors.groups):
        return ruled_out(text("The workers of today reject messages too"))
    return None


def _started(replica: Replica) -> datetime | None:
    return None if replica.since is None else clock.now() - replica.since


def steps(findings: Findings, settings: ReplaySettings, queues: int) -> Iterator[Step]:
    """One step a dead-letter queue; none while the cause is not gone."""
    found = told(findings, "cause_is_gone", "replay")
    if not found:
        raise NoPlan(
            text(
                "Nothing is put back while the cause is not gone: {reason}",
                reason=str(findings["cause_is_gone"].summary),
            )
        )
    for one in found:
        yield _step(one, settings, queues)


def _step(one: dict[str, Any], settings: ReplaySettings, queues: int) -> Step:
    most = min(one["messages"], settings.most)
    return Step(
        what=_what(one, settings, most),
        target="broker",
        operation="replay",
        arguments={"queue": one["queue"], "most": most},
        fingerprint={"messages": one["messages"]},
        risk=Risk.HIGH,
        effect=Effect.CHANGE,
        population=queues,
    )


def _what(one: dict[str, Any], settings: ReplaySettings, most: int) -> Text:
    return text(
        "Put {most} of {messages} in {queue} back where they were rejected, {canary} first and then {rate}; "
        "it stops when one comes back, and cannot be undone",
        most=most,
        messages=Quantity(one["messages"], "messages"),
        queue=one["queue"],
        canary=min(settings.canary, most),
        rate=per_second(settings.per_second),
    )
