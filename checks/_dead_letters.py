"""Dead letters: how many, how many are new, what the worker said when it rejected them, what a person may do. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from checks._found import alike, confirmed, fact, log_of, logged, ruled_out, unknown
from checks._growth import Earlier
from runbook import clock
from runbook.limits import Limits
from runbook.model import Finding
from runbook.text import Quantity, per_minute, text

if TYPE_CHECKING:
    from runbook.targets.logs.logs import ErrorGroups
    from runbook.targets.rabbitmq.broker import Queue

#: Getting with requeue puts the messages back where they were; nothing here removes one.
FOR_A_PERSON = text(
    "Look at some without taking them: `rabbitmqadmin --vhost=VHOST get queue=QUEUE ackmode=ack_requeue_true count=5`. "
    "Tell the subsystem that sent them what is wrong, by the transaction_id in the log of the worker. Do not purge the "
    "queue: what is in it is nowhere else. Once the cause is mended, restart the workers: when no new one has come for "
    "a while, `muses-runbook check QUEUE-02 --fix` offers to put them back where they were rejected. Records that are "
    "wrong themselves must be sent again, corrected"
)


def judge(queue: Queue, earlier: Earlier, limits: Limits) -> None:
    """Judge one dead-letter queue by its depth; says how many came since the last run."""
    shown = {"queue": queue.name, "messages": _messages(queue.messages)}
    new = queue.messages - round(earlier[-1][1]) if earlier else 0
    if not queue.messages:
        summary = text("{queue} is empty", queue=queue.name)
    elif new > 0:
        since = earlier[-1][0]
        summary = text("{queue} holds {messages}, {new} of them since {since}", **shown, new=new, since=since)
    else:
        summary = text("{queue} holds {messages}", **shown)
    limits.judge(queue.messages, of=queue.name, summary=summary)


def judge_growth(queue: Queue, earlier: Earlier, limits: Limits) -> None:
    """Judge how many came a minute: by the broker's own samples, and since earlier runs of the window."""
    rates = [] if queue.growth_per_minute is None else [queue.growth_per_minute]
    if earlier:
        minutes = (clock.now() - earlier[0][0]) / timedelta(minutes=1)
        rates.append(_risen(queue, earlier) / max(minutes, 1))
    if not rates:
        limits.cannot_see(text("Whether {queue} grows is not known: there are too few samples of it", queue=queue.name))
        return
    rate = max(*rates, 0.0)
    grows = text("{growth} new messages come to {queue}", queue=queue.name, growth=per_minute(rate))
    limits.judge(
        rate, of=queue.name, summary=grows if rate else text("No new message comes to {queue}", queue=queue.name)
    )


def quiet_since(queue: Queue, earlier: Earlier) -> datetime | None:
    """Since when no new one came, as far as earlier runs looked; None where none did. What comes in while as many are
    taken away is not seen."""
    counts = [*earlier, (clock.now(), float(queue.messages))]
    quiet = None if not earlier else counts[0][0]
    for (_, before), (at, after) in pairwise(counts):
        if after > before:
            quiet = at
    return quiet


def _risen(queue: Queue, earlier: Earlier) -> float:
    counts = [*(count for _, count in earlier), float(queue.messages)]
    return sum(max(after - before, 0.0) for before, after in pairwise(counts))


def poisoned(errors: ErrorGroups, queues: Iterable[Queue]) -> Finding:
    """Whether the worker rejected messages for what is in them.

    The log that is read reaches back some minutes only: dead letters that are older than that tell nothing.
    """
    groups = [group for group in errors.groups if group.kind == "message"]
    if groups:
        count = Quantity(sum(group.count for group in groups), "messages")
        since = min(group.first for group in groups)
        summary = text("{service} rejected {count} since {since}", service=errors.service, count=count, since=since)
        told = (logged(group, errors.service) for group in groups)
        return confirmed(summary, *told, *alike(groups, errors.service))
    lines = Quantity(errors.lines, "lines")
    none = fact(text("{lines}, and no message rejected", lines=lines), log_of(errors.service))
    if errors.lines and any((queue.growth_per_minute or 0) > 0 for queue in queues):
        return ruled_out(text("The worker rejects no message: those that come in expired or overflowed"), none)
    return unknown(text("The messages were rejected before the log that is read begins"), none)


def _messages(count: int) -> Quantity:
    return Quantity(count, "messages")
